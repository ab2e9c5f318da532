//! Firefox, by WebDriver BiDi over its own WebSocket.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStderr, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::Profile;
use crate::guarded::Guarded;
use crate::rpc::Rpc;

/// Settings beside those that Firefox takes by itself while it is driven: nothing is asked of Mozilla's servers.
const PREFERENCES: &str = r#"
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
user_pref("toolkit.telemetry.server", "");
"#;

/// All windows are private.
pub const PRIVATE: &str = r#"user_pref("browser.privatebrowsing.autostart", true);"#;

/// A service worker is ended a second after its last event, and two seconds after it has begun one.
pub const SHORT_LIVED_WORKERS: &str = r#"
user_pref("dom.serviceWorkers.idle_timeout", 1000);
user_pref("dom.serviceWorkers.idle_extended_timeout", 1000);
"#;

/// A headless Firefox. Killed when dropped.
pub struct Firefox {
    rpc: Rpc,
    _process: Guarded,
}

/// A tab of it.
pub struct Context {
    rpc: Rpc,
    id: String,
}

impl Firefox {
    /// Starts it with these lines of preferences beside [`PREFERENCES`].
    pub async fn start(profile: &Profile, preferences: &str) -> Result<Firefox> {
        std::fs::write(profile.path().join("user.js"), [PREFERENCES, preferences].concat())?;
        let (process, url) = tokio::task::block_in_place(|| Firefox::spawn(profile))?;
        let rpc = Rpc::connect(&format!("{url}/session"), |_| {}).await?;
        rpc.call(None, "session.new", json!({"capabilities": {}})).await?;
        Ok(Firefox { rpc, _process: process })
    }

    /// Starts it, and returns the address of its WebSocket.
    fn spawn(profile: &Profile) -> Result<(Guarded, String)> {
        let program = std::env::var_os("FIREFOX").map_or_else(|| PathBuf::from("firefox-esr"), PathBuf::from);
        let mut process = Guarded::start_to_kill(&program, |command| {
            command.args(["--headless", "--no-remote", "--remote-debugging-port=0", "--profile"]);
            command.arg(profile.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        })?;
        let mut stderr = BufReader::new(process.shell().stderr.take().context("stderr is piped")?);
        let mut said = String::new();
        while stderr.read_line(&mut said)? > 0 {
            let line = said.lines().next_back().unwrap_or_default();
            if let Some((_, url)) = line.split_once("WebDriver BiDi listening on ") {
                let url = url.to_owned();
                read_on(stderr);
                return Ok((process, url));
            }
        }
        bail!(
            "{} does not start; run `cargo xtask test e2e`, which installs it, or set FIREFOX. It said:\n{said}",
            program.display()
        )
    }

    /// A new, blank tab.
    pub async fn new_tab(&self) -> Result<Context> {
        let created = self.rpc.call(None, "browsingContext.create", json!({"type": "tab"})).await?;
        let id = created["context"].as_str().context("a tab has an id")?.to_owned();
        Ok(Context { rpc: self.rpc.clone(), id })
    }
}

/// Reads to the end what nobody wants, so that the pipe is never full.
fn read_on(mut stderr: BufReader<ChildStderr>) {
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
}

impl Context {
    pub async fn goto(&self, url: &str) -> Result<()> {
        self.call("browsingContext.navigate", json!({"url": url, "wait": "complete"})).await.map(drop)
    }

    pub async fn reload(&self) -> Result<()> {
        self.call("browsingContext.reload", json!({"wait": "complete"})).await.map(drop)
    }

    pub async fn close(self) -> Result<()> {
        self.call("browsingContext.close", json!({})).await.map(drop)
    }

    /// Runs the body of an async function, which returns a text.
    pub async fn eval(&self, body: &str) -> Result<String> {
        let params = json!({
            "expression": format!("(async () => {{ {body}\n}})()"),
            "target": {"context": self.id},
            "awaitPromise": true,
        });
        let mut answer = self.rpc.call(None, "script.evaluate", params).await?;
        if answer["type"] == "exception" {
            bail!("the script threw {}", answer["exceptionDetails"]["text"]);
        }
        match answer["result"]["value"].take() {
            Value::String(text) => Ok(text),
            other => bail!("the script returned {other}"),
        }
    }

    /// A method of BiDi, on this tab.
    async fn call(&self, method: &str, mut params: Value) -> Result<Value> {
        params["context"] = json!(self.id);
        self.rpc.call(None, method, params).await
    }
}
