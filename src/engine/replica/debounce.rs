//! When items are to be written: one deadline an item, in one table (f36).

use crate::store::Key;
use crate::units::Tick;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Debounce {
    due: BTreeMap<Key, Tick>,
    order: BTreeSet<(Tick, Key)>,
}

impl Debounce {
    /// (Re)starts the item's timer.
    pub fn set(&mut self, key: &Key, at: Tick) {
        if let Some(before) = self.due.insert(key.clone(), at) {
            self.order.remove(&(before, key.clone()));
        }
        self.order.insert((at, key.clone()));
    }

    /// Starts the item's timer, or brings it forward.
    pub fn set_earlier(&mut self, key: &Key, at: Tick) {
        if self.due.get(key).is_none_or(|due| *due > at) {
            self.set(key, at);
        }
    }

    /// Ends the wait of an item whose timer runs.
    pub fn expire(&mut self, key: &Key, now: Tick) {
        if self.due.get(key).is_some_and(|due| *due > now) {
            self.set(key, now);
        }
    }

    /// Items whose deadline is after `now`.
    pub fn after(&self, now: Tick) -> impl Iterator<Item = &Key> {
        self.order.range((now.plus(1), Key::new("", ""))..).map(|(_, key)| key)
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Tick> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The first deadline after `now`.
    pub fn next_after(&self, now: Tick) -> Option<Tick> {
        let first = self.after(now).next();
        first.and_then(|key| self.due.get(key)).copied()
    }

    /// Items that are due, the longest waiting first.
    pub fn due(&self, now: Tick) -> impl Iterator<Item = &Key> {
        self.order.iter().take_while(move |(at, _)| *at <= now).map(|(_, key)| key)
    }

    pub fn is_due(&self, key: &Key, now: Tick) -> bool {
        self.due.get(key).is_some_and(|due| *due <= now)
    }

    pub fn remove(&mut self, key: &Key) {
        if let Some(at) = self.due.remove(key) {
            self.order.remove(&(at, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f36_each_item_has_its_own_timer() {
        let (a, b) = (Key::new("s", "a"), Key::new("s", "b"));
        let mut debounce = Debounce::default();
        debounce.set(&a, Tick(10));
        debounce.set(&b, Tick(20));
        debounce.set(&a, Tick(30));
        assert_eq!(debounce.next(), Some(Tick(20)));
        assert_eq!(debounce.due(Tick(20)).collect::<Vec<_>>(), [&b]);
        debounce.remove(&b);
        debounce.expire(&a, Tick(5));
        assert_eq!(debounce.due(Tick(5)).collect::<Vec<_>>(), [&a]);
    }
}
