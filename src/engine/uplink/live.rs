//! The live connection: while a page is awake, the server pokes the device when there is something to pull.
//!
//! ```text
//!           wanted            the server speaks
//!  Closed ─────────► Opening ──────────────────► Open ── poked ──► a pull is due
//!    ▲                  └── failed ──┐             │
//!    └── not wanted ── Waiting ◄──────┴── closed ───┘
//! ```
//!
//! # Invariants
//!
//! 1. At most one connection is open, and only while someone wants it.
//! 2. After a failure none is opened before a wait that grows until the server speaks.
//! 3. Messages of a connection that was given up change nothing.
//! 4. A missed poke costs at most one interval of auto-sync: nothing else relies on the connection.

use crate::engine::backoff::Retry;
use crate::engine::rng::Rng;
use crate::units::Tick;

#[derive(Debug, Default)]
enum State {
    #[default]
    Closed,
    /// The connection of this number was asked for. `is_open` is true once the server has spoken.
    Connected { number: u64, is_open: bool },
}

#[derive(Debug, Default)]
pub struct Live {
    state: State,
    last_number: u64,
    retry: Retry,
}

/// The next step of the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum LiveStep {
    /// Open this one.
    Open(u64),
    /// Close the one that is open.
    Close,
}

impl Live {
    /// Returns the next step, given whether a connection is wanted.
    pub fn poll(&mut self, is_wanted: bool, now: Tick) -> Option<LiveStep> {
        match (&self.state, is_wanted) {
            (State::Closed, true) if !self.retry.waits(now) => {
                self.last_number += 1;
                self.state = State::Connected { number: self.last_number, is_open: false };
                Some(LiveStep::Open(self.last_number))
            }
            (State::Connected { .. }, false) => {
                self.state = State::Closed;
                Some(LiveStep::Close)
            }
            _ => None,
        }
    }

    /// Returns true if the server pokes the device.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Connected { is_open: true, .. })
    }

    /// The server spoke on a connection. Returns false if that was given up.
    pub fn spoke(&mut self, number: u64) -> bool {
        match &mut self.state {
            State::Connected { number: open, is_open } if *open == number => {
                *is_open = true;
                self.retry.succeeded();
                true
            }
            _ => false,
        }
    }

    /// A connection ended by itself, or could not be made.
    pub fn ended(&mut self, number: u64, now: Tick, rng: &mut Rng) {
        if matches!(self.state, State::Connected { number: open, .. } if open == number) {
            self.state = State::Closed;
            self.retry.request_failed(None, now, rng);
        }
    }

    /// When a connection is tried again.
    pub fn poll_timeout(&self, now: Tick) -> Option<Tick> {
        self.retry.poll_timeout(now).filter(|_| matches!(self.state, State::Closed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_open_while_it_is_wanted() {
        let mut live = Live::default();
        assert_eq!(live.poll(false, Tick(0)), None);
        assert_eq!(live.poll(true, Tick(0)), Some(LiveStep::Open(1)));
        assert_eq!(live.poll(true, Tick(0)), None);
        assert!(live.spoke(1) && live.is_open());
        assert_eq!(live.poll(false, Tick(0)), Some(LiveStep::Close));
        assert!(!live.spoke(1), "what it says after that changes nothing");
        live.ended(1, Tick(0), &mut Rng(1));
        assert_eq!(live.poll(true, Tick(0)), Some(LiveStep::Open(2)), "no failure, no wait");
    }

    #[test]
    fn a_failure_waits_longer_each_time_until_the_server_speaks() {
        let (mut live, mut rng) = (Live::default(), Rng(1));
        let mut longest = Tick(0);
        for number in 1..20 {
            let now = Tick(number * 1_000_000);
            assert_eq!(live.poll(true, now), Some(LiveStep::Open(number)));
            live.ended(number, now, &mut rng);
            assert_eq!(live.poll(true, now), None);
            longest = longest.max(Tick(live.poll_timeout(now).unwrap().elapsed_since(now)));
        }
        assert!(longest > Tick(60_000), "{longest:?}");
        let now = Tick(1_000_000_000);
        assert_eq!(live.poll(true, now), Some(LiveStep::Open(20)));
        live.spoke(20);
        live.ended(20, now, &mut rng);
        assert!(live.poll_timeout(now).unwrap() <= now.plus(1_000));
    }
}
