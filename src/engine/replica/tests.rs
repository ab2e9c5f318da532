//! The replica with a journal and a database in memory: what the engine does with them, without its rest.

use super::*;
use crate::bridge::config;
use crate::engine::clock::Now;
use crate::engine::journal::{Arriving, Journal};
use crate::engine::replay;
use crate::store::{
    AnswerRow, AnswerStatus, Answers, JOURNAL, MemoryStore, Operation, Policies, RecordHead, RecordRow, Side,
    Write,
};
use crate::units::{BurstNo, Millis, Version};

struct Device {
    replica: Replica,
    journal: Journal,
    slices: Slices,
    store: MemoryStore,
    now: u64,
    last_burst: u64,
    txn: u64,
    /// The sentences for people about the records.
    reasons: Vec<(Key, String)>,
}

impl Device {
    fn new(slices: &str) -> Self {
        let slices = config::slices(slices);
        let mut store = MemoryStore::default();
        for slice in slices.values() {
            store.create(std::slice::from_ref(&slice.store));
        }
        Device {
            replica: Replica::default(),
            journal: Journal::default(),
            slices,
            store,
            now: 1_000,
            last_burst: 0,
            txn: 0,
            reasons: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now { tick: Tick(self.now), at: Millis(1_000_000 + self.now) }
    }

    /// A page's burst of these actions becomes durable and takes effect.
    fn burst(&mut self, actions: &str) -> Applied {
        self.last_burst += 1;
        let n = BurstNo(self.last_burst);
        let (page, text) = ("page".into(), format!("[{actions}]"));
        let arriving = Arriving {
            page: &page,
            n,
            first: BurstNo(1),
            seen: Position(0),
            policies: Policies::default(),
            text: &text,
        };
        self.journal.arrive(Millis(self.now), arriving);
        self.append()
    }

    fn put(&mut self, id: &str, x: u64) -> Applied {
        self.burst(&put_action(id, x))
    }

    fn delete(&mut self, id: &str) -> Applied {
        self.burst(&format!(r#"{{"type":"notes/removeItem","payload":"{id}"}}"#))
    }

    fn answer(&mut self, answers: Vec<AnswerRow>) -> Applied {
        let text = Answers { results: answers }.to_text();
        self.journal.add(
            RecordHead::Answers { at: Millis(self.now), policies: Policies::default() },
            text,
            Vec::new(),
        );
        self.append()
    }

    fn append(&mut self) -> Applied {
        let writes = self.journal.append().unwrap();
        self.store.apply(&writes).unwrap();
        self.journal.appended();
        self.take_effect()
    }

    fn take_effect(&mut self) -> Applied {
        let mut last = Applied::default();
        for record in self.journal.take_durable() {
            let (parsed, _) = replay::parse(&record, &self.slices).unwrap();
            self.load(self.replica.missing_keys(&parsed));
            let missing: Vec<Rc<str>> = self.replica.missing_slices(&parsed).cloned().collect();
            for slice in missing {
                self.load(self.keys_in_store(&slice));
                self.replica.keep_slice(&slice, true);
            }
            last = self.replica.apply(&parsed, false, self.now(), &self.slices);
            self.reasons.append(&mut last.reasons);
            self.journal.in_effect(record.position, last.held_by);
        }
        last
    }

    fn load(&mut self, keys: Vec<Key>) {
        for key in keys {
            let value = self.store.item(&key.slice, &key.id).map(Json::from);
            let row = self
                .store
                .rows(crate::store::ITEMS)
                .find(|(row, _)| **row == crate::store::RowKey::Item(key.clone()));
            let row = row.map(|(_, row)| row.clone());
            self.replica.load(Loaded { key, value, row });
        }
    }

    fn keys_in_store(&self, slice: &str) -> Vec<Key> {
        let texts = self.store.rows(slice).filter_map(|(key, _)| match key {
            crate::store::RowKey::Text(id) => Some(Key::new(slice, id)),
            _ => None,
        });
        texts.collect()
    }

    fn wait(&mut self, ms: u64) {
        self.now += ms;
    }

    /// Opens the transactions that are due.
    fn begin(&mut self) -> Vec<(u64, Vec<Write>)> {
        let mut open = Vec::new();
        let now = self.now();
        while let Some(writes) =
            self.replica.start_checkpoint(self.txn + 1, super::Urgency::Now, now, &self.slices, &self.journal)
        {
            self.txn += 1;
            open.push((self.txn, writes));
        }
        if let Some(writes) = self.replica.start_trim(self.txn + 1, now, &self.journal) {
            self.txn += 1;
            open.push((self.txn, writes));
        }
        open
    }

    fn end(&mut self, (txn, writes): (u64, Vec<Write>), succeeded: bool) {
        if succeeded {
            self.store.apply(&writes).unwrap();
        }
        let ended = self.replica.end_checkpoint(txn, succeeded, Tick(self.now), &self.slices).unwrap();
        self.journal.released(&ended.released);
        if let Some(through) = ended.through {
            self.journal.trimmed(through);
        }
    }

    /// Everything falls quiet and is written.
    fn checkpoint(&mut self) {
        self.wait(10_000);
        loop {
            let open = self.begin();
            if open.is_empty() {
                return;
            }
            for batch in open {
                self.end(batch, true);
            }
        }
    }

    fn choose(&self) -> Vec<Operation> {
        self.choose_within(Room { operations: 500, bytes: 1_000_000 })
    }

    fn choose_within(&self, room: Room) -> Vec<Operation> {
        self.replica.choose(Tick(self.now), &self.slices, room, |_| true)
    }

    fn ids(&self) -> Vec<String> {
        self.choose().iter().map(|operation| operation.id.to_string()).collect()
    }

    /// Everything that is chosen is sent.
    fn send(&mut self) -> Vec<Operation> {
        let operations = self.choose();
        self.replica.mark_sent(&operations);
        operations
    }

    /// Everything that is chosen is sent and answered `applied`.
    fn sync(&mut self, version: u64) {
        self.wait(10_000);
        let operations = self.send();
        self.answer(operations.iter().map(|operation| applied(operation, version)).collect());
    }

    fn records(&self) -> usize {
        self.store.rows(JOURNAL).count()
    }

    fn item(&self, id: &str) -> Option<&str> {
        self.store.item("notes", id)
    }

    fn row(&self, id: &str) -> Option<ItemRow> {
        let key = crate::store::RowKey::Item(Key::new("notes", id));
        let row = self.store.rows(crate::store::ITEMS).find(|(row, _)| **row == key)?;
        ItemRow::read(row.1)
    }

    /// The worker dies, and another one replays the journal.
    fn restart(&mut self) {
        let snapshot = self.store.snapshot();
        (self.replica, self.journal) = (Replica::default(), Journal::default());
        for (name, row) in &snapshot.meta {
            match name.strip_prefix("page:") {
                Some(page) => self.journal.recover_mark(page, row),
                None => self.journal.recover_last(crate::json::read(row).unwrap()),
            }
        }
        for (position, row) in snapshot.journal {
            self.journal.recover(position, RecordRow::read(&row).unwrap());
        }
        self.load(snapshot.open);
        self.take_effect();
        let released = self.replica.release_written(None, &self.slices);
        self.journal.released(&released);
        self.replica.evict_all_idle(&self.slices);
    }

    fn in_memory(&self) -> usize {
        self.replica.entries.len()
    }

    fn visible(&self, id: &str) -> Option<&str> {
        self.replica.visible(&Key::new("notes", id)).map(|value| &**value)
    }
}

fn put_action(id: &str, x: u64) -> String {
    format!(r#"{{"type":"notes/addItem","payload":{}}}"#, value(id, x))
}

fn value(id: &str, x: u64) -> String {
    format!(r#"{{"id":"{id}","x":{x}}}"#)
}

fn applied(operation: &Operation, version: u64) -> AnswerRow {
    AnswerRow { version: Some(Version(version)), ..AnswerRow::new(operation, AnswerStatus::Applied) }
}

fn conflict(operation: &Operation, version: u64, theirs: &str) -> AnswerRow {
    let version = Some(Version(version));
    AnswerRow { version, value: Some(theirs.into()), ..AnswerRow::new(operation, AnswerStatus::Conflict) }
}

const NOTES: &str = r#"{"notes":{"debounceMs":100,"maxWaitMs":1000}}"#;
const NOT_SENT: &str = r#"{"notes":{"debounceMs":100,"maxWaitMs":1000,"syncToFlask":false}}"#;
const DISABLED: &str = r#"{"notes":{"debounceMs":100,"maxWaitMs":1000,"enabled":false}}"#;

// Invariant 1.

#[test]
fn switches_change_no_item() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.sync(5);
    device.put("a", 2);
    let before = device.replica.entries[&Key::new("notes", "a")].item.clone();
    for switched in [NOT_SENT, DISABLED, NOTES] {
        let slices = config::slices(switched);
        let name = "notes";
        device.replica.configure(name, device.slices.get(name), slices.get(name).unwrap(), Tick(device.now));
        device.slices = slices;
        assert_eq!(device.replica.entries[&Key::new("notes", "a")].item, before);
    }
}

#[test]
fn a_replay_under_other_settings_comes_to_the_same() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.wait(10_000);
    let sent = device.send();
    device.put("a", 2);
    device.answer(vec![conflict(&sent[0], 6, r#"{"id":"a","x":9}"#)]);
    let before = device.replica.entries[&Key::new("notes", "a")].item.clone();
    for switched in [NOTES, NOT_SENT, DISABLED] {
        device.slices = config::slices(switched);
        device.restart();
        assert_eq!(device.replica.entries[&Key::new("notes", "a")].item, before, "{switched}");
    }
}

#[test]
fn a_replay_of_answers_needs_no_push() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.wait(10_000);
    let sent = device.send();
    device.put("a", 2);
    device.answer(vec![AnswerRow {
        value: Some(r#"{"id":"a","x":1,"by":"hook"}"#.into()),
        ..applied(&sent[0], 6)
    }]);
    let before = device.visible("a").unwrap().to_owned();
    device.restart();
    assert_eq!(device.visible("a"), Some(&*before));
    assert!(before.contains("hook") && before.contains(r#""x":2"#), "{before}");
}

// Invariant 2.

#[test]
fn an_item_leaves_memory_only_at_rest() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    assert_eq!(device.in_memory(), 1, "to be written and sent");
    device.checkpoint();
    assert_eq!(device.in_memory(), 1, "to be sent");
    device.sync(5);
    assert_eq!(device.in_memory(), 1, "its row is to be written");
    device.checkpoint();
    assert_eq!(device.in_memory(), 0);
}

#[test]
fn an_item_in_conflict_or_with_a_refusal_stays_in_memory() {
    for status in [AnswerStatus::Conflict, AnswerStatus::Rejected] {
        let mut device = Device::new(NOTES);
        device.put("a", 1);
        device.sync(5);
        device.put("a", 2);
        device.wait(10_000);
        let sent = device.choose();
        let theirs = AnswerRow { status, ..conflict(&sent[0], 6, r#"{"id":"a","x":9}"#) };
        device.answer(vec![theirs]);
        device.checkpoint();
        assert_eq!((device.in_memory(), device.records()), (1, 0), "{status:?}");
        device.restart();
        assert_eq!(device.in_memory(), 1, "{status:?}: its row is marked open");
    }
}

#[test]
fn what_a_withdrawn_push_may_have_brought_keeps_an_item_in_memory_that_is_as_before() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.sync(5);
    device.put("a", 2);
    device.wait(10_000);
    let sent = device.send();
    device.answer(vec![AnswerRow::new(&sent[0], AnswerStatus::Withdrawn)]);
    device.put("a", 1);
    device.checkpoint();
    assert!(device.ids().is_empty(), "it is what the server had");
    assert_eq!(device.in_memory(), 1, "a pull would overwrite it unread");
    device.restart();
    assert_eq!(device.in_memory(), 1, "its row is marked open");
}

#[test]
fn what_is_here_already_is_newer_than_what_is_read() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    let old = Some(value("a", 0).into());
    device.replica.load(Loaded { key: Key::new("notes", "a"), value: old, row: None });
    assert_eq!(device.visible("a"), Some(&*value("a", 1)));
}

#[test]
fn a_slice_that_is_kept_stays_in_memory_until_it_is_released() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.replica.keep_slice(&"notes".into(), true);
    device.sync(5);
    device.checkpoint();
    assert_eq!(device.in_memory(), 1);
    device.replica.release_slice("notes", &device.slices);
    assert_eq!(device.in_memory(), 0);
}

// Invariant 3.

#[test]
fn each_edit_restarts_its_items_debounce_and_no_others() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.put("b", 1);
    for _ in 0..5 {
        device.wait(90);
        device.put("a", device.now);
    }
    device.wait(20);
    let batches: Vec<Vec<Write>> = device.begin().into_iter().map(|(_, writes)| writes).collect();
    let text = format!("{batches:?}");
    assert!(text.contains("\"b\"") && !text.contains("\"a\""), "{text}");
}

#[test]
fn an_item_that_never_falls_quiet_is_written_after_max_wait() {
    let mut device = Device::new(NOTES);
    let first = device.now;
    while device.begin().is_empty() {
        device.put("a", device.now);
        device.wait(50);
        assert!(device.now <= first + 1_100);
    }
    assert!(device.now >= first + 1_000);
}

#[test]
fn hurry_ends_every_wait() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    assert!(device.begin().is_empty() && device.choose().is_empty());
    device.replica.retry_now(Tick(device.now));
    assert_eq!((device.begin().len(), device.choose().len()), (1, 1));
}

// Invariant 4.

#[test]
fn an_item_is_in_one_transaction_at_a_time() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.wait(1_000);
    let mut open = device.begin();
    device.put("a", 2);
    device.wait(1_000);
    assert!(device.begin().is_empty());
    device.end(open.remove(0), true);
    let second = device.begin();
    assert_eq!(second.len(), 1);
    device.end(second.into_iter().next().unwrap(), true);
    assert_eq!(device.item("a"), Some(&*value("a", 2)));
}

#[test]
fn what_a_failed_transaction_had_is_written_again_with_what_came_after() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.wait(1_000);
    let mut open = device.begin();
    device.put("a", 2);
    device.end(open.remove(0), false);
    assert_eq!((device.item("a"), device.records()), (None, 2));
    device.checkpoint();
    assert_eq!(device.item("a"), Some(&*value("a", 2)));
}

#[test]
fn at_most_four_transactions_are_open_each_of_one_slice() {
    let mut device = Device::new(NOTES);
    for id in 0..90 {
        device.put(&id.to_string(), 1);
    }
    device.wait(1_000);
    assert_eq!(device.begin().len(), 4);
}

// Invariant 5.

#[test]
fn a_record_stays_until_its_item_is_written_and_answered() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.checkpoint();
    assert_eq!((device.item("a").is_some(), device.records()), (true, 1), "it is not answered");
    device.sync(5);
    assert_eq!(device.records(), 2, "the answers are not in a row");
    device.checkpoint();
    assert_eq!(device.records(), 0);
    assert_eq!(device.row("a").unwrap().version, Some(Version(5)));
}

#[test]
fn a_record_waits_for_each_of_its_items() {
    let mut device = Device::new(NOT_SENT);
    device.burst(&format!("{},{}", put_action("a", 1), put_action("b", 1)));
    device.wait(60);
    device.put("b", 2);
    device.wait(50);
    let open = device.begin();
    assert_eq!(open.len(), 1, "a is quiet, b is not");
    open.into_iter().for_each(|batch| device.end(batch, true));
    assert_eq!((device.item("a").is_some(), device.records()), (true, 2));
    device.checkpoint();
    assert_eq!(device.records(), 0);
}

#[test]
fn a_record_of_a_slice_that_is_not_sent_waits_for_its_store_only() {
    let mut device = Device::new(NOT_SENT);
    device.put("a", 1);
    device.checkpoint();
    assert_eq!((device.records(), device.in_memory(), device.row("a")), (0, 0, None));
}

#[test]
fn a_record_goes_unanswered_once_the_row_marks_what_is_open() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.checkpoint();
    device.replica.mark_open(Position(1), Tick(device.now));
    device.checkpoint();
    assert_eq!((device.records(), device.row("a").unwrap().open), (0, Some(Position(1))));
    device.restart();
    assert_eq!(device.ids(), ["a"], "and is sent after a restart");
}

