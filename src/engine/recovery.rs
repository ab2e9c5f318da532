//! Starting: from what the store has to a running engine.

use super::clients::{Clients, Metrics};
use super::clock::Now;
use super::journal::{Journal, is_cursor_valid};
use super::pulled::Rebuild;
use super::replay::{self, Replay};
use super::rng::Rng;
use super::settings::{Settings, Stored};
use super::storage::Purpose;
use super::tokens::Tokens;
use super::uplink::Uplink;
use super::{Engine, Moment, Phase};
use crate::bridge::from_worker::{self, About, To};
use crate::collect;
use crate::json::{number, quoted, read};
use crate::store::{Cursors, Key, RebuildReason, RebuildRow, RecordHead, RecordRow, SCHEMA, Snapshot, Write};
use crate::units::Position;
use std::collections::BTreeMap;
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
        let now = Now { tick: moment.tick, at: moment.at };
        let mut rng = Rng(moment.entropy);
        let meta = collect::map(snapshot.meta);
        let get = |name: &str| meta.get(name).cloned();
        check_schema(get("schema").as_deref())?;
        let text = |name: &str| get(name).and_then(|json| read::<Rc<str>>(&json));
        let stored = Stored {
            settings: meta.get("settings").map(String::as_str),
            requeue: meta.get("requeue").map(String::as_str),
            stores: snapshot.stores,
            epoch: text("epoch"),
        };
        let is_new = stored.epoch.is_none();
        let new_epoch = rng.id();
        let settings = Settings::recover(stored, &new_epoch, now.tick).map_err(|reason| BootError {
            code: "unreadable_database",
            message: format!("The stored configuration cannot be read ({reason}). Nothing was changed; report this with a copy of the database."),
        })?;
        let client = text("client").unwrap_or_else(|| rng.id().into());
        let rebuild: Option<RebuildRow> = get("rebuild").and_then(|row| read(&row));
        let cursors = cursors(&meta, &snapshot.journal, rebuild.as_ref());
        let mut uplink = Uplink::recover(now, client, (cursors, rebuild), &get);
        if !is_new {
            // Every start is a chance to hear from the server.
            uplink.contact();
        }
        let (replay, poisoned) = Replay::recover(meta.get("start").map(String::as_str));
        let mut engine = Engine {
            now,
            rng,
            settings,
            uplink,
            replay,
            tokens: Tokens::recover(meta.contains_key("tokens")),
            left: get("left").and_then(|row| read(&row)).unwrap_or_default(),
            forgotten_at: meta.get("forgotten").and_then(|row| read(row)),
            clients: Clients::recover(meta.get("metrics").and_then(|row| Metrics::read(row))),
            ..Engine::empty(now)
        };
        engine.recover_journal(snapshot.journal, poisoned, &meta);
        engine.clients.post(To::All, from_worker::hello());
        engine.start(snapshot.open);
        Ok(engine)
    }

    fn recover_journal(
        &mut self,
        rows: Vec<(Position, String)>,
        poisoned: Option<Position>,
        meta: &BTreeMap<String, String>,
    ) {
        let mut journal = Journal::default();
        let mut set_aside = Vec::new();
        let trimmed = meta.get("position").and_then(|json| read(json));
        journal.recover_last(trimmed.unwrap_or_default());
        for (name, row) in meta {
            if let Some(page) = name.strip_prefix("page:") {
                journal.recover_mark(page, row);
            }
        }
        for (position, row) in rows {
            match RecordRow::read(&row) {
                Some(record) if poisoned != Some(position) => journal.recover(position, record),
                record => {
                    journal.recover_last(position);
                    let is_burst = record.is_some_and(|record| record.head.is_burst());
                    set_aside.push((position, row, is_burst));
                }
            }
        }
        self.storage.add_standalone(journal.expire_marks(self.now.at));
        self.replay.recover_through(journal.last());
        self.journal = journal;
        self.journal.set_rebuild(self.uplink.rebuild().cloned());
        for (position, row, is_burst) in set_aside {
            self.quarantine(position, &row, is_burst);
        }
    }

    /// Moves a record out of the way. Of a page's changes, those that are in their items' stores are found there, and sent;
    /// what only the server knows is pulled again.
    pub(super) fn quarantine(&mut self, position: Position, row: &str, is_burst: bool) {
        let (writes, text) = replay::quarantine(position, row, self.now.at);
        let with: Vec<Write> = writes.into_iter().chain(self.settings.requeue_all()).collect();
        self.warn_of_unreadable(text);
        if is_burst {
            return self.storage.add_standalone(with);
        }
        let withdrawn = self.uplink.take_back();
        self.begin_rebuild(Rebuild {
            reason: RebuildReason::CursorExpired,
            slices: Vec::new(),
            withdrawn,
            with,
        });
    }

    fn warn_of_unreadable(&mut self, text: String) {
        self.clients.warn(None, "unreadable_record", &text, About::default());
        self.clients.notice(Some(text));
    }

    /// Copies an item's row that cannot be read before another takes its place.
    pub(super) fn keep_unreadable(&mut self, key: &Key, row: &str) {
        let (write, text) = replay::keep_item_row(key, row, self.now.at);
        self.storage.add_standalone([write]);
        self.warn_of_unreadable(text);
    }

    /// Reads what the journal names and what is open; until that is here, inputs wait.
    fn start(&mut self, open: Vec<Key>) {
        self.parse();
        let mut keys = collect::set(open);
        keys.extend(self.uplink.operations().iter().map(crate::store::Operation::key));
        if keys.is_empty() && self.replay.is_idle() {
            self.end_recovery();
            self.phase = Phase::Running;
            return;
        }
        let mut is_counting = None;
        if !self.replay.is_idle() {
            let write = self.replay.count_start();
            is_counting = Some(self.store(Purpose::Replay, vec![write]));
        }
        self.phase = Phase::Starting { keys, is_counting, is_loaded: false };
        self.load_for_start();
    }

    pub(super) fn load_for_start(&mut self) {
        let Phase::Starting { keys, .. } = &self.phase else { return };
        let mut missing = self.replay.missing(&self.replica, self.settings.slices());
        missing.keys.extend(keys.iter().cloned());
        self.load(missing);
    }

    /// Notes that the start was counted or its items were loaded. The engine runs once both are done.
    pub(super) fn start_went_on(&mut self, counted: bool, loaded: bool) {
        let Phase::Starting { is_counting, is_loaded, .. } = &mut self.phase else { return };
        if counted {
            *is_counting = None;
        }
        *is_loaded |= loaded;
        if is_counting.is_none() && *is_loaded {
            self.phase = Phase::Running;
        }
    }

    /// Everything that the journal had is in effect.
    pub(super) fn end_recovery(&mut self) {
        self.replica.mark_sent(self.uplink.operations());
        let write = self.replay.finish();
        if self.is_start_counted {
            self.storage.add_standalone([write]);
        }
        let released = self.replica.release_written(None, self.settings.slices());
        self.journal.released(&released);
        self.replica.evict_all_idle(self.settings.slices());
    }

    /// Returns the writes of this database's identity, for its first registration.
    pub(super) fn identity(&self) -> Vec<Write> {
        let client = Write::meta("client", &quoted(self.uplink.client()));
        [client].into_iter().chain(self.uplink.user_write()).collect()
    }
}

