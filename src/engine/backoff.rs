//! How long to wait after a failure: exponential, with full jitter.

use super::rng::Rng;
use crate::units::Tick;

const FIRST_MS: u64 = 1_000;
/// The longest wait that the device chooses itself, in ms: 5 minutes.
pub const MAX_MS: u64 = 300_000;
const LEAST_MS: u64 = 100;
/// A server may ask for a day; an hour is as long as we take its word.
pub const MAX_RETRY_AFTER_MS: u64 = 3_600_000;

/// The wait after `failures` failures in a row, in ms; at least `retry_after` where the server named one.
pub fn delay(failures: u32, retry_after: Option<u64>, rng: &mut Rng) -> u64 {
    let ceiling = FIRST_MS.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(MAX_MS);
    let jittered = LEAST_MS + rng.next() % (ceiling - LEAST_MS);
    jittered.max(retry_after.unwrap_or(0).min(MAX_RETRY_AFTER_MS))
}

/// The wait between attempts of work on the device itself, which costs nobody else anything: at most 15 s.
fn local_delay(failures: u32, rng: &mut Rng) -> u64 {
    delay(failures.min(5), None, rng).min(15_000)
}

/// Work of the device's own that failed and is tried again.
#[derive(Debug, Default)]
pub struct Retry {
    failures: u32,
    at: Option<Tick>,
}

impl Retry {
    pub fn failed(&mut self, now: Tick, rng: &mut Rng) {
        self.failures += 1;
        self.at = Some(now.plus(local_delay(self.failures, rng)));
    }

    /// A request failed that is not tried again before the server is willing to.
    pub fn request_failed(&mut self, retry_after: Option<u64>, now: Tick, rng: &mut Rng) {
        self.failures += 1;
        self.at = Some(now.plus(delay(self.failures, retry_after, rng)));
    }

    pub fn succeeded(&mut self) {
        *self = Retry::default();
    }

    /// The next attempt is made now.
    pub fn retry_now(&mut self) {
        self.at = None;
    }

    /// Returns true if it is too early for the next attempt.
    pub fn waits(&self, now: Tick) -> bool {
        self.at.is_some_and(|at| at > now)
    }

    /// When to try again, if that is still to come.
    pub fn poll_timeout(&self, now: Tick) -> Option<Tick> {
        self.at.filter(|at| *at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_jitters_and_obeys() {
        let mut rng = Rng(7);
        let mut most = |failures| (0..200).map(|_| delay(failures, None, &mut rng)).max().unwrap();
        assert!(most(1) <= 1_000 && most(3) > 1_000 && most(3) <= 4_000);
        assert!(most(60) > 150_000 && most(60) <= MAX_MS);
        assert_eq!(delay(1, Some(20_000), &mut Rng(1)), 20_000);
        assert_eq!(delay(1, Some(86_400_000), &mut Rng(1)), MAX_RETRY_AFTER_MS);
    }
}