#[test]
fn a_held_value_is_in_the_row_and_goes_to_the_store_when_the_slice_is_enabled() {
    let mut device = Device::new(DISABLED);
    device.put("a", 1);
    device.checkpoint();
    assert_eq!((device.item("a"), device.records()), (None, 0));
    let slices = config::slices(NOTES);
    device.replica.configure(
        "notes",
        device.slices.get("notes"),
        slices.get("notes").unwrap(),
        Tick(device.now),
    );
    device.slices = slices;
    device.checkpoint();
    assert_eq!(device.item("a"), Some(&*value("a", 1)));
}

#[test]
fn a_replay_after_a_crash_at_any_checkpoint_comes_to_the_same() {
    for crash in 0..12 {
        let mut device = Device::new(NOTES);
        for step in 0..12_u64 {
            match step % 4 {
                0 => drop(device.burst(&format!("{},{}", put_action("a", step), put_action("b", step)))),
                1 => drop(device.burst(r#"{"type":"notes/updateItem","payload":{"id":"a","y":1}}"#)),
                2 => device.sync(100 + step),
                _ => drop(device.delete("b")),
            }
            device.wait(200);
            if step % 3 == 0 {
                let open = device.begin();
                open.into_iter().for_each(|batch| device.end(batch, true));
            }
            if step == crash {
                device.restart();
            }
        }
        device.sync(200);
        device.checkpoint();
        let want = r#"{"id":"a","x":8,"y":1}"#;
        assert_eq!((device.item("a"), device.item("b")), (Some(want), None), "crash after step {crash}");
        assert_eq!((device.records(), device.in_memory()), (0, 0), "crash after step {crash}");
    }
}

#[test]
fn an_update_that_made_an_item_is_not_repeated_by_a_replay() {
    let mut device = Device::new(NOT_SENT);
    device.put("keeps the journal", 1);
    device.burst(r#"{"type":"notes/updateItem","payload":{"id":"a","x":1}}"#);
    device.burst(r#"{"type":"notes/updateItem","payload":{"id":"a","y":1},"whole":{"id":"a","y":1}}"#);
    device.wait(150);
    device.put("keeps the journal", 2);
    let open = device.begin();
    open.into_iter().for_each(|batch| device.end(batch, true));
    assert_eq!(device.item("a"), Some(r#"{"id":"a","y":1}"#));
    device.restart();
    device.checkpoint();
    assert_eq!(
        device.item("a"),
        Some(r#"{"id":"a","y":1}"#),
        "the update before the one that made it did nothing"
    );
}

// Invariants 6 to 8.

#[test]
fn operations_are_chosen_in_the_order_of_the_first_unanswered_edits() {
    let mut device = Device::new(NOTES);
    for id in ["c", "a", "b"] {
        device.put(id, 1);
    }
    device.put("c", 2);
    device.wait(10_000);
    assert_eq!(device.ids(), ["c", "a", "b"]);
}

#[test]
fn a_push_holds_what_fits_and_one_large_item_alone() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.put("b", 1);
    device.wait(10_000);
    let chosen = |operations, bytes| device.choose_within(Room { operations, bytes }).len();
    assert_eq!((chosen(1, 10_000), chosen(9, 10_000), chosen(9, 200), chosen(9, 10)), (1, 2, 1, 1));
}

#[test]
fn an_item_that_is_sent_in_conflict_or_not_quiet_is_not_chosen() {
    let mut device = Device::new(NOTES);
    for id in ["sent", "conflict", "quiet"] {
        device.put(id, 1);
    }
    device.wait(10_000);
    let chosen = device.choose();
    device.answer(vec![conflict(&chosen[1], 6, r#"{"id":"conflict","x":9}"#)]);
    device.replica.mark_sent(&chosen[..1]);
    device.put("not quiet", 1);
    assert_eq!(device.ids(), ["quiet"]);
}

#[test]
fn what_stays_on_the_device_is_not_chosen() {
    for (settings, count) in [(NOTES, 1), (NOT_SENT, 0), (DISABLED, 0)] {
        let mut device = Device::new(settings);
        device.put("a", 1);
        device.wait(10_000);
        assert_eq!((device.ids().len(), device.replica.has_unsent(&device.slices)), (count, count == 1));
    }
}

#[test]
fn f38_of_a_slice_that_is_not_sent_any_more_only_deletions_of_what_the_server_has_are() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.put("b", 1);
    device.sync(5);
    device.checkpoint();
    device.slices = config::slices(NOT_SENT);
    device.delete("a");
    device.put("b", 2);
    device.put("new", 1);
    device.delete("new");
    device.wait(10_000);
    assert_eq!(device.ids(), ["a"]);
}

#[test]
fn an_edit_in_a_slice_that_was_not_sent_is_found_when_it_is_sent_again() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.sync(5);
    device.checkpoint();
    device.slices = config::slices(NOT_SENT);
    device.put("a", 2);
    device.checkpoint();
    assert_eq!((device.in_memory(), device.records()), (0, 0));
    assert_eq!(
        device.row("a").unwrap().base,
        Some(Side::of(Some(value("a", 1).into()))),
        "it is not at rest"
    );
    device.slices = config::slices(NOTES);
    device.load(vec![Key::new("notes", "a")]);
    device.replica.keep_slice(&"notes".into(), true);
    let found = device.replica.reopen_slice("notes", Position(2), Tick(device.now));
    assert_eq!(found, [Key::new("notes", "a")]);
    assert_eq!((device.ids(), device.choose()[0].base), (vec!["a".to_owned()], Some(Version(5))));
}

#[test]
fn a_refused_and_edited_item_is_chosen_in_the_place_of_its_edit() {
    let mut device = Device::new(NOTES);
    device.put("a", 1);
    device.sync(5);
    device.put("a", 2);
    device.wait(10_000);
    let sent = device.choose();
    let theirs = value("a", 1);
    device.answer(vec![AnswerRow { status: AnswerStatus::Rejected, ..conflict(&sent[0], 5, &theirs) }]);
    device.wait(10_000);
    assert!(device.ids().is_empty(), "a refusal alone is not chosen");
    device.put("b", 1);
    device.burst(r#"{"type":"notes/updateItem","payload":{"id":"a","y":1}}"#);
    device.wait(10_000);
    device.replica.mark_open(Position(99), Tick(device.now));
    device.checkpoint();
    assert_eq!(device.records(), 0);
    device.restart();
    assert_eq!(device.ids(), ["b", "a"], "after a restart, too");
}

// Messages for people and pages.

#[test]
fn refusals_are_listed_oldest_first_and_told_once() {
    let mut device = Device::new(NOTES);
    device.put("b", 1);
    device.put("a", 1);
    device.wait(10_000);
    for operation in device.choose() {
        let rejected = AnswerRow { deleted: true, ..AnswerRow::new(&operation, AnswerStatus::Rejected) };
        let applied = device.answer(vec![rejected]);
        assert_eq!(applied.rolled_back, [(operation.key(), None)]);
    }
    let ids: Vec<String> =
        device.replica.rejections().into_iter().map(|rejection| rejection.item_id).collect();
    assert_eq!(ids, ["b", "a"]);
    let about: Vec<&str> = device.reasons.iter().map(|(key, _)| &*key.id).collect();
    assert_eq!(about, ["b", "a"]);
    assert!(device.replica.take_refusals_changed() && !device.replica.take_refusals_changed());
}

#[test]
fn progress_is_local_then_sending_then_synced() {
    let mut device = Device::new(NOTES);
    let key = Key::new("notes", "a");
    device.put("a", 1);
    assert_eq!(device.replica.progress(&key, &device.slices), Progress::Local);
    device.wait(10_000);
    let open = device.begin();
    open.into_iter().for_each(|batch| device.end(batch, true));
    let sent = device.send();
    assert_eq!(device.replica.progress(&key, &device.slices), Progress::Sending);
    device.answer(vec![applied(&sent[0], 5)]);
    assert_eq!(device.replica.progress(&key, &device.slices), Progress::Synced);
}

#[test]
fn a_record_is_ready_when_all_that_it_names_is_in_memory() {
    let mut device = Device::new(NOTES);
    let edits = |actions: &str| {
        let record = crate::engine::journal::Record {
            position: Position(1),
            head: RecordHead::Burst {
                page: "p".into(),
                n: BurstNo(1),
                at: Millis(1),
                seen: Position(0),
                policies: Policies::default(),
            },
            text: format!("[{actions}]").into(),
        };
        replay::parse(&record, &config::slices(NOTES)).unwrap().0
    };
    let (one, all) = (edits(&put_action("a", 1)), edits(r#"{"type":"notes/clearItems","payload":null}"#));
    assert!(!device.replica.is_ready(&one) && !device.replica.is_ready(&all));
    device.load(vec![Key::new("notes", "a")]);
    assert!(device.replica.is_ready(&one) && !device.replica.is_ready(&all));
    device.replica.keep_slice(&"notes".into(), true);
    assert!(device.replica.is_ready(&all));
}
