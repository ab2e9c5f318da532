//! The journal: the log of everything that changes an item. A record is durable before it is acknowledged, takes effect
//! in its order, and is kept until every item in it is written and what it left open is answered or marked.
//!
//! ```text
//!  arrive, add ──► queue ──append──► writing ──appended──► durable ──take──► (in effect) ──► retained ──trim──► gone
//!                                      └── failed: pages keep theirs and repeat them; answers go back to the queue
//! ```
//!
//! # Invariants
//!
//! 1. Positions are taken in the order of arrival, and records take effect in that order.
//! 2. A page's `n` is gapless: a repeated burst is acknowledged again, one that comes too early is answered by `expected`.
//! 3. One append is open at a time.
//! 4. Records are trimmed from the front only.
//! 5. A record of answers is never dropped: if it can't be appended, it is appended later.
//! 6. How far a page has come, and how far the journal is trimmed, never goes back.

use crate::json::{number, quoted, shared};
use crate::store::{Cursors, JOURNAL, META, Policies, RebuildRow, RecordHead, RecordRow, Row, RowKey, Write};
use crate::units::{BurstNo, Millis, Position, Tick};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// How long a page's mark is kept after its last message, in ms: 30 days.
const MARK_MS: u64 = 30 * 24 * 3_600_000;
/// A journal beyond this marks what is open in rows, so that its records can go.
const LARGE_BYTES: usize = 2 * 1024 * 1024;
const LARGE_RECORDS: usize = 1_000;
/// The time for which it has to be that large, in ms.
const LARGE_FOR_MS: u64 = 10_000;

/// A page's burst: its page, and its number there.
type Burst = (Rc<str>, BurstNo);

/// A record and its place.
#[derive(Debug, Clone)]
pub struct Record {
    pub position: Position,
    pub head: RecordHead,
    pub text: Rc<str>,
}

impl Record {
    /// The page's burst that it is.
    fn burst(&self) -> Option<(&Rc<str>, BurstNo)> {
        match &self.head {
            RecordHead::Burst { page, n, .. } => Some((page, *n)),
            RecordHead::Answers { .. } | RecordHead::Pulled { .. } => None,
        }
    }

    /// The cursors behind the page of a pull that it is.
    fn cursors(&self) -> Option<&Cursors> {
        match &self.head {
            RecordHead::Pulled { cursors, .. } => Some(cursors),
            RecordHead::Burst { .. } | RecordHead::Answers { .. } => None,
        }
    }

    fn put(&self) -> Write {
        Write::Put {
            store: shared(JOURNAL),
            key: RowKey::Number(self.position.0),
            row: Row::WithText { head: self.head.to_json(), text: self.text.clone() },
        }
    }
}

/// How far a page's bursts have come.
#[derive(Debug, Default, Clone, Copy)]
struct PageProgress {
    durable: BurstNo,
    accepted: BurstNo,
    at: Millis,
}

/// `_meta.page:<id>`.
#[derive(Serialize, Deserialize)]
struct StoredProgress {
    n: BurstNo,
    at: Millis,
}

/// A burst as it arrives.
#[derive(Debug, Clone)]
pub struct Arriving<'a> {
    pub page: &'a Rc<str>,
    pub n: BurstNo,
    /// The oldest that the page still holds: those before are acknowledged and not waited for.
    pub first: BurstNo,
    pub seen: Position,
    pub policies: Policies,
    pub text: &'a str,
}

/// The outcome of a burst's arrival.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    Accepted,
    /// It is durable already: acknowledge it again.
    Repeated,
    /// It is on its way already.
    Known,
    /// Bursts before it are missing, from this one on.
    OutOfOrder(BurstNo),
}

/// A record on disk.
#[derive(Debug)]
struct Retained {
    burst: Option<Burst>,
    cursors: Option<Cursors>,
    bytes: usize,
    /// How many items it waits for; none before it is in effect.
    left: Option<usize>,
}

/// A record to append, with writes that belong to it.
#[derive(Debug, Clone)]
struct Queued {
    record: Record,
    with: Vec<Write>,
}

/// The result of an append that became durable.
#[derive(Debug, Default)]
pub struct Appended {
    /// The pages to acknowledge, each with its highest number.
    pub acknowledged: BTreeMap<Rc<str>, BurstNo>,
    /// A record of answers was among it.
    pub answers: bool,
}

