//! Page → worker.

use super::{BRIDGE, config::SliceConfig};
use crate::json::Json;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One message of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Up {
    /// The random id of the page's life.
    pub page: String,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Declares slices. Answered by `registered` or `failed`.
    Register { request: u64, slices: BTreeMap<String, SliceConfig> },
    /// A burst of actions. Answered by `ack` once durable, by `expected` or `stale` when it can't be taken.
    Actions { epoch: String, n: u64, seen: Json, actions: String },
    /// Commits everything that arrived before it. Answered by `done` or `failed`.
    Flush { request: u64 },
    /// Sends everything and waits for the server. Answered by `done` or `failed`.
    Sync { request: u64 },
    /// The items of a slice. Answered by `rows`.
    Hydrate { request: u64, slice: String },
    /// Asks for the state of what the server does not have yet, now and from now on. Answered by `pending`.
    Pending { slice: String },
    /// A heartbeat: what is due happens, and the status is posted again.
    Ping,
    /// The page heard that the network is back.
    Online,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The page that sent it, where that can be told.
    pub page: Option<String>,
    pub code: &'static str,
    pub message: String,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    v: u64,
    page: Option<String>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    request: Option<u64>,
    epoch: Option<String>,
    n: Option<u64>,
    #[serde(borrow)]
    seen: Option<&'a RawValue>,
    #[serde(borrow)]
    actions: Option<&'a RawValue>,
    slice: Option<String>,
    slices: Option<BTreeMap<String, SliceConfig>>,
}

impl Up {
    /// Reads a message. One of another version, or one that can't be read, is refused with a sentence.
    pub fn read(text: &str) -> Result<Up, Refused> {
        let envelope: Envelope = serde_json::from_str(text).map_err(|error| Refused {
            page: None,
            code: "bad_message",
            message: format!("Nightferry's worker could not read a message of this page: {error}. Nothing else is affected."),
        })?;
        if envelope.v != BRIDGE {
            return Err(Refused {
                page: envelope.page,
                code: "bridge_version",
                message: format!(
                    "This page speaks version {} of Nightferry's messages and the worker version {BRIDGE}. Reload the page; what it has sent before is kept.",
                    envelope.v
                ),
            });
        }
        let page = envelope.page.clone();
        match envelope.body() {
            Some(up) => Ok(up),
            None => Err(Refused {
                page,
                code: "bad_message",
                message: "Nightferry's worker does not know this kind of message, or a part of it is missing. Reload the page.".into(),
            }),
        }
    }
}

impl Envelope<'_> {
    fn body(self) -> Option<Up> {
        let body = match &*self.kind? {
            "register" => Body::Register { request: self.request?, slices: self.slices? },
            "actions" => Body::Actions {
                epoch: self.epoch?,
                n: self.n?,
                seen: self.seen.map_or("{}", RawValue::get).into(),
                actions: self.actions.map(RawValue::get).filter(|text| text.starts_with('['))?.to_owned(),
            },
            "flush" => Body::Flush { request: self.request? },
            "sync" => Body::Sync { request: self.request? },
            "hydrate" => Body::Hydrate { request: self.request?, slice: self.slice? },
            "pending" => Body::Pending { slice: self.slice? },
            "ping" => Body::Ping,
            "online" => Body::Online,
            _ => return None,
        };
        Some(Up { page: self.page?, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_burst_and_keeps_its_text() {
        let up = Up::read(r#"{"v":1,"kind":"actions","page":"p","epoch":"e","n":3,"seen":{"files":7},"actions":[ {"type":"x"} ]}"#).unwrap();
        assert_eq!(up.page, "p");
        let Body::Actions { n, actions, seen, .. } = up.body else { panic!("not a burst") };
        assert_eq!((n, &*actions, &*seen), (3, r#"[ {"type":"x"} ]"#, r#"{"files":7}"#));
    }

    #[test]
    fn another_version_is_told_to_reload() {
        let refused = Up::read(r#"{"v":9,"page":"p","kind":"from the future"}"#).unwrap_err();
        assert_eq!((refused.page.as_deref(), refused.code), (Some("p"), "bridge_version"));
        assert!(refused.message.contains("Reload"));
    }

    #[test]
    fn what_cannot_be_read_is_an_input_like_any_other() {
        for text in ["", "null", "{", r#"{"v":1}"#, r#"{"v":1,"kind":"flush","page":"p"}"#, r#"{"v":"1"}"#] {
            assert_eq!(Up::read(text).unwrap_err().code, "bad_message", "{text}");
        }
    }
}
