//! One chromedriver for all tests of a process.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::ChildStdout;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context, Result, bail};

use crate::guarded::Guarded;

/// Ends when the last browser that uses it is dropped, and the browsers with it that it would leave behind.
pub struct Chromedriver {
    port: u16,
    _process: Guarded,
    _stdout: BufReader<ChildStdout>,
}

impl Chromedriver {
    pub fn shared() -> Result<Arc<Chromedriver>> {
        static SHARED: Mutex<Weak<Chromedriver>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(Chromedriver::start()?);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn start() -> Result<Chromedriver> {
        let program =
            std::env::var_os("CHROMEDRIVER").map_or_else(|| PathBuf::from("chromedriver"), PathBuf::from);
        let mut process = Guarded::start(&program, |command| {
            command.arg("--port=0");
        })?;
        let mut stdout = BufReader::new(process.shell().stdout.take().context("stdout is piped")?);
        let mut line = String::new();
        while stdout.read_line(&mut line)? > 0 {
            let port =
                line.trim().trim_end_matches('.').rsplit_once("successfully on port ").map(|(_, port)| port);
            if let Some(port) = port {
                return Ok(Chromedriver { port: port.parse()?, _process: process, _stdout: stdout });
            }
            line.clear();
        }
        bail!(
            "{} does not start; run `cargo xtask test e2e`, which installs it, or set CHROMEDRIVER",
            program.display()
        )
    }
}