#[derive(Debug, Default)]
pub struct Journal {
    last: Position,
    /// The newest position that is durable.
    durable: Position,
    queue: Vec<Queued>,
    writing: Vec<Queued>,
    /// Durable, not handed out for their effects yet.
    to_replay: VecDeque<Record>,
    /// Durable, not in effect yet: positions, with the page's burst.
    waiting: VecDeque<(Position, Option<Burst>)>,
    retained: BTreeMap<Position, Retained>,
    /// A rebuild under way: the cursors of records up to its position are not those of its slices any more.
    rebuild: Option<RebuildRow>,
    bytes: usize,
    large_since: Option<Tick>,
    marks: BTreeMap<Rc<str>, PageProgress>,
}

impl Journal {
    /// Takes up a record that was on disk at start.
    pub fn recover(&mut self, position: Position, row: RecordRow) {
        self.recover_last(position);
        let record = Record { position, head: row.head, text: row.text };
        if let RecordHead::Burst { page, n, at, .. } = &record.head {
            let mark = self.marks.entry(page.clone()).or_default();
            mark.durable = mark.durable.max(*n);
            mark.accepted = mark.durable;
            mark.at = mark.at.max(*at);
        }
        self.became_durable(record);
    }

    /// Takes up a page's mark that was on disk at start.
    pub fn recover_mark(&mut self, page: &str, row: &str) {
        let Some(StoredProgress { n, at }) = crate::json::read(row) else { return };
        let mark = self.marks.entry(page.into()).or_default();
        let n = n.max(mark.durable);
        *mark = PageProgress { durable: n, accepted: n, at: at.max(mark.at) };
    }

    /// A position that was taken, in this life or before.
    pub fn recover_last(&mut self, last: Position) {
        self.last = self.last.max(last);
        self.durable = self.last;
    }

    /// The newest position that was given.
    pub fn last(&self) -> Position {
        self.last
    }

    /// The newest durable position.
    pub fn durable_position(&self) -> Position {
        self.durable
    }

    /// Every record up to here has taken effect on what readers see.
    pub fn visible_position(&self) -> Position {
        self.waiting.front().map_or(self.durable, |(position, _)| position.previous())
    }

    /// Every burst of a page up to here has taken effect.
    pub fn visible_burst(&self, page: &str) -> BurstNo {
        let of_page = |burst: &(Rc<str>, BurstNo)| *burst.0 == *page;
        let waiting =
            self.waiting.iter().filter_map(|(_, burst)| burst.as_ref()).find(|burst| of_page(burst));
        let unwritten = || self.writing.iter().chain(&self.queue).filter_map(|queued| queued.record.burst());
        let first = waiting.map(|burst| burst.1);
        let first = first.or_else(|| unwritten().find(|(of, _)| ***of == *page).map(|(_, n)| n));
        first.map_or_else(|| self.accepted(page), BurstNo::previous)
    }

    /// The highest number of a page that was taken.
    pub fn accepted(&self, page: &str) -> BurstNo {
        self.marks.get(page).map_or(BurstNo(0), |mark| mark.accepted)
    }

    /// The highest number of a page that is durable.
    pub fn durable(&self, page: &str) -> BurstNo {
        self.marks.get(page).map_or(BurstNo(0), |mark| mark.durable)
    }

    /// Takes a page's burst.
    pub fn arrive(
        &mut self,
        now: Millis,
        Arriving { page, n, first, seen, policies, text }: Arriving,
    ) -> Arrival {
        let mark = self.marks.entry(page.clone()).or_default();
        mark.at = now;
        if first > mark.accepted.next() {
            (mark.durable, mark.accepted) = (first.previous(), first.previous());
        }
        if n <= mark.durable {
            return Arrival::Repeated;
        }
        if n <= mark.accepted {
            return Arrival::Known;
        }
        if n != mark.accepted.next() {
            return Arrival::OutOfOrder(mark.accepted.next());
        }
        mark.accepted = n;
        let head = RecordHead::Burst { page: page.clone(), n, at: now, seen, policies };
        self.add(head, text.into(), Vec::new());
        Arrival::Accepted
    }

    /// Adds a record, and what is to be written in the transaction that makes it durable.
    pub fn add(&mut self, head: RecordHead, text: Rc<str>, with: Vec<Write>) {
        self.last = self.last.next();
        self.queue.push(Queued { record: Record { position: self.last, head, text }, with });
    }

