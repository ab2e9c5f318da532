//! `POST /push`: numbered mutations, each with an answer of its own.

use super::{PROTOCOL, Unreadable, unreadable};
use crate::json::{self, Json, Raw, present, write};
use crate::store::{Op, OutboxRow};
use serde::{Deserialize, Serialize};

/// One operation on one item, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation<'a> {
    pub slice: &'a str,
    pub id: &'a str,
    /// The server's version that the change was made on; `None` where the item was not there.
    pub base: Option<u64>,
    /// The whole value of a put; `None` deletes.
    pub value: Option<&'a str>,
    /// When the change was made, in epoch ms.
    pub at: u64,
}

/// The body of a push. `n` counts the client's pushes, `tag` is random and tells a copy of the client from the client.
pub fn push_request(client: &str, principal: &str, n: u64, tag: &str, mutations: &[Mutation]) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        protocol: u64,
        client: &'a str,
        principal: &'a str,
        n: u64,
        tag: &'a str,
        mutations: Vec<Sent<'a>>,
    }
    #[derive(Serialize)]
    struct Sent<'a> {
        slice: &'a str,
        id: &'a str,
        op: Op,
        base: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<Raw<'a>>,
        at: u64,
    }
    let mut sent = Vec::new();
    for &Mutation { slice, id, base, value, at } in mutations {
        sent.push(Sent { slice, id, op: Op::of(value), base, value: value.map(Raw), at });
    }
    write(&Body { protocol: PROTOCOL, client, principal, n, tag, mutations: sent })
}

/// The server's answer to a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushAnswer {
    pub principal: String,
    pub results: Vec<PushResult>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushResult {
    pub slice: String,
    pub id: String,
    pub verdict: Verdict,
}

impl PushResult {
    /// Whether it is about this row's item.
    pub fn is_of(&self, row: &OutboxRow) -> bool {
        *self.slice == *row.slice && *self.id == *row.id
    }
}

/// What became of one mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It took effect as `version`; `value` is there where the server made something else of it.
    Applied { version: u64, value: Option<Json> },
    /// The server's item is not the base any more: it has `value` at `version`, or was deleted.
    Conflict { version: Option<u64>, value: Option<Json>, at: Option<u64> },
    /// The server refuses it for good, for a reason that the user is shown.
    Rejected { code: String, message: String },
}

pub fn read_push(body: &str) -> Result<PushAnswer, Unreadable> {
    read(body).map_or_else(|| unreadable("push"), Ok)
}

fn read(body: &str) -> Option<PushAnswer> {
    #[derive(Deserialize)]
    struct Body {
        principal: String,
        results: Vec<Sent>,
    }
    // Not an enum by `status`: serde reads such a one into values of its own first, which no text survives.
    #[derive(Deserialize)]
    struct Sent {
        slice: String,
        id: String,
        status: Status,
        version: Option<u64>,
        #[serde(default, with = "present")]
        value: Option<Json>,
        at: Option<u64>,
        code: Option<String>,
        message: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Status {
        Applied,
        Conflict,
        Rejected,
    }
    let Body { principal, results: sent } = json::read(body)?;
    let mut results = Vec::new();
    for Sent { slice, id, status, version, value, at, code, message } in sent {
        let verdict = match status {
            Status::Applied => Verdict::Applied { version: version?, value },
            Status::Conflict => Verdict::Conflict { version, value, at },
            Status::Rejected => Verdict::Rejected { code: code?, message: message? },
        };
        results.push(PushResult { slice, id, verdict });
    }
    Some(PushAnswer { principal, results })
}
