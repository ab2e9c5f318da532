//! The journal: what pages sent, durable before it is acknowledged, kept until every item in it is committed.
//!
//! # Invariants
//!
//! - Positions are taken in the order of arrival and take effect in that order.
//! - A page's `n` is gapless: a repeated message is acknowledged again, one that comes too early is refused.
//! - Records are trimmed from the front only, and only once every item in them is committed.

use crate::json::{number, shared, write};
use crate::store::{JOURNAL, JournalHead, Key, META, Row, RowKey, SYNC, Write};
use crate::table::Table;
use crate::units::Position;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// How long a page's mark is kept after its last message, in ms: 30 days.
const MARK_MS: u64 = 30 * 24 * 3_600_000;

/// So many records' pages are remembered.
const MAX_AUTHORS: usize = 4_096;

/// A burst that was accepted.
/// A page's mark, as it is stored.
#[derive(Serialize, Deserialize)]
pub struct MarkRow {
    pub n: u64,
    pub at: u64,
}

#[derive(Debug, Clone)]
pub struct Record {
    pub position: u64,
    pub head: JournalHead,
    pub text: Rc<str>,
}

/// How far a page's messages have come.
#[derive(Debug, Default, Clone, Copy)]
struct Mark {
    durable: u64,
    accepted: u64,
    at: u64,
}

/// What becomes of a burst that arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    Accepted,
    /// It is durable already: acknowledge it again.
    Repeated,
    /// It is on its way already.
    Known,
    /// Messages before it are missing, from this one on.
    Gap(u64),
}

/// A record on disk: its page's mark, and the number of items still to commit; `None` before folding.
#[derive(Debug)]
struct Open {
    page: Rc<str>,
    n: u64,
    left: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Journal {
    last: u64,
    /// The newest that is durable. Those after it may be taken again: by others, if their transaction fails.
    written: u64,
    /// Accepted, not in a transaction yet.
    queue: Vec<Record>,
    /// In the open transaction.
    writing: Vec<Record>,
    /// Durable, not folded into items yet.
    pub unfolded: Vec<Record>,
    /// The records on disk, by position.
    open: Table<u64, Open>,
    /// Records up to here are done with but still on disk.
    trimmable: Option<u64>,
    /// Records up to here are gone from the disk.
    trimmed: u64,
    /// Items that the server does not have, whose `_sync` row keeps a replay from repeating them: it goes when the
    /// records up to this position go.
    guards: Table<Key, u64>,
    /// Marks of pages whose records were trimmed, to be written with the trim.
    unwritten_marks: Table<Rc<str>, u64>,
    marks: Table<Rc<str>, Mark>,
    /// The pages of the latest records, by position.
    authors: Table<u64, Rc<str>>,
}

impl Journal {
    /// The newest position.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Takes up a record that was on disk at start.
    pub fn recover(&mut self, record: Record) {
        self.recover_last(record.position);
        self.opened(&record);
        self.wrote(record.position, record.head.page.clone());
        let mark = self.marks.or_insert_with(record.head.page.clone(), Mark::default);
        mark.durable = mark.durable.max(record.head.n);
        mark.accepted = mark.durable;
        mark.at = mark.at.max(record.head.at);
        self.unfolded.push(record);
    }

    fn opened(&mut self, record: &Record) {
        self.written = record.position;
        let open = Open { page: record.head.page.clone(), n: record.head.n, left: None };
        self.open.insert(record.position, open);
    }

    /// Takes up a page's mark that was on disk at start.
    pub fn recover_mark(&mut self, page: &str, n: u64, at: u64) {
        let mark = self.marks.or_insert_with(page.into(), Mark::default);
        *mark = Mark { durable: n.max(mark.durable), accepted: n.max(mark.durable), at: at.max(mark.at) };
    }

    /// The last position that was trimmed: numbering goes on after it.
    pub fn recover_trimmed(&mut self, trimmed: u64) {
        self.trimmed = trimmed;
        self.recover_last(trimmed);
    }

    /// A position that was taken.
    pub fn recover_last(&mut self, last: u64) {
        self.last = self.last.max(last);
        self.written = self.last;
    }

    /// Whether the record at `position` may still be on disk.
    pub fn has(&self, position: u64) -> bool {
        position > self.trimmed
    }