    /// The writes that make the queue durable, in one transaction; one at a time.
    pub fn append(&mut self) -> Option<Vec<Write>> {
        if self.queue.is_empty() || !self.writing.is_empty() {
            return None;
        }
        self.writing = std::mem::take(&mut self.queue);
        let mut writes: Vec<Write> = self.writing.iter().map(|queued| queued.record.put()).collect();
        writes.extend(self.writing.iter().flat_map(|queued| queued.with.iter().cloned()));
        Some(writes)
    }

    /// The transaction of [`Journal::append`] is durable.
    pub fn appended(&mut self) -> Appended {
        let mut appended = Appended::default();
        for Queued { record, .. } in std::mem::take(&mut self.writing) {
            match record.burst() {
                Some((page, n)) => {
                    if let Some(mark) = self.marks.get_mut(page) {
                        mark.durable = mark.durable.max(n);
                    }
                    appended.acknowledged.insert(page.clone(), n);
                }
                None => appended.answers = true,
            }
            self.became_durable(record);
        }
        appended
    }

    fn became_durable(&mut self, record: Record) {
        self.durable = record.position;
        let burst = record.burst().map(|(page, n)| (page.clone(), n));
        self.waiting.push_back((record.position, burst.clone()));
        self.bytes += record.text.len();
        let cursors = record.cursors().cloned();
        let retained = Retained { burst, cursors, bytes: record.text.len(), left: None };
        self.retained.insert(record.position, retained);
        self.to_replay.push_back(record);
    }

    /// The transaction failed. Bursts of it, and those that came after, were not taken: their pages have them still and
    /// send them again. Those to tell.
    pub fn append_failed(&mut self) -> BTreeSet<Rc<str>> {
        let mut pages = BTreeSet::new();
        let mut lost = std::mem::take(&mut self.writing);
        lost.append(&mut self.queue);
        for queued in lost {
            match queued.record.burst() {
                Some((page, _)) => drop(pages.insert(page.clone())),
                None => self.add(queued.record.head, queued.record.text, queued.with),
            }
        }
        for page in &pages {
            if let Some(mark) = self.marks.get_mut(page) {
                mark.accepted = mark.durable;
            }
        }
        pages
    }

    /// Durable records whose effects are to be worked out, in their order.
    pub fn take_durable(&mut self) -> VecDeque<Record> {
        std::mem::take(&mut self.to_replay)
    }

    /// A record took effect, and waits for so many items.
    pub fn in_effect(&mut self, position: Position, held_by: usize) {
        if self.waiting.front().is_some_and(|(first, _)| *first == position) {
            self.waiting.pop_front();
        }
        if let Some(record) = self.retained.get_mut(&position) {
            record.left = Some(held_by);
        }
    }

    /// Records wait for one item less, one entry for each.
    pub fn released(&mut self, positions: &[Position]) {
        for position in positions {
            if let Some(Retained { left: Some(left), .. }) = self.retained.get_mut(position) {
                *left = left.saturating_sub(1);
            }
        }
    }

    /// Returns true if every record up to `position` has taken effect.
    pub fn is_visible_through(&self, position: Position) -> bool {
        let unwritten = self.writing.iter().chain(&self.queue).map(|queued| queued.record.position);
        let first = self.waiting.front().map(|(position, _)| *position).into_iter().chain(unwritten).min();
        first.is_none_or(|first| first > position)
    }

    /// How far the journal can be trimmed in a transaction after which records wait for so many items less.
    pub fn trimmable(&self, releases: &BTreeMap<Position, usize>) -> Option<Position> {
        let over = |(position, record): &(&Position, &Retained)| {
            record.left.is_some_and(|left| left <= releases.get(position).copied().unwrap_or(0))
        };
        self.retained.iter().take_while(over).last().map(|(position, _)| *position)
    }

    /// Adds what removes the records up to `through` and keeps what must be known of them: positions go on from there, and
    /// so do their pages.
    pub fn write_trim(&self, through: Position, now: Millis, writes: &mut Vec<Write>) {
        writes.push(Write::Trim { store: shared(JOURNAL), through: through.0 });
        writes.push(Write::meta("position", &number(through.0)));
        let (mut marks, mut cursors) = (BTreeMap::new(), BTreeMap::new());
        for (position, record) in self.retained.range(..=through) {
            marks.extend(record.burst.iter().map(|(page, n)| (page, *n)));
            let is_valid = |slice: &Rc<str>| is_cursor_valid(self.rebuild.as_ref(), slice, *position);
            cursors.extend(record.cursors.iter().flatten().filter(|(slice, _)| is_valid(slice)));
        }
        writes.extend(write_cursors(cursors));
        for (page, n) in marks {
            writes.push(Write::meta(
                &format!("page:{page}"),
                &crate::json::write(&StoredProgress { n, at: now }),
            ));
        }
    }

