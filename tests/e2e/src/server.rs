//! Flask in a process of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::wait::{DEADLINE, eventually};
use crate::{Client, Fault, root};

/// The demo's app on a port and data folder of its own (tests/e2e/app.py): SQLite, anonymous, with the pages
///
/// - `/` the demo;
/// - `/__test__/page` Nightferry's client as `window.nf`, and what went wrong as `window.errors`;
/// - `/__test__/blank` nothing.
///
/// Port and data stay the same however often it is stopped and started. Ends when dropped.
pub struct Server {
    client: Client,
    port: u16,
    data: TempDir,
    process: Mutex<Option<Child>>,
}

/// A request as the server saw it, `/__test__/` aside.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    /// JSON as such (inflated), anything else as text, no body as null.
    pub body: Value,
    /// The size of its body, inflated.
    pub bytes: usize,
    /// The bytes of its body that arrived.
    pub received: usize,
    /// The kind of the fault that met it.
    pub fault: Option<String>,
    /// When it arrived, in epoch milliseconds.
    pub at: f64,
    /// Null until it was answered, and where the answer was lost before it had one.
    pub status: Option<u16>,
    /// The app's answer if it was JSON, also where the fault kept it from the browser.
    pub answer: Value,
}

/// A change that took effect on the server.
#[derive(Clone, Debug, Deserialize)]
pub struct Applied {
    pub slice: String,
    pub id: String,
    pub version: u64,
    /// The whole new value; null where the item was deleted.
    pub value: Value,
}

impl Server {
    /// Starts Flask, and returns once it listens.
    pub async fn start() -> Result<Server> {
        Server::start_for(Client::JavaScript).await
    }

    /// The same, for pages on that client.
    pub async fn start_for(client: Client) -> Result<Server> {
        let server = Server::stopped(client)?;
        server.start_again().await?;
        Ok(server)
    }

    /// The same, with users who sign in by the cookie `user`, each with items of their own.
    pub async fn start_with_users() -> Result<Server> {
        Server::start_with_users_by("cookie", Client::JavaScript).await
    }

    /// The same, with users who sign in by `cookie`, or by `token`, see `app.py`.
    pub async fn start_with_users_by(credential: &str, client: Client) -> Result<Server> {
        let server = Server::stopped(client)?;
        std::fs::write(server.data().join("users.txt"), credential)?;
        server.start_again().await?;
        Ok(server)
    }

    /// Refuses tokens of lower numbers from now on.
    pub fn expire_tokens_before(&self, number: u32) -> Result<()> {
        Ok(std::fs::write(self.data().join("oldest-token.txt"), number.to_string())?)
    }

    fn stopped(client: Client) -> Result<Server> {
        Ok(Server { client, port: free_port()?, data: TempDir::new()?, process: Mutex::new(None) })
    }

    /// After [`Server::stop`] or [`Server::kill`]: the same port, the same data.
    pub async fn start_again(&self) -> Result<()> {
        if self.pid().is_ok() {
            bail!("the server runs already");
        }
        let child = tokio::task::block_in_place(|| self.spawn())?;
        *self.process() = Some(child);
        Ok(())
    }

    /// An ordinary end. From then on, connections are refused.
    pub fn stop(&self) -> Result<()> {
        self.end_by(Signal::TERM)
    }

    /// `SIGKILL`, in the middle of whatever it does.
    pub fn kill(&self) -> Result<()> {
        self.end_by(Signal::KILL)
    }

    /// `SIGSTOP`: connections are accepted by the system, and nothing is ever answered.
    pub fn pause(&self) -> Result<()> {
        Ok(kill_process(self.pid()?, Signal::STOP)?)
    }

    /// After [`Server::pause`]; requests that came meanwhile are taken up.
    pub fn resume(&self) -> Result<()> {
        Ok(kill_process(self.pid()?, Signal::CONT)?)
    }

    /// `http://127.0.0.1:PORT` and this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The page whose `window.nf` is Nightferry's client.
    pub fn client_page(&self) -> String {
        self.url(match self.client {
            Client::JavaScript => "/__test__/page",
            Client::Rust => "/__test__/bundled/rust/",
        })
    }

    pub fn origin(&self) -> String {
        self.url("")
    }

    /// The folder of its database, log and faults.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Sets the faults in force, in place of those before; also while the server is stopped.
    pub fn fault(&self, faults: &[Fault]) -> Result<()> {
        crate::fault::write(&self.data().join("faults.json"), faults)
    }

    /// No more faults.
    pub fn heal(&self) -> Result<()> {
        self.fault(&[])
    }

