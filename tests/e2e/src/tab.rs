//! A page.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Server;
use crate::devtools::Session;
use crate::wait::{DEADLINE, eventually};

/// A tab of a [`Browser`](crate::Browser). Nothing here changes which tab is visible, except [`Tab::show`].
#[derive(Clone)]
pub struct Tab {
    pub(crate) target: String,
    pub(crate) session: Session,
}

impl Tab {
    pub(crate) async fn attach(devtools: &crate::devtools::DevTools, target: String) -> Result<Tab> {
        let session = devtools.attach(&target).await?;
        for domain in ["Page", "Runtime", "Log", "ServiceWorker"] {
            session.call(&format!("{domain}.enable"), json!({})).await?;
        }
        Ok(Tab { target, session })
    }

    /// Loads a page, and returns after its `load` event.
    pub async fn goto(&self, url: &str) -> Result<()> {
        let answer = self.cdp("Page.navigate", json!({"url": url})).await?;
        if let Some(error) = answer.get("errorText") {
            bail!("{url} cannot be opened: {error}");
        }
        self.loaded().await
    }

    /// Loads the page again, and returns after its `load` event.
    pub async fn reload(&self) -> Result<()> {
        self.eval::<()>("window.__beforeReload = true;").await?;
        self.cdp("Page.reload", json!({})).await?;
        self.wait_until("!window.__beforeReload").await?;
        self.loaded().await
    }

    async fn loaded(&self) -> Result<()> {
        self.wait_until("document.readyState === 'complete'").await
    }

    /// Runs the body of an async function in the page, and returns the result. An exception of the body is the error.
    ///
    /// ```no_run
    /// # async fn example(tab: nightferry_e2e::Tab) -> anyhow::Result<()> {
    /// let pending: u64 = tab.eval("return (await nf.getStatus()).pending;").await?;
    /// # Ok(()) }
    /// ```
    pub async fn eval<T: DeserializeOwned>(&self, body: &str) -> Result<T> {
        self.session.eval(body).await
    }

    /// The same with a value, which the script knows as `input`.
    pub async fn eval_with<T: DeserializeOwned>(&self, input: &impl Serialize, body: &str) -> Result<T> {
        let input = serde_json::to_string(input)?;
        self.session.eval(&format!("const input = {input}; {body}")).await
    }

    /// Waits until a JavaScript expression (which may `await`) is truthy. Navigations on the way are fine.
    pub async fn wait_until(&self, expression: &str) -> Result<()> {
        self.wait_until_within(expression, DEADLINE).await
    }

    /// The same with a deadline of its own.
    pub async fn wait_until_within(&self, expression: &str, deadline: Duration) -> Result<()> {
        let body = format!("return Boolean({expression});");
        let what = format!("`{expression}`");
        let waited =
            eventually(&what, deadline, async || Ok(self.eval::<bool>(&body).await?.then_some(()))).await;
        waited.with_context(|| {
            let console = self.session.devtools.console();
            format!(
                "the consoles' last lines:\n  {}",
                console[console.len().saturating_sub(15)..].join("\n  ")
            )
        })
    }

    /// Waits until this element is there, then clicks it where it is, as a user would.
    pub async fn click(&self, selector: &str) -> Result<()> {
        self.type_into(selector, "").await
    }

    /// Clicks an element and types text into it, as a user would.
    pub async fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let find = format!("document.querySelector({})", json!(selector));
        self.wait_until(&format!("{find}?.checkVisibility()")).await?;
        let place = format!(
            "const e = {find}; e.scrollIntoView({{block: 'center', behavior: 'instant'}}); const r = e.getBoundingClientRect();
             return [r.x + r.width / 2, r.y + r.height / 2];"
        );
        let (x, y): (f64, f64) = self.eval(&place).await?;
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.cdp("Input.dispatchMouseEvent", event).await?;
        }
        if !text.is_empty() {
            self.cdp("Input.insertText", json!({"text": text})).await?;
        }
        Ok(())
    }

    /// Clicks a field, selects all of it and types this instead.
    pub async fn retype(&self, selector: &str, text: &str) -> Result<()> {
        self.click(selector).await?;
        self.eval::<()>("document.activeElement.select();").await?;
        self.cdp("Input.insertText", json!({"text": text})).await.map(drop)
    }

    /// Presses and releases a key that has a name, such as `Enter` or `Escape`; the space bar's is a space.
    pub async fn press(&self, key: &str) -> Result<()> {
        let text = match key {
            "Enter" => "\r",
            " " => " ",
            _ => "",
        };
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "Tab" => 9,
            "Delete" => 46,
            " " => 32,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => 0,
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.cdp("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// Makes this the visible tab; the others become hidden.
    pub async fn show(&self) -> Result<()> {
        self.cdp("Page.bringToFront", json!({})).await?;
        self.wait_until("document.visibilityState === 'visible'").await
    }

    /// Stops the page's thread, as a long task of its own would, until [`Tab::go_on`]: it waits for an answer of the server.
    pub async fn halt(&self, server: &Server) -> Result<()> {
        self.eval::<()>(
            "window.halted = true;
             setTimeout(() => {
                 const request = new XMLHttpRequest();
                 request.open('GET', '/__test__/wait', false);
                 request.send();
                 window.halted = false;
             });",
        )
        .await?;
        let waiting = server.data().join("waiting");
        eventually("the page to halt", DEADLINE, async || Ok(waiting.exists().then_some(()))).await
    }

    /// After [`Tab::halt`]; what came meanwhile is taken up.
    pub async fn go_on(&self, server: &Server) -> Result<()> {
        std::fs::remove_file(server.data().join("waiting"))?;
        self.wait_until("window.halted === false").await
    }

    /// Closes it at once, whatever it does.
    pub async fn close(self) -> Result<()> {
        self.session.devtools.call("Target.closeTarget", json!({"targetId": self.target})).await?;
        Ok(())
    }

    /// Any method of the DevTools protocol, on this page.
    pub async fn cdp(&self, method: &str, params: Value) -> Result<Value> {
        self.session.call(method, params).await
    }

    /// A PNG of the page at that size (CSS pixels), in light or dark.
    pub async fn screenshot(&self, path: &Path, width: u32, height: u32, dark: bool) -> Result<()> {
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.cdp("Emulation.setEmulatedMedia", media).await?;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.cdp("Emulation.setDeviceMetricsOverride", size).await?;
        // Two frames: one in which the new size and colours are laid out, one in which they are there.
        self.eval::<()>(
            "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));",
        )
        .await?;
        let shot = self.cdp("Page.captureScreenshot", json!({"format": "png"})).await?;
        let png =
            thirtyfour::support::base64_decode(shot["data"].as_str().context("a screenshot has data")?)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(path, png)?)
    }
}