    /// A transaction that trims is durable.
    pub fn trimmed(&mut self, through: Position) {
        let kept = self.retained.split_off(&through.next());
        let gone = std::mem::replace(&mut self.retained, kept);
        self.bytes -= gone.values().map(|record| record.bytes).sum::<usize>();
    }

    /// If the journal has been large for a while, returns the position up to which records should go first. A burst
    /// that the server is just taking makes it large for a moment, and costs no rows.
    pub fn overgrown(&mut self, now: Tick) -> Option<Position> {
        if self.bytes <= LARGE_BYTES && self.retained.len() <= LARGE_RECORDS {
            self.large_since = None;
            return None;
        }
        if now.elapsed_since(*self.large_since.get_or_insert(now)) < LARGE_FOR_MS {
            return None;
        }
        self.retained.keys().take(1 + self.retained.len() / 4).next_back().copied()
    }

    /// The `_meta` rows of pages not heard of for so long that they are gone.
    pub fn expire_marks(&mut self, now: Millis) -> Vec<Write> {
        let is_expired = |mark: &PageProgress| now.elapsed_since(mark.at) > MARK_MS;
        let expired: Vec<Rc<str>> =
            self.marks.iter().filter(|(_, mark)| is_expired(mark)).map(|(page, _)| page.clone()).collect();
        let delete = |page: &Rc<str>| Write::delete(META, RowKey::Text(format!("page:{page}").into()));
        self.marks.retain(|_, mark| !is_expired(mark));
        expired.iter().map(delete).collect()
    }

    /// Returns true if a record of answers is not in effect yet: nothing is chosen to be sent before.
    pub fn has_pending_answers(&self) -> bool {
        let unwritten = self.writing.iter().chain(&self.queue).any(|queued| queued.record.burst().is_none());
        unwritten || self.waiting.iter().any(|(_, burst)| burst.is_none())
    }

    /// Records of answers that are not durable, in their order.
    pub fn unwritten_answers(&self) -> Vec<Record> {
        let unwritten = self.writing.iter().chain(&self.queue).map(|queued| &queued.record);
        unwritten.filter(|record| record.burst().is_none()).cloned().collect()
    }

    /// Slices are pulled from their beginning, or all of that is done.
    pub fn set_rebuild(&mut self, rebuild: Option<RebuildRow>) {
        self.rebuild = rebuild;
    }

    /// The positions of the pages of pulls that it has, ascending.
    pub fn pulls(&self) -> Vec<Position> {
        let unwritten = self.writing.iter().chain(&self.queue).map(|queued| &queued.record);
        let unwritten = unwritten.filter(|record| record.cursors().is_some()).map(|record| record.position);
        let retained = self.retained.iter().filter(|(_, record)| record.cursors.is_some());
        retained.map(|(position, _)| *position).chain(unwritten).collect()
    }

    /// Returns true if the journal has a page of a pull, so that the cursors in `_meta` do not count.
    pub fn has_pulls(&self) -> bool {
        !self.pulls().is_empty()
    }

    /// Returns true if a page's burst waits to be appended.
    pub fn has_bursts(&self) -> bool {
        self.queue.iter().any(|queued| queued.record.burst().is_some())
    }

    /// Returns true if no record waits to become durable or to take effect.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.writing.is_empty() && self.waiting.is_empty()
    }
}

/// Returns true if a cursor of a slice that a record at `position` has says how far the slice is pulled.
pub fn is_cursor_valid(rebuild: Option<&RebuildRow>, slice: &str, position: Position) -> bool {
    rebuild.is_none_or(|rebuild| position > rebuild.started_at || !rebuild.slices.contains(slice))
}

/// Returns the writes of cursors, `_meta.cursor:<slice>`.
pub fn write_cursors<'a>(cursors: impl IntoIterator<Item = (&'a Rc<str>, &'a Rc<str>)>) -> Vec<Write> {
    let write =
        |(slice, cursor): (&Rc<str>, &Rc<str>)| Write::meta(&format!("cursor:{slice}"), &quoted(cursor));
    cursors.into_iter().map(write).collect()
}

#[cfg(test)]
mod tests;
