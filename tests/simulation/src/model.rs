//! The reference: what durable bursts come to, worked out in the plainest way, burst by burst as each becomes durable.

use crate::actions::{Change, Key, changes};
use crate::fleet::ledger;
use crate::property::{Property, violated};
use crate::writes::ids;
use nightferry::store::{JOURNAL, META, Row, RowKey, Write};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// At least the times that a slice has that names none.
const DEFAULT_QUIET_MS: u64 = 5_000;

/// A burst as it became durable.
#[derive(Debug, Clone)]
pub struct Burst {
    pub page: String,
    pub n: u64,
    pub position: u64,
    /// Its record could not be read and was put quarantined.
    pub quarantined: bool,
    /// The states that its changes led to: items, and the place of the state in the item's history.
    pub states: Vec<(Key, usize)>,
}

#[derive(Debug, Default)]
pub struct Model {
    /// In the order of their positions.
    pub bursts: Vec<Burst>,
    /// How far each page's bursts are durable.
    durable: BTreeMap<String, u64>,
    /// The states that each item went through; `None` where it did not exist.
    items: BTreeMap<Key, Vec<Option<Value>>>,
    /// When each tagged change of an item was made, in the order of all.
    order: BTreeMap<(Key, u64), usize>,
    changes: usize,
    /// Set by the world: the step under way.
    pub step: usize,
    /// When each field of an item was written here last; the field "" is the whole item.
    touched: BTreeMap<(Key, String), usize>,
    /// The last write of each field.
    pub last_writes: BTreeMap<Key, BTreeMap<String, u64>>,
    /// Items of which a refused change was retried or discarded.
    pub decided: BTreeSet<Key>,
    /// The page that deleted an item last, and the position of its burst.
    deleted_by: BTreeMap<Key, (String, u64)>,
    /// Items that a page updated without having seen another page's change. The result of the merge is not known here.
    pub merged: BTreeSet<Key>,
    /// The leaves of values of the server that records in the journal brought.
    pub learnt: BTreeSet<u64>,
    /// The server's sides of items as records in the journal told them, one after the other: the leaves, or `None` if deleted.
    pub sides: Vec<(Key, Option<BTreeSet<u64>>)>,
    /// Bursts of which the journal has been trimmed, from the front.
    pub trimmed: usize,
    marks: BTreeMap<String, u64>,
    /// The slices as they are registered, and those that were ever registered to be sent.
    slices: Value,
    sent: BTreeSet<String>,
    longest_quiet: u64,
    /// Bursts that a page had when its user signed out are dropped: the next one has any number.
    pub has_signed_out: bool,
}

impl Model {
    /// A transaction took effect.
    pub fn observe(&mut self, writes: &[Write]) {
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("what is written is JSON");
        for write in writes {
            match write {
                Write::Put { store, key: RowKey::Number(position), row: Row::WithText { head, text } }
                    if &**store == JOURNAL && read(head)["kind"] == "burst" =>
                {
                    self.apply(*position, &read(head), &read(text));
                }
                Write::Put { store, row: Row::WithText { text, .. }, .. } if &**store == JOURNAL => {
                    let record = read(text);
                    let rows = [&record["results"], &record["changes"]].into_iter();
                    for row in rows.filter_map(Value::as_array).flatten() {
                        self.learnt.extend(ledger::leaves(&row["value"]).into_values());
                        self.hear_of_side(row);
                    }
                }
                // The user signs out. The items stay where the server has them.
                Write::Clear { store } if &**store == META => {
                    self.bursts.clear();
                    self.trimmed = 0;
                    self.durable.clear();
                    self.has_signed_out = true;
                    self.marks.clear();
                }
                Write::Delete { store, key: RowKey::Number(position) } if &**store == JOURNAL => {
                    let quarantined = self.bursts.iter_mut().filter(|burst| burst.position == *position);
                    quarantined.for_each(|burst| burst.quarantined = true);
                }
                Write::Put { store, key: RowKey::Text(name), row: Row::Json(json) }
                    if &**store == META && &**name == "settings" =>
                {
                    self.registered(&read(json));
                }
                Write::Put { store, key: RowKey::Text(name), row: Row::Json(json) }
                    if &**store == META && (&**name == "position" || name.starts_with("page:")) =>
                {
                    self.marked(name, &read(json));
                }
                _ => {}
            }
        }
    }

