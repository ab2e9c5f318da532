//! Screenshots of the demo with a few files in it: phone and desktop, light and dark. `cargo xtask shots` runs this.

use std::path::PathBuf;

use anyhow::{Context, Result};
use nightferry_e2e::{Browser, Profile, Server};

#[tokio::main]
async fn main() -> Result<()> {
    let into = PathBuf::from(std::env::args().nth(1).context("say into which folder")?);
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.goto(&server.url("/")).await?;
    for (device, width, height) in [("phone", 390, 844), ("desktop", 1280, 800)] {
        for (scheme, dark) in [("light", false), ("dark", true)] {
            let file = into.join(format!("{device}-{scheme}.png"));
            tab.screenshot(&file, width, height, dark).await?;
            println!("{}", file.display());
        }
    }
    let said: Vec<String> = browser.console().into_iter().filter(|line| !line.starts_with("log: ")).collect();
    if !said.is_empty() {
        println!("the consoles say:\n  {}", said.join("\n  "));
    }
    browser.close().await
}
