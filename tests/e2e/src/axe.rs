//! The accessibility checks of axe, run in the page as it is.

use anyhow::{Context, Result};
use serde_json::json;

use crate::{Tab, root};

/// Returns what axe finds wrong with the page, each as `rule: element: what to mend`.
pub async fn axe_findings(tab: &Tab) -> Result<Vec<String>> {
    let is_there: bool = tab.eval("return 'axe' in window;").await?;
    if !is_there {
        let file = root().join("page/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&file)
            .context("axe-core is missing; `cargo xtask test e2e` installs it")?;
        tab.eval::<()>(&format!("{axe}\n;window.axe = axe;")).await?;
    }
    // Style sheets are read where they are: a Content-Security-Policy may forbid to fetch them once more.
    let options = json!({"preload": false, "resultTypes": ["violations"]});
    tab.eval_with(
        &options,
        "const {violations} = await axe.run(document, input);
         return violations.flatMap(({id, nodes}) => nodes.map(({target, failureSummary}) =>
             `${id}: ${target.join(' ')}: ${failureSummary.replace(/\\s+/g, ' ')}`));",
    )
    .await
}
