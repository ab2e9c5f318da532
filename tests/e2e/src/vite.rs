//! A Vite app outside the repository, into which the npm package is installed.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::server::{client, free_port};
use crate::wait::{START, eventually};
use crate::{readme_block, root};

/// The app of `npm create vite -- --template react-ts` (tests/e2e/vite-app), with `dist/npm/` installed and the documents'
/// `vite.config.ts` and `src/store.ts`.
pub struct ViteApp {
    folder: TempDir,
}

/// How the package comes into the app's `node_modules`.
#[derive(Clone, Copy)]
pub enum Install {
    /// A copy, as from a registry.
    Copied,
    /// A link to `dist/npm/`, which is what `npm install PATH` makes.
    Linked,
}

/// `vite dev` or `vite preview`. Ends when dropped, and when the test's process dies.
pub struct Vite {
    port: u16,
    child: Child,
}

impl ViteApp {
    /// A fresh app in a folder of its own.
    pub fn install(how: Install) -> Result<ViteApp> {
        let package = root().join("dist/npm");
        ensure!(package.join("package.json").is_file(), "dist/npm/ is missing; run `cargo xtask build`");
        let app = ViteApp { folder: TempDir::new()? };
        copy(&root().join("tests/e2e/vite-app"), app.folder.path())?;
        app.npm(&["ci"])?;
        let link = match how {
            Install::Copied => "--install-links=true",
            Install::Linked => "--install-links=false",
        };
        app.npm(&["install", link, package.to_str().context("a path in UTF-8")?])?;
        for file in ["vite.config.ts", "src/store.ts"] {
            app.write(file, &readme_block(file)?)?;
        }
        Ok(app)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, path: &str, content: &str) -> Result<()> {
        Ok(std::fs::write(self.path().join(path), content)?)
    }

    /// `npm run build`: the types are checked, then Vite builds `dist/`.
    pub fn build(&self) -> Result<()> {
        self.npm(&["run", "build"])
    }

    /// Lets Flask's address in `vite.config.ts` be this one.
    pub fn use_flask(&self, origin: &str) -> Result<()> {
        let config = readme_block("vite.config.ts")?;
        let readmes = "http://127.0.0.1:5000";
        ensure!(config.contains(readmes), "the documents' vite.config.ts names {readmes}");
        self.write("vite.config.ts", &config.replace(readmes, origin))
    }

    /// Starts `vite dev` or `vite preview`, and returns once it answers.
    pub async fn serve(&self, command: &str) -> Result<Vite> {
        let port = free_port()?;
        let log = self.path().join("vite.log");
        let output = OpenOptions::new().create(true).append(true).open(&log)?;
        // Ends with its standard input, whose other end is this process.
        let end = "data:text/javascript,process.stdin.resume().on('end', () => process.exit())";
        let child = Command::new("node")
            .args(["--import", end, "node_modules/vite/bin/vite.js", command])
            .args(["--host", "127.0.0.1", "--strictPort", "--port", &port.to_string()])
            .current_dir(self.path())
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("node could not be started")?;
        let mut vite = Vite { port, child };
        eventually("Vite to answer", START, async || {
            if let Some(status) = vite.child.try_wait()? {
                bail!("vite {command} ended ({status}): {}", std::fs::read_to_string(&log)?);
            }
            Ok(client()?.get(vite.url("/")).send().await?.status().is_success().then_some(()))
        })
        .await?;
        Ok(vite)
    }

    /// Runs npm in the app's folder. Where npm fails, its output is the error.
    pub fn npm(&self, arguments: &[&str]) -> Result<()> {
        npm(self.path(), arguments)
    }
}

impl Vite {
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Vite {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs npm in a folder. Where npm fails, its output is the error.
pub(crate) fn npm(folder: &Path, arguments: &[&str]) -> Result<()> {
    let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.args(arguments).envs([("npm_config_audit", "false"), ("npm_config_fund", "false")]);
    finish(npm.current_dir(folder))
}

/// Runs a command of a folder to its end. Where the command fails, its output is the error.
pub(crate) fn finish(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("{command:?} could not be started"))?;
    if !output.status.success() {
        let printed = [output.stdout, output.stderr].concat();
        bail!("{command:?} failed ({}):\n{}", output.status, String::from_utf8_lossy(&printed));
    }
    Ok(())
}

/// Copies a folder, without what is installed, built or stored in it.
pub(crate) fn copy(from: &Path, into: &Path) -> Result<()> {
    std::fs::create_dir_all(into)?;
    for entry in std::fs::read_dir(from)? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().context("a file has a name")?;
        if path.is_dir() {
            if !["node_modules", "dist", "target", "instance", ".venv", "__pycache__"]
                .iter()
                .any(|other| name == *other)
            {
                copy(&path, &into.join(name))?;
            }
        } else {
            std::fs::copy(&path, into.join(name))?;
        }
    }
    Ok(())
}
