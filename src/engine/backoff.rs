//! How long to wait after a failure: exponential, with full jitter.

use super::entropy::Entropy;

const FIRST_MS: u64 = 1_000;
const MOST_MS: u64 = 15_000;
const LEAST_MS: u64 = 100;

/// The wait after `failures` failures in a row, in ms; at least `retry_after` where the server named one.
pub fn delay(failures: u32, retry_after: Option<u64>, entropy: &mut Entropy) -> u64 {
    let ceiling = FIRST_MS.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(MOST_MS);
    let jittered = LEAST_MS + entropy.next() % (ceiling - LEAST_MS);
    // A server may ask for a day; an hour is as long as we take its word.
    jittered.max(retry_after.unwrap_or(0).min(3_600_000))
}

/// Something that failed and is tried again.
#[derive(Debug, Default)]
pub struct Retry {
    failures: u32,
    at: Option<u64>,
}

impl Retry {
    pub fn failed(&mut self, now: u64, entropy: &mut Entropy) {
        self.failures += 1;
        self.at = Some(now + delay(self.failures, None, entropy));
    }

    pub fn succeeded(&mut self) {
        *self = Retry::default();
    }

    /// The next attempt is made now.
    pub fn hurry(&mut self) {
        self.at = None;
    }

    /// Whether it is too early for the next attempt.
    pub fn waits(&self, now: u64) -> bool {
        self.at.is_some_and(|at| at > now)
    }

    /// When to try again, if that is still to come.
    pub fn next(&self, now: u64) -> Option<u64> {
        self.at.filter(|at| *at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_jitters_and_obeys() {
        let mut entropy = Entropy(7);
        let mut most = |failures| (0..200).map(|_| delay(failures, None, &mut entropy)).max().unwrap();
        assert!(most(1) <= 1_000 && most(3) > 1_000 && most(3) <= 4_000);
        assert!(most(60) > 8_000 && most(60) <= MOST_MS);
        assert_eq!(delay(1, Some(20_000), &mut Entropy(1)), 20_000);
    }
}
