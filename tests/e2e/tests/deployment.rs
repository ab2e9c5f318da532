//! The sample of docs/deployment.md in a browser: behind nginx with TLS, on gunicorn and PostgreSQL, from the page's own files.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nightferry_e2e::{Browser, Tab, python, root};
use serde::Deserialize;

/// The site, which `server/tests/deployed.py` starts. Ends when dropped.
struct Site {
    starter: Child,
    origin: String,
}

#[derive(Deserialize)]
struct Started {
    origin: String,
}

impl Site {
    fn start() -> Result<Site> {
        let mut starter = Command::new(python())
            .arg("deployed.py")
            .current_dir(root().join("server/tests"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("Python's environment is missing; run `cargo xtask test e2e`, which makes it")?;
        let mut line = String::new();
        BufReader::new(starter.stdout.take().context("it has an output")?).read_line(&mut line)?;
        ensure!(!line.is_empty(), "the site did not start; its reason is above");
        let Started { origin } = serde_json::from_str(&line)?;
        Ok(Site { starter, origin })
    }

    async fn sign_in(&self, tab: &Tab, name: &str) -> Result<()> {
        tab.goto(&format!("{}/", self.origin)).await?;
        tab.wait_until("location.pathname === '/sign-in'").await?;
        tab.type_into("[name=name]", name).await?;
        tab.type_into("[name=password]", "secret").await?;
        tab.click("button[type=submit]").await?;
        tab.wait_until("location.pathname === '/' && document.readyState === 'complete'").await
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(self.starter.stdin.take());
        let _ = self.starter.wait();
    }
}

async fn sign_out(tab: &Tab) -> Result<()> {
    tab.click("form[action$=sign-out] button").await?;
    tab.wait_until("location.pathname === '/sign-in' && document.readyState === 'complete'").await
}

async fn add(tab: &Tab, text: &str) -> Result<()> {
    tab.type_into("#add [name=text]", text).await?;
    tab.click("#add button").await
}

async fn shows(tab: &Tab, texts: &str) -> Result<()> {
    tab.wait_until(&format!(
        "String([...document.querySelectorAll('#notes li')].map((row) => row.textContent).sort()) === '{texts}'"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn f67_the_documented_site_signs_in_syncs_two_devices_and_shows_nobody_anothers() -> Result<()> {
    let site = Site::start()?;
    // The site's certificate is its own.
    let trusting = ["--ignore-certificate-errors"];
    let phone = Browser::start_fresh_with(&trusting).await?;
    let laptop = Browser::start_fresh_with(&trusting).await?;
    let (on_phone, on_laptop) = (phone.tab(), laptop.tab());
    site.sign_in(&on_phone, "ann").await?;
    add(&on_phone, "Hello").await?;
    shows(&on_phone, "Hello").await?;
    site.sign_in(&on_laptop, "ann").await?;
    shows(&on_laptop, "Hello").await?;
    // Pokes come through, whichever of the three processes has the connection.
    add(&on_laptop, "World").await?;
    shows(&on_phone, "Hello,World").await?;

    sign_out(&on_phone).await?;
    site.sign_in(&on_phone, "eve").await?;
    add(&on_phone, "Mine").await?;
    shows(&on_phone, "Mine").await?;
    add(&on_laptop, "More").await?;
    shows(&on_laptop, "Hello,More,World").await?;
    sign_out(&on_phone).await?;
    site.sign_in(&on_phone, "ann").await?;
    shows(&on_phone, "Hello,More,World").await
}
