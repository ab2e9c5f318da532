//! The folders of the workspace.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// The workspace's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// The folder of everything that xtask prepares. It does not follow `CARGO_TARGET_DIR`, since page/tsconfig.json names it.
pub fn prepared() -> PathBuf {
    root().join("target/nightferry")
}

/// The folder in which cargo leaves its results.
pub fn cargo_target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The page's folder, which also holds the Node tools.
pub fn page() -> PathBuf {
    root().join("page")
}

/// The folder of the files that browsers download.
pub fn dist_browser() -> PathBuf {
    root().join("dist/browser")
}

/// The version that all packages carry.
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Makes an empty folder of it, whatever was there.
pub fn empty(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(std::fs::create_dir_all(folder)?)
}

/// Two xtasks at once prepare one after the other. Released when dropped.
#[must_use]
pub struct Lock(#[expect(dead_code, reason = "held for its drop")] File);

pub fn lock() -> Result<Lock> {
    std::fs::create_dir_all(prepared())?;
    let file = File::create(prepared().join("lock"))?;
    if file.try_lock().is_err() {
        println!("  another cargo xtask is preparing; waiting for it");
        file.lock()?;
    }
    Ok(Lock(file))
}
