//! The line to the server: how fast it is, and how much fits into one request.

use crate::protocol::MAX_PUSH_BYTES;

/// A request may take this long, in ms, beside the time that its body takes.
const TIMEOUT_MS: u64 = 10_000;
/// No request takes longer than this, in ms. The largest item, of 4 MiB, has time enough on a line of 7 KB a second. A silent
/// server holds up everything else no longer than this.
const MAX_TIMEOUT_MS: u64 = 600_000;
/// The rate that is assumed, and the least, in bytes per ms.
const USUAL_RATE: u64 = 50;
const LEAST_RATE: u64 = 1;
/// A body should not take longer than this, in ms.
const BODY_MS: u64 = 20_000;
/// An answer is not waited for longer than this, in ms.
const MAX_ANSWER_MS: u64 = 100_000;
/// From this size on, a request says something about the rate.
const TELLING_BYTES: usize = 50_000;
/// No limit that a server names makes requests smaller than this, in bytes.
const LEAST_LIMIT: usize = 16_000;

#[derive(Debug)]
pub struct Line {
    rate: u64,
    /// The largest body that the server and what is before it take.
    limit: usize,
}

impl Default for Line {
    fn default() -> Self {
        Line { rate: USUAL_RATE, limit: MAX_PUSH_BYTES }
    }
}

impl Line {
    /// With the limit that an earlier life has learnt.
    pub fn with_limit(limit: usize) -> Self {
        Line { limit: limit.clamp(LEAST_LIMIT, MAX_PUSH_BYTES), ..Line::default() }
    }

    /// Returns the time of a request of so many bytes, in ms.
    pub fn timeout(&self, bytes: usize) -> u64 {
        (TIMEOUT_MS + bytes as u64 / self.rate).min(MAX_TIMEOUT_MS)
    }

    /// Returns the time of a request whose answer may have so many bytes, in ms.
    pub fn answer_timeout(&self, bytes: usize) -> u64 {
        TIMEOUT_MS + (bytes as u64 / self.rate).min(MAX_ANSWER_MS)
    }

    /// The most bytes of the next body.
    pub fn room(&self) -> usize {
        self.limit.min((self.rate * BODY_MS) as usize)
    }

    /// The limit, where the server has taught one.
    pub fn learnt_limit(&self) -> Option<usize> {
        (self.limit < MAX_PUSH_BYTES).then_some(self.limit)
    }

    pub fn is_slow(&self) -> bool {
        self.rate < USUAL_RATE / 2
    }

    /// Measures a request of so many bytes that was answered after so many ms.
    pub fn answered(&mut self, bytes: usize, ms: u64) {
        if bytes >= TELLING_BYTES {
            let measured = (bytes as u64 / ms.max(1)).clamp(LEAST_RATE, USUAL_RATE);
            self.rate = (self.rate + measured).div_ceil(2);
        } else if self.rate < USUAL_RATE {
            self.rate += 1;
        }
    }

    /// Measures a request of so many bytes that got no answer for so many ms.
    pub fn timed_out(&mut self, bytes: usize, ms: u64) {
        if bytes >= TELLING_BYTES {
            let at_most = (bytes as u64 / ms.max(1)).clamp(LEAST_RATE, self.rate);
            self.rate = (at_most / 2).max(LEAST_RATE);
        }
    }

    /// A body of so many bytes was too large.
    pub fn too_large(&mut self, bytes: usize) {
        self.limit = self.limit.min(bytes / 2).max(LEAST_LIMIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f48_on_a_slow_line_requests_get_smaller_and_more_time() {
        let mut line = Line::default();
        assert_eq!(line.room(), MAX_PUSH_BYTES);
        let timeout = line.timeout(400_000);
        line.timed_out(400_000, timeout);
        assert!(line.room() <= 250_000 && line.is_slow(), "{line:?}");
        // A body that 10 KB a second carry has time enough.
        assert!(line.timeout(line.room()) > line.room() as u64 / 10, "{line:?}");
        for _ in 0..10 {
            line.answered(100_000, 1_000);
        }
        assert!(!line.is_slow(), "{line:?}");
    }

    #[test]
    fn f48_the_largest_item_has_time_enough_and_no_request_has_more_than_ten_minutes() {
        const LARGEST: usize = 4 * 1024 * 1024;
        let mut line = Line::default();
        for _ in 0..2 {
            line.timed_out(LARGEST, line.timeout(LARGEST));
        }
        assert!(line.timeout(LARGEST) as usize > LARGEST / 10, "10 KB a second carry it: {line:?}");
        for _ in 0..10 {
            line.timed_out(LARGEST, line.timeout(LARGEST));
        }
        assert_eq!(line.timeout(LARGEST), MAX_TIMEOUT_MS);
        assert!(
            line.timeout(line.room()) <= TIMEOUT_MS + BODY_MS,
            "several operations wait no longer than before"
        );
    }

    #[test]
    fn f49_what_was_too_large_is_remembered() {
        let mut line = Line::default();
        line.too_large(800_000);
        assert_eq!((line.room(), line.learnt_limit()), (400_000, Some(400_000)));
        assert_eq!(Line::with_limit(400_000).room(), 400_000);
        line.too_large(20);
        assert_eq!(line.room(), LEAST_LIMIT, "one large item says nothing about small ones");
    }
}
