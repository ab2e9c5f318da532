//! From what the server says of a push to the rows of a record of answers.

use super::classify::{Class, Failure};
use crate::collect;
use crate::protocol::{self, Verdict};
use crate::store::{AnswerRow, AnswerStatus, Operation, Remote};
use crate::units::Version;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The code of a patch that the server cannot apply, or that is too much work for it. The user had no part in that.
const INVALID_PATCH: &str = "invalid_patch";

/// The server's answer to a push.
#[derive(Debug)]
pub struct ReadAnswers {
    /// One row for each operation that was sent.
    pub rows: Vec<AnswerRow>,
    /// The server's version with the effects of the push, if it had any.
    pub version: Option<Version>,
}

pub fn read_answers(body: &str, sent: &[Operation]) -> Result<ReadAnswers, Failure> {
    let read = protocol::read_push(body).map_err(|error| Failure::new(Class::NotNightferry, error.0))?;
    let version = read.version;
    let mut by_key: BTreeMap<(Rc<str>, Rc<str>), Verdict> =
        collect::map(read.results.into_iter().map(|result| ((result.slice, result.id), result.verdict)));
    let row = |operation: &Operation| {
        let verdict = by_key.remove(&(operation.slice.clone(), operation.id.clone()))?;
        Some(answered_row(operation, verdict))
    };
    let rows: Option<Vec<AnswerRow>> = sent.iter().map(row).collect();
    rows.map(|rows| ReadAnswers { rows, version }).ok_or_else(|| {
        let message = "The answer to a push left out some of its changes. They are kept and sent again; the server's log may say more.";
        Failure::new(Class::Busy, message.into())
    })
}

/// The device takes the operation back.
pub fn withdrawn_row(operation: &Operation) -> AnswerRow {
    AnswerRow::new(operation, AnswerStatus::Withdrawn)
}

fn answered_row(operation: &Operation, verdict: Verdict) -> AnswerRow {
    match verdict {
        Verdict::Applied { version, value } => {
            AnswerRow { version: Some(version), value, ..AnswerRow::new(operation, AnswerStatus::Applied) }
        }
        Verdict::Rejected { code, .. } if code == INVALID_PATCH && !operation.as_put => {
            AnswerRow::new(operation, AnswerStatus::Unfit)
        }
        Verdict::Conflict(remote) => with_remote(AnswerRow::new(operation, AnswerStatus::Conflict), remote),
        Verdict::Rejected { code, message, remote } => AnswerRow {
            code: Some(code),
            message: Some(message),
            ..with_remote(AnswerRow::new(operation, AnswerStatus::Rejected), remote)
        },
    }
}

fn with_remote(row: AnswerRow, remote: Remote) -> AnswerRow {
    let Remote { version, value, deleted, at, own, by } = remote;
    AnswerRow { version, value, deleted, at, own, by, ..row }
}
