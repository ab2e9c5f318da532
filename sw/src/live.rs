//! The live connection to Nightferry's API, by gloo-net's WebSocket.

use futures_util::future::{AbortHandle, abortable};
use futures_util::{SinkExt, StreamExt};
use gloo_net::websocket::Message;
use gloo_net::websocket::futures::WebSocket;
use wasm_bindgen_futures::spawn_local as spawn;

/// A connection, which is closed when this is dropped.
pub struct Live(AbortHandle);

impl Live {
    /// Connects to the API at `api` and sends `hello`. `on_message` gets each message of the server, `ended` is called once the
    /// connection has ended by itself or could not be made.
    pub fn open(
        api: &str,
        hello: String,
        on_message: impl Fn(String) + 'static,
        ended: impl FnOnce() + 'static,
    ) -> Live {
        let socket = WebSocket::open(&url(api));
        let (conversation, handle) = abortable(async move {
            if let Ok(socket) = socket {
                converse(socket, hello, on_message).await;
            }
        });
        spawn(async move {
            // A connection that was dropped needs no report.
            if conversation.await.is_ok() {
                ended();
            }
        });
        Live(handle)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn converse(mut socket: WebSocket, hello: String, on_message: impl Fn(String)) {
    if socket.send(Message::Text(hello)).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            on_message(text);
        }
    }
}

/// The address of the live connection: as the API's, with another scheme. (`api` is a whole address, see `sw.js`.)
fn url(api: &str) -> String {
    format!("{}/live", api.replacen("http", "ws", 1))
}
