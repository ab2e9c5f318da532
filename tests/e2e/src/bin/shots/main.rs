//! `cargo xtask shots` runs this: the demo, the examples and the dashboard in each of their states, at three widths, light and
//! dark. It fails with what axe finds, and with what does not fit, in any of the pictures.
//!
//! `shots FOLDER [APP…]`: without names, all of them.

mod album;
mod dashboard;
mod demo;
mod notes;
mod packing_list;
mod workspace;

use anyhow::{Result, bail, ensure};

use album::Album;

const APPS: [&str; 6] = ["demo", "plain-html", "sign-in", "react-redux", "rust", "dashboard"];

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else { bail!("say into which folder") };
    let named: Vec<String> = arguments.collect();
    let album = Album::new(folder.into());
    for app in named.iter().map(String::as_str).chain(APPS.into_iter().filter(|_| named.is_empty())) {
        let shot = match app {
            "demo" => demo::shoot(&album).await,
            "plain-html" => notes::shoot_plain(&album).await,
            "sign-in" => notes::shoot_signed_in(&album).await,
            "react-redux" => workspace::shoot(&album).await,
            "rust" => packing_list::shoot(&album).await,
            "dashboard" => dashboard::shoot(&album).await,
            other => bail!("there is no app `{other}`; there are {}", APPS.join(", ")),
        };
        // The others are wanted all the same.
        shot.unwrap_or_else(|error| album.find(format!("{app} stopped: {error:#}")));
    }
    let wrong = album.into_findings();
    ensure!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
