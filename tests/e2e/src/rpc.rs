//! Calls with answers over a WebSocket, and the events between them, as the DevTools protocol and WebDriver BiDi have them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

/// A call that takes longer than this has failed: the browser hangs, or the script never settles.
const CALL: Duration = Duration::from_secs(60);

/// A connection to a browser. A clone is the same connection, which ends with the last of them.
#[derive(Clone)]
pub struct Rpc {
    outgoing: mpsc::UnboundedSender<Message>,
    pending: Arc<Mutex<Pending>>,
}

/// The calls that have no answer yet.
#[derive(Default)]
struct Pending {
    last_id: u64,
    calls: BTreeMap<u64, oneshot::Sender<Value>>,
    /// The browser has ended.
    closed: bool,
}

impl Rpc {
    /// Connects to this address (`ws://`). `on_event` is given each message that answers no call.
    pub async fn connect(url: &str, on_event: impl Fn(Value) + Send + 'static) -> Result<Rpc> {
        let mut config = tokio_tungstenite::tungstenite::protocol::WebSocketConfig::default();
        config.max_message_size = None;
        config.max_frame_size = None;
        let (socket, _) = tokio_tungstenite::connect_async_with_config(url, Some(config), true)
            .await
            .with_context(|| format!("{url} does not answer"))?;
        let (mut sink, mut stream) = socket.split();
        let (outgoing, mut queue) = mpsc::unbounded_channel();
        let pending = Arc::new(Mutex::new(Pending::default()));
        let rpc = Rpc { outgoing, pending };
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if sink.send(message).await.is_err() {
                    break;
                }
            }
        });
        let pending = rpc.pending.clone();
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let read = message.to_text().ok().and_then(|text| serde_json::from_str(text).ok());
                let Some(value): Option<Value> = read else { continue };
                match value["id"].as_u64() {
                    Some(id) => {
                        if let Some(call) = lock(&pending).calls.remove(&id) {
                            // Nobody waits any more where the call was given up.
                            let _ = call.send(value);
                        }
                    }
                    None => on_event(value),
                }
            }
            let mut pending = lock(&pending);
            pending.closed = true;
            pending.calls.clear();
        });
        Ok(rpc)
    }

    /// Calls a method, in a session of the DevTools protocol where one is given, and returns its `result`. An answer with an `error`
    /// is the error.
    pub async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value> {
        let (sender, receiver) = oneshot::channel();
        let message = {
            let mut pending = lock(&self.pending);
            if pending.closed {
                bail!("{method}: the browser has ended");
            }
            pending.last_id += 1;
            let id = pending.last_id;
            pending.calls.insert(id, sender);
            match session {
                Some(session) => json!({"id": id, "method": method, "params": params, "sessionId": session}),
                None => json!({"id": id, "method": method, "params": params}),
            }
        };
        self.outgoing.send(Message::text(message.to_string())).ok().context("the browser has ended")?;
        let answer = tokio::time::timeout(CALL, receiver).await;
        let answer = answer.with_context(|| format!("{method} was not answered"))?;
        let mut answer = answer.with_context(|| format!("{method}: the browser ended"))?;
        if let Some(error) = answer.get("error") {
            // BiDi has the sentence beside the code, the DevTools protocol within the error.
            bail!("{method} failed: {error} {}", answer["message"].as_str().unwrap_or_default());
        }
        Ok(answer["result"].take())
    }
}

pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
