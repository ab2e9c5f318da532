//! Page → worker.

use super::BRIDGE;
use crate::json::{Json, number, present, read};
use crate::units::{BurstNo, Position};
use serde::Deserialize;
use std::borrow::Cow;

/// One message of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct ToWorker {
    /// The random id of the page's life.
    pub page: String,
    /// The place that the page is of, see [`Place`](super::place::Place); an older page says none.
    pub place: Option<String>,
    /// The number of the request, if the message is one.
    pub request: Option<u64>,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Declares slices: a JSON object, see `config`. Answered by `registered` or `failed`.
    Register {
        request: u64,
        slices: Json,
        auto_sync: Option<Json>,
        device: Option<String>,
        /// The page can be asked for a token.
        gives_tokens: bool,
    },
    /// Sets something of a slice or, where none is named, of auto-sync. Answered by `done` or `failed`.
    Configure { request: u64, slice: Option<String>, settings: Json },
    /// A burst of actions, the page's `n`th; all before its `first` are acknowledged, and the page has applied all records up
    /// to `seen`. Answered by `ack` once durable, by `expected` or `stale` when it can't be taken.
    Actions { epoch: String, n: BurstNo, first: BurstNo, seen: Position, actions: Json },
    /// Commits everything that arrived before it, the page's bursts up to `after` among it. Answered by `done`, `failed`, or `expected` where those are missing.
    Flush { request: u64, after: u64 },
    /// Sends everything and waits for the server; the rest is as for a flush.
    Sync { request: u64, after: u64 },
    /// The items of a slice, with the page's bursts up to `after`. Answered by `rows`, `expected`, or `stale` where the page
    /// says that it means another database.
    Hydrate { request: u64, after: u64, slice: String, epoch: Option<String> },
    /// Asks for the changes that the server refused. Answered by `rejected`.
    Rejected { request: u64 },
    /// Asks for the items that were changed here and elsewhere. Answered by `conflicts`.
    Conflicts { request: u64 },
    /// Waits until the server has every change of the slice, or of its item `id`, that arrived before it. Answered by
    /// `done`, `failed` (`conflict`, `rejected`, `not_synced`), or `expected` where bursts up to `after` are missing.
    Synced { request: u64, after: u64, slice: String, id: Option<String> },
    /// Pulls what others changed; with `rebuild`, everything from the beginning. The rest is as for a flush.
    Pull { request: u64, after: u64, rebuild: bool },
    /// Asks for the changes that only this device has, with the page's bursts up to `after`. Answered by `unsent`, or `expected`.
    Export { request: u64, after: u64 },
    /// Empties the user's database on this device. Answered by `signedOut`, `failed` (`unsent`, unless these changes are to be
    /// discarded), or `expected`.
    SignOut { request: u64, after: u64, epoch: Option<String>, discard: bool },
    /// Asks whether the server answers. Answered by `checked`.
    Check { request: u64 },
    /// Asks for the state of what the server does not have yet, now and from now on. Answered by `pending`.
    Pending { slice: String },
    /// The answer to the worker's question of this number: a token, if the page has one.
    Token { number: u64, token: Option<String> },
    /// A heartbeat: what is due happens, and the status is posted again.
    Ping,
    /// The page heard that the network is back.
    Online,
    /// The page was hidden, or is about to go: what waits is committed and sent now.
    Hidden,
    /// The metrics begin anew.
    ResetMetrics,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidMessage {
    /// The page that sent it, where that can be told.
    pub page: Option<String>,
    pub code: &'static str,
    pub message: String,
}

impl ToWorker {
    /// Reads a message. One of another version, or one that can't be read, is an [`InvalidMessage`].
    pub fn read(text: &str) -> Result<ToWorker, InvalidMessage> {
        let (envelope, actions) = open(text);
        let envelope: Envelope = read(&envelope).unwrap_or_default();
        let page = envelope.page.clone().map(Cow::into_owned);
        let invalid = |code, message| Err(InvalidMessage { page: page.clone(), code, message });
        match envelope.v {
            Some(BRIDGE) => {}
            Some(version) => {
                return invalid("bridge_version", format!("This page speaks version {} of Nightferry's messages and the worker version {}. Reload the page; what it has sent before is kept.", number(version), number(BRIDGE)));
            }
            None => return invalid("bad_message", "Nightferry's worker could not read a message of this page. Nothing else is affected; reload the page if it goes on.".into()),
        }
        let (place, request) = (envelope.place.clone().map(Cow::into_owned), envelope.request);
        match (page.clone(), read_body(envelope, actions)) {
            (Some(page), Some(body)) => Ok(ToWorker { page, place, request, body }),
            _ => invalid("bad_message", "Nightferry's worker does not know this kind of message, or a part of it is missing. Reload the page.".into()),
        }
    }
}

