//! The page's calls of `register`. They run one after the other, so that each fails for its own mistakes alone.

use super::Failure;
use std::collections::VecDeque;

/// A call of `register`.
#[derive(Debug, Clone, Default)]
pub struct Call {
    pub place: Addresses,
    /// JSON objects: the slices with their settings, and those of auto-sync.
    pub slices: String,
    pub auto_sync: String,
    /// The device's name for people.
    pub device: String,
    /// The page can be asked for a token.
    pub gives_tokens: bool,
}

/// The addresses of the worker and the API, the name of the database and its user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    pub worker_url: String,
    pub api: String,
    pub name: String,
    pub user: Option<String>,
}

impl Addresses {
    /// Returns the place as messages and channels name it.
    pub fn to_text(&self) -> String {
        crate::bridge::place::Place { name: &self.name, user: self.user.as_deref() }.to_text()
    }
}

/// What the call in turn waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The page to be connected to the worker, or the worker to be registered anew.
    Connection,
    /// The worker's answer.
    Answer,
}

/// The codes of a worker that cannot start at all, or cannot be spoken to. It goes on being asked.
const ABOUT_WORKER: [&str; 6] = [
    "newer_schema",
    "unreadable_database",
    "worker_failed",
    "no_worker",
    "bridge_version",
    "database_blocked",
];

/// Returns true if the code says that there is no worker to answer.
pub fn is_about_worker(code: &str) -> bool {
    ABOUT_WORKER.contains(&code)
}

#[derive(Debug, Default)]
pub struct Calls {
    /// The calls that wait for their turn, each with its number.
    waiting: VecDeque<(u64, Call)>,
    pub current: Option<(u64, Call, Stage)>,
    /// The call that the worker did not answer in time, or could not. It goes on being asked.
    late: Option<u64>,
    /// The latest call, and the latest that was granted.
    latest: Option<u64>,
    granted: Option<u64>,
    /// The failure of the last call that failed.
    refused: Option<Failure>,
    /// The user has signed out, and nobody has registered since.
    has_signed_out: bool,
}

impl Calls {
    pub fn add(&mut self, number: u64, call: Call) {
        self.latest = Some(number);
        self.waiting.push_back((number, call));
    }

    /// Returns the next call, if none is in turn.
    pub fn next(&mut self) -> Option<(u64, Call)> {
        if self.current.is_some() { None } else { self.waiting.pop_front() }
    }

    /// Returns true while a call has not asked the worker yet. Actions that were dispatched after it may be of its slices.
    pub fn holds_back(&self) -> bool {
        !self.waiting.is_empty() || matches!(self.current, Some((.., Stage::Connection)))
    }

    /// Returns true if every call has its result.
    pub fn is_idle(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    /// Returns true if a call with the same options as this one has nothing to add to it.
    pub fn is_repeated(&self, number: u64) -> bool {
        self.latest == Some(number) && self.late.is_none()
    }

    /// Returns an error if no call was granted or is under way: nothing would ever be posted.
    pub fn check(&self, what: &str) -> Result<(), Failure> {
        match () {
            () if self.granted.is_some() || self.late.is_some() || !self.is_idle() => Ok(()),
            () if self.has_signed_out => Err(Failure::new(
                "signed_out",
                [what, ": the user has signed out in this browser. Sign in, and call register() again."]
                    .concat(),
            )),
            () => Err(not_registered(what)),
        }
    }

    /// Returns true if no call was granted, and none of a former user's could be.
    pub fn may_be_granted_late(&self) -> bool {
        self.granted.is_none() && !self.has_signed_out
    }

    /// Returns why requests fail, if no call was granted.
    pub fn refusal(&self) -> Option<Failure> {
        if self.granted.is_some() {
            return None;
        }
        Some(self.refused.clone().unwrap_or_else(|| not_registered("This")))
    }

    /// The call was granted. Returns true if the page may have missed something since the user has signed out.
    pub fn grant(&mut self, number: u64) -> bool {
        if self.late.take_if(|late| *late == number).is_some() {
            // The page was told that it failed: who calls again gets a new answer.
            self.latest = self.latest.filter(|latest| *latest != number);
        }
        if self.current.as_ref().is_some_and(|current| current.0 == number) {
            self.current = None;
        }
        self.granted = Some(number);
        std::mem::take(&mut self.has_signed_out)
    }

    /// The call in turn has failed. A worker that does not answer goes on being asked.
    pub fn fail(&mut self, why: &Failure, is_asked: bool) -> Option<u64> {
        let (number, ..) = self.current.take()?;
        self.refused = Some(why.clone());
        if is_asked && is_about_worker(&why.code) {
            self.late = Some(number);
        } else if self.latest == Some(number) {
            // It may be made again, and takes nothing from the others.
            self.latest = self.granted;
        }
        Some(number)
    }

    /// Returns true if the worker goes on being asked for this call, which has failed for the page.
    pub fn is_late(&self, number: u64) -> bool {
        self.late == Some(number)
    }

    /// The session asks for another call in the place of the one that the worker did not answer.
    pub fn give_up_late(&mut self) {
        self.late = None;
    }

    /// The user has signed out.
    pub fn sign_out(&mut self) {
        (self.late, self.latest, self.granted) = (None, None, None);
        self.has_signed_out = true;
    }
}

fn not_registered(what: &str) -> Failure {
    Failure::new("not_registered", [what, ": call register() first, with the slices."].concat())
}
