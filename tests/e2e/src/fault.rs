//! Faults that the server makes on demand.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use serde_json::{Map, Value, json};

/// A fault in the making: on which path, how often, and (the last call) of which kind.
///
/// ```
/// # use nightferry_e2e::Fault;
/// let once_cut = Fault::on("/nightferry/push").times(1).cut_answer();
/// let down = Fault::on("/nightferry/").status(503).retry_after(2);
/// ```
///
/// Of several faults that match a request, the first with times left is taken.
#[must_use = "a fault does nothing until it is given to Server::fault"]
#[derive(Clone, Debug)]
pub struct Fault(Map<String, Value>);

impl Fault {
    /// Meets every request whose path begins so, until faults are set anew; see [`Fault::times`].
    pub fn on(path: &str) -> Fault {
        Fault(Map::new()).with("path", json!(path)).with("times", Value::Null)
    }

    /// Meets that many requests only.
    pub fn times(self, times: u32) -> Fault {
        self.with("times", json!(times))
    }

    /// Lets that many requests pass first.
    pub fn after(self, requests: u32) -> Fault {
        self.with("after", json!(requests))
    }

    /// Meets requests only whose body has this word.
    pub fn with_word(self, word: &str) -> Fault {
        self.with("word", json!(word))
    }

    /// Meets requests only whose body is a gzip.
    pub fn zipped(self) -> Fault {
        self.with("zipped", json!(true))
    }

    /// Meets requests only whose body has more bytes than that, inflated.
    pub fn above(self, bytes: usize) -> Fault {
        self.with("above", json!(bytes))
    }

    /// Taken and never answered; nothing happens. The connection is closed when the faults are set anew.
    pub fn silent(self) -> Fault {
        self.kind("silent")
    }

    /// Answered with this status and a text; nothing happens.
    pub fn status(self, status: u16) -> Fault {
        self.kind("status").with("status", json!(status))
    }

    /// With [`Fault::status`]: the header `Retry-After`, in seconds.
    pub fn retry_after(self, seconds: u32) -> Fault {
        self.with("retry_after", json!(seconds))
    }

    /// With [`Fault::status`]: the answer's body.
    pub fn body(self, body: &str) -> Fault {
        self.with("body", json!(body))
    }

    /// Redirected to this address, as by a proxy that wants somebody to sign in; nothing happens.
    pub fn redirects(self, location: &str) -> Fault {
        self.status(302).with("location", json!(location))
    }

    /// Answered with an HTML page and status 200, as a captive portal does; nothing happens.
    pub fn html(self) -> Fault {
        self.kind("html")
    }

    /// Answered with this content and status 200, as by another version of the server; nothing happens.
    pub fn answers(self, content_type: &str, body: &str) -> Fault {
        self.status(200).body(body).with("content_type", json!(content_type))
    }

    /// Arrives over a line that carries so many bytes a second: takes effect and is answered once all of it is there. If the browser
    /// gives up before that, nothing happens.
    pub fn slow_line(self, rate: u32) -> Fault {
        self.kind("slow").with("rate", json!(rate))
    }

    /// Takes effect at once and is answered after that many seconds.
    pub fn late(self, seconds: f64) -> Fault {
        self.kind("late").with("seconds", json!(seconds))
    }

    /// Takes effect; the connection is closed without an answer.
    pub fn drop_answer(self) -> Fault {
        self.kind("drop")
    }

    /// Takes effect; the connection is closed in the middle of the answer.
    pub fn cut_answer(self) -> Fault {
        self.kind("cut")
    }

    /// Asks the app twice, as a network that repeats a request would; the second answer is sent.
    pub fn twice(self) -> Fault {
        self.kind("twice")
    }

    fn to_json(&self, id: usize) -> Value {
        let mut fault = self.0.clone();
        fault.insert("id".into(), json!(format!("{}-{id}", std::process::id())));
        Value::Object(fault)
    }

    fn kind(self, kind: &str) -> Fault {
        self.with("kind", json!(kind))
    }

    fn with(mut self, name: &str, value: Value) -> Fault {
        self.0.insert(name.into(), value);
        self
    }
}

/// Writes the faults in force to a server's file, in place of those before.
pub(crate) fn write(file: &Path, faults: &[Fault]) -> Result<()> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let faults: Vec<Value> =
        faults.iter().map(|fault| fault.to_json(COUNT.fetch_add(1, Ordering::Relaxed))).collect();
    let part = file.with_extension("test.part");
    std::fs::write(&part, serde_json::to_vec(&faults)?)?;
    Ok(std::fs::rename(part, file)?)
}
