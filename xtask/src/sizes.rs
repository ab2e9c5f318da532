//! Measures the files that a browser downloads, and holds them to limits. One KB is 1,024 bytes.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The most that these files together may weigh after brotli, in KB.
struct Limit {
    what: &'static str,
    files: &'static [&'static str],
    limit_kb: usize,
}

/// The client, `nightferry/redux` and `nightferry/react` with all they export, bundled as an app's build does.
pub const APP: &str = "app.js";

const LIMITS: &[Limit] = &[
    Limit { what: "worker wasm", files: &["sw.wasm"], limit_kb: 266 },
    Limit { what: "page client", files: &["client.wasm", "client.js"], limit_kb: 32 },
    Limit { what: "a React page with Redux", files: &["client.wasm", APP], limit_kb: 43 },
];

/// Prints the sizes of `dist/browser/` or `dist/npm/` (and of `more`), and fails above a limit on files that are all
/// there.
pub fn check(folder: &Path, more: &[PathBuf]) -> Result<()> {
    let shown = format!("{}/", folder.strip_prefix(workspace::root()).unwrap_or(folder).display());
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| format!("there is no {shown}; run `cargo xtask build`"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.retain(|file| ["js", "wasm"].iter().any(|kind| file.extension().is_some_and(|is| is == *kind)));
    files.sort();
    files.extend_from_slice(more);

    println!("\n{:<16}{:>12}{:>12}{:>12}", shown, "raw", "gzip", "brotli");
    let mut compressed = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content = std::fs::read(file)?;
        let brotli = brotli(&content)?;
        println!("{name:<16}{:>12}{:>12}{:>12}", kb(content.len()), kb(gzip(&content)?), kb(brotli));
        compressed.push((name, brotli));
    }

    let mut above = Vec::new();
    println!();
    let complete =
        |limit: &&Limit| limit.files.iter().all(|file| compressed.iter().any(|(name, _)| name == file));
    for limit in LIMITS.iter().filter(complete) {
        let size: usize = compressed
            .iter()
            .filter(|(name, _)| limit.files.contains(&name.as_str()))
            .map(|(_, size)| size)
            .sum();
        let line = format!(
            "{} ({}): {} brotli, limit {} KB (1 KB = 1,024 bytes)",
            limit.what,
            limit.files.join(" + "),
            kb(size),
            limit.limit_kb
        );
        println!("{line}");
        if size > limit.limit_kb * 1024 {
            above.push(line);
        }
    }
    if !above.is_empty() {
        bail!(
            "above the limit: {}\nLook for what grew with `twiggy top` on the wasm, or `esbuild --analyze` on the JavaScript.",
            above.join("; ")
        );
    }
    Ok(())
}

fn kb(bytes: usize) -> String {
    format!("{:.1} KB", bytes as f64 / 1024.0)
}

fn gzip(content: &[u8]) -> Result<usize> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?.len())
}

fn brotli(content: &[u8]) -> Result<usize> {
    let mut compressed = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &parameters)?;
    Ok(compressed.len())
}
