//! Inputs and outputs in a line each, as `?trace` on the worker's URL and the simulator print them.

use super::input::Input;
use super::output::{Deadline, Output};
use crate::bridge::from_worker::To;
use crate::store::{Row, RowKey, Write};
use std::fmt::{self, Display, Formatter};

impl Display for Input {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Input::Message(text) if text.contains(r#""kind":"token""#) => f.write_str("hears a token"),
            Input::Message(text) => write!(f, "hears {text}"),
            Input::Stored { txn, result: Ok(()) } => write!(f, "transaction {txn} is durable"),
            Input::Stored { txn, result: Err(error) } => {
                write!(f, "transaction {txn} failed: {}", error.message)
            }
            Input::Loaded { load, result: Ok(rows) } => {
                write!(f, "read {load} has")?;
                for row in rows {
                    let key = RowKey::Item(row.key.clone());
                    let value = row.value.as_deref().unwrap_or("nothing");
                    write!(f, " {key}={value}")?;
                    if let Some(row) = &row.row {
                        write!(f, " {row}")?;
                    }
                }
                Ok(())
            }
            Input::Loaded { load, result: Err(error) } => write!(f, "read {load} failed: {}", error.message),
            Input::Migrated(Ok(())) => f.write_str("the object stores are there"),
            Input::Migrated(Err(error)) => write!(f, "adding object stores failed: {}", error.message),
            Input::Answered { request, answer: Ok(response) } => {
                write!(f, "request {request} is answered {} {}", response.status, response.body)
            }
            Input::Answered { request, answer: Err(error) } => {
                write!(f, "request {request} failed: {}", error.0)
            }
            Input::Poked { live, text } => write!(f, "is told on live connection {live}: {text}"),
            Input::LiveEnded { live } => write!(f, "live connection {live} has ended"),
            Input::Timeout => f.write_str("its deadline has come"),
            Input::BackgroundSync => f.write_str("is woken by the browser"),
        }
    }
}

impl Display for Output {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Output::Post { to: To::All, message } => write!(f, "posts {message}"),
            Output::Post { to: To::Pages(pages), message } => {
                write!(f, "posts to {} {message}", pages.join(", "))
            }
            Output::Store { txn, writes } => {
                write!(f, "transaction {txn}:")?;
                writes.iter().try_for_each(|write| write!(f, " {write}"))
            }
            Output::Load { load, wanted, slices } => {
                write!(f, "read {load}:")?;
                for wanted in wanted {
                    write!(f, " {}", RowKey::Item(wanted.key.clone()))?;
                }
                slices.iter().try_for_each(|wanted| write!(f, " all of {}", wanted.slice))
            }
            Output::Rows { request, store, .. } => write!(f, "reads {store} for request {request} of a page"),
            Output::Migrate { stores } => write!(f, "adds the object stores {}", stores.join(", ")),
            Output::Request { request, path, body, .. } => {
                write!(f, "request {request}: {path} {}", body.as_deref().unwrap_or_default())
            }
            Output::RequestBackgroundSync => f.write_str("asks the browser to wake it"),
            // Its first message may have a token.
            Output::OpenLive { live, .. } => write!(f, "opens live connection {live}"),
            Output::CloseLive => f.write_str("closes the live connection"),
            Output::Cancel { request } => write!(f, "gives request {request} up"),
            Output::Wait(None) => f.write_str("waits"),
            Output::Wait(Some(deadline)) => write!(f, "waits {deadline}"),
        }
    }
}

impl Display for Deadline {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "until {} for {:?}", self.at.0, self.reason)
    }
}

impl Display for Write {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Write::Put { store, key, row: Row::Json(json) } => write!(f, "{store}[{key}]={json}"),
            Write::Put { store, key, row: Row::WithText { head, text } } => {
                write!(f, "{store}[{key}]={head}{text}")
            }
            Write::Delete { store, key } => write!(f, "-{store}[{key}]"),
            Write::Clear { store } => write!(f, "-{store}"),
            Write::Trim { store, through } => write!(f, "-{store}[..={through}]"),
        }
    }
}

impl Display for RowKey {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            RowKey::Number(number) => write!(f, "{number}"),
            RowKey::Text(text) => f.write_str(text),
            RowKey::Item(key) => write!(f, "{}/{}", key.slice, key.id),
        }
    }
}
