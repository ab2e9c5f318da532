//! The build id: what page and worker exchange to know whether they were built together.
//!
//! `<version>-<hash>`, where the hash covers everything that reaches the browser. This one file is compiled into the core's `build.rs`
//! (which stamps the id into the wasm) and into xtask (which stamps it into the JavaScript), so both always agree.

use std::io;
use std::path::{Path, PathBuf};

/// Files and folders, relative to the workspace, whose content decides the id.
pub const SOURCES: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "sw",
    "page/Cargo.toml",
    "page/src",
    "page/ts",
    "page/package-lock.json",
];

/// The id of what stands in the workspace at `root` now, such as `0.1.0-9c1185a5c5e9`.
pub fn build_id(root: &Path, version: &str) -> io::Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&root.join(source), &mut files)?;
    }
    files.sort();
    let mut hash = Fnv::default();
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file);
        for part in name.components() {
            hash.write(part.as_os_str().as_encoded_bytes());
            hash.write(b"/");
        }
        let content = std::fs::read(&file)?;
        hash.write(&(content.len() as u64).to_le_bytes());
        hash.write(&content);
    }
    Ok(format!("{version}-{:012x}", hash.0 >> 16))
}

/// Every file beneath `path` that can reach the browser: no tests, nothing hidden, no editor's leftovers.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let ignored = name.starts_with('.') || name.ends_with('~') || name.ends_with(".test.ts");
            if !ignored && name != "node_modules" && name != "target" {
                collect(&entry.path(), files)?;
            }
        }
    } else if path.is_file() {
        files.push(path.to_path_buf());
    }
    Ok(())
}

/// FNV-1a, 64 bits: the same on every machine and in every version of Rust, which std's hasher does not promise.
pub struct Fnv(pub u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
