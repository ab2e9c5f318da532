//! `POST /push`: numbered mutations, each with an answer of its own.

use super::{PROTOCOL, Unreadable, unreadable};
use crate::json::{Json, Raw, present, read, write};
use crate::store::{Operation, Remote};
use crate::units::{Millis, PushNo, Version};
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// Who sends a request, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    pub client: &'a str,
    pub principal: &'a str,
}

/// The body of a push. `n` counts the client's pushes, `tag` is random and tells a copy of the client from the client.
pub fn push_request(sender: Sender, n: PushNo, tag: &str, operations: &[Operation]) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        protocol: u64,
        client: &'a str,
        principal: &'a str,
        n: PushNo,
        tag: &'a str,
        mutations: Vec<Mutation<'a>>,
    }
    #[derive(Serialize)]
    struct Mutation<'a> {
        slice: &'a str,
        id: &'a str,
        op: &'a str,
        base: Option<Version>,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<Raw<'a>>,
        at: Millis,
    }
    let mutations = operations.iter().map(|operation| Mutation {
        slice: &operation.slice,
        id: &operation.id,
        op: if operation.deleted { "delete" } else { "put" },
        base: operation.base,
        value: operation.value.as_deref().map(Raw),
        at: operation.at,
    });
    let Sender { client, principal } = sender;
    write(&Body { protocol: PROTOCOL, client, principal, n, tag, mutations: mutations.collect() })
}

/// About how many bytes an operation takes in the body of a push.
pub fn mutation_bytes(operation: &Operation) -> usize {
    let value = operation.value.as_ref().map_or(0, |value| value.len());
    // An id may be escaped; the rest are names, braces and numbers.
    150 + operation.slice.len() + 2 * operation.id.len() + value
}

/// The server's answer to a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushAnswer {
    pub principal: String,
    /// The transaction of the push; none if it had no effect.
    pub version: Option<Version>,
    pub results: Vec<PushResult>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushResult {
    pub slice: Rc<str>,
    pub id: Rc<str>,
    pub verdict: Verdict,
}

/// What became of one mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It took effect as `version`; `value` is there where the server made something else of it.
    Applied { version: Version, value: Option<Json> },
    /// The server's item is not the base any more.
    Conflict(Remote),
    /// The server refuses it for good, for a reason that the user is shown, and has what `remote` says.
    Rejected { code: String, message: String, remote: Remote },
}

pub fn read_push(body: &str) -> Result<PushAnswer, Unreadable> {
    #[derive(Deserialize)]
    struct Body {
        principal: String,
        #[serde(default)]
        version: Option<Version>,
        results: Vec<Stored>,
    }
    let Some(Body { principal, version, results }) = read::<Body>(body) else { return unreadable("push") };
    match results.into_iter().map(Stored::verdict).collect() {
        Some(results) => Ok(PushAnswer { principal, version, results }),
        None => unreadable("push"),
    }
}

/// A result as it comes: one struct of optional fields, because serde buffers what is tagged, and no text survives that.
#[derive(Deserialize)]
struct Stored {
    slice: Rc<str>,
    id: Rc<str>,
    status: Rc<str>,
    #[serde(default)]
    version: Option<Version>,
    #[serde(default, with = "present")]
    value: Option<Json>,
    #[serde(default)]
    at: Option<Millis>,
    #[serde(default)]
    own: bool,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

impl Stored {
    fn verdict(self) -> Option<PushResult> {
        let Stored { slice, id, status, version, value, at, own, deleted, code, message } = self;
        let remote = |value| Remote { version, value, deleted, at, own };
        let verdict = match &*status {
            "applied" => Verdict::Applied { version: version?, value },
            "conflict" => Verdict::Conflict(Remote { deleted: value.is_none(), ..remote(value) }),
            "rejected" => Verdict::Rejected {
                code: code?,
                message: message?,
                // What the server can't read itself, it does not say.
                remote: remote(value),
            },
            _ => return None,
        };
        Some(PushResult { slice, id, verdict })
    }
}