    /// The item's `_sync` row is there for replays only, up to this position; or it is not any more.
    pub fn guarded(&mut self, key: &Key, position: Option<u64>) {
        match position {
            Some(position) => self.guards.insert(key.clone(), position),
            None => self.guards.remove(key),
        };
    }

    /// Takes a page's `n`th message. The page holds its messages from `first` on: those before are acknowledged, so they
    /// are not waited for, whatever became of the page's mark.
    pub fn arrive(
        &mut self,
        now: u64,
        page: &str,
        (n, first): (u64, u64),
        seen: Position,
        text: &str,
    ) -> Arrival {
        let page: Rc<str> = page.into();
        let mark = self.marks.or_insert_with(page.clone(), Mark::default);
        mark.at = now;
        if first > mark.accepted + 1 {
            (mark.durable, mark.accepted) = (first - 1, first - 1);
        }
        if n <= mark.durable {
            return Arrival::Repeated;
        }
        if n <= mark.accepted {
            return Arrival::Known;
        }
        if n != mark.accepted + 1 {
            return Arrival::Gap(mark.accepted + 1);
        }
        mark.accepted = n;
        self.last += 1;
        self.wrote(self.last, page.clone());
        let head = JournalHead { page, n, at: now, seen };
        self.queue.push(Record { position: self.last, head, text: text.into() });
        Arrival::Accepted
    }

    fn wrote(&mut self, position: u64, page: Rc<str>) {
        self.authors.insert(position, page);
        if self.authors.len() > MAX_AUTHORS
            && let Some(first) = self.authors.first()
        {
            self.authors.remove(&first);
        }
    }

    /// The highest number of a page that was taken.
    pub fn accepted(&self, page: &str) -> u64 {
        self.marks.get(page).map_or(0, |mark| mark.accepted)
    }

    /// The highest number of a page that is durable.
    pub fn durable(&self, page: &str) -> u64 {
        self.marks.get(page).map_or(0, |mark| mark.durable)
    }

    /// The writes that make the queue durable, in one transaction; one at a time.
    pub fn append(&mut self) -> Option<Vec<Write>> {
        if self.queue.is_empty() || !self.writing.is_empty() {
            return None;
        }
        self.writing = std::mem::take(&mut self.queue);
        let mut writes = Vec::new();
        for record in &self.writing {
            writes.push(Write::Put {
                store: shared(JOURNAL),
                key: RowKey::Number(record.position),
                row: Row::WithText { head: record.head.to_json(), text: record.text.clone() },
            });
        }
        Some(writes)
    }

    /// The transaction of [`Journal::append`] finished. The pages to acknowledge, each with its highest number.
    pub fn appended(&mut self) -> Table<Rc<str>, u64> {
        let mut acknowledged = Table::default();
        for record in std::mem::take(&mut self.writing) {
            if let Some(mark) = self.marks.get_mut(&record.head.page) {
                mark.durable = mark.durable.max(record.head.n);
            }
            acknowledged.insert(record.head.page.clone(), record.head.n);
            self.opened(&record);
            self.unfolded.push(record);
        }
        acknowledged
    }

    /// The transaction failed: nothing of it, nor of what came after, was taken. The pages have it still and will send
    /// it again; those to tell.
    pub fn append_failed(&mut self) -> Vec<Rc<str>> {
        let mut pages: Vec<Rc<str>> = Vec::new();
        let mut lost = std::mem::take(&mut self.writing);
        lost.append(&mut self.queue);
        for record in &lost {
            if !pages.contains(&record.head.page) {
                pages.push(record.head.page.clone());
            }
        }
        for page in &pages {
            if let Some(mark) = self.marks.get_mut(page) {
                mark.accepted = mark.durable;
            }
        }
        pages
    }

    /// A record was folded into `items` items.
    pub fn folded(&mut self, position: u64, items: usize) {
        if let Some(record) = self.open.get_mut(&position) {
            record.left = Some(items as u64);
        }
        self.advance();
    }

    /// Whether every record up to `position` has taken effect on what readers see.
    pub fn folded_through(&self, position: u64) -> bool {
        self.waiting(None).is_none_or(|(waiting, _)| waiting > position)
    }

