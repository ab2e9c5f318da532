//! `POST /push`: numbered mutations, each with an answer of its own.

use super::{PROTOCOL, Unreadable, unreadable};
use crate::json::{Fields, Json, Writer, elements};
use crate::store::OutboxRow;

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
    let mut body = Writer::object();
    body.number("protocol", PROTOCOL).string("client", client).string("principal", principal);
    let mut list = body.number("n", n).string("tag", tag).array("mutations");
    for mutation in mutations {
        let mut out = Writer::object();
        out.string("slice", mutation.slice).string("id", mutation.id);
        out.string("op", if mutation.value.is_some() { "put" } else { "delete" });
        out.number_or_null("base", mutation.base);
        if let Some(value) = mutation.value {
            out.raw("value", value);
        }
        list.item(&out.number("at", mutation.at).end());
    }
    list.end().end()
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
    let body = Fields::parse(body)?;
    let mut results = Vec::new();
    for result in elements(body.get("results")?)? {
        results.push(read_result(result)?);
    }
    Some(PushAnswer { principal: body.string("principal")?, results })
}

fn read_result(result: &str) -> Option<PushResult> {
    let result = Fields::parse(result)?;
    let version = result.number("version");
    let verdict = match &*result.string("status")? {
        "applied" => Verdict::Applied { version: version?, value: result.json("value") },
        "conflict" => Verdict::Conflict { version, value: result.json("value"), at: result.number("at") },
        "rejected" => Verdict::Rejected { code: result.string("code")?, message: result.string("message")? },
        _ => return None,
    };
    Some(PushResult { slice: result.string("slice")?, id: result.string("id")?, verdict })
}