    /// Notes the server's side from a row of an answer or of a page of a pull. A value that was applied as sent is that side.
    fn hear_of_side(&mut self, row: &Value) {
        let tells = |side: &Value| side["deleted"] == true || !side["value"].is_null();
        let sent = Some(&row["sent"]).filter(|_| row["status"] == "applied");
        let Some(side) = [Some(row), sent].into_iter().flatten().find(|side| tells(side)) else { return };
        let key = ["slice", "id"].map(|name| row[name].as_str().expect("a row names its item").to_owned());
        let leaves = || ledger::leaves(&side["value"]).into_values().collect();
        self.sides.push((key.into(), (side["deleted"] != true).then(leaves)));
    }

    /// How far the journal is trimmed, and a page's bursts are taken, goes forward only: what is behind it is forgotten.
    fn marked(&mut self, name: &str, mark: &Value) {
        let mark = mark.as_u64().or(mark["n"].as_u64()).expect("a mark is a number");
        let before = self.marks.insert(name.to_owned(), mark).unwrap_or(0);
        if mark < before {
            violated(Property::Forward, format!("{name} goes from {before} back to {mark}"));
        }
    }

    /// Configured settings win over registered ones; the settings of auto-sync stand among those of slices.
    fn registered(&mut self, settings: &Value) {
        let mut slices = settings["registered"].clone();
        for (name, configured) in settings["configured"].as_object().expect("settings") {
            if let (Some(slice), Some(configured)) = (slices[name].as_object_mut(), configured.as_object()) {
                slice.extend(configured.clone());
            }
        }
        slices.as_object_mut().expect("slices").retain(|name, _| !name.starts_with('@'));
        self.slices = slices;
        let times = self.slices.as_object().expect("slices").values();
        let times = times.flat_map(|slice| [&slice["debounceMs"], &slice["maxWaitMs"]]);
        let longest = times.filter_map(Value::as_u64).max().unwrap_or(0);
        self.longest_quiet = self.longest_quiet.max(longest);
        let names = self.slices.as_object().expect("slices").keys();
        let sent: Vec<String> =
            names.filter(|name| self.slices[*name]["syncToFlask"] != false).cloned().collect();
        self.sent.extend(sent);
    }

    /// Each slice with its object store.
    pub fn stores(&self) -> impl Iterator<Item = (&str, &str)> {
        self.slices.as_object().into_iter().flatten().map(|(slice, _)| (&**slice, self.store_of(slice)))
    }

    /// The object store of a slice.
    pub fn store_of<'a>(&'a self, slice: &'a str) -> &'a str {
        self.slices[slice]["storeName"].as_str().unwrap_or(slice)
    }

    /// Returns true if the slice's changes go to the server now.
    pub fn is_sent(&self, slice: &str) -> bool {
        let slice = &self.slices[slice];
        slice.is_object() && slice["syncToFlask"] != false && slice["enabled"] != false
    }

    /// Returns true if a slice's changes wait for a switch.
    pub fn is_any_off(&self) -> bool {
        ["files", "notes"].iter().any(|slice| !self.is_sent(slice))
    }

    /// The longest time that any slice waits for quiet, in ms. A time that was shortened may be running still.
    pub fn longest_quiet(&self) -> u64 {
        self.longest_quiet.max(DEFAULT_QUIET_MS)
    }

    /// The slices of which nothing may ever have left.
    pub fn local(&self) -> impl Iterator<Item = &String> {
        let names = self.slices.as_object().into_iter().flatten().map(|(name, _)| name);
        names.filter(|name| !self.sent.contains(*name))
    }