/// How far each slice is pulled: the newest record's cursor counts, then that in `_meta`.
fn cursors(
    meta: &BTreeMap<String, String>,
    journal: &[(Position, String)],
    rebuild: Option<&RebuildRow>,
) -> Cursors {
    let stored = meta.iter().filter_map(|(name, row)| {
        let slice = name.strip_prefix("cursor:")?;
        Some((Rc::from(slice), read::<Rc<str>>(row)?))
    });
    let mut cursors: Cursors = collect::map(stored);
    for (position, row) in journal {
        if let Some(RecordRow { head: RecordHead::Pulled { cursors: behind, .. }, .. }) = RecordRow::read(row)
        {
            let is_valid = |slice: &Rc<str>| is_cursor_valid(rebuild, slice, *position);
            cursors.extend(behind.into_iter().filter(|(slice, _)| is_valid(slice)));
        }
    }
    cursors
}

fn check_schema(schema: Option<&str>) -> Result<(), BootError> {
    match schema.map(|json| json.parse::<u64>()) {
        None => Ok(()),
        Some(Ok(schema)) if schema <= SCHEMA => Ok(()),
        Some(Ok(schema)) => Err(BootError {
            code: "newer_schema",
            message: format!(
                "This browser's data was written by a newer version of the app (format {}; this one reads {}). Reload to get the newer version. Nothing was changed.",
                number(schema),
                number(SCHEMA)
            ),
        }),
        Some(Err(_)) => Err(BootError {
            code: "unreadable_database",
            message: "The format of this browser's data cannot be read (_meta.schema). Nothing was changed; report this with a copy of the database.".into(),
        }),
    }
}
