//! Auto-sync: when the device syncs on its own.

use crate::bridge::config::AutoSync;
use crate::units::Tick;

#[derive(Debug, Default)]
pub struct Schedule {
    config: AutoSync,
    /// The next sync; `None` while auto-sync is off.
    next: Option<Tick>,
}

impl Schedule {
    /// Takes settings up. A period that is set anew begins now (f31).
    pub fn set(&mut self, config: &AutoSync, now: Tick) {
        if self.config != *config || self.next.is_none() {
            self.config = config.clone();
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Tick) {
        self.next = self.config.enabled.then_some(now.plus(self.config.interval_ms));
    }

    /// Returns true if the period is over; the next one has begun then.
    pub fn is_due(&mut self, now: Tick) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.begin(now);
        }
        due
    }

    pub fn config(&self) -> &AutoSync {
        &self.config
    }

    pub fn poll_timeout(&self) -> Option<Tick> {
        self.next
    }

    /// Returns true if so many items wait that they are committed without waiting for quiet.
    pub fn is_full(&self, waiting: usize) -> bool {
        self.config.enabled && waiting >= self.config.max_queue
    }

    /// Returns true if every commit is followed by a sync.
    pub fn follows_changes(&self) -> bool {
        self.config.enabled && self.config.on_change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(interval_ms: u64) -> AutoSync {
        AutoSync { interval_ms, ..AutoSync::default() }
    }

    #[test]
    fn f31_the_period_is_what_is_configured_from_the_moment_it_is_configured() {
        let mut schedule = Schedule::default();
        schedule.set(&every(60_000), Tick(0));
        schedule.set(&every(5_000), Tick(10_000));
        assert_eq!(schedule.poll_timeout(), Some(Tick(15_000)));
        schedule.set(&every(5_000), Tick(14_000));
        assert_eq!(schedule.poll_timeout(), Some(Tick(15_000)), "the same settings begin no period");
        assert!(schedule.is_due(Tick(15_000)) && !schedule.is_due(Tick(15_000)));
        assert_eq!(schedule.poll_timeout(), Some(Tick(20_000)));
    }

    #[test]
    fn f32_off_is_off() {
        let off = AutoSync { enabled: false, on_change: true, max_queue: 1, ..AutoSync::default() };
        let mut schedule = Schedule::default();
        schedule.set(&off, Tick(0));
        assert!(!schedule.is_due(Tick(1_000_000)) && schedule.poll_timeout().is_none());
        assert!(!schedule.follows_changes() && !schedule.is_full(100));
        schedule.set(&AutoSync { enabled: true, ..off }, Tick(0));
        assert!(schedule.follows_changes() && schedule.is_full(1) && !schedule.is_full(0));
    }
}
