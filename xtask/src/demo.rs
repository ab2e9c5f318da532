//! `cargo xtask demo`: from a fresh machine to the demo in the browser.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser};

use crate::process::command;
use crate::progress::{Step, seconds, step};
use crate::toolchain::{self, Python};
use crate::{browser_files, options, workspace};

#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    port: u16,
    open: bool,
}

impl Options {
    pub fn parse(mut parser: Parser) -> Result<Options> {
        let mut options = Options { port: 5000, open: true };
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("no-open") => options.open = false,
                Arg::Long("port") => {
                    options.port = options::value(&mut parser)
                        .and_then(|port| port.parse().ok())
                        .filter(|port| *port != 0)
                        .context("--port takes a number from 1 to 65535, such as `--port 5050`")?;
                }
                other => return Err(options::unknown("demo", &other, "--port 5000 and --no-open")),
            }
        }
        Ok(options)
    }
}

pub fn run(options: &Options) -> Result<ExitCode> {
    let started = Instant::now();
    check_port(options.port)?;
    browser_files::ensure()?;
    toolchain::ensure_python(Python::Serve)?;
    // The port may have been taken while building.
    check_port(options.port)?;

    let flask = Flask::start(options.port)?;
    flask.end_with_ctrl_c()?;
    let url = format!("http://127.0.0.1:{}/", options.port);
    println!(
        "\nReady after {}. The demo is at\n\n    {url}\n\nCtrl-C ends it.\n",
        seconds(started.elapsed())
    );
    if options.open {
        open_browser(&url);
    }
    flask.wait()
}

fn check_port(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) => bail!(
            "port {port} of 127.0.0.1 cannot be used ({error}). Choose another one: `cargo xtask demo --port {}`",
            port.checked_add(1).unwrap_or(5000)
        ),
    }
}

/// Flask's own server, with threads: it is what a developer of a Flask app runs, and it can serve WebSockets. Production is for
/// gunicorn and its like.
#[derive(Clone)]
pub struct Flask(Arc<Mutex<Child>>);

impl Flask {
    /// Returns once it answers requests.
    pub fn start(port: u16) -> Result<Flask> {
        let app = workspace::root().join("examples/demo/app.py");
        if !app.is_file() {
            bail!("examples/demo/app.py is missing");
        }
        let data = std::env::var_os("NIGHTFERRY_DEMO_DATA")
            .map_or(workspace::prepared().join("demo"), PathBuf::from);
        std::fs::create_dir_all(&data)?;
        let mut flask = None;
        step(&format!("Flask (examples/demo/app.py, data in {})", shown(&data)), || {
            let port_text = port.to_string();
            let mut serve = command(toolchain::python(), ["-m", "flask", "--app"]);
            serve.arg(&app).args([
                "run",
                "--no-reload",
                "--no-debugger",
                "--with-threads",
                "--host",
                "127.0.0.1",
            ]);
            serve
                .args(["--port", &port_text])
                .env("NIGHTFERRY_DEMO_DATA", &data)
                .env("PYTHONUNBUFFERED", "1");
            let mut child = serve.stdin(Stdio::null()).spawn().context("Flask could not be started")?;
            wait_until_it_answers(port, &mut child)?;
            flask = Some(Flask(Arc::new(Mutex::new(child))));
            Ok(Step::Done)
        })?;
        flask.context("Flask did not start")
    }

    fn end_with_ctrl_c(&self) -> Result<()> {
        let flask = self.clone();
        ctrlc::set_handler(move || {
            flask.stop();
            println!("\nThe demo has ended.");
            std::process::exit(0);
        })
        .context("Ctrl-C cannot be handled")
    }

    /// Until Flask ends by itself, which it should not.
    fn wait(&self) -> Result<ExitCode> {
        loop {
            if let Some(status) = self.child().try_wait()? {
                bail!("Flask ended by itself ({status}); its last lines above say why");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub fn stop(&self) {
        let mut child = self.child();
        // It may have ended already, by the same Ctrl-C.
        let _ = child.kill();
        let _ = child.wait();
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn wait_until_it_answers(port: u16, child: &mut Child) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("Flask ended at once ({status}); its message is above");
        }
        if answers(port) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            bail!("Flask did not answer within 30 s");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let answer = || -> std::io::Result<usize> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /nightferry/health HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n")?;
        stream.read(&mut [0; 12])
    };
    answer().is_ok_and(|read| read > 0)
}

/// Opens a browser. Without a desktop, the printed address is enough.
fn open_browser(url: &str) {
    let (opener, arguments): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("cmd", &["/C", "start", ""])
    } else {
        ("xdg-open", &[])
    };
    let _ = Command::new(opener).args(arguments).arg(url).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

fn shown(path: &std::path::Path) -> String {
    path.strip_prefix(workspace::root()).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        Options::parse(Parser::from_args(arguments))
    }

    #[test]
    fn options_are_read_and_others_refused() {
        assert_eq!(parse(&[]).unwrap(), Options { port: 5000, open: true });
        for port in [&["--port", "5050", "--no-open"][..], &["--no-open", "--port=5050"]] {
            assert_eq!(parse(port).unwrap(), Options { port: 5050, open: false });
        }
        for (wrong, error) in [
            (&["--port"][..], "--port takes a number"),
            (&["--port", "0"], "--port takes a number"),
            (&["--port=x"], "--port takes a number"),
            (&["--prot"], "`demo` does not know `--prot`; it takes --port 5000 and --no-open"),
            (&["5050"], "`demo` does not know `5050`"),
            (&["--no-open=1"], "--no-open"),
        ] {
            assert!(parse(wrong).unwrap_err().to_string().contains(error), "{wrong:?}");
        }
    }
}
