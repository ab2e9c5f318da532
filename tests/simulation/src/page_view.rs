//! A page's own copy of the items. The page's bursts show at once, and lie over the worker's changes until the worker says that
//! they are in effect. Changes heard while the page reads a slice are newer than the rows that come.

use crate::actions::{Change, Key, changes};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

type Items = BTreeMap<Key, Value>;

#[derive(Default)]
pub struct PageView {
    /// The worker's items, as far as the page knows.
    base: Items,
    /// The bursts that are not known to be in effect.
    over: VecDeque<(u64, Vec<Value>)>,
    /// By slice: the reading under way, and what was heard since it was asked for.
    reading: BTreeMap<String, (u64, Vec<Heard>)>,
}

#[derive(Clone)]
enum Heard {
    Changed(Rc<Value>),
    /// Of this burst.
    Own(u64, Value),
}

impl PageView {
    pub fn dispatched(&mut self, n: u64, actions: Vec<Value>) {
        self.over.push_back((n, actions));
    }

    /// The page's bursts up to `n` are in effect, and in whatever the worker tells from now on.
    pub fn in_effect(&mut self, n: u64) {
        while self.over.front().is_some_and(|(first, _)| *first <= n) {
            let Some((n, actions)) = self.over.pop_front() else { return };
            for action in actions {
                self.apply(Heard::Own(n, action));
            }
        }
    }

    pub fn changed(&mut self, message: &Rc<Value>) {
        self.apply(Heard::Changed(message.clone()));
    }

    fn apply(&mut self, pending: Heard) {
        apply(&mut self.base, &pending);
        if let Some((_, since)) = self.reading.get_mut(&pending.slice()) {
            since.push(pending);
        }
    }

    pub fn asked(&mut self, slice: &str, request: u64) {
        // This reading has the changes that a former one missed.
        self.reading.insert(slice.into(), (request, Vec::new()));
    }

    /// The reading under way comes to nothing.
    pub fn gives_up(&mut self, slice: &str, request: u64) {
        if self.reading.get(slice).is_some_and(|(asked, _)| *asked == request) {
            self.reading.remove(slice);
        }
    }

    /// A worker has started and answers the reading that is under way. Changes heard before are in that worker's rows. Returns
    /// false where no reading is under way.
    pub fn reads_on(&mut self, slice: &str) -> bool {
        self.reading.get_mut(slice).map(|(_, since)| since.clear()).is_some()
    }

    /// `newer` are the changes since then that the page's client has kept.
    pub fn rows(&mut self, slice: &str, request: u64, message: &Value, newer: &[Rc<Value>]) {
        if self.reading.get(slice).is_none_or(|(asked, _)| *asked != request) {
            return;
        }
        let Some((_, since)) = self.reading.remove(slice) else { return };
        self.base.retain(|key, _| key.0 != slice);
        for row in message["rows"].as_array().into_iter().flatten() {
            self.base.insert((slice.into(), row[0].as_str().unwrap_or_default().into()), row[1].clone());
        }
        // An update that did nothing is not in the rows, and would do something to what they have by now.
        let [n, position] = [&message["n"], &message["position"]].map(|of| of.as_u64().unwrap_or(0));
        let is_in = |pending: &Heard| match pending {
            Heard::Own(own, _) => *own <= n,
            Heard::Changed(changed) => changed["position"].as_u64().unwrap_or(0) <= position,
        };
        let kept = since.iter().filter(|pending| !is_in(pending));
        let mut newer = newer.iter();
        kept.clone().for_each(|pending| {
            if let Heard::Changed(changed) = pending {
                assert_eq!(newer.next(), Some(changed), "the client keeps every change of a read");
            }
        });
        assert_eq!(newer.next(), None, "the client keeps no other changes");
        kept.for_each(|pending| apply(&mut self.base, pending));
        // Bursts that are in the rows do not go on top of them.
        for (own, actions) in self.over.iter_mut().filter(|(own, _)| *own <= n) {
            actions.retain(|action| Heard::Own(*own, action.clone()).slice() != slice);
        }
    }

    /// Returns the items that the page shows.
    pub fn view(&self) -> Items {
        let mut view = self.base.clone();
        for (n, actions) in &self.over {
            actions.iter().for_each(|action| apply(&mut view, &Heard::Own(*n, action.clone())));
        }
        view
    }
}

impl Heard {
    fn slice(&self) -> String {
        match self {
            Heard::Changed(message) => message["slice"].as_str().unwrap_or_default().into(),
            Heard::Own(_, action) => {
                action["type"].as_str().unwrap_or_default().split('/').next().unwrap_or_default().into()
            }
        }
    }
}

fn apply(items: &mut Items, pending: &Heard) {
    match pending {
        Heard::Own(_, action) => {
            for (key, change) in changes(action) {
                if let Change::All = &change {
                    items.retain(|other, _| other.0 != key.0);
                }
                match change.over(items.get(&key)) {
                    Some(Some(value)) => drop(items.insert(key, value)),
                    Some(None) => drop(items.remove(&key)),
                    None => {}
                }
            }
        }
        Heard::Changed(message) => {
            let slice = message["slice"].as_str().unwrap_or_default();
            for put in message["puts"].as_array().into_iter().flatten() {
                items.insert(
                    (slice.into(), put["id"].as_str().unwrap_or_default().into()),
                    put["value"].clone(),
                );
            }
            for id in message["deletes"].as_array().into_iter().flatten() {
                items.remove(&(slice.to_owned(), id.as_str().unwrap_or_default().to_owned()));
            }
        }
    }
}
