//! `POST /push`: numbered mutations, each with an answer of its own.

use super::{PROTOCOL, Unreadable, read};
use crate::json::{Json, Writer};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

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
    let mutations = mutations.iter().map(|mutation| {
        let mut out = Writer::object();
        out.string("slice", mutation.slice).string("id", mutation.id);
        out.string("op", if mutation.value.is_some() { "put" } else { "delete" });
        out.number_or_null("base", mutation.base);
        if let Some(value) = mutation.value {
            out.raw("value", value);
        }
        out.number("at", mutation.at);
        out.end()
    });
    let mut out = Writer::object();
    out.number("protocol", PROTOCOL).string("client", client).string("principal", principal);
    out.number("n", n).string("tag", tag).array("mutations", mutations);
    out.end()
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

#[derive(Deserialize)]
struct Body<'a> {
    principal: String,
    #[serde(borrow)]
    results: Vec<Answer<'a>>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    slice: String,
    id: String,
    #[serde(borrow)]
    status: Cow<'a, str>,
    version: Option<u64>,
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    value: Option<&'a RawValue>,
    at: Option<u64>,
    code: Option<String>,
    message: Option<String>,
}

pub fn read_push(body: &str) -> Result<PushAnswer, Unreadable> {
    let body: Body = read("push", body)?;
    let results = body.results.into_iter().map(Answer::read).collect::<Result<_, _>>()?;
    Ok(PushAnswer { principal: body.principal, results })
}

impl Answer<'_> {
    fn read(self) -> Result<PushResult, Unreadable> {
        let value = self.value.map(|value| Json::from(value.get()));
        let verdict = match (&*self.status, self.version) {
            ("applied", Some(version)) => Verdict::Applied { version, value },
            ("conflict", version) => Verdict::Conflict { version, value, at: self.at },
            ("rejected", _) => Verdict::Rejected {
                code: self.code.unwrap_or_else(|| "refused".into()),
                message: self.message.unwrap_or_else(|| "The server refused this change and gave no reason.".into()),
            },
            (status, _) => return Err(Unreadable(format!("the answer to the push has a result of status \"{status}\""))),
        };
        Ok(PushResult { slice: self.slice, id: self.id, verdict })
    }
}
