//! The state in words: the same five, with the same sentences, as `describeStatus` of JavaScript's client has.

use nightferry_page::{Connection, ErrorCode, Status};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    UpToDate,
    Sending,
    /// The changes are on this device, and go to the server by themselves.
    Saved,
    /// Somebody has to do something for sending to go on.
    Paused,
    /// Something waits for a decision.
    NeedsYou,
}

impl State {
    /// The state's name in the page's style sheet.
    pub fn name(self) -> &'static str {
        match self {
            State::UpToDate => "up-to-date",
            State::Sending => "sending",
            State::Saved => "saved",
            State::Paused => "paused",
            State::NeedsYou => "needs-you",
        }
    }
}

/// Returns the state, and its words for users.
pub fn words(status: &Status) -> (State, String) {
    use ErrorCode::*;
    let code = status.error_code;
    let is_paused = matches!(
        code,
        Some(
            Unauthenticated
                | WrongPrincipal
                | NotNightferry
                | Declined
                | Other
                | StorageFull
                | Storage
                | WrongUser
                | WrongName
                | NoWorker
        )
    );
    let is_harmless = matches!(code, None | Some(Conflict | Rejected | Unreadable | Rebuilding | Slow));
    let decisions = status.conflicts + status.rejected;
    if is_paused || !status.enabled {
        (State::Paused, "Paused".into())
    } else if decisions > 0 {
        (State::NeedsYou, format!("Needs you ({decisions})"))
    } else if status.connection == Connection::LocalOnly
        || (!is_harmless && status.connection == Connection::Online)
    {
        (State::Saved, "Saved on this device".into())
    } else if status.pending > 0 {
        (State::Sending, format!("Sending {}", status.pending))
    } else if status.connection == Connection::Unknown {
        (State::Sending, "Connecting".into())
    } else if status.progress.is_some() {
        (State::Sending, "Receiving".into())
    } else {
        (State::UpToDate, "Up to date".into())
    }
}

/// Returns what is safe and what to do, where changes do not go to the server now; else nothing.
pub fn detail(status: &Status) -> String {
    let (state, _) = words(status);
    if !matches!(state, State::Saved | State::Paused) {
        return String::new();
    }
    let kept = match status.pending {
        0 => String::new(),
        1 => "1 change is kept on this device. ".into(),
        many => format!("{many} changes are kept on this device. "),
    };
    let why = why(status, state);
    // Of these it is not said that anything is kept: a change may be on the page only.
    if is_unsaved(status.error_code) { why.into() } else { format!("{kept}{why}") }
}

fn is_unsaved(code: Option<ErrorCode>) -> bool {
    use ErrorCode::*;
    matches!(code, Some(StorageFull | Storage | WrongUser | WrongName | NoWorker))
}

fn why(status: &Status, state: State) -> &'static str {
    match status.error_code {
        Some(ErrorCode::Unauthenticated) => "Sign in again, and sending goes on.",
        Some(ErrorCode::WrongPrincipal) => {
            "Somebody else is signed in. Sign in as yourself, and sending goes on."
        }
        Some(ErrorCode::NotNightferry) => {
            "Something else answers in the server’s place. Sign in to this network if it asks for that; else tell the operator."
        }
        Some(ErrorCode::Declined) => "The server declines to take changes. Please tell its operator.",
        Some(ErrorCode::Other) => "The server does not take changes now. Please tell its operator.",
        Some(ErrorCode::StorageFull) => {
            "There is no room left on this device. Make some room, and leave this page open until then."
        }
        Some(ErrorCode::Storage) => "This device cannot save now. Leave this page open: it is tried again.",
        Some(ErrorCode::WrongUser) => {
            "Another user is signed in in this browser. What you change now is on this page only: leave it open until you are signed in again."
        }
        Some(ErrorCode::WrongName) => {
            "Another part of this site is in use. What you change now is on this page only: leave it open."
        }
        Some(ErrorCode::NoWorker) => "This page cannot save now. Leave it open: it is tried again.",
        Some(ErrorCode::TooLarge) => "One change is too large for the server, and waits. All others go on.",
        Some(ErrorCode::Deferred) => "The server cannot take one change now, and it waits. All others go on.",
        _ if state == State::Paused => {
            "Saving is switched off. What you change now is kept aside until it is on again."
        }
        _ => "You can go on working: sending goes on by itself.",
    }
}
