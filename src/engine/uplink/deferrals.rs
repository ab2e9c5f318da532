//! Operations that wait alone, because a push with them fails while others pass.

use super::classify::Class;
use crate::engine::replica::Replica;
use crate::store::{AnswerStatus, Key, Operation};
use crate::units::{Position, Tick};
use std::collections::BTreeMap;

/// The first wait of an operation that the server declines, doubled each time up to the most, in ms.
const DEFER_MS: u64 = 60_000;
const MAX_DEFER_MS: u64 = 3_600_000;

#[derive(Debug)]
struct Deferred {
    until: Tick,
    wait: u64,
    /// The edit that was sent: a newer one is tried at once.
    position: Position,
    /// The server declined it; it was not only out of order at the time.
    is_declined: bool,
}

impl Deferred {
    fn new(operation: &Operation, wait: u64, is_declined: bool, now: Tick) -> Self {
        Deferred { until: now.plus(wait), wait, position: operation.position, is_declined }
    }
}

#[derive(Debug, Default)]
pub struct Deferrals {
    by_key: BTreeMap<Key, Deferred>,
    error: Option<String>,
    /// An operation of the push under way that is to be taken out of it.
    culprit: Option<Key>,
    /// The operations of the last push that was answered. Operations that may be sent again unchanged are left out.
    answered: BTreeMap<Key, Operation>,
}

impl Deferrals {
    /// The server declines a push of this operation alone.
    pub fn decline(&mut self, operation: &Operation, class: Class, bytes: usize, now: Tick) {
        let key = operation.key();
        let why = match class {
            Class::TooLarge => format!(
                "it is {bytes} bytes, more than the server or a proxy before it takes; raise the limit there"
            ),
            _ => "its log may say why".into(),
        };
        let before =
            self.by_key.get(&key).filter(|deferred| deferred.is_declined).map(|deferred| deferred.wait);
        let wait = before.map_or(DEFER_MS, |wait| (wait * 2).min(MAX_DEFER_MS));
        self.add(operation, Deferred::new(operation, wait, true, now), &why);
    }

    /// Returns true if the server has just answered this very operation, on the same version: its answer has changed nothing.
    pub fn is_repeated(&self, operation: &Operation) -> bool {
        self.answered.get(&operation.key()).is_some_and(|answered| {
            let Operation { base, value, deleted, .. } = operation;
            (base, value, deleted) == (&answered.base, &answered.value, &answered.deleted)
        })
    }

    /// The server's answer to this operation has changed nothing: it waits before it is sent again.
    pub fn repeat(&mut self, operation: &Operation, now: Tick) {
        let deferred = Deferred::new(operation, DEFER_MS, true, now);
        self.add(operation, deferred, "its answer is of another time");
        self.culprit = None;
    }

    /// This operation alone fails while the server answers other requests.
    pub fn suspect(&mut self, operation: &Operation, now: Tick) {
        self.add(operation, Deferred::new(operation, DEFER_MS, false, now), "its log may say why");
    }

    fn add(&mut self, operation: &Operation, deferred: Deferred, why: &str) {
        let key = operation.key();
        self.error = Some(format!(
            "The server cannot take a change of {} \"{}\"; {why}. The change is kept and tried again later, and others go on.",
            key.slice, key.id
        ));
        self.by_key.insert(key.clone(), deferred);
        self.culprit = Some(key);
    }

    /// Returns true if the operation is to be taken out of the push under way.
    pub fn is_culprit(&self, operation: &Operation) -> bool {
        self.culprit.as_ref().is_some_and(|culprit| *culprit == operation.key())
    }

    /// It was taken out, if there was one.
    pub fn withdrawn(&mut self) -> bool {
        self.culprit.take().is_some()
    }

    /// Returns true if the item is not to go with others. An item that was edited or undone since is not held back.
    pub fn holds_back(&self, key: &Key, replica: &Replica, now: Tick) -> bool {
        self.by_key.get(key).is_some_and(|deferred| {
            let waits = deferred.is_declined || deferred.until > now;
            waits && !replica.is_changed_since(key, deferred.position)
        })
    }

    /// Returns true if the item may go alone.
    pub fn is_due(&self, key: &Key, now: Tick) -> bool {
        self.by_key.get(key).is_none_or(|deferred| deferred.until <= now)
    }

    /// Forgets items that have nothing to send any more.
    pub fn retain(&mut self, is_unsent: impl Fn(&Key) -> bool) {
        self.by_key.retain(|key, _| is_unsent(key));
    }

    /// Notes the operations that the server answered. Operations that waited alone because the server was failing go now.
    pub fn answered<'a>(
        &mut self,
        operations: impl Iterator<Item = (&'a Operation, AnswerStatus)>,
        now: Tick,
    ) {
        self.answered.clear();
        for (operation, status) in operations {
            self.by_key.remove(&operation.key());
            if !matches!(status, AnswerStatus::Rejected | AnswerStatus::Unfit) {
                self.answered.insert(operation.key(), operation.clone());
            }
        }
        for deferred in self.by_key.values_mut().filter(|deferred| !deferred.is_declined) {
            deferred.until = now;
        }
    }

    /// Forgets the earlier answers, because the server has another history now.
    pub fn forget_answers(&mut self) {
        self.answered.clear();
    }

    /// A person asks: everything may go now.
    pub fn retry_now(&mut self, now: Tick) {
        self.by_key.values_mut().for_each(|deferred| deferred.until = now);
    }

    /// Returns true if something waits because the server was failing.
    pub fn is_any_suspect(&self) -> bool {
        self.by_key.values().any(|deferred| !deferred.is_declined)
    }

    /// Returns the sentence about the deferred operations, while there are any.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref().filter(|_| !self.by_key.is_empty())
    }

    pub fn poll_timeout(&self, now: Tick) -> Option<Tick> {
        self.by_key.values().map(|deferred| deferred.until).filter(|until| *until > now).min()
    }
}
