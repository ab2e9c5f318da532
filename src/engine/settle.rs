//! Settling: what the server's answers to a push do to items. The changes are worked out first, stored in one
//! transaction, and taken over in memory once that is durable.

use super::items::Items;
use super::journal::Journal;
use super::outbox::Outbox;
use crate::bridge::config::Slices;
use crate::json::{Json, equal, number};
use crate::protocol::{PushAnswer, Verdict};
use crate::store::{
    CONFLICTS, ConflictRow, Key, META, OUTBOX, OutboxRow, Push, REJECTED, RejectedRow, RowKey, SYNC, SyncRow,
    Write,
};
use crate::table::Table;

/// What one answer comes to.
#[derive(Debug)]
struct Outcome {
    seq: u64,
    key: Key,
    sync: Option<SyncRow>,
    /// Where the server does not have the item: its `_sync` row guards replays up to this position.
    guard: Option<u64>,
    /// The value that the slice's store gets, where that changes.
    value: Option<Option<Json>>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Applied,
    /// The server has what an earlier push of this device brought: the change is sent again, on that.
    Again(OutboxRow),
    Conflict(ConflictRow),
    Rejected(String),
}

/// The answers to a push, worked out.
#[derive(Debug)]
pub struct Settlement {
    outcomes: Vec<Outcome>,
    pub writes: Vec<Write>,
    /// The part of the push that is still to be sent.
    pub rest: Option<Push>,
}

/// What pages are to be told once a settlement is durable.
#[derive(Debug, Default)]
pub struct Told {
    /// Values that the server made different.
    pub from_server: Vec<(Key, Option<Json>)>,
    /// Refused changes that were undone.
    pub rolled_back: Vec<(Key, Option<Json>)>,
    /// Why, in sentences.
    pub reasons: Vec<String>,
    pub acknowledged: usize,
}

impl Settlement {
    pub fn new(
        push: &Push,
        answer: PushAnswer,
        items: &Items,
        outbox: &Outbox,
        slices: &Slices,
        journal: &Journal,
        now: u64,
    ) -> Self {
        let mut results = answer.results;
        let mut settlement = Settlement { outcomes: Vec::new(), writes: Vec::new(), rest: None };
        let mut rest = Vec::new();
        for (seq, base) in &push.entries {
            let Some(row) = outbox.get(*seq) else { continue };
            // They mostly come in the order of the push.
            match results.iter().position(|result| result.is_of(row)) {
                Some(at) => {
                    let verdict = results.remove(at).verdict;
                    settlement.take(*seq, row, verdict, &push.tag, items, outbox, slices, journal, now);
                }
                None => rest.push((*seq, *base)),
            }
        }
        if rest.is_empty() {
            settlement.writes.push(Write::delete(META, RowKey::Text("push".into())));
        } else {
            let rest = Push { n: push.n, tag: push.tag.clone(), entries: rest };
            settlement.writes.push(Write::meta("push", &rest.to_json()));
            settlement.rest = Some(rest);
        }
        settlement
    }

    #[allow(clippy::too_many_arguments)] // one row, its verdict, and what they are read against
    fn take(
        &mut self,
        seq: u64,
        row: &OutboxRow,
        verdict: Verdict,
        tag: &str,
        items: &Items,
        outbox: &Outbox,
        slices: &Slices,
        journal: &Journal,
        now: u64,
    ) {
        let key = row.key();
        let Some(item) = items.get(&key) else { return };
        let newer = item.goes_on_from(row);
        let item_key = RowKey::Item(key.clone());
        let mut outcome = Outcome {
            seq,
            key: key.clone(),
            sync: item.sync.clone(),
            guard: None,
            value: None,
            kind: Kind::Applied,
        };
        match verdict {
            Verdict::Applied { version, value } => {
                self.applied(&mut outcome, row, version, value, newer, journal);
            }
            // The other side made the same change: there is nothing to decide.
            Verdict::Conflict { version: Some(version), value: Some(value), .. }
                if same(&row.value, &value) =>
            {
                self.applied(&mut outcome, row, version, None, newer, journal);
            }
            Verdict::Conflict { version, value, .. } if row.sent.iter().any(|sent| is(sent, &value)) => {
                let version = version.filter(|_| value.is_some());
                outcome.sync = version.map(|_| SyncRow { version, position: row.position, base: value });
                match &outcome.sync {
                    Some(sync) => self.writes.push(Write::put(SYNC, item_key, sync.to_json())),
                    None => self.guard(&mut outcome, row.position, journal),
                }
                outcome.kind = Kind::Again(OutboxRow { sent: Vec::new(), ..item.again(row) });
            }
            Verdict::Conflict { version, value, at } => {
                // A newer change behind this one stays in the outbox, unsent while the conflict is open, and is the
                // local side. One that is not committed yet becomes it with its commit.
                let unsent = item.unsent.and_then(|seq| outbox.get(seq)).unwrap_or(row);
                let unsent = (unsent.value.clone(), unsent.at);
                let (local, local_at) =
                    item.committing.as_ref().map_or(unsent, |newer| (newer.value.clone(), newer.at));
                let conflict = ConflictRow {
                    id: [tag, "-", &number(seq)].concat(),
                    base: item.sync.as_ref().and_then(|sync| sync.base.clone()),
                    local,
                    remote: value,
                    local_at,
                    remote_at: at,
                    version,
                };
                self.writes.push(Write::put(CONFLICTS, item_key, conflict.to_json()));
                outcome.kind = Kind::Conflict(conflict);
            }
            Verdict::Rejected { code, message } => {
                let rejected = RejectedRow {
                    id: &[tag, "-", &number(seq)].concat(),
                    slice: &key.slice,
                    item_id: &key.id,
                    value: row.value.as_deref(),
                    code: &code,
                    message: &message,
                    at: now,
                };
                self.writes.push(Write::put(REJECTED, item_key.clone(), rejected.to_json()));
                if !newer {
                    outcome.value = Some(outcome.sync.as_mut().and_then(|sync| sync.base.take()));
                    match &mut outcome.sync {
                        Some(sync) => {
                            sync.position = row.position;
                            self.writes.push(Write::put(SYNC, item_key, sync.to_json()));
                        }
                        None => self.guard(&mut outcome, row.position, journal),
                    }
                }
                outcome.kind = Kind::Rejected(format!(
                    "The server refused a change of {} \"{}\": {message} The change was undone and is kept under _rejected.",
                    key.slice, key.id
                ));
            }
        }
        if let (Some(value), Some(slice)) = (&outcome.value, slices.get(&key.slice)) {
            let id = RowKey::Text(key.id.clone());
            self.writes.push(match value {
                Some(value) => Write::put(&slice.store, id, value.clone()),
                None => Write::delete(&slice.store, id),
            });
        }
        let number = RowKey::Number(seq);
        self.writes.push(match &outcome.kind {
            Kind::Again(row) if item.unsent.is_none() => Write::put(OUTBOX, number, row.to_json()),
            _ => Write::delete(OUTBOX, number),
        });
        self.outcomes.push(outcome);
    }