    fn apply(&mut self, position: u64, head: &Value, actions: &Value) {
        let page = head["page"].as_str().expect("a page").to_owned();
        let n = head["n"].as_u64().expect("n");
        let first = self.has_signed_out.then_some(n - 1);
        let last = self.durable.entry(page.clone()).or_insert(first.unwrap_or_default());
        if n != *last + 1 {
            violated(Property::Gapless, format!("{page} went from {last} to {n}"));
        }
        *last = n;
        if self.bursts.last().is_some_and(|burst| burst.position >= position) {
            violated(Property::Gapless, format!("the position {position} was taken before"));
        }
        self.note_decisions(actions);
        let seen = head["seen"].as_u64().unwrap_or(0);
        let mut led_to = Vec::new();
        let changes: Vec<_> = actions.as_array().into_iter().flatten().flat_map(changes).collect();
        let mut changes: std::collections::VecDeque<_> = changes.into();
        while let Some((key, change)) = changes.pop_front() {
            self.changes += 1;
            // An action without a known slice does nothing.
            if self.slices.get(&key.0).is_none() {
                continue;
            }
            if let Change::All = &change {
                // Of a single value there is no item of such a key.
                if self.slices[&key.0]["single"] != true {
                    // Items that only another device has made go, too.
                    self.touched.insert((key.clone(), String::new()), self.step);
                    let all: Vec<Key> = self.items.keys().filter(|other| other.0 == key.0).cloned().collect();
                    all.into_iter().for_each(|other| changes.push_front((other, Change::Delete)));
                }
                continue;
            }
            let deleted = self.deleted_by.get(&key).filter(|(by, at)| *by != page && seen < *at);
            let is_deleted_unseen =
                deleted.is_some() && matches!(change, Change::Update { .. }) && self.value(&key).is_none();
            if is_deleted_unseen || change.is_behind(self.value(&key)) {
                self.merged.insert(key.clone());
            }
            let Some(after) = change.over(self.value(&key)) else {
                // Another device may have made the item.
                self.touched.insert((key.clone(), String::new()), self.step);
                continue;
            };
            self.note_writes(&key, &change, after.as_ref());
            let states = self.items.entry(key.clone()).or_default();
            led_to.push((key.clone(), states.len()));
            if after.is_none() {
                self.deleted_by.insert(key.clone(), (page.clone(), position));
            }
            states.push(after);
        }
        self.bursts.push(Burst { page, n, position, quarantined: false, states: led_to });
    }

    /// A refused change is decided on: `<slice>/<position>/<item id>`.
    fn note_decisions(&mut self, actions: &Value) {
        for action in actions.as_array().into_iter().flatten() {
            if action["type"].as_str().is_some_and(|kind| kind.starts_with('@'))
                && let Some((slice, rest)) = action["id"].as_str().and_then(|id| id.split_once('/'))
                && let Some((_, id)) = rest.split_once('/')
            {
                self.decided.insert((slice.into(), id.into()));
            }
        }
    }

    fn note_writes(&mut self, key: &Key, change: &Change, after: Option<&Value>) {
        let is_update = matches!(change, Change::Update { .. });
        let last = self.last_writes.entry(key.clone()).or_default();
        let after = after.map(ids).unwrap_or_default();
        for (field, write) in &after {
            self.order.entry((key.clone(), *write)).or_insert(self.changes);
            if last.get(field) != Some(write) {
                self.touched.insert((key.clone(), field.clone()), self.step);
            }
        }
        if let Change::Update { fields, unset, .. } = change {
            let named = fields.as_object().into_iter().flatten().map(|(name, _)| &**name);
            for field in named.chain(unset.iter().copied()) {
                self.touched.insert((key.clone(), field.to_owned()), self.step);
            }
        }
        if !is_update {
            self.touched.insert((key.clone(), String::new()), self.step);
        }
        *last = after;
    }

    /// The step in which a field of the item was written here last; 0 if it never was.
    pub fn touched(&self, key: &Key, field: &str) -> usize {
        let of =
            |key: &Key, field: &str| self.touched.get(&(key.clone(), field.to_owned())).copied().unwrap_or(0);
        let slice = (key.0.clone(), String::new());
        of(key, field).max(of(key, "")).max(of(&slice, ""))
    }

    /// How far a page's bursts are durable.
    pub fn durable(&self, page: &str) -> u64 {
        self.durable.get(page).copied().unwrap_or(0)
    }

    /// The states that an item went through.
    pub fn states(&self, key: &Key) -> &[Option<Value>] {
        self.items.get(key).map_or(&[], Vec::as_slice)
    }

    /// Returns the value that the item should have.
    pub fn value(&self, key: &Key) -> Option<&Value> {
        self.states(key).last().and_then(Option::as_ref)
    }

    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.items.keys()
    }

    /// When the change was made that gave the item this tag.
    pub fn made(&self, key: &Key, tag: u64) -> Option<usize> {
        self.order.get(&(key.clone(), tag)).copied()
    }

    /// The states that these bursts of a page led to.
    pub fn of_page<'a>(
        &'a self,
        page: &'a str,
        bursts: RangeInclusive<u64>,
    ) -> impl Iterator<Item = &'a (Key, usize)> {
        let bursts = self.bursts.iter().filter(move |burst| burst.page == page && bursts.contains(&burst.n));
        bursts.flat_map(|burst| &burst.states)
    }

    /// Returns true if a value is the item's state of that place in its history, or a later one.
    pub fn is_since(&self, key: &Key, place: usize, value: Option<&Value>) -> bool {
        self.states(key)[place..].iter().any(|state| state.as_ref() == value)
    }
}
