//! One chromedriver for all tests of a process.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context, Result, bail};

/// Ends when the last browser that uses it is dropped.
pub struct Chromedriver {
    port: u16,
    process: Child,
    _stdout: BufReader<ChildStdout>,
}

/// A shell stands between: when its own standard input ends, so also when this process is killed, it ends chromedriver and the browsers
/// that chromedriver would leave behind.
const UNTIL_WE_DIE: &str = r#""$0" "$@" & driver=$!; cat >/dev/null; browsers=$(pgrep -P $driver 2>/dev/null); kill $driver $browsers 2>/dev/null"#;

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
        let mut process = Command::new("sh")
            .args(["-c", UNTIL_WE_DIE])
            .arg(&program)
            .arg("--port=0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("sh could not be started")?;
        let mut stdout = BufReader::new(process.stdout.take().context("stdout is piped")?);
        let mut line = String::new();
        while stdout.read_line(&mut line)? > 0 {
            let port =
                line.trim().trim_end_matches('.').rsplit_once("successfully on port ").map(|(_, port)| port);
            if let Some(port) = port {
                return Ok(Chromedriver { port: port.parse()?, process, _stdout: stdout });
            }
            line.clear();
        }
        bail!(
            "{} does not start; run `cargo xtask test e2e`, which installs it, or set CHROMEDRIVER",
            program.display()
        )
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Waiting only collects the shell, which ends with its input.
        let _ = self.process.wait();
    }
}
