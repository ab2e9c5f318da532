//! Collects dispatched actions, so that many of them are one message.

use super::Burst;

/// The limits of a burst; more is posted as several bursts. Each burst is a record in the worker's journal, and a record is
/// read at once. A single action may be larger.
const MAX_ACTIONS: usize = 500;
const MAX_BYTES: usize = 1_000_000;
/// The least time between two bursts, in ms. Actions that follow sooner wait and are posted together.
const MIN_INTERVAL_MS: u64 = 50;

/// The actions that were dispatched and not posted yet.
#[derive(Debug)]
pub struct Batcher<B> {
    /// The latest actions, their number, and the most bytes that they may have.
    chunk: Option<B>,
    actions: usize,
    bytes: usize,
    /// Full bursts, each with the number of its last action.
    full_chunks: Vec<(u64, B)>,
    /// The number of the last action.
    last: u64,
    /// The time of the last burst, in ms of the page's clock.
    posted_at: Option<u64>,
    /// The time at which to post, if a timer is to do it.
    due: Option<u64>,
}

impl<B> Default for Batcher<B> {
    fn default() -> Self {
        Batcher {
            chunk: None,
            actions: 0,
            bytes: 0,
            full_chunks: Vec::new(),
            last: 0,
            posted_at: None,
            due: None,
        }
    }
}

impl<B> Batcher<B> {
    /// Adds the text of an action, of at most so many bytes, dispatched at `now`. Returns true if the actions are to be posted at
    /// the end of this turn. Hidden pages use no timer, because it may be a minute late.
    pub fn add<A>(&mut self, action: A, bytes: usize, now: u64, is_hidden: bool) -> bool
    where
        B: Burst<A>,
    {
        let is_first = self.is_empty();
        // With the comma before it, and room for the brackets.
        if self.actions == MAX_ACTIONS || self.bytes + bytes + 2 > MAX_BYTES {
            self.finish_chunk();
        }
        self.actions += 1;
        self.bytes += bytes + 1;
        self.last += 1;
        match &mut self.chunk {
            Some(chunk) => chunk.push(action),
            None => self.chunk = Some(B::of(action)),
        }
        if !is_first {
            return false;
        }
        let wait = self.posted_at.map_or(0, |posted| (posted + MIN_INTERVAL_MS).saturating_sub(now));
        self.due = (wait > 0 && !is_hidden).then_some(now + wait);
        self.due.is_none()
    }

    fn is_empty(&self) -> bool {
        self.chunk.is_none() && self.full_chunks.is_empty()
    }

    /// Returns the number of actions so far, which is that of the last one.
    pub fn last(&self) -> u64 {
        self.last
    }

    fn finish_chunk(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            self.full_chunks.push((self.last, chunk));
        }
        (self.actions, self.bytes) = (0, 0);
    }

    /// Returns the bursts to post now, each with the number of its last action.
    pub fn flush(&mut self, now: u64) -> Vec<(u64, B)> {
        self.due = None;
        self.finish_chunk();
        if !self.full_chunks.is_empty() {
            self.posted_at = Some(now);
        }
        std::mem::take(&mut self.full_chunks)
    }

    /// Returns the time at which to post what waits, in ms of the page's clock.
    pub fn deadline(&self) -> Option<u64> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(batcher: &mut Batcher<Vec<usize>>, action: usize, now: u64, is_hidden: bool) -> bool {
        batcher.add(action, 1, now, is_hidden)
    }

    #[test]
    fn actions_in_close_succession_are_posted_together() {
        let mut batcher = Batcher::default();
        assert!(add(&mut batcher, 1, 1_000, false));
        assert!(!add(&mut batcher, 2, 1_000, false));
        assert_eq!(batcher.flush(1_000), [(2, vec![1, 2])]);
        assert!(!add(&mut batcher, 3, 1_010, false));
        assert_eq!(batcher.deadline(), Some(1_050));
        assert!(!add(&mut batcher, 4, 1_020, false));
        assert_eq!(batcher.flush(1_050), [(4, vec![3, 4])]);
        assert_eq!((batcher.flush(1_050), batcher.deadline()), (vec![], None));
        assert!(add(&mut batcher, 5, 1_060, true), "hidden");
        assert_eq!(batcher.flush(1_060), [(5, vec![5])]);
        assert!(add(&mut batcher, 6, 1_110, false));
    }

    #[test]
    fn a_long_burst_is_split_at_the_limits() {
        let mut batcher = Batcher::default();
        for action in 1..=3 {
            batcher.add(action, MAX_BYTES / 2 - 1, 0, false);
        }
        batcher.add(4, MAX_BYTES * 2, 0, false);
        assert_eq!(batcher.flush(0), [(1, vec![1]), (2, vec![2]), (3, vec![3]), (4, vec![4])]);
        for action in 5..506 {
            add(&mut batcher, action, 0, false);
        }
        let lengths: Vec<_> = batcher.flush(0).into_iter().map(|(last, burst)| (last, burst.len())).collect();
        assert_eq!(lengths, [(504, 500), (505, 1)]);
    }
}