    /// The requests so far whose path begins so, in the order of their arrival; over all its lives, and also while it is stopped.
    pub fn requests(&self, path: &str) -> Result<Vec<Request>> {
        let lines = match File::open(self.data().join("requests.jsonl")) {
            Ok(file) => BufReader::new(file).lines().collect::<Result<Vec<_>, _>>()?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let mut requests: Vec<(String, Request)> = Vec::new();
        for line in lines {
            // The last line may be half written, by a server that was killed or is writing.
            let Ok(entry) = serde_json::from_str::<LogLine>(&line) else { continue };
            match entry.event.as_str() {
                "arrived" if entry.path.starts_with(path) => {
                    requests.push((entry.key.clone(), entry.into_request()))
                }
                "answered" => {
                    if let Some((_, request)) = requests.iter_mut().rev().find(|(key, _)| *key == entry.key) {
                        request.status = entry.status;
                        request.answer = entry.answer;
                    }
                }
                _ => {}
            }
        }
        Ok(requests.into_iter().map(|(_, request)| request).collect())
    }

    /// Waits until `done` likes the requests whose path begins so.
    pub async fn wait_for_requests(
        &self,
        path: &str,
        mut done: impl FnMut(&[Request]) -> bool,
    ) -> Result<Vec<Request>> {
        let what = format!("requests to {path}");
        let waited = eventually(&what, DEADLINE, async || {
            let requests = self.requests(path)?;
            Ok(done(&requests).then_some(requests))
        });
        waited.await.with_context(|| format!("the log has {:#?}", self.requests(path).unwrap_or_default()))
    }

    /// The changes that took effect, in their order; over all lives, and also while it is stopped.
    pub fn applied(&self) -> Result<Vec<Applied>> {
        match std::fs::read_to_string(self.data().join("applied.jsonl")) {
            Ok(text) => Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks that nothing that any client sent took effect twice: a push that was sent again was the same push, or a part of it,
    /// and got the same answers, and no item changed more often than pushes were made of it.
    pub fn check_nothing_applied_twice(&self) -> Result<()> {
        let mut tags: BTreeMap<(String, u64), Value> = BTreeMap::new();
        let mut first: BTreeMap<(String, u64, String), Value> = BTreeMap::new();
        let mut answers: BTreeMap<(String, u64, String), Value> = BTreeMap::new();
        let mut pushed: BTreeMap<(String, String), BTreeSet<(String, u64)>> = BTreeMap::new();
        for push in self.requests("/nightferry/push")? {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
            let number =
                (text(&push.body["client"]), push.body["n"].as_u64().context("a push has a number")?);
            let of_item =
                |row: &Value| (number.0.clone(), number.1, format!("{}/{}", row["slice"], row["id"]));
            for mutation in push.body["mutations"].as_array().into_iter().flatten() {
                let item = (text(&mutation["slice"]), text(&mutation["id"]));
                pushed.entry(item).or_default().insert(number.clone());
                let before = first.entry(of_item(mutation)).or_insert_with(|| mutation.clone());
                ensure!(before == mutation, "{number:?} was sent with {before} and with {mutation}");
            }
            for result in push.answer["results"].as_array().into_iter().flatten() {
                let before = answers.entry(of_item(result)).or_insert_with(|| result.clone());
                ensure!(before == result, "{number:?} was answered {before} and {result}");
            }
            let tag = tags.entry(number.clone()).or_insert_with(|| push.body["tag"].clone());
            ensure!(*tag == push.body["tag"], "{number:?} was sent as {tag} and as {}", push.body["tag"]);
        }
        let mut versions = BTreeSet::new();
        let mut changes: BTreeMap<(String, String), usize> = BTreeMap::new();
        for Applied { slice, id, version, .. } in self.applied()? {
            ensure!(
                versions.insert((slice.clone(), id.clone(), version)),
                "{slice} {id} took version {version} twice"
            );
            *changes.entry((slice, id)).or_default() += 1;
        }
        for (item, times) in changes {
            let pushes = pushed.get(&item).map_or(0, BTreeSet::len);
            ensure!(times <= pushes, "{item:?} changed {times} times by {pushes} pushes");
        }
        Ok(())
    }

    /// Serves Nightferry's worker as another build of this name, as after an update of the server; the code is the same.
    pub fn update_worker(&self, build: &str) -> Result<()> {
        Ok(std::fs::write(self.data().join("build.txt"), build)?)
    }

    /// Returns a slice's items on the server: by id, the value. Read through a pull of its own, past log and faults.
    pub async fn items(&self, slice: &str) -> Result<BTreeMap<String, Value>> {
        self.items_at("/__test__/items", slice).await
    }

    /// The same, of one of the users who sign in.
    pub async fn items_of(&self, user: &str, slice: &str) -> Result<BTreeMap<String, Value>> {
        self.items_at(&format!("/__test__/items?user={user}"), slice).await
    }

    async fn items_at(&self, path: &str, slice: &str) -> Result<BTreeMap<String, Value>> {
        let mut slices: BTreeMap<String, BTreeMap<String, Value>> =
            serde_json::from_str(&self.get(path).await?)?;
        Ok(slices.remove(slice).unwrap_or_default())
    }

    /// Waits until `done` likes what the server holds of a slice.
    pub async fn wait_for_items(
        &self,
        slice: &str,
        mut done: impl FnMut(&BTreeMap<String, Value>) -> bool,
    ) -> Result<BTreeMap<String, Value>> {
        let what = format!("the server's items of {slice}");
        let mut last = BTreeMap::new();
        let waited = eventually(&what, DEADLINE, async || {
            last = self.items(slice).await?;
            Ok(done(&last).then(|| last.clone()))
        });
        waited.await.with_context(|| format!("the server's log:\n{}", self.output()))
    }

    /// The body of a GET. An answer other than 200 is an error that carries it.
    pub async fn get(&self, path: &str) -> Result<String> {
        let answer = client()?.get(self.url(path)).send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        if status != 200 {
            bail!("GET {path} was answered with {status}: {body}");
        }
        Ok(body)
    }

    /// POSTs JSON as a client of its own would; answers status and body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let answer = client()?.post(self.url(path)).json(body).send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await?))
    }

    /// Has the app's own Python code write an item (`nightferry.put`), and answers when it began, in epoch ms.
    pub async fn put_from_python(&self, slice: &str, id: &str, value: &Value) -> Result<f64> {
        let item = json!({"slice": slice, "id": id, "value": value});
        let (status, answer) = self.post("/__test__/put", &item).await?;
        ensure!(status == 200, "the put was answered with {status}");
        answer["at"].as_f64().context("the put says when it began")
    }

    /// Has another device push so many items of some 300 bytes.
    pub async fn fill(&self, slice: &str, count: usize) -> Result<()> {
        let asked = client_within(Duration::from_secs(120))?.post(self.url("/__test__/fill"));
        let answer = asked.json(&json!({"slice": slice, "count": count})).send().await?;
        ensure!(answer.status() == 200, "the items were not made: {}", self.output());
        Ok(())
    }

    /// Returns the output of the process, tracebacks included.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.data().join("server.log")).unwrap_or_default()
    }

    fn spawn(&self) -> Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(self.data().join("server.log"))?;
        let mut child = Command::new(python())
            .arg(root().join("tests/e2e/app.py"))
            .args(["--port", &self.port.to_string(), "--data"])
            .arg(self.data())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // Its end tells the server that this process has died.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| {
                format!("{} could not be started; run `cargo xtask test e2e`", python().display())
            })?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.trim() != "listening" {
            let status = child.wait()?;
            bail!("tests/e2e/app.py ended ({status}):\n{}", self.output());
        }
        Ok(child)
    }

    fn end_by(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid()?, signal)?;
        // A paused process takes SIGTERM only once it goes on.
        kill_process(self.pid()?, Signal::CONT)?;
        if let Some(mut child) = self.process().take() {
            child.wait()?;
        }
        Ok(())
    }

    fn pid(&self) -> Result<Pid> {
        self.process().as_ref().map(Pid::from_child).context("the server is stopped")
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // There is nothing to end where the test stopped it.
        let _ = self.kill();
    }
}

#[derive(Deserialize)]
struct LogLine {
    key: String,
    event: String,
    at: f64,
    #[serde(default)]
    method: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    bytes: usize,
    #[serde(default)]
    received: usize,
    fault: Option<String>,
    status: Option<u16>,
    #[serde(default)]
    answer: Value,
}

impl LogLine {
    fn into_request(self) -> Request {
        Request {
            method: self.method,
            path: self.path,
            query: self.query,
            body: self.body,
            bytes: self.bytes,
            received: self.received,
            fault: self.fault,
            at: self.at,
            status: None,
            answer: Value::Null,
        }
    }
}

pub fn python() -> PathBuf {
    std::env::var_os("NIGHTFERRY_PYTHON")
        .map_or_else(|| root().join("target/nightferry/venv/bin/python"), PathBuf::from)
}

pub(crate) fn client() -> Result<reqwest::Client> {
    client_within(DEADLINE)
}

fn client_within(deadline: Duration) -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(deadline).build()?)
}

/// A port below the range from which systems take the ports of outgoing connections: while a server is stopped, nobody else gets its port,
/// and no connection to it reaches itself.
pub(crate) fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 100) as u16 * 100;
    for _ in 0..10_000 {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port from 20000 to 29999 is free")
}
