//! `POST /pull`. For now only the pull that asks for no slice, by which a device learns whose it is.

use super::{PROTOCOL, Unreadable, read};
use crate::json::Writer;
use serde::Deserialize;

/// The body of a pull of no slice.
pub fn identify_request(client: &str) -> String {
    let mut out = Writer::object();
    out.number("protocol", PROTOCOL).string("client", client).raw("slices", "{}");
    out.end()
}

/// The part of a pull's answer that names the principal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PullAnswer {
    pub protocol: u64,
    pub principal: String,
}

pub fn read_pull(body: &str) -> Result<PullAnswer, Unreadable> {
    read("pull", body)
}
