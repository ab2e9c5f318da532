//! `POST /push`: numbered mutations, each with an answer of its own.

use super::{PROTOCOL, Unreadable, unreadable};
use crate::json::{Json, Raw, present, read, write};
use crate::rebase::patch;
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
/// original. `answered` is the newest version that any answer to the device's pushes has named: a server that does not know it
/// is of another history.
///
/// `base_of` returns the value that an operation is a change of, if it is known. Where the difference to it is much shorter
/// than the new value, the difference is sent.
pub fn push_request<'a>(
    sender: Sender,
    n: PushNo,
    push_id: &str,
    answered: Option<Version>,
    operations: &[Operation],
    base_of: impl Fn(&Operation) -> Option<&'a Json>,
) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        protocol: u64,
        client: &'a str,
        principal: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<&'a str>,
        n: PushNo,
        tag: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        answered: Option<Version>,
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
        #[serde(skip_serializing_if = "Option::is_none")]
        patch: Option<Raw<'a>>,
        at: Millis,
    }
    let patches: Vec<Option<String>> = operations
        .iter()
        .map(|operation| match operation.as_put {
            true => None,
            false => shorter_patch(base_of(operation)?, operation.value.as_deref()?),
        })
        .collect();
    let mutations = operations.iter().zip(&patches).map(|(operation, patch)| {
        let value = operation.value.as_deref();
        let patch = patch.as_deref().map(Raw);
        Mutation {
            slice: &operation.slice,
            id: &operation.id,
            op: match (operation.deleted, &patch) {
                (true, _) => "delete",
                (false, Some(_)) => "patch",
                (false, None) => "put",
            },
            base: operation.base,
            value: value.filter(|_| patch.is_none()).map(Raw),
            patch,
            at: operation.at,
        }
    });
    let Sender { client, principal, device } = sender;
    write(&Body {
        protocol: PROTOCOL,
        client,
        principal,
        device,
        n,
        tag: push_id,
        answered,
        mutations: mutations.collect(),
    })
}

/// A value of at least so many bytes is sent as a patch where that is shorter.
const PATCHED_BYTES: usize = 400;
/// The most operations of a patch.
const MAX_PATCH_OPERATIONS: usize = 500;

/// Returns the difference between two values, if it is at most half as long as the new value.
fn shorter_patch(base: &str, value: &str) -> Option<String> {
    if value.len() < PATCHED_BYTES {
        return None;
    }
    let operations = patch(base, value);
    let is_short = (1..=MAX_PATCH_OPERATIONS).contains(&operations.len());
    let text = format!("[{}]", operations.join(","));
    (is_short && text.len() * 2 <= value.len()).then_some(text)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(base: Option<&str>, value: &str) -> String {
        let operation = Operation {
            slice: "notes".into(),
            id: "a".into(),
            base: Some(Version(7)),
            value: Some(value.into()),
            deleted: false,
            as_put: false,
            at: Millis(1),
            position: crate::units::Position(1),
        };
        let sender = Sender { client: "c", principal: "p", device: None };
        let base: Option<Json> = base.map(Into::into);
        push_request(sender, PushNo(1), "tag", None, &[operation], |_| base.as_ref())
    }

    #[test]
    fn one_field_of_a_large_item_costs_little() {
        let item = |title: &str| format!(r#"{{"title":"{title}","x":0.1,"text":"{}"}}"#, "x".repeat(100_000));
        let body = sent(Some(&item("old")), &item("new"));
        assert!(body.len() < 1_000, "{} bytes", body.len());
        assert!(
            body.contains(
                r#""op":"patch","base":7,"patch":[{"op":"replace","path":"/title","value":"new"}]"#
            ),
            "{body}"
        );
    }

    #[test]
    fn a_value_is_sent_whole_where_its_base_is_not_known_or_a_patch_is_not_much_shorter() {
        let item = |text: &str| format!(r#"{{"text":"{}"}}"#, text.repeat(1_000));
        for (base, value) in
            [(None, item("a")), (Some(item("b")), item("a")), (Some("{}".into()), r#"{"a":1}"#.into())]
        {
            assert!(sent(base.as_deref(), &value).contains(r#""op":"put""#));
        }
    }

    #[test]
    fn a_patch_brings_numbers_as_they_are() {
        let item = |x: &str| format!(r#"{{"x":{x},"text":"{}"}}"#, "x".repeat(1_000));
        for x in
            ["14.517149853511885", "1e-300", "9007199254740991", "0.30000000000000004", "123456789012345.67"]
        {
            let body = sent(Some(&item("0")), &item(x));
            let patch = body.split("\"value\":").nth(1).unwrap().split('}').next().unwrap();
            assert_eq!(patch.parse::<f64>().unwrap(), x.parse::<f64>().unwrap());
        }
    }
}
