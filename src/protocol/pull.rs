//! `POST /pull`. So far only the pull without slices exists, by which a device learns its principal.

use super::{PROTOCOL, Unreadable, unreadable};
use crate::json::{read, write};
use serde::{Deserialize, Serialize};

/// The body of a pull of no slice.
pub fn identify_request(client: &str) -> String {
    #[derive(Serialize)]
    struct Slices {}
    #[derive(Serialize)]
    struct Body<'a> {
        protocol: u64,
        client: &'a str,
        slices: Slices,
    }
    write(&Body { protocol: PROTOCOL, client, slices: Slices {} })
}

/// The part of a pull's answer that names the principal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PullAnswer {
    pub principal: String,
}

pub fn read_pull(body: &str) -> Result<PullAnswer, Unreadable> {
    read(body).map_or_else(|| unreadable("pull"), Ok)
}
