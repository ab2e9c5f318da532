//! The reference: what acknowledged actions come to, worked out in the plainest way, and the promises held against it.

use super::World;
use nightferry::store::{Row, Write};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A burst as it became durable.
#[derive(Debug, Clone)]
pub struct Burst {
    pub page: String,
    pub n: u64,
    pub actions: Value,
}

/// The bursts that a transaction makes durable.
pub fn bursts(writes: &[Write]) -> Vec<Burst> {
    let burst = |write: &Write| match write {
        Write::Put { store, row: Row::WithText { head, text }, .. } if &**store == "_journal" => {
            let head: Value = serde_json::from_str(head).expect("a head is JSON");
            let actions = serde_json::from_str(text).expect("a burst is JSON");
            Some(Burst { page: head["page"].as_str()?.into(), n: head["n"].as_u64()?, actions })
        }
        _ => None,
    };
    writes.iter().filter_map(burst).collect()
}

/// For each `(slice, id)`, the states that it went through; `None` where it did not exist.
pub type Histories = BTreeMap<(String, String), Vec<Option<Value>>>;

pub fn histories(log: &[Burst]) -> Histories {
    let mut histories = Histories::new();
    for action in log.iter().flat_map(|burst| burst.actions.as_array().expect("an array")) {
        let (slice, verb) =
            action["type"].as_str().and_then(|kind| kind.split_once('/')).expect("slice/verb");
        let payload = &action["payload"];
        match verb {
            "addItems" => {
                payload.as_array().expect("items").iter().for_each(|item| put(&mut histories, slice, item))
            }
            "addItem" => put(&mut histories, slice, payload),
            "removeItem" => states(&mut histories, slice, payload.get("id").unwrap_or(payload)).push(None),
            "updateItem" => {
                let states = states(&mut histories, slice, &payload["id"]);
                let Some(Some(Value::Object(mut item))) = states.last().cloned() else { continue };
                item.extend(payload.as_object().expect("fields").clone());
                states.push(Some(Value::Object(item)));
            }
            _ => histories.entry((slice.into(), "value".into())).or_default().push(Some(payload.clone())),
        }
    }
    histories
}

fn put(histories: &mut Histories, slice: &str, item: &Value) {
    states(histories, slice, &item["id"]).push(Some(item.clone()));
}

fn states<'a>(histories: &'a mut Histories, slice: &str, id: &Value) -> &'a mut Vec<Option<Value>> {
    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    histories.entry((slice.into(), id)).or_default()
}

impl World {
    /// P1 to P4, for slices whose store has their name: every durable burst took effect once and in order, here and on
    /// the server, and nothing is left over. `local` names the slices that never go there.
    pub fn check_converged(&self, local: &[&str]) {
        for store in ["_journal", "_outbox"] {
            assert_eq!(
                self.disk.count(store),
                0,
                "{store} has rows: {:?}",
                self.disk.store.rows(store).collect::<Vec<_>>()
            );
        }
        assert_eq!(self.disk.meta("push"), None, "_meta.push is left over");
        self.check_bursts();
        self.check_effects();
        let histories = histories(&self.log);
        for ((slice, id), states) in &histories {
            let value = states.last().cloned().flatten();
            assert_eq!(self.disk.item(slice, id), value, "{slice} {id} in the store");
            if !local.contains(&&**slice) {
                assert_eq!(self.server.value(slice, id), value, "{slice} {id} on the server");
            }
        }
        let sent = self
            .server
            .live()
            .into_iter()
            .filter(|key| local.contains(&&*key.0) || !histories.contains_key(key));
        assert_eq!(sent.collect::<Vec<_>>(), [], "the server has what it should not");
        let status = self.engine.as_ref().expect("a worker").status();
        assert_eq!((status.pending, status.conflicts), (0, 0), "{status:?}");
    }

    /// Each page's bursts became durable once each and in their order.
    fn check_bursts(&self) {
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        for burst in &self.log {
            let last = seen.entry(&burst.page).or_default();
            assert_eq!(burst.n, *last + 1, "{} went from {last} to {}", burst.page, burst.n);
            *last = burst.n;
        }
        for page in &self.pages {
            assert!(page.unacknowledged.is_empty(), "never acknowledged: {:?}", page.unacknowledged);
        }
    }

    /// P2, P3: the states that an item took on the server are states that it went through here, in that order, and
    /// none twice.
    pub fn check_effects(&self) {
        let histories = histories(&self.log);
        let none = Vec::new();
        let touched: BTreeSet<_> = self.server.effects.iter().map(|effect| effect.0.clone()).collect();
        for key in touched {
            let mut states = histories.get(&key).unwrap_or(&none).iter();
            for (_, value) in self.server.effects.iter().filter(|effect| effect.0 == key) {
                let all = self.server.effects.iter().filter(|effect| effect.0 == key).map(|effect| &effect.1);
                assert!(
                    states.any(|state| state == value),
                    "{key:?} became {value:?} on the server, again or out of order: {:?} there, {:?} here",
                    all.collect::<Vec<_>>(),
                    histories.get(&key)
                );
            }
        }
    }
}
