//! Starting: from what the store has to a running engine.

use super::backoff::Retry;
use super::entropy::Entropy;
use super::fold::Fold;
use super::items::{self, Items, Pending};
use super::journal::MarkRow;
use super::journal::{Journal, Record};
use super::lane::Lane;
use super::metrics::Metrics;
use super::outbox::Outbox;
use super::reports::Reports;
use super::schedule::Schedule;
use super::settings::read_requeue;
use super::{Engine, Moment, Output, Phase};
use crate::bridge::config::{AutoSync, Settings, Slices};
use crate::bridge::down::{self, To};
use crate::json::{self, Json, read, shared, string, write};
use crate::store::{
    ConflictRow, HeldRow, JOURNAL, JournalRow, Loaded, OUTBOX, OutboxRow, Push, RowKey, SCHEMA, Snapshot,
    StoreError, Write,
};
use crate::table::{Set, Table};
use serde::Serialize;
use std::rc::Rc;

/// Why the engine does not start. The database is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootError {
    pub code: &'static str,
    pub message: String,
}

impl Engine {
    /// An engine over what the store has.
    pub fn new(moment: Moment, snapshot: Snapshot) -> Result<Engine, BootError> {
        let mut entropy = Entropy(moment.entropy);
        let mut meta = Table::default();
        for (name, json) in snapshot.meta {
            meta.insert(shared(&name), shared(&json));
        }
        check_schema(&meta)?;
        let fresh = !meta.contains_key("epoch");
        let text = |name: &str| meta.get(name).and_then(|json| string(json));
        let number = |name: &str| meta.get(name).and_then(|json| json.parse::<u64>().ok());
        let (settings, slices, auto_sync) = read_settings(meta.get("settings"))?;
        let mut schedule = Schedule::default();
        schedule.set(&auto_sync, moment.now);
        let mut engine = Engine {
            now: moment.now,
            epoch: text("epoch").unwrap_or_else(|| entropy.id()),
            lane: Lane {
                client: text("client").unwrap_or_else(|| entropy.id()),
                n: number("n").unwrap_or(0),
                principal: text("principal"),
                push: meta.get("push").and_then(|json| Push::read(json)),
                written: meta.contains_key("push"),
                ..Lane::default()
            },
            entropy,
            last: 0,
            outputs: Vec::new(),
            polled: Vec::new().into_iter(),
            stirred: true,
            phase: Phase::Running,
            deferred: Vec::new(),
            open: Vec::new(),
            fresh,
            stores: snapshot.stores,
            settings,
            slices,
            schedule,
            requeue: meta.get("requeue").map(|row| read_requeue(row)).unwrap_or_default(),
            requeueing: None,
            journal: Journal::default(),
            fold: Fold::default(),
            items: Items::default(),
            committer: Default::default(),
            writing: Retry::default(),
            reading: Retry::default(),
            owed: Vec::new(),
            outbox: Outbox::default(),
            conflicts: Table::default(),
            settlement: None,
            urgent_through: 0,
            waiters: Vec::new(),
            pages: Default::default(),
            reports: Reports::default(),
            metrics: meta.get("metrics").and_then(|row| Metrics::read(row)).unwrap_or_default(),
            will_be_woken: false,
        };
        // Every start is a chance to hear from the server.
        engine.lane.contact = !fresh;
        for (key, row) in snapshot.conflicts {
            if let Some(row) = ConflictRow::read(&row) {
                engine.conflicts.insert(key, row);
            }
        }
        engine.journal.recover_trimmed(number("position").unwrap_or(0));
        for (name, row) in meta.iter() {
            let mark = || Some((name.strip_prefix("page:")?, read::<MarkRow>(row)?));
            if let Some((page, MarkRow { n, at })) = mark() {
                engine.journal.recover_mark(page, n, at);
            }
        }
        for (key, row) in snapshot.held {
            if let Some(HeldRow { value, at, position }) = HeldRow::read(&row) {
                engine.fold.skip(&key, position);
                let item = engine.items.change(&key);
                item.held =
                    Some(Pending { value, at, since: at, position, positions: Vec::new(), made: true });
                item.position = position;
            }
        }
        let mut aside = engine.recover_outbox(snapshot.outbox);
        aside.extend(engine.recover_journal(snapshot.journal));
        aside.extend(engine.journal.expire_marks(moment.now));
        engine.owed = aside;
        engine.post(To::All, down::hello());
        engine.load_outbox();
        Ok(engine)
    }

    fn recover_outbox(&mut self, rows: Vec<(u64, String)>) -> Vec<Write> {
        let mut aside = Vec::new();
        for (seq, text) in rows {
            let Some(row) = OutboxRow::read(&text) else {
                aside.extend(self.set_aside(OUTBOX, seq, &text));
                continue;
            };
            let key = row.key();
            self.fold.skip(&key, row.position);
            let item = self.items.change(&key);
            item.position = item.position.max(row.position);
            if self.lane.pushes(seq) {
                item.in_flight = Some(seq);
            } else if let Some(older) = item.unsent.replace(seq) {
                // It was chosen for a push that was never written down, and this one was committed behind it meanwhile.
                self.outbox.remove(older);
                aside.push(Write::delete(OUTBOX, RowKey::Number(older)));
            }
            self.outbox.put(seq, row);
        }
        aside
    }

