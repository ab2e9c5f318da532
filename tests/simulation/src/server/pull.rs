//! A page of changes behind cursors, in the order (version, slice, id), as Flask makes it.

use super::history::History;
use super::{Row, Server, Snapshot, answer, error_of};
use crate::actions::Key;
use crate::property::{Property, violated};
use nightferry::engine::Response;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The most slices, and versions in `mine`, that a pull may name.
const MOST_SLICES: usize = 200;
const MOST_MINE: usize = 1_000;

/// A position in the order (version, id) of one slice: everything up to and including it has been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    /// 0 before the first.
    version: u64,
    /// Within that version: "" is before its first item, `None` behind its last.
    id: Option<String>,
    /// Up to this version nothing is left out, also not the client's own changes: they are part of a pull from the beginning.
    whole_through: u64,
    /// More pages of the same pull were to follow.
    midway: bool,
}

impl Cursor {
    /// Opaque to a device, and no JSON that one might take apart.
    fn text(&self) -> String {
        let fields = json!([self.version, self.id, self.whole_through, self.midway]).to_string();
        fields.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    fn read(text: &str) -> Option<Cursor> {
        let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
        let fields: Value = serde_json::from_slice(&bytes.collect::<Option<Vec<u8>>>()?).ok()?;
        Some(Cursor {
            version: fields[0].as_u64()?,
            id: fields[1].as_str().map(str::to_owned),
            whole_through: fields[2].as_u64()?,
            midway: fields[3].as_bool()?,
        })
    }

    fn order(&self) -> (u64, bool, &str) {
        (self.version, self.id.is_none(), self.id.as_deref().unwrap_or_default())
    }

    fn is_before(&self, version: u64, id: &str) -> bool {
        self.order() < (version, false, id)
    }
}

impl Server {
    /// Answers from `snapshot`, an earlier state of the database, where there is one: a read replica that lags. Such a one
    /// never says that it does not know a version: another is to be asked.
    pub(super) fn pull(&self, body: &Value, snapshot: Option<&Snapshot>) -> Response {
        let user = self.principal.split_once('/').map_or("", |(_, user)| user);
        let is_other = |name: &str, own: &str| body[name].as_str().is_some_and(|given| given != own);
        if is_other("principal", &self.principal) || is_other("user", user) {
            return error_of(403, "wrong_principal", &[]);
        }
        let slices = body["slices"].as_object().expect("slices");
        let mine: BTreeSet<u64> =
            body["mine"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        if self.is_strict && (slices.len() > MOST_SLICES || mine.len() > MOST_MINE) {
            violated(Property::Wire, format!("a pull names too much: {body}"));
        }
        let limit = body["limit"].as_u64().map_or(usize::MAX, |limit| limit as usize).min(self.page_limit);
        let (items, history) = match snapshot {
            Some(snapshot) => (&snapshot.items, &snapshot.history),
            None => (&self.items, &self.history),
        };
        let mut starts = BTreeMap::new();
        let mut unreadable = Vec::new();
        for (slice, cursor) in slices {
            let start = match cursor.as_str() {
                None => Some(Cursor { version: 0, id: None, whole_through: history.last, midway: false }),
                Some(text) => Cursor::read(text),
            };
            match start {
                Some(start) => drop(starts.insert(slice.clone(), (start, cursor.is_null()))),
                None => unreadable.push(slice.as_str()),
            }
        }
        // A replica has nothing new of a slice to which it has not come yet.
        let is_ahead = |cursor: &Cursor| cursor.version.max(cursor.whole_through) > history.last;
        let ahead: BTreeMap<String, Cursor> = starts
            .iter()
            .filter(|(_, (start, _))| snapshot.is_some() && is_ahead(start))
            .map(|(slice, (start, _))| (slice.clone(), start.clone()))
            .collect();
        starts.retain(|slice, _| !ahead.contains_key(slice));
        let is_behind = snapshot.is_some() && body["answered"].as_u64() > Some(history.last);
        let is_other = !is_behind && self.is_of_another_history(history, body);
        let refusal = match is_other {
            true => {
                let asked: Vec<&str> = slices.keys().map(String::as_str).collect();
                Some(error_of(410, "history_changed", &asked))
            }
            false => refusal(history, &starts, &unreadable),
        };
        if snapshot.is_some() && (refusal.is_some() || ahead.values().any(|cursor| cursor.midway)) {
            return Response { retry_after: Some(2_000), ..error_of(503, "unavailable", &[]) };
        }
        if let Some(refusal) = refusal {
            return refusal;
        }
        let starts: BTreeMap<String, Cursor> =
            starts.into_iter().map(|(slice, (start, _))| (slice, start)).collect();
        let mut page = page(items, history, &starts, &mine, limit);
        page.cursors.extend(ahead.into_iter().map(|(slice, cursor)| (slice, cursor.text())));
        let client = body["client"].as_str().unwrap_or_default();
        let changes: Vec<Value> = page
            .rows
            .iter()
            .map(|(key, row)| {
                let mut change = json!({"slice": key.0, "id": key.1});
                self.add_row(client, Some(row), &mut change);
                change
            })
            .collect();
        let mut body = json!({
            "protocol": 1, "principal": self.principal, "version": Some(history.last).filter(|last| *last > 0), "cursors": page.cursors,
            "more": page.more, "changes": changes,
        });
        if let Some(total) = page.total {
            body["total"] = total.into();
        }
        answer(200, &body)
    }
}

/// The answer to cursors that this history can't use: an error that names their slices.
fn refusal(
    history: &History,
    starts: &BTreeMap<String, (Cursor, bool)>,
    unreadable: &[&str],
) -> Option<Response> {
    let of = |is_refused: &dyn Fn(&Cursor) -> bool| -> Vec<&str> {
        let cursors = starts.iter().filter(|(_, (_, is_new))| !is_new);
        cursors.filter(|(_, (cursor, _))| is_refused(cursor)).map(|(slice, _)| slice.as_str()).collect()
    };
    let unknown = of(&|cursor| cursor.version > 0 && !history.knows(cursor.version));
    if !unknown.is_empty() {
        return Some(error_of(410, "history_changed", &unknown));
    }
    let forgotten = history.forgotten_through;
    // A pull from the beginning passes what is older than the horizon; deletions since it began are remembered.
    let is_from_start = |cursor: &Cursor| cursor.midway && cursor.whole_through >= forgotten;
    let mut expired = of(&|cursor| forgotten > 0 && cursor.version <= forgotten && !is_from_start(cursor));
    expired.extend(unreadable);
    (!expired.is_empty()).then(|| error_of(410, "cursor_expired", &expired))
}

struct Page<'a> {
    rows: Vec<(&'a Key, &'a Row)>,
    cursors: BTreeMap<String, String>,
    more: bool,
    total: Option<usize>,
}

fn page<'a>(
    items: &'a BTreeMap<Key, Row>,
    history: &History,
    starts: &BTreeMap<String, Cursor>,
    mine: &BTreeSet<u64>,
    limit: usize,
) -> Page<'a> {
    let whole_through = starts.values().map(|cursor| cursor.whole_through).max().unwrap_or(0);
    let is_left_out = |version: u64| version > whole_through && mine.contains(&version);
    let mut rows: Vec<(&Key, &Row)> = items
        .iter()
        .filter(|((slice, id), row)| {
            starts.get(slice).is_some_and(|start| start.is_before(row.version, id))
                && row.version <= history.last
                && !is_left_out(row.version)
        })
        .collect();
    rows.sort_by_key(|(key, row)| (row.version, *key));
    let total = rows.len();
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().copied();
    let cursors = starts
        .iter()
        .map(|(slice, start)| {
            let cursor = match last.filter(|_| more) {
                // Not at the last item but at the last transaction: a slice where nothing happens stays within the horizon.
                None => Cursor { version: history.last, id: None, whole_through: 0, midway: false },
                Some(last) => next(slice, start, last),
            };
            (slice.clone(), cursor.text())
        })
        .collect();
    let is_first = starts.values().all(|cursor| !cursor.midway);
    Page { rows, cursors, more, total: is_first.then_some(total) }
}

/// The cursor of a slice behind a page that others follow.
fn next(slice: &str, start: &Cursor, ((last_slice, last_id), row): (&Key, &Row)) -> Cursor {
    // The order has slices within a version: those before the last one have been sent in it, those after have not.
    let id = match slice.cmp(last_slice) {
        std::cmp::Ordering::Equal => Some(last_id.clone()),
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Greater => Some(String::new()),
    };
    let reached = Cursor { version: row.version, id, whole_through: start.whole_through, midway: true };
    if start.order() > reached.order() {
        return Cursor { midway: true, ..start.clone() };
    }
    reached
}
