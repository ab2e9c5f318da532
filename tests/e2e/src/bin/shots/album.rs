//! The pictures that were made so far, and what every app's part of the album needs.

use std::cell::RefCell;
use std::path::PathBuf;

use anyhow::Result;
use nightferry_e2e::{Browser, Tab, shoot_into};

pub struct Album {
    folder: PathBuf,
    findings: RefCell<Vec<String>>,
}

impl Album {
    pub fn new(folder: PathBuf) -> Album {
        Album { folder, findings: RefCell::default() }
    }

    /// Adds the page as it is, at each width, in light and dark. What is wrong is kept for the end: the pictures are wanted all the same.
    pub async fn add(&self, tab: &Tab, what: &str) -> Result<()> {
        let wrong = shoot_into(&self.folder, tab, what).await?;
        println!("{what}{}", if wrong.is_empty() { "" } else { ": something is wrong" });
        self.findings.borrow_mut().extend(wrong);
        Ok(())
    }

    pub fn find(&self, finding: String) {
        self.findings.borrow_mut().push(finding);
    }

    pub fn into_findings(self) -> Vec<String> {
        self.findings.into_inner()
    }
}

/// Texts of 2,000 characters: with spaces, and without.
pub fn long_texts() -> [String; 2] {
    ["The lamps on the northern pier go out at four. ".repeat(43).trim().into(), "x".repeat(2000)]
}

/// Stops the workers and takes away what they would start from, so that none answers while the server is gone.
pub async fn lose_the_worker(browser: &Browser, tab: &Tab) -> Result<()> {
    tab.eval::<()>("for (const key of await caches.keys()) await caches.delete(key);").await?;
    browser.stop_all_workers().await.map(drop)
}

/// Waits until an element shows this text, or begins with it where the text ends in `…`.
pub async fn wait_for_text(tab: &Tab, selector: &str, text: &str) -> Result<()> {
    let shown = format!("document.querySelector({})?.textContent.trim()", serde_json::json!(selector));
    match text.strip_suffix('…') {
        Some(beginning) => {
            tab.wait_until(&format!("{shown}?.startsWith({})", serde_json::json!(beginning))).await
        }
        None => tab.wait_until(&format!("{shown} === {}", serde_json::json!(text))).await,
    }
}

/// Presses these buttons of an element of Nightferry's, one after the other. `root` is the JavaScript of its shadow root.
pub async fn press(tab: &Tab, root: &str, labels: &[&str]) -> Result<()> {
    for label in labels {
        let press = format!(
            "[...{root}.querySelectorAll('button')].find(({{textContent}}) => textContent === input).click();"
        );
        tab.eval_with::<()>(label, &press).await?;
    }
    Ok(())
}

/// Waits until an element of Nightferry's, such as `conflicts`, has something to decide. Returns the JavaScript of its shadow root.
pub async fn decision(tab: &Tab, element: &str) -> Result<String> {
    let root = format!("document.querySelector('nightferry-{element}')?.shadowRoot");
    tab.wait_until(&format!("{root}?.querySelector('article')")).await?;
    Ok(root)
}
