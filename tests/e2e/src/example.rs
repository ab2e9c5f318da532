//! The applications of examples/, each started as its README says, in a copy of its folder.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use reqwest::RequestBuilder;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{client, free_port, python};
use crate::vite::{copy, finish, npm};
use crate::wait::{DEADLINE, START, eventually};
use crate::{Fault, root};

/// Runs a command until standard input ends, which it does when the test's process dies; ends all of its group then, and
/// also when the command ends by itself.
const UNTIL_THE_END: &str = r#"("$@"; kill 0) & cat > /dev/null; kill 0"#;

/// One example, in a copy of the repository's folders that it needs. Ports and data stay the same however often it is started.
/// Ends when dropped.
pub struct Example {
    copy: TempDir,
    name: &'static str,
    command: Vec<String>,
    flask: u16,
    page: u16,
    running: Option<Child>,
}

impl Example {
    /// A Flask app that serves its own page: `flask --app app run`.
    pub fn flask(name: &'static str) -> Result<Example> {
        let port = free_port()?;
        let python = python().to_string_lossy().into_owned();
        let command = [&python, "-m", "flask", "--app", "app", "run", "--port", &port.to_string()];
        Example::copied(name, command.map(String::from).to_vec(), port, port)
    }

    /// An npm package with Flask beside it: `npm start`.
    pub fn npm(name: &'static str) -> Result<Example> {
        ensure!(
            root().join("dist/npm/package.json").is_file(),
            "dist/npm/ is missing; run `cargo xtask build`"
        );
        let example = Example::copied(name, vec!["npm".into(), "start".into()], free_port()?, free_port()?)?;
        npm(&example.path(), &["install"])?;
        Ok(example)
    }

    /// A Cargo package that builds a page in Rust and starts Flask: `cargo run`. It is compiled here, in the workspace's target folder.
    pub fn cargo(name: &'static str) -> Result<Example> {
        let port = free_port()?;
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let command = [&cargo, "run", "--quiet"].map(String::from).to_vec();
        let example = Example::copied(name, command, port, port)?;
        // Nightferry's own crates are where they are.
        let page = root().join("page");
        example.edit("Cargo.toml", "../../page", page.to_str().context("a path in UTF-8")?)?;
        let mut build = Command::new(cargo);
        build.args(["run", "--quiet", "--", "build"]).envs(for_cargo());
        finish(build.current_dir(example.path()))?;
        Ok(example)
    }

    fn copied(name: &'static str, command: Vec<String>, flask: u16, page: u16) -> Result<Example> {
        let example = Example { copy: TempDir::new()?, name, command, flask, page, running: None };
        copy(&root().join("examples").join(name), &example.path())?;
        symlink(root().join("dist"), example.copy.path().join("dist"))?;
        Ok(example)
    }

    /// Puts its app behind the layer of the tests' own server, so that it takes [`Example::fault`] and refuses what is forbidden.
    /// Before it is started.
    pub fn fail_on_demand(&self) -> Result<()> {
        let app = self.path().join("app.py");
        std::fs::rename(&app, self.path().join("example.py"))?;
        std::fs::copy(root().join("tests/e2e/failing.py"), app)?;
        Ok(std::fs::create_dir_all(self.path().join("faults"))?)
    }

    /// Sets the faults in force, in place of those before. None heal it.
    pub fn fault(&self, faults: &[Fault]) -> Result<()> {
        crate::fault::write(&self.path().join("faults/faults.json"), faults)
    }

    /// Has the app's own Python code write an item, as another device's change would.
    pub async fn put(&self, tenant: &str, slice: &str, id: &str, value: &Value) -> Result<()> {
        let item = json!({"tenant": tenant, "slice": slice, "id": id, "value": value});
        let (status, _) = self.post("/__test__/put", &item).await?;
        ensure!(status == 200, "the put was answered with {status}");
        Ok(())
    }

    /// Its folder.
    pub fn path(&self) -> PathBuf {
        self.copy.path().join("examples").join(self.name)
    }

