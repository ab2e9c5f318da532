//! `POST /push`: numbered mutations, each with an answer of its own.

use super::{PROTOCOL, Unreadable, unreadable};
use crate::json::{Json, Raw, present, read, write};
use crate::store::{By, Operation, Remote};
use crate::units::{Millis, PushNo, Version};
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// The client and the principal of a request.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    pub client: &'a str,
    pub principal: &'a str,
    /// The name of the device, for people.
    pub device: Option<&'a str>,
}

/// Returns the body of a push. `n` counts the client's pushes; the random `push_id` distinguishes a copied client from the
/// original.
pub fn push_request(sender: Sender, n: PushNo, push_id: &str, operations: &[Operation]) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        protocol: u64,
        client: &'a str,
        principal: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<&'a str>,
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
    let Sender { client, principal, device } = sender;
    write(&Body {
        protocol: PROTOCOL,
        client,
        principal,
        device,
        n,
        tag: push_id,
        mutations: mutations.collect(),
    })
}

/// Estimates the bytes of an operation in the body of a push.
pub fn mutation_bytes(operation: &Operation) -> usize {
    let value = operation.value.as_ref().map_or(0, |value| value.len());
    // Escapes may double the length of an id. The constant covers names, braces and numbers.
    150 + operation.slice.len() + 2 * operation.id.len() + value
}

/// The server's answer to a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushAnswer {
    pub principal: String,
    /// The server's version with the effects of the push; `None` if it had none.
    pub version: Option<Version>,
    pub results: Vec<PushResult>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushResult {
    pub slice: Rc<str>,
    pub id: Rc<str>,
    pub verdict: Verdict,
}

/// The server's decision on one mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The mutation took effect as `version`. If the server changed the value, `value` is the stored one.
    Applied { version: Version, value: Option<Json> },
    /// The server's item has changed since the base of the mutation.
    Conflict(Remote),
    /// The server refuses the mutation for good, for a reason that the user is shown. `remote` is the server's item.
    Rejected { code: String, message: String, remote: Remote },
}

pub fn read_push(body: &str) -> Result<PushAnswer, Unreadable> {
    #[derive(Deserialize)]
    struct Body {
        principal: String,
        #[serde(default)]
        version: Option<Version>,
        results: Vec<WireResult>,
    }
    let Some(Body { principal, version, results }) = read::<Body>(body) else { return unreadable("push") };
    match results.into_iter().map(WireResult::verdict).collect() {
        Some(results) => Ok(PushAnswer { principal, version, results }),
        None => unreadable("push"),
    }
}

/// A result as received. It is one struct with optional fields, because serde parses the values of a tagged enum.
#[derive(Deserialize)]
struct WireResult {
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
    by: Option<By>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

impl WireResult {
    fn verdict(self) -> Option<PushResult> {
        let WireResult { slice, id, status, version, value, at, own, by, deleted, code, message } = self;
        let remote = |value| Remote { version, value, deleted, at, own, by };
        let verdict = match &*status {
            "applied" => Verdict::Applied { version: version?, value },
            "conflict" => Verdict::Conflict(Remote { deleted: value.is_none(), ..remote(value) }),
            "rejected" => Verdict::Rejected { code: code?, message: message?, remote: remote(value) },
            _ => return None,
        };
        Some(PushResult { slice, id, verdict })
    }
}
