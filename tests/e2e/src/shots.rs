//! Screenshots for eyes, and what can be checked of each without eyes: that it fits, and that axe finds nothing.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{Tab, axe_findings, root};

/// A phone, a small laptop and a desktop: width and height in CSS pixels.
const SIZES: [(u32, u32); 3] = [(390, 844), (1024, 768), (1280, 800)];

/// Takes the page at each size, in light and dark, into `target/nightferry/shots/`. Fails with what is wrong with any of them.
pub async fn shoot(tab: &Tab, what: &str) -> Result<()> {
    let wrong = shoot_into(&root().join("target/nightferry/shots"), tab, what).await?;
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The same into this folder, as `WHAT-WIDTH-SCHEME.png`. Returns what is wrong, each with the name of its picture.
pub async fn shoot_into(folder: &Path, tab: &Tab, what: &str) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (width, height) in SIZES {
        for (scheme, dark) in [("light", false), ("dark", true)] {
            let name = format!("{what}-{width}-{scheme}");
            tab.screenshot(&folder.join(format!("{name}.png")), width, height, dark).await?;
            let found = [outside(tab).await?, axe_findings(tab).await?].concat();
            wrong.extend(found.into_iter().map(|finding| format!("{name}: {finding}")));
        }
    }
    tab.cdp("Emulation.setEmulatedMedia", json!({"features": []})).await?;
    tab.cdp("Emulation.clearDeviceMetricsOverride", json!({})).await?;
    Ok(wrong)
}

/// Returns the parts of the page that reach out of the window at its sides, and texts that are wider than their box without being
/// cut off by dots or scrolled.
pub async fn outside(tab: &Tab) -> Result<Vec<String>> {
    tab.eval(
        r#"const found = [];
           const {scrollWidth, clientWidth} = document.documentElement;
           if (scrollWidth > clientWidth) found.push(`wider than the window by ${scrollWidth - clientWidth} px`);
           const parent = (node) => node.assignedSlot ?? node.parentElement ?? node.getRootNode().host;
           // What a box between the element and the window clips or scrolls grows nothing.
           const isClipped = (element) => {
               for (let at = parent(element); at && at !== document.body; at = parent(at)) {
                   if (getComputedStyle(at).overflowX !== 'visible') return true;
               }
               return false;
           };
           const name = (element) => [element.localName, element.id && `#${element.id}`, ...[...element.classList].map((one) => `.${one}`)].join('');
           const look = (root) => {
               for (const element of root.querySelectorAll('*')) {
                   if (element.shadowRoot) look(element.shadowRoot);
                   if (!(element instanceof HTMLElement) || !element.checkVisibility()) continue;
                   const {left, right, width, height} = element.getBoundingClientRect();
                   const style = getComputedStyle(element);
                   // For those who listen.
                   if (style.clipPath !== 'none' || width < 2 || height < 2) continue;
                   if ((left < -1 || right > innerWidth + 1) && !isClipped(element)) found.push(`${name(element)} reaches out of the window`);
                   const grows = element.scrollWidth - element.clientWidth;
                   if (style.overflowX === 'visible' && style.display !== 'inline' && grows > 1 && !element.shadowRoot)
                       found.push(`${name(element)} is wider than its box by ${grows} px`);
               }
           };
           look(document);
           return found;"#,
    )
    .await
}
