//! The DevTools protocol over the browser's own WebSocket: calls with answers to any target, and events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::rpc::{Rpc, lock};

#[derive(Clone)]
pub struct DevTools {
    rpc: Rpc,
    shared: Arc<Mutex<Shared>>,
}

/// The content of the events so far.
#[derive(Default)]
struct Shared {
    /// The lines that pages and workers logged, and their uncaught errors.
    console: Vec<String>,
    /// By scope, the id of the registration as `ServiceWorker` methods want it.
    registrations: BTreeMap<String, String>,
    /// By session and version of a service worker: whether it runs, and how often it was stopped.
    workers: BTreeMap<(String, String), (bool, u64)>,
}

/// A session with one target. Dropping it leaves the session attached; it ends with the target or the browser.
#[derive(Clone)]
pub struct Session {
    pub devtools: DevTools,
    pub id: String,
}

impl DevTools {
    pub async fn connect(url: &str) -> Result<DevTools> {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let events = shared.clone();
        let rpc = Rpc::connect(url, move |event| lock(&events).on_event(event)).await?;
        Ok(DevTools { rpc, shared })
    }

    /// Calls a method of the browser itself.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.rpc.call(None, method, params).await
    }

    /// A new session with this target.
    pub async fn attach(&self, target: &str) -> Result<Session> {
        let attached =
            self.call("Target.attachToTarget", json!({"targetId": target, "flatten": true})).await?;
        let id = attached["sessionId"].as_str().context("a session has an id")?.to_string();
        Ok(Session { devtools: self.clone(), id })
    }

    /// The targets of a type, such as `page` or `service_worker`: id and URL.
    pub async fn targets(&self, kind: &str) -> Result<Vec<(String, String)>> {
        let targets = self.call("Target.getTargets", json!({})).await?;
        let all = targets["targetInfos"].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        Ok(all
            .filter(|info| info["type"] == kind)
            .map(|info| (text(&info["targetId"]), text(&info["url"])))
            .collect())
    }

    pub fn console(&self) -> Vec<String> {
        lock(&self.shared).console.clone()
    }

    pub fn registration(&self, scope: &str) -> Option<String> {
        lock(&self.shared).registrations.get(scope).cloned()
    }

    /// The service workers that run as a session knows, each with how often it was stopped before.
    pub fn running(&self, session: &Session) -> Vec<(String, u64)> {
        let shared = lock(&self.shared);
        let of_session = shared.workers.iter().filter(|((id, _), (runs, _))| *id == session.id && *runs);
        of_session.map(|((_, version), (_, stops))| (version.clone(), *stops)).collect()
    }

    /// How often a service worker was stopped, as a session knows.
    pub fn stops(&self, session: &Session, version: &str) -> u64 {
        lock(&self.shared).workers.get(&(session.id.clone(), version.into())).map_or(0, |worker| worker.1)
    }
}

impl Session {
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.devtools.rpc.call(Some(&self.id), method, params).await
    }

    /// Runs the body of an async function; what it returns comes back as JSON (`undefined` as null).
    pub async fn eval<T: DeserializeOwned>(&self, body: &str) -> Result<T> {
        let expression = format!("(async () => {{ {body}\n}})()");
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", params).await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            bail!("the script threw {}", describe_thrown(thrown));
        }
        let value = answer["result"].get("value").cloned().unwrap_or(Value::Null);
        let shown: String = value.to_string().chars().take(300).collect();
        serde_json::from_value(value).with_context(|| format!("the script returned {shown}"))
    }
}

impl Shared {
    fn on_event(&mut self, mut message: Value) {
        let params = message["params"].take();
        let session = message["sessionId"].as_str().unwrap_or_default();
        match message["method"].as_str().unwrap_or_default() {
            "Runtime.consoleAPICalled" => {
                let arguments: Vec<String> =
                    params["args"].as_array().into_iter().flatten().map(describe).collect();
                self.console.push(format!(
                    "{}: {}",
                    params["type"].as_str().unwrap_or_default(),
                    arguments.join(" ")
                ));
            }
            "Runtime.exceptionThrown" => {
                self.console.push(format!("uncaught: {}", describe_thrown(&params["exceptionDetails"])));
            }
            "Log.entryAdded" => {
                let entry = &params["entry"];
                let text = |name: &str| entry[name].as_str().unwrap_or_default();
                self.console.push(format!("{}: {} {}", text("level"), text("text"), text("url")));
            }
            "ServiceWorker.workerRegistrationUpdated" => {
                for registration in params["registrations"].as_array().into_iter().flatten() {
                    let text = |name: &str| registration[name].as_str().unwrap_or_default().to_string();
                    if registration["isDeleted"] == true {
                        self.registrations.remove(&text("scopeURL"));
                    } else {
                        self.registrations.insert(text("scopeURL"), text("registrationId"));
                    }
                }
            }
            "ServiceWorker.workerVersionUpdated" => {
                for version in params["versions"].as_array().into_iter().flatten() {
                    let id = version["versionId"].as_str().unwrap_or_default();
                    let (runs, stops) = self.workers.entry((session.into(), id.into())).or_default();
                    let stopped = version["runningStatus"] == "stopped";
                    *stops += u64::from(stopped && *runs);
                    *runs = !stopped;
                }
            }
            _ => {}
        }
    }
}

fn describe(value: &Value) -> String {
    match (&value["description"], value.get("value")) {
        (_, Some(Value::String(text))) => text.clone(),
        (_, Some(other)) => other.to_string(),
        (Value::String(text), None) => text.clone(),
        _ => value["type"].to_string(),
    }
}

fn describe_thrown(thrown: &Value) -> String {
    match thrown.get("exception") {
        Some(exception) => describe(exception),
        None => thrown["text"].as_str().unwrap_or("something").to_string(),
    }
}
