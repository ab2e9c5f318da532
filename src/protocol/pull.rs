//! `POST /pull`. For now only the pull that asks for no slice, by which a device learns whose it is.

use super::{PROTOCOL, Unreadable, unreadable};
use crate::json::{Fields, Writer};

/// The body of a pull of no slice.
pub fn identify_request(client: &str) -> String {
    let mut out = Writer::object();
    out.number("protocol", PROTOCOL).string("client", client).raw("slices", "{}");
    out.end()
}

/// The part of a pull's answer that names the principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullAnswer {
    pub principal: String,
}

pub fn read_pull(body: &str) -> Result<PullAnswer, Unreadable> {
    let principal = Fields::parse(body).and_then(|body| body.string("principal"));
    principal.map_or_else(|| unreadable("pull"), |principal| Ok(PullAnswer { principal }))
}