    /// The newest durable position. What takes effect of those up to here may be told to nobody: a replay skips what is done.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Every record up to here has taken effect on what readers see, and no other will have one of these positions.
    pub fn effective(&self) -> u64 {
        let last = self.waiting(None).map_or(self.written, |(position, _)| position - 1);
        last.min(self.written)
    }

    /// Every message of a page up to here has taken effect.
    pub fn taken(&self, page: &str) -> u64 {
        self.waiting(Some(page)).map_or_else(|| self.accepted(page), |(_, n)| n - 1)
    }

    /// The first record (of a page) that has not taken effect: its position and number.
    fn waiting(&self, page: Option<&str>) -> Option<(u64, u64)> {
        let is_of = |author: &str| page.is_none_or(|page| page == author);
        for (position, record) in self.open.iter() {
            if record.left.is_none() && is_of(&record.page) {
                return Some((*position, record.n));
            }
        }
        let mut unwritten = self.writing.iter().chain(&self.queue);
        let record = unwritten.find(|record| is_of(&record.head.page))?;
        Some((record.position, record.head.n))
    }

    /// Items made of records of these positions were committed.
    pub fn committed<'a>(&mut self, positions: impl Iterator<Item = &'a u64>) {
        for position in positions {
            if let Some(Open { left: Some(left), .. }) = self.open.get_mut(position) {
                *left = left.saturating_sub(1);
            }
        }
        self.advance();
    }

    fn advance(&mut self) {
        while let Some((position, Open { page, n, left: Some(0) })) = self.open.iter().next() {
            let position = *position;
            self.trimmable = Some(position);
            self.unwritten_marks.insert(page.clone(), *n);
            self.open.remove(&position);
        }
    }

    /// Whether every record up to `position` is folded and committed.
    pub fn done_through(&self, position: u64) -> bool {
        let later = |record: &Record| record.position > position;
        self.open.first().is_none_or(|first| first > position)
            && self.writing.iter().all(later)
            && self.queue.iter().all(later)
    }

    /// Adds to a transaction what removes finished records. With `committing`, those that this very transaction
    /// finishes go too.
    pub fn trim(&self, now: u64, committing: &Table<u64, u64>, writes: &mut Vec<Write>) {
        let mut through = self.trimmable;
        let mut marks = self.unwritten_marks.clone();
        for (position, Open { page, n, left }) in self.open.iter() {
            if left.is_none_or(|left| left > committing.get(position).copied().unwrap_or(0)) {
                break;
            }
            through = Some(*position);
            marks.insert(page.clone(), *n);
        }
        let Some(through) = through else { return };
        writes.push(Write::Trim { store: shared(JOURNAL), through });
        for (key, position) in self.guards.iter() {
            if *position <= through {
                writes.push(Write::delete(SYNC, RowKey::Item(key.clone())));
            }
        }
        // Positions go on from here even when the journal is empty.
        writes.push(Write::meta("position", &number(through)));
        for (page, n) in marks.iter() {
            writes.push(Write::meta(&["page:", page].concat(), &write(&MarkRow { n: *n, at: now })));
        }
    }

    /// A transaction with a trim through `position` finished.
    pub fn trimmed(&mut self, through: u64) {
        self.trimmed = self.trimmed.max(through);
        self.guards.retain(|_, position| *position > through);
        if self.trimmable.is_some_and(|trimmable| trimmable <= through) {
            self.trimmable = None;
            self.unwritten_marks = Table::default();
        }
    }

    /// Whether finished records wait on disk for a transaction to remove them.
    pub fn wants_trim(&self) -> bool {
        self.trimmable.is_some()
    }

    /// The `_meta` rows of pages not heard of for so long that they are gone.
    pub fn expire_marks(&mut self, now: u64) -> Vec<Write> {
        let mut expired = Vec::new();
        for (page, mark) in self.marks.iter() {
            if mark.at + MARK_MS < now {
                expired.push(page.clone());
            }
        }
        let mut writes = Vec::new();
        for page in &expired {
            self.marks.remove(page);
            writes.push(Write::delete(META, RowKey::Text(shared(&["page:", page].concat()))));
        }
        writes
    }

    pub fn idle(&self) -> bool {
        self.queue.is_empty() && self.writing.is_empty() && self.unfolded.is_empty()
    }
}
