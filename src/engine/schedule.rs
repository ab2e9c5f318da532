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

    /// Whether the period is over; the next one has begun then.
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

    /// Whether so many items wait that they are committed without waiting for quiet.
    pub fn is_full(&self, waiting: usize) -> bool {
        self.config.enabled && waiting >= self.config.max_queue
    }

    /// Whether every commit is followed by a sync.
    pub fn follows_changes(&self) -> bool {
        self.config.enabled && self.config.on_change
    }
}
