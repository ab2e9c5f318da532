//! The demo, used as a person uses it: by what is on the page.

use anyhow::Result;
use serde_json::json;

use crate::{DEADLINE, Server, Tab};

/// The element with this `data-testid`.
pub fn testid(id: &str) -> String {
    format!("[data-testid=\"{id}\"]")
}

impl Tab {
    /// Opens the demo, with Nightferry running in it.
    pub async fn open_demo(&self, server: &Server) -> Result<()> {
        self.goto(&server.url("/")).await?;
        self.wait_until("['empty', 'ready'].includes(document.body.dataset.phase)").await
    }

    /// Waits until the demo has what it needs to open without the server.
    pub async fn wait_for_the_shell(&self) -> Result<()> {
        self.wait_until("navigator.serviceWorker.controller?.scriptURL.endsWith('/shell-sw.js')").await
    }

    /// Makes a file and types its content.
    pub async fn create_file(&self, path: &str, content: &str) -> Result<()> {
        self.click(&testid("new-file")).await?;
        self.answer_path(path).await?;
        self.wait_until(&shows("file-name", path.rsplit('/').next().unwrap_or(path))).await?;
        self.type_into(&testid("editor"), content).await
    }

    /// Answers the question for a path.
    pub async fn answer_path(&self, path: &str) -> Result<()> {
        self.click(&testid("path-input")).await?;
        self.eval::<()>("document.activeElement.select();").await?;
        self.cdp("Input.insertText", json!({"text": path})).await?;
        self.click(&testid("path-confirm")).await?;
        self.wait_until("!document.querySelector('dialog[open]')").await
    }

    /// Opens a file by its address, and waits for its content.
    pub async fn open_file(&self, path: &str, content: &str) -> Result<()> {
        self.eval_with::<()>(&format!("#/{path}"), "location.hash = input;").await?;
        self.wait_until(&shows("file-name", path.rsplit('/').next().unwrap_or(path))).await?;
        let editor = json!(testid("editor"));
        self.wait_until(&format!("document.querySelector({editor}).value === {}", json!(content))).await
    }

    /// Waits until the demo shows this connection: `online` or `local-only`.
    pub async fn wait_for_connection(&self, connection: &str) -> Result<()> {
        let element = json!(testid("connection"));
        let shown = format!("document.querySelector({element}).dataset.connection === {}", json!(connection));
        // It takes two requests that nothing answers, and of a server that is silent each takes its time.
        self.wait_until_within(&shown, 3 * DEADLINE).await
    }

    /// Waits until the demo shows that many files, and all of them on the server.
    pub async fn wait_for_all_synced(&self, files: usize) -> Result<()> {
        let (list, pending) = (json!(testid("file-list")), json!(testid("pending")));
        self.wait_until(&format!(
            "[document.querySelector({list}).dataset, document.querySelector({pending}).dataset].map((d) => [d.total, d.local, d.sending, d.count]).flat().join(' ').replace(/\\s+/g, ' ').trim() === '{files} 0 0 0'"
        ))
        .await
    }
}

/// JavaScript: whether this element shows this text.
pub fn shows(id: &str, text: &str) -> String {
    format!("document.querySelector({})?.textContent === {}", json!(testid(id)), json!(text))
}
