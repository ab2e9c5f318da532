//! Pages that wait for an answer.

use std::rc::Rc;

use crate::units::Position;

#[derive(Debug, PartialEq, Eq)]
pub struct Waiter {
    pub page: Rc<str>,
    pub request: u64,
    /// What arrived up to here is what it waits for.
    pub position: Position,
    pub wants: Wants,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wants {
    /// Everything committed.
    Flush,
    /// Everything acknowledged by the server.
    Sync,
    /// Everything in effect, then the slice's items.
    Rows(Rc<str>),
    /// Everything in effect, then the refused changes.
    Rejections,
    /// To know whether the server answers.
    Check,
}
