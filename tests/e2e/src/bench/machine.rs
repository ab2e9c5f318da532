//! On what it was measured: figures mean little without it.

use std::fs::read_to_string;
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use crate::Browser;

pub async fn describe(browser: &Browser) -> Result<Vec<(&'static str, String)>> {
    let version = browser.cdp("Browser.getVersion", json!({})).await?;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    Ok(vec![
        ("processor", format!("{}, {cores} cores", processor())),
        ("memory", memory()),
        ("system", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        ("browser", version["product"].as_str().unwrap_or("unknown").into()),
        ("others' load when it began", load()),
        ("date", date()),
    ])
}

fn processor() -> String {
    field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into())
}

fn memory() -> String {
    let kb = field("/proc/meminfo", "MemTotal")
        .and_then(|size| size.split_whitespace().next().and_then(|kb| kb.parse::<f64>().ok()));
    kb.map_or("unknown".into(), |kb| format!("{:.0} GiB", kb / 1024.0 / 1024.0))
}

/// The processes that wanted to run, on average of the last minute.
fn load() -> String {
    let load = read_to_string("/proc/loadavg").ok();
    load.and_then(|load| Some(load.split_whitespace().next()?.to_owned())).unwrap_or_else(|| "unknown".into())
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().into())
}

fn date() -> String {
    let said = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    said.map_or("unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().into())
}