    /// The page's address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.page)
    }

    /// A script of its package.json.
    pub fn run(&self, script: &str) -> Result<()> {
        npm(&self.path(), &["run", script])
    }

    /// Starts it, and returns once its page and Flask answer.
    pub async fn start(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "the example runs already");
        for port in [self.flask, self.page] {
            eventually(&format!("port {port} to be free"), DEADLINE, async || {
                Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().map(drop))
            })
            .await?;
        }
        let log = self.copy.path().join("example.log");
        let output = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut child = Command::new("sh")
            .args(["-c", UNTIL_THE_END, "sh"])
            .args(&self.command)
            .env("NIGHTFERRY_PYTHON", python())
            .env("E2E_APP", layer())
            .env("FLASK_PORT", self.flask.to_string())
            .env("VITE_PORT", self.page.to_string())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(for_cargo())
            .current_dir(self.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("sh could not be started")?;
        let health = format!("http://127.0.0.1:{}/nightferry/health", self.flask);
        let answers = eventually("the example to answer", START, async || {
            if let Some(status) = child.try_wait()? {
                bail!("it ended ({status})");
            }
            client()?.get(&health).send().await?.error_for_status()?;
            client()?.get(self.url()).send().await?;
            Ok(Some(()))
        })
        .await;
        self.running = Some(child);
        answers.with_context(|| std::fs::read_to_string(log).unwrap_or_default())
    }

    /// Ends all that it started.
    pub fn stop(&mut self) -> Result<()> {
        let mut child = self.running.take().context("the example is stopped")?;
        kill_process_group(Pid::from_child(&child), Signal::KILL)?;
        child.wait()?;
        Ok(())
    }

    /// Returns a slice's items in Flask: by id, the value.
    pub async fn items(&self, slice: &str) -> Result<BTreeMap<String, Value>> {
        self.items_by(slice, |request| request).await
    }

    /// The same of whoever has this access token.
    pub async fn items_of(&self, token: &str, slice: &str) -> Result<BTreeMap<String, Value>> {
        self.items_by(slice, |request| request.bearer_auth(token)).await
    }

    async fn items_by(
        &self,
        slice: &str,
        sign: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<BTreeMap<String, Value>> {
        let url = format!("http://127.0.0.1:{}/nightferry/pull", self.flask);
        let mut items = BTreeMap::new();
        let pull = json!({"protocol": 1, "client": "e2e-reader", "slices": {slice: null}});
        let answer = sign(client()?.post(url).json(&pull)).send().await?.error_for_status()?;
        let answer: Value = answer.json().await?;
        ensure!(answer["more"] == false, "an example's items fit into one answer");
        for change in answer["changes"].as_array().into_iter().flatten() {
            if change["deleted"] != true {
                let id = change["id"].as_str().context("a change has an id")?;
                items.insert(id.to_string(), change["value"].clone());
            }
        }
        Ok(items)
    }

    /// Posts JSON to one of the app's own routes. Returns the status and the answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let answer =
            client()?.post(format!("http://127.0.0.1:{}{path}", self.flask)).json(body).send().await?;
        Ok((answer.status().as_u16(), answer.json().await.unwrap_or_default()))
    }

    /// Runs one of the app's own commands: `flask --app app NAME …`.
    pub fn flask_command(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(python());
        command.args(["-m", "flask", "--app", "app"]).args(arguments);
        let command = command.env("PYTHONDONTWRITEBYTECODE", "1").env("E2E_APP", layer());
        finish(command.current_dir(self.path()))
    }

    /// Waits until `done` likes what Flask holds of a slice.
    pub async fn wait_for_items(
        &self,
        slice: &str,
        mut done: impl FnMut(&BTreeMap<String, Value>) -> bool,
    ) -> Result<BTreeMap<String, Value>> {
        let mut last = BTreeMap::new();
        let waited = eventually(&format!("Flask's items of {slice}"), DEADLINE, async || {
            last = self.items(slice).await?;
            Ok(done(&last).then(|| last.clone()))
        })
        .await;
        waited.with_context(|| format!("Flask has {last:?}"))
    }

    /// Replaces text in one of its files.
    pub fn edit(&self, file: &str, from: &str, to: &str) -> Result<()> {
        let text = std::fs::read_to_string(self.path().join(file))?;
        ensure!(text.contains(from), "{file} has no `{from}`");
        self.write(file, &text.replace(from, to))
    }

    /// Puts a file beside its own, or in the place of one.
    pub fn write(&self, file: &str, content: &str) -> Result<()> {
        Ok(std::fs::write(self.path().join(file), content)?)
    }
}

/// The file of the layer that fails on demand.
fn layer() -> PathBuf {
    root().join("tests/e2e/app.py")
}

/// Where and how examples in Rust are compiled: as for `cargo xtask test lint`, with the workspace's dependencies.
fn for_cargo() -> [(&'static str, PathBuf); 2] {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    [("CARGO_TARGET_DIR", root().join(target)), ("CARGO_PROFILE_DEV_DEBUG", "none".into())]
}

impl Drop for Example {
    fn drop(&mut self) {
        // There is nothing to end where the test stopped it.
        let _ = self.stop();
    }
}
