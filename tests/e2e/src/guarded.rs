//! Programs that end with this process, also when this process is killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// A shell stands between: when its own standard input ends, so also when this process is killed, it ends the program and the programs
/// that this one has started and would leave behind.
const UNTIL_WE_DIE: &str = r#""$0" "$@" & program=$!; cat >/dev/null; started=$(pgrep -P $program 2>/dev/null); kill $signal $program $started 2>/dev/null; wait"#;

/// A program that runs. It is ended when this is dropped.
pub struct Guarded {
    shell: Child,
}

impl Guarded {
    /// Starts a program that is ended by `SIGTERM`, with its standard output piped. `configure` adds arguments and variables.
    pub fn start(program: &Path, configure: impl FnOnce(&mut Command)) -> Result<Guarded> {
        Guarded::start_until(program, "-TERM", configure)
    }

    /// The same for a program that is ended by `SIGKILL`.
    pub fn start_to_kill(program: &Path, configure: impl FnOnce(&mut Command)) -> Result<Guarded> {
        Guarded::start_until(program, "-KILL", configure)
    }

    fn start_until(program: &Path, signal: &str, configure: impl FnOnce(&mut Command)) -> Result<Guarded> {
        let mut command = Command::new("sh");
        command.args(["-c", UNTIL_WE_DIE]).arg(program).env("signal", signal);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        configure(&mut command);
        Ok(Guarded { shell: command.spawn().context("sh could not be started")? })
    }

    /// The shell, for its pipes.
    pub fn shell(&mut self) -> &mut Child {
        &mut self.shell
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // The shell waits for what it has ended.
        let _ = self.shell.wait();
    }
}
