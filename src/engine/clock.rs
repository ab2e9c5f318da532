//! Time as inputs bring it: a clock that only counts forward, for deadlines, and the wall clock, for people and rows.

use crate::units::{Millis, Tick};

/// The present on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub tick: Tick,
    pub at: Millis,
}

impl Now {
    /// The wall clock's time at a tick that lies ahead.
    pub fn at_tick(self, tick: Tick) -> Millis {
        self.at.plus(tick.elapsed_since(self.tick))
    }

    /// The tick of a time that the wall clock had when it was written down, perhaps in another life. One that lies more
    /// than `most` ms ahead is due now: the wall clock was set since.
    pub fn tick_at(self, at: Millis, most: u64) -> Tick {
        match at.elapsed_since(self.at) {
            ahead if ahead <= most => self.tick.plus(ahead),
            _ => self.tick,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_due_time_that_lies_absurdly_far_ahead_is_due_now() {
        let now = Now { tick: Tick(50), at: Millis(1_000) };
        assert_eq!(now.tick_at(Millis(1_300), 1_000), Tick(350));
        assert_eq!(now.tick_at(Millis(400), 1_000), Tick(50));
        assert_eq!(now.tick_at(Millis(9_000_000), 1_000), Tick(50));
    }

    #[test]
    fn a_tick_ahead_is_as_far_ahead_on_the_wall_clock() {
        let now = Now { tick: Tick(50), at: Millis(1_000) };
        assert_eq!(now.at_tick(Tick(80)), Millis(1_030));
        assert_eq!(now.at_tick(Tick(20)), Millis(1_000), "one that has passed is now");
        assert_eq!(now.tick_at(now.at_tick(Tick(80)), 1_000), Tick(80));
    }
}