    fn applied(
        &mut self,
        outcome: &mut Outcome,
        row: &OutboxRow,
        version: u64,
        value: Option<Json>,
        newer: bool,
        journal: &Journal,
    ) {
        let item_key = RowKey::Item(outcome.key.clone());
        let server = value.clone().or_else(|| row.value.clone());
        if row.value.is_none() && value.is_none() {
            outcome.sync = None;
            self.guard(outcome, row.position, journal);
        } else {
            let sync =
                SyncRow { version: Some(version), position: row.position, base: server.filter(|_| newer) };
            self.writes.push(Write::put(SYNC, item_key, sync.to_json()));
            outcome.sync = Some(sync);
        }
        if value.is_some() && !newer {
            outcome.value = Some(value);
        }
    }

    /// The server does not have the item. Its records may be replayed all the same, until they are trimmed.
    fn guard(&mut self, outcome: &mut Outcome, position: u64, journal: &Journal) {
        let key = RowKey::Item(outcome.key.clone());
        outcome.guard = journal.has(position).then_some(position);
        self.writes.push(match outcome.guard {
            Some(position) => {
                Write::put(SYNC, key, SyncRow { version: None, position, base: None }.to_json())
            }
            None => Write::delete(SYNC, key),
        });
    }

    /// Takes the settlement over, once it is durable.
    pub fn apply(
        self,
        items: &mut Items,
        outbox: &mut Outbox,
        conflicts: &mut Table<Key, ConflictRow>,
        journal: &mut Journal,
    ) -> Told {
        let mut told = Told::default();
        for outcome in self.outcomes {
            outbox.remove(outcome.seq);
            let item = items.change(&outcome.key);
            item.in_flight = None;
            item.sync = outcome.sync;
            journal.guarded(&outcome.key, outcome.guard);
            if let Some(value) = &outcome.value {
                item.stored = value.clone();
            }
            match outcome.kind {
                Kind::Applied => {
                    told.acknowledged += 1;
                    told.from_server.extend(outcome.value.map(|value| (outcome.key.clone(), value)));
                }
                Kind::Again(row) if item.unsent.is_none() => {
                    item.unsent = Some(outcome.seq);
                    outbox.put(outcome.seq, row);
                }
                Kind::Again(_) => {}
                Kind::Conflict(row) => {
                    told.reasons.push(format!(
                        "{} \"{}\" was changed here and elsewhere; both sides are kept until the conflict is resolved.",
                        outcome.key.slice, outcome.key.id
                    ));
                    conflicts.insert(outcome.key.clone(), row);
                }
                Kind::Rejected(reason) => {
                    told.reasons.push(reason);
                    told.rolled_back.extend(outcome.value.map(|value| (outcome.key.clone(), value)));
                }
            }
            items.settle(&outcome.key);
        }
        told
    }
}

fn is(sent: &Option<Json>, value: &Option<Json>) -> bool {
    match value {
        Some(value) => same(sent, value),
        None => sent.is_none(),
    }
}

fn same(local: &Option<Json>, remote: &Json) -> bool {
    local.as_ref().is_some_and(|local| equal(local, remote))
}
