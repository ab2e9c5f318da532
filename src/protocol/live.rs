//! `GET /live`: a WebSocket on which the server says that there is something to pull.

use super::PROTOCOL;
use crate::json::{read, write};
use crate::units::Version;
use serde::{Deserialize, Serialize};

/// Returns the device's first message.
pub fn live_hello(client: &str, principal: &str, token: Option<&str>) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        protocol: u64,
        client: &'a str,
        principal: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<&'a str>,
    }
    write(&Body { protocol: PROTOCOL, client, principal, token })
}

/// Reads a poke: the newest version that the server has, if it has any. `None` for another message.
pub fn read_poke(text: &str) -> Option<Option<Version>> {
    #[derive(Deserialize)]
    struct Body {
        version: Option<Version>,
    }
    read::<Body>(text).map(|body| body.version)
}