    fn recover_journal(&mut self, rows: Vec<(u64, String)>) -> Vec<Write> {
        let mut aside = Vec::new();
        for (position, text) in rows {
            self.journal.recover_last(position);
            match JournalRow::read(&text) {
                Some(JournalRow { head, text }) => self.journal.recover(Record { position, head, text }),
                None => aside.extend(self.set_aside(JOURNAL, position, &text)),
            }
        }
        aside
    }

    /// Moves a row that can't be read out of the way, to where a person can look at it. Nothing is deleted.
    pub(super) fn set_aside(&mut self, store: &str, number: u64, row: &str) -> [Write; 2] {
        let digits = json::number(number);
        let name = format!("unreadable:{store}:{digits}");
        let text = format!(
            "A record of {store} (number {digits}) cannot be read, so the changes in it have no effect. It is kept as {name} in _meta of this site's database; everything else goes on."
        );
        self.reports.notice = Some(text.clone());
        self.post(To::All, down::warning("unreadable_record", &text));
        #[derive(Serialize)]
        struct Kept<'a> {
            at: u64,
            row: &'a str,
        }
        [
            Write::meta(&name, &write(&Kept { at: self.now, row })),
            Write::delete(store, RowKey::Number(number)),
        ]
    }

    /// What the server knows of the items in the outbox has to be read before anything is sent or folded.
    pub(super) fn load_outbox(&mut self) {
        let mut keys = Set::default();
        for (_, row) in self.outbox.rows() {
            keys.insert(row.key(), 0);
        }
        for key in self.items.held(&|_| true) {
            keys.insert(key, 0);
        }
        let wanted = items::wanted(&keys, &self.slices);
        if wanted.is_empty() {
            return;
        }
        let load = self.number();
        self.phase = Phase::Loading(Some(load));
        self.outputs.push(Output::Load { load, wanted, whole: Vec::new() });
    }

    /// The values of outbox rows that are in their slices' stores.
    fn find_values(&mut self) {
        let mut in_store = Vec::new();
        for (seq, row) in self.outbox.rows() {
            if row.in_store {
                in_store.push((seq, row.clone()));
            }
        }
        for (seq, row) in in_store {
            let key = row.key();
            match self.items.get(&key).and_then(|item| item.stored.clone()) {
                Some(value) => self.outbox.note(seq, OutboxRow { value: Some(value), ..row }),
                // Someone else removed the item from the store: that is no change of the app's.
                None => {
                    let aside = self.set_aside(OUTBOX, seq, &row.to_json());
                    self.owed.extend(aside);
                    self.outbox.remove(seq);
                    let item = self.items.change(&key);
                    item.unsent = item.unsent.filter(|unsent| *unsent != seq);
                    item.in_flight = item.in_flight.filter(|sent| *sent != seq);
                }
            }
        }
    }

    pub(super) fn loaded_outbox(&mut self, result: Result<Vec<Loaded>, StoreError>) {
        match result {
            Ok(rows) => {
                for row in rows {
                    self.items.insert(row);
                }
                self.reading.succeeded();
                self.phase = Phase::Running;
                self.find_values();
                self.release_held();
            }
            Err(error) => {
                self.storage_failed(&error);
                self.reading.failed(self.now, &mut self.entropy);
                self.phase = Phase::Loading(None);
            }
        }
    }
}

fn check_schema(meta: &Table<Rc<str>, Json>) -> Result<(), BootError> {
    match meta.get("schema").map(|json| json.parse::<u64>()) {
        None => Ok(()),
        Some(Ok(schema)) if schema <= SCHEMA => Ok(()),
        Some(Ok(schema)) => Err(BootError {
            code: "newer_schema",
            message: format!(
                "This browser's data was written by a newer version of the app (format {}; this one reads {}). Reload to get the newer version. Nothing was changed.",
                json::number(schema),
                json::number(SCHEMA)
            ),
        }),
        Some(Err(_)) => Err(BootError {
            code: "unreadable_database",
            message: "The format of this browser's data cannot be read (_meta.schema). Nothing was changed; report this with a copy of the database.".into(),
        }),
    }
}

fn read_settings(json: Option<&Json>) -> Result<(Settings, Slices, AutoSync), BootError> {
    let Some(json) = json else { return Ok(Default::default()) };
    let settings = Settings::read(json).ok_or_else(|| "_meta.settings is no object of settings".into());
    let in_force = settings.and_then(|settings| {
        let (slices, auto_sync) = settings.in_force(&Slices::default())?;
        Ok((settings, slices, auto_sync))
    });
    in_force.map_err(|reason: String| BootError {
        code: "unreadable_database",
        message: format!("The stored configuration cannot be read ({reason}). Nothing was changed; report this with a copy of the database."),
    })
}
