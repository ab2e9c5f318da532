//! When items fall quiet: one deadline an item, in one table (f36).

use crate::store::Key;
use crate::table::{Set, Table};

#[derive(Debug, Default)]
pub struct Debounce {
    due: Table<Key, u64>,
    order: Set<(u64, Key)>,
}

impl Debounce {
    /// (Re)starts the item's timer.
    pub fn set(&mut self, key: &Key, at: u64) {
        if let Some(before) = self.due.insert(key.clone(), at) {
            self.order.remove(&(before, key.clone()));
        }
        self.order.insert((at, key.clone()), 0);
    }

    /// Moves the timer of an item that is not due yet.
    pub fn change(&mut self, key: &Key, at: u64, now: u64) {
        if self.due.get(key).is_some_and(|due| *due > now) {
            self.set(key, at);
        }
    }

    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.due.keys()
    }

    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Makes every waiting item due.
    pub fn expire_all(&mut self, now: u64) {
        let mut waiting = Vec::new();
        for (key, at) in self.due.iter() {
            if *at > now {
                waiting.push(key.clone());
            }
        }
        for key in &waiting {
            self.set(key, now);
        }
    }

    /// The next deadline.
    pub fn next(&self) -> Option<u64> {
        self.order.keys().next().map(|(at, _)| *at)
    }

    /// Items that are due, the longest waiting first.
    pub fn due(&self, now: u64) -> impl Iterator<Item = &Key> {
        self.order.keys().take_while(move |(at, _)| *at <= now).map(|(_, key)| key)
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
    fn each_item_has_its_own_timer() {
        let (a, b) = (Key::new("s", "a"), Key::new("s", "b"));
        let mut debounce = Debounce::default();
        debounce.set(&a, 10);
        debounce.set(&b, 20);
        debounce.set(&a, 30);
        assert_eq!(debounce.next(), Some(20));
        assert_eq!(debounce.due(20).collect::<Vec<_>>(), [&b]);
        debounce.remove(&b);
        debounce.expire_all(5);
        assert_eq!(debounce.due(5).collect::<Vec<_>>(), [&a]);
    }
}
