//! A folder of real files, chosen in the demo: byte for byte in IndexedDB and in Flask, in few requests.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nightferry_e2e::{Tab, root, start, testid};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::support::base64_decode;

type Files = BTreeMap<String, Vec<u8>>;

#[tokio::test(flavor = "multi_thread")]
async fn this_source_tree_arrives_byte_for_byte() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    tab.open_demo(&server).await?;

    let chosen = TempDir::new()?;
    let mut files = source_tree()?;
    files.extend(samples(&tab, chosen.path()).await?);
    for (path, bytes) in &files {
        let file = chosen.path().join("nightferry").join(path);
        std::fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
        std::fs::write(file, bytes)?;
    }
    ensure!(files.len() > 150, "the source tree has more files than {}", files.len());
    let total: usize = files.values().map(Vec::len).sum();

    tab.choose(&testid("import-input"), &[chosen.path().join("nightferry")]).await?;
    tab.wait_until_within(
        "document.querySelector('[data-testid=import-card]')?.dataset.done",
        Duration::from_secs(60),
    )
    .await?;
    let said: String =
        tab.eval("return document.querySelector('[data-testid=import-card]').innerText;").await?;
    assert!(said.starts_with(&format!("{} files imported", files.len())), "{said}");
    tab.wait_for_all_synced(files.len()).await?;

    let in_browser: Vec<Value> = tab.stored("files").await?.into_values().collect();
    let in_flask: Vec<Value> = server.items("files").await?.into_values().collect();
    compare("IndexedDB", &files, &in_browser)?;
    compare("Flask", &files, &in_flask)?;

    let pushes = server.requests("/nightferry/push")?;
    let sent: usize = pushes.iter().filter_map(|push| Some(push.body["mutations"].as_array()?.len())).sum();
    assert_eq!(sent, files.len(), "each file is sent once");
    // A push may find a batch half full, as the page goes on reading files while the first ones are on their way.
    let bound = 2 * (files.len().div_ceil(500) + total.div_ceil(1_000_000)) + 1;
    assert!(
        pushes.len() <= bound,
        "{} pushes for {} files of {total} bytes; at most {bound}",
        pushes.len(),
        files.len()
    );
    server.check_nothing_applied_twice()
}

/// The files that git knows of, as they are in this checkout.
fn source_tree() -> Result<Files> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output()?;
    ensure!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let mut files = Files::new();
    for path in String::from_utf8(listed.stdout)?.split_terminator('\0') {
        // One that was removed and not committed yet is not there to be imported.
        if let Ok(bytes) = std::fs::read(root().join(path)) {
            files.insert(path.into(), bytes);
        }
    }
    Ok(files)
}

/// Files that a source tree may lack: some that are no UTF-8, and texts that a careless path changes.
async fn samples(tab: &Tab, scratch: &Path) -> Result<Files> {
    let picture = scratch.join("picture.png");
    tab.screenshot(&picture, 390, 844, false).await?;
    let samples = [
        ("picture.png", std::fs::read(picture)?),
        ("every-byte.bin", (0..=255).collect()),
        ("latin1.txt", b"caf\xe9\n".to_vec()),
        ("crlf.txt", b"one\r\ntwo\rthree\n".to_vec()),
        ("byte-order-mark.txt", "\u{feff}after the mark".into()),
        ("nul.txt", b"a\0b".to_vec()),
        ("empty", Vec::new()),
        ("f\u{e4}hre \u{1f6a2} 100% #1?.md", "\u{2028} n\u{e4}chtlich \u{1f319}".into()),
        ("base64-text.txt", b"aGVsbG8=".to_vec()),
    ];
    Ok(samples.into_iter().map(|(name, bytes)| (format!("samples/{name}"), bytes)).collect())
}

fn compare(place: &str, files: &Files, items: &[Value]) -> Result<()> {
    let mut held = Files::new();
    for item in items {
        let path = item["path"].as_str().context("a file has a path")?;
        let path =
            path.strip_prefix("nightferry/").with_context(|| format!("{path} is in the chosen folder"))?;
        let content = item["content"].as_str().context("a file has content")?;
        let bytes = match &item["encoding"] {
            Value::Null => content.as_bytes().to_vec(),
            encoding => {
                ensure!(*encoding == json!("base64"), "{path} in {place} has the encoding {encoding}");
                base64_decode(content)?
            }
        };
        ensure!(item["encoding"].is_null() == std::str::from_utf8(&bytes).is_ok(), "{path}: text stays text");
        ensure!(item["size"] == json!(bytes.len()), "{path} in {place} has the size {}", item["size"]);
        ensure!(held.insert(path.into(), bytes).is_none(), "{path} is twice in {place}");
    }
    for (path, bytes) in files {
        let there = held.get(path).with_context(|| format!("{path} is missing in {place}"))?;
        ensure!(there == bytes, "{path} differs in {place}: {} bytes, not {}", there.len(), bytes.len());
    }
    ensure!(held.len() == files.len(), "{place} has {} files, not {}", held.len(), files.len());
    Ok(())
}
