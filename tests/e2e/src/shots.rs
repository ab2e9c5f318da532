//! Screenshots that tests leave behind, for eyes.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{Tab, root};

/// The page on a phone and on a desktop, light and dark, in `target/nightferry/shots/`. It is never wider than the window.
pub async fn shoot(tab: &Tab, what: &str) -> Result<()> {
    let shots = root().join("target/nightferry/shots");
    for (width, height) in [(390, 844), (1280, 800)] {
        for (scheme, dark) in [("light", false), ("dark", true)] {
            let name = format!("{what}-{width}-{scheme}.png");
            tab.screenshot(&shots.join(&name), width, height, dark).await?;
            let wider = "const {scrollWidth, clientWidth} = document.documentElement; return scrollWidth - clientWidth;";
            ensure!(tab.eval::<i64>(wider).await? == 0, "{name} is wider than the window");
        }
    }
    tab.cdp("Emulation.setEmulatedMedia", json!({"features": []})).await?;
    tab.cdp("Emulation.clearDeviceMetricsOverride", json!({})).await.map(drop)
}
