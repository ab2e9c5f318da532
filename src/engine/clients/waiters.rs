//! Pages that wait for an answer.

use std::rc::Rc;

use crate::units::Position;

#[derive(Debug, PartialEq, Eq)]
pub struct Waiter {
    pub page: Rc<str>,
    pub request: u64,
    /// The request waits for everything that arrived up to this position.
    pub position: Position,
    pub wants: Wants,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wants {
    /// Everything committed.
    Flush,
    /// Everything acknowledged by the server.
    Sync,
    /// Others' changes, in effect.
    Pull,
    /// Everything in effect, then the slice's items.
    Rows(Rc<str>),
    /// Everything in effect, then the refused changes.
    Rejections,
    /// Everything in effect, then the conflicts.
    Conflicts,
    /// Everything in effect, then what only this device has.
    Export,
    /// Everything in effect, then an empty database; what only this device has may go with it.
    SignOut { discard: bool },
    /// The server to have every change of the slice, or of its item, up to the position.
    Synced { slice: Rc<str>, id: Option<Rc<str>> },
    /// Everything in effect, then how far the slice's items are.
    Progress(Rc<str>),
    /// To know whether the server answers.
    Check,
}
