//! The state in words: the same five as `describeStatus` of JavaScript's client has.

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
    } else {
        (State::UpToDate, "Up to date".into())
    }
}