/// A message without its actions, and those. A burst may be long and is read when it is folded: here it is not even
/// looked through, as long as it stands last.
fn open(text: &str) -> (Cow<'_, str>, Option<&str>) {
    const ACTIONS: &[u8] = b",\"actions\":[";
    let head = text.as_bytes().windows(ACTIONS.len()).position(|bytes| bytes == ACTIONS);
    match head.and_then(|head| text.split_at_checked(head)) {
        Some((head, rest)) if rest.ends_with("]}") => {
            (Cow::Owned([head, "}"].concat()), rest.get(ACTIONS.len() - 1..rest.len() - 1))
        }
        _ => (Cow::Borrowed(text), None),
    }
}

/// A message as it is written: every field of every kind. (No enum by `kind`: serde reads such a one into values of its
/// own first, which no text survives.)
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Envelope<'a> {
    v: Option<u64>,
    kind: Option<Cow<'a, str>>,
    page: Option<Cow<'a, str>>,
    place: Option<Cow<'a, str>>,
    request: Option<u64>,
    /// The last burst before a request.
    after: Option<u64>,
    n: Option<u64>,
    first: Option<u64>,
    epoch: Option<Cow<'a, str>>,
    slice: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    /// The name of the device, for people.
    device: Option<Cow<'a, str>>,
    /// The token that the worker asked for.
    token: Option<Cow<'a, str>>,
    /// True if the page can be asked for a token.
    gives_tokens: bool,
    #[serde(with = "present")]
    slices: Option<Json>,
    #[serde(with = "present")]
    auto_sync: Option<Json>,
    #[serde(with = "present")]
    settings: Option<Json>,
    #[serde(rename = "seen")]
    observed: Option<Position>,
    #[serde(with = "present")]
    actions: Option<Json>,
}

fn read_body(envelope: Envelope, actions: Option<&str>) -> Option<Body> {
    let Envelope { request, after, n, first, epoch, slice, id, device, token, gives_tokens, .. } = envelope;
    let Envelope { slices, auto_sync, settings, observed, .. } = envelope;
    let actions = actions.or(envelope.actions.as_deref());
    let after = after.unwrap_or_default();
    let [epoch, slice, id, device, token] =
        [epoch, slice, id, device, token].map(|text| text.map(Cow::into_owned));
    Some(match &*envelope.kind? {
        "register" => Body::Register { request: request?, slices: slices?, auto_sync, device, gives_tokens },
        "configure" => Body::Configure { request: request?, slice, settings: settings? },
        "check" => Body::Check { request: request? },
        "actions" => Body::Actions {
            epoch: epoch?,
            n: BurstNo(n?),
            first: BurstNo(first.unwrap_or_default()),
            seen: observed.unwrap_or_default(),
            actions: actions.filter(|text| text.starts_with('['))?.into(),
        },
        "flush" => Body::Flush { request: request?, after },
        "sync" => Body::Sync { request: request?, after },
        "hydrate" => Body::Hydrate { request: request?, after, slice: slice?, epoch },
        "conflicts" => Body::Conflicts { request: request? },
        "pull" => Body::Pull { request: request?, after, rebuild: false },
        "rebuild" => Body::Pull { request: request?, after, rebuild: true },
        "export" => Body::Export { request: request?, after },
        "signOut" => Body::SignOut { request: request?, after, epoch, discard: false },
        "signOutAndDiscard" => Body::SignOut { request: request?, after, epoch, discard: true },
        "synced" => Body::Synced { request: request?, after, slice: slice?, id },
        "rejected" => Body::Rejected { request: request? },
        "pending" => Body::Pending { slice: slice? },
        "token" => Body::Token { number: n?, token },
        "ping" => Body::Ping,
        "online" => Body::Online,
        "hidden" => Body::Hidden,
        "resetMetrics" => Body::ResetMetrics,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_burst_and_keeps_its_text() {
        let up = ToWorker::read(
            r#"{"v":1,"kind":"actions","page":"p","epoch":"e","n":3,"seen":7,"actions":[ {"type":"x"} ]}"#,
        )
        .unwrap();
        assert_eq!(up.page, "p");
        let Body::Actions { n, actions, seen, .. } = up.body else { panic!("not a burst") };
        assert_eq!((n, &*actions, seen), (BurstNo(3), r#"[ {"type":"x"} ]"#, Position(7)));
    }

    #[test]
    fn another_version_is_told_to_reload() {
        let invalid = ToWorker::read(r#"{"v":9,"page":"p","kind":"from the future"}"#).unwrap_err();
        assert_eq!((invalid.page.as_deref(), invalid.code), (Some("p"), "bridge_version"));
        assert!(invalid.message.contains("Reload"));
    }

    #[test]
    fn what_cannot_be_read_is_an_input_like_any_other() {
        for text in ["", "null", "{", r#"{"v":1}"#, r#"{"v":1,"kind":"flush","page":"p"}"#, r#"{"v":"1"}"#] {
            assert_eq!(ToWorker::read(text).unwrap_err().code, "bad_message", "{text}");
        }
    }
}
