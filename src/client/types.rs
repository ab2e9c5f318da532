//! What a client takes and gives.

use super::calls::Addresses;
use super::session::Message;
use std::collections::BTreeSet;

/// What passes through the client without being looked into.
pub trait Types {
    /// The JSON text of an action.
    type Action;
    type Burst: Burst<Self::Action>;
    type Ids: Ids;
    /// A message of the worker.
    type Message: Clone;
}

/// Actions that are posted together.
pub trait Burst<A>: Clone {
    /// A burst of one action.
    fn of(action: A) -> Self;
    fn push(&mut self, action: A);
}

impl<A: Clone> Burst<A> for Vec<A> {
    fn of(action: A) -> Self {
        vec![action]
    }

    fn push(&mut self, action: A) {
        Vec::push(self, action);
    }
}

/// A set of items' ids.
pub trait Ids: Clone {
    fn is_empty(&self) -> bool;
    fn add(&mut self, others: &Self);
    fn remove(&mut self, others: &Self);
    /// Returns the ids that are not among the others.
    #[must_use]
    fn without(&self, others: &Self) -> Self;
}

impl<T: Ord + Clone> Ids for BTreeSet<T> {
    fn is_empty(&self) -> bool {
        BTreeSet::is_empty(self)
    }

    fn add(&mut self, others: &Self) {
        self.extend(others.iter().cloned());
    }

    fn remove(&mut self, others: &Self) {
        self.retain(|id| !others.contains(id));
    }

    fn without(&self, others: &Self) -> Self {
        self.difference(others).cloned().collect()
    }
}

/// Why something failed: a code for programs, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: String,
    pub message: String,
}

impl Failure {
    pub fn new(code: &str, message: impl Into<String>) -> Failure {
        Failure { code: code.into(), message: message.into() }
    }
}

/// The fields of a worker's message that the client reads. A message has few of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    pub kind: &'a str,
    pub request: Option<u64>,
    pub code: Option<&'a str>,
    pub message: Option<&'a str>,
    pub epoch: Option<&'a str>,
    pub build: Option<&'a str>,
    pub n: Option<u64>,
    pub position: Option<u64>,
    pub unfinished: bool,
    pub more: bool,
    pub wake_in: Option<u64>,
    /// Of stored items: the number of them that came before, and in this message.
    pub first: u64,
    pub count: u64,
}

/// Why what the page knows of a slice is not to be built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resync {
    /// The page may have missed changes.
    Joined,
    /// The page is registered for another database, which has nothing that the page knows.
    Registered,
    /// The user has signed out, and nothing is theirs any more.
    SignedOut,
}

/// The items of a slice, as a read found them.
#[derive(Debug, Clone)]
pub struct Rows<M> {
    /// The messages of the answer, in their order. The last one is the answer itself.
    pub messages: Vec<M>,
    /// The changes that are newer, in their order.
    pub newer: Vec<M>,
}

/// What the host is to do.
pub enum Output<T: Types> {
    /// Post it to the worker.
    Post(Message<T::Burst>),
    /// Call [`Client::post`] at the end of this turn.
    PostSoon,
    /// Connect the page to the worker for this call of `register`, and report it by [`Client::connected`].
    Connect(u64, Addresses),
    /// Register the worker anew, in the place of whichever there is, and report it by [`Client::connected`].
    Claim(u64),
    /// Look for a newer worker, and report it by [`Client::looked_for_update`].
    LookForUpdate,
    /// The answer to a request, or to a call of `register`.
    Answer { request: u64, is_granted: bool, message: T::Message },
    /// A request, or a call of `register`, has failed.
    Fail { request: u64, why: Failure },
    /// The rows that a request has asked for. They have the page's first `actions` actions in them.
    Rows { request: u64, rows: Rows<T::Message>, actions: u64 },
    /// The rows of a slice, all of whose listeners are to be told of the present items, see [`Client::caught_up`].
    CaughtUp { slice: String, rows: Rows<T::Message> },
    /// The listeners of the slice are told that these items are gone.
    Gone { slice: String, ids: T::Ids },
    /// A message for whoever listens. Items of a slice are in effect with it up to the page's `actions`th action.
    Deliver { message: T::Message, actions: Option<u64> },
    /// Whoever follows slices or lists is to read them again.
    Resync(Resync),
    /// The lists of conflicts and refusals may be others.
    Lists,
    /// Nobody says how things stand, for the reason that the code names.
    NoStatus(Failure),
    /// Tell people.
    Report(Failure),
}
