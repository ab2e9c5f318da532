//! `POST /pull`: pages of changes behind a cursor for each slice.

use super::{PROTOCOL, Unreadable, unreadable};
use crate::json::{check_item, read, write};
use crate::store::{Cursors, PulledRow};
use crate::units::Version;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A page that is asked for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PullRequest<'a> {
    pub client: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<&'a str>,
    /// The user as a page has named them, where the principal is not known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The cursors of the slices; none where a slice is pulled from its beginning. Without slices, the server only says who
    /// the device is.
    pub slices: BTreeMap<&'a str, Option<&'a str>>,
    /// The versions that the device's own pushes were answered with: their changes are left out.
    #[serde(skip_serializing_if = "is_empty")]
    pub mine: &'a [Version],
    /// The newest version that any answer to the device's pushes has named: a server that does not know it is of another history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<Version>,
    /// The most changes of the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

fn is_empty(mine: &&[Version]) -> bool {
    mine.is_empty()
}

impl PullRequest<'_> {
    /// The body of the request.
    pub fn to_text(&self) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            protocol: u64,
            #[serde(flatten)]
            request: &'a PullRequest<'a>,
        }
        write(&Body { protocol: PROTOCOL, request: self })
    }
}

/// A page of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullAnswer {
    pub principal: String,
    /// The cursors behind the page.
    pub cursors: Cursors,
    /// Another page follows.
    pub more: bool,
    /// On the first page of a pull: how many changes there are on all its pages.
    pub total: Option<u64>,
    /// The newest version of the server's at the time.
    pub version: Option<Version>,
    pub changes: Vec<PulledRow>,
    /// Changes that can't be read or kept, each as a sentence.
    pub malformed: Vec<String>,
}

/// Reads a page. A change that can't be read stops no other.
pub fn read_pull(body: &str) -> Result<PullAnswer, Unreadable> {
    #[derive(Deserialize)]
    struct Body<'a> {
        principal: String,
        #[serde(default)]
        cursors: Cursors,
        #[serde(default)]
        more: bool,
        #[serde(default)]
        total: Option<u64>,
        #[serde(default)]
        version: Option<Version>,
        #[serde(borrow, default)]
        changes: Vec<&'a RawValue>,
    }
    let Some(Body { principal, cursors, more, total, version, changes }) = read::<Body>(body) else {
        return unreadable("pull");
    };
    let mut answer =
        PullAnswer { principal, cursors, more, total, version, changes: Vec::new(), malformed: Vec::new() };
    for change in changes {
        match read_change(change.get()) {
            Ok(change) => answer.changes.push(change),
            Err(reason) => answer.malformed.push(reason),
        }
    }
    Ok(answer)
}

fn read_change(text: &str) -> Result<PulledRow, String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Named {
        slice: Option<Rc<str>>,
        id: Option<Rc<str>>,
    }
    let whose = || {
        let Named { slice, id } = read(text).unwrap_or_default();
        match (slice, id) {
            (Some(slice), Some(id)) => format!("{slice} \"{id}\""),
            _ => "an item that it does not name".into(),
        }
    };
    let unusable = |why: &str| {
        format!(
            "The server sent a change of {} that cannot be used: {why}. It is left out; everything else goes on.",
            whose()
        )
    };
    let change: PulledRow = read(text).ok_or_else(|| unusable("it cannot be read"))?;
    if change.value.is_some() == change.deleted || change.id.is_empty() {
        return Err(unusable("it cannot be read"));
    }
    match change.value.as_deref().map(check_item) {
        Some(Err(invalid)) => Err(unusable(&invalid.to_string())),
        _ => Ok(change),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(changes: &str) -> PullAnswer {
        read_pull(&format!(
            r#"{{"principal":"a/b","cursors":{{"files":"c"}},"more":true,"total":7,"version":9,"changes":[{changes}]}}"#
        ))
        .unwrap()
    }

    #[test]
    fn f12_a_malformed_change_stops_no_other() {
        let good = r#"{"slice":"files","id":"a","version":3,"value":{"id":"a"},"at":1}"#;
        let gone = r#"{"slice":"files","id":"b","version":4,"deleted":true,"at":1,"own":true}"#;
        for bad in [
            r#"{"slice":"files","id":"x"}"#,
            r#"{"slice":"files","id":"x","version":5}"#,
            r#"{"slice":"files","id":"","version":5,"deleted":true}"#,
            r#"{"slice":"files","id":"x","version":5,"value":{"__proto__":1}}"#,
            r#"{"slice":"files","id":"x","version":5,"value":{"a":1,"a":2}}"#,
            r#"7"#,
        ] {
            let answer = answer(&[good, bad, gone].join(","));
            assert_eq!(answer.changes.len(), 2, "{bad}");
            assert_eq!(answer.malformed.len(), 1, "{bad}");
            assert!(answer.malformed[0].contains("everything else goes on"), "{bad}");
        }
        assert!(answer(r#"{"slice":"files","id":"x","version":5}"#).malformed[0].contains("files \"x\""));
    }
}
