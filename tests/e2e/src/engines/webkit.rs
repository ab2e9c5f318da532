//! WebKitGTK's MiniBrowser, by WebDriver, on a screen that nobody sees.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use thirtyfour::{Capabilities, WebDriver, WindowHandle};

use crate::guarded::Guarded;
use crate::server::{client, free_port};
use crate::wait::{DEADLINE, eventually};

/// A MiniBrowser. It keeps its data in memory. Ends when dropped.
pub struct WebKit {
    session: Arc<Session>,
    /// The window that it started with. It stays open, and with it the browser.
    first: WindowHandle,
}

/// A window of it, with one tab.
pub struct Window {
    session: Arc<Session>,
    handle: WindowHandle,
}

/// WebDriver's session, which has one current window. A WebKitWebDriver has one session.
struct Session {
    driver: tokio::sync::Mutex<WebDriver>,
    _process: Guarded,
    _screen: Arc<Screen>,
}

impl WebKit {
    pub async fn start() -> Result<WebKit> {
        let screen = tokio::task::block_in_place(Screen::shared)?;
        let program = program("WEBKIT_DRIVER", "WebKitWebDriver");
        let port = free_port()?;
        let process = Guarded::start_to_kill(&program, |command| {
            command.arg(format!("--port={port}")).env("DISPLAY", &screen.display);
            command.stdout(Stdio::null()).stderr(Stdio::null());
        })?;
        let url = format!("http://127.0.0.1:{port}");
        let is_ready = async || Ok(client()?.get(format!("{url}/status")).send().await.is_ok().then_some(()));
        eventually("WebKitWebDriver", DEADLINE, is_ready).await.with_context(|| {
            format!(
                "{} does not start; run `cargo xtask test e2e`, which installs it, or set WEBKIT_DRIVER",
                program.display()
            )
        })?;
        let mut wanted = Capabilities::new();
        if let Some(browser) = std::env::var_os("MINIBROWSER") {
            let options = json!({"binary": browser.to_string_lossy(), "args": ["--automation"]});
            wanted.set("webkitgtk:browserOptions", options)?;
        }
        let driver = WebDriver::new(url, wanted).await.context("WebKitGTK's MiniBrowser does not start")?;
        driver.set_script_timeout(Duration::from_secs(60)).await?;
        let first = driver.window().await?;
        let driver = tokio::sync::Mutex::new(driver);
        Ok(WebKit { session: Arc::new(Session { driver, _process: process, _screen: screen }), first })
    }

    /// A new, blank window. A new tab of a window would be hidden until somebody chose it.
    pub async fn new_window(&self) -> Result<Window> {
        let driver = self.session.driver.lock().await;
        // The current one may be closed.
        driver.switch_to_window(self.first.clone()).await?;
        let handle = driver.new_window().await?;
        Ok(Window { session: self.session.clone(), handle })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The process is about to end, and the session with it.
        let _ = self.driver.get_mut().clone().leak();
    }
}

impl Window {
    pub async fn goto(&self, url: &str) -> Result<()> {
        Ok(self.driver().await?.goto(url).await?)
    }

    pub async fn reload(&self) -> Result<()> {
        Ok(self.driver().await?.refresh().await?)
    }

    pub async fn close(self) -> Result<()> {
        Ok(self.driver().await?.close_window().await?)
    }

    /// Runs the body of an async function, which returns a text.
    pub async fn eval(&self, body: &str) -> Result<String> {
        let script = format!(
            "const done = arguments[0];
             (async () => {{ {body}\n}})().then((text) => done({{text}}), (error) => done({{error: String(error)}}));"
        );
        let mut answer = self.driver().await?.execute_async(script, Vec::new()).await?.json().clone();
        if let Some(error) = answer.get("error") {
            bail!("the script threw {error}");
        }
        match answer["text"].take() {
            Value::String(text) => Ok(text),
            other => bail!("the script returned {other}"),
        }
    }

    /// The session with this window as the current one, until the guard is dropped.
    async fn driver(&self) -> Result<tokio::sync::MutexGuard<'_, WebDriver>> {
        let driver = self.session.driver.lock().await;
        driver.switch_to_window(self.handle.clone()).await?;
        Ok(driver)
    }
}

/// An Xvfb for all browsers of a process.
struct Screen {
    display: String,
    _process: Guarded,
}

impl Screen {
    fn shared() -> Result<Arc<Screen>> {
        static SHARED: Mutex<Weak<Screen>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(Screen::start()?);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }

    fn start() -> Result<Screen> {
        let program = program("XVFB", "Xvfb");
        let mut process = Guarded::start(&program, |command| {
            // It chooses a display that is free, and writes its number.
            command.args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]);
            command.stderr(Stdio::null());
        })?;
        let mut number = String::new();
        let stdout = process.shell().stdout.take().context("stdout is piped")?;
        BufReader::new(stdout).read_line(&mut number)?;
        if number.trim().is_empty() {
            bail!(
                "{} does not start; run `cargo xtask test e2e`, which installs it, or set XVFB",
                program.display()
            );
        }
        Ok(Screen { display: format!(":{}", number.trim()), _process: process })
    }
}

fn program(variable: &str, name: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from)
}
