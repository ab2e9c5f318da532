//! `docs/api.md`: what the npm package's modules export. TypeDoc makes a page for each module out of the types and their
//! comments (`page/api-docs/typedoc.json` has its options); here they become one document.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::toolchain::{self, TYPEDOC};
use crate::workspace::{self, prepared, root};

/// A module of the package, TypeDoc's page of it, and its introduction.
const MODULES: &[(&str, &str, &str)] = &[
    ("nightferry", "ts/client.md", "The page's API. A plain page imports it from `/nightferry/client.js`."),
    (
        "nightferry/redux",
        "ts/redux.md",
        "For Redux stores. The functions without a text are thunks of `nightferry`'s functions of the same name: \
         `await store.dispatch(syncNow())`.",
    ),
    ("nightferry/react", "ts/react.md", "For React 18 and 19. [React](react.md) explains it."),
    ("nightferry/vite", "node/vite.md", "For `vite.config.ts`."),
];

const HEAD: &str = "\
# API reference

<!-- Generated from the types by `cargo xtask api`. Change the comments in page/, not this file. -->

This document lists the exports of each module of the npm package. [Getting started](getting-started.md) shows how to use them.
";

/// Writes the document anew.
pub fn write() -> Result<()> {
    std::fs::write(file(), document()?)?;
    println!("docs/api.md is written");
    Ok(())
}

/// Fails if the document is not what the types say.
pub fn check() -> Result<()> {
    let committed = std::fs::read_to_string(file()).unwrap_or_default();
    ensure!(committed == document()?, "docs/api.md is not what the types say; run `cargo xtask api`");
    Ok(())
}

fn file() -> PathBuf {
    root().join("docs/api.md")
}

fn document() -> Result<String> {
    toolchain::ensure_api_docs_tools()?;
    let _lock = workspace::lock()?;
    let pages = prepared().join("api-docs");
    workspace::empty(&pages)?;
    process::quiet(toolchain::api_docs_tool(TYPEDOC).arg("--out").arg(&pages))?;
    let mut document = format!("{HEAD}\n");
    for (module, ..) in MODULES {
        writeln!(document, "- [`{module}`](#{})", module.replace('/', ""))?;
    }
    for (module, page, introduction) in MODULES {
        let text = std::fs::read_to_string(pages.join(page)).with_context(|| {
            format!("TypeDoc did not write {page}; page/api-docs/typedoc.json names the modules")
        })?;
        write!(document, "\n## `{module}`\n\n{introduction}\n\n{}\n", section(&text).trim())?;
    }
    Ok(document)
}

/// The page of a module as a section: its headings one level lower, its links within the document.
fn section(page: &str) -> String {
    let mut section = String::new();
    for line in page.lines() {
        // Headings separate well enough.
        if line == "***" {
            continue;
        }
        if line.starts_with("##") {
            section.push('#');
        }
        section.push_str(&within_document(&without_anchors(line)));
        section.push('\n');
    }
    while section.contains("\n\n\n") {
        section = section.replace("\n\n\n", "\n\n");
    }
    section
}

/// TypeDoc marks each property with an anchor that no link names.
fn without_anchors(line: &str) -> String {
    let mut line = line.to_string();
    while let Some(start) = line.find("<a id=\"")
        && let Some(length) = line[start..].find("</a> ")
    {
        line.replace_range(start..start + length + "</a> ".len(), "");
    }
    line
}

/// `[Status](client.md#status)` becomes `[Status](#status)`.
fn within_document(line: &str) -> String {
    let mut line = line.to_string();
    for (_, page, _) in MODULES {
        let (folder, name) = page.split_once('/').unwrap_or_default();
        for link in [format!("](../{folder}/{name}#"), format!("]({name}#")] {
            line = line.replace(&link, "](#");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_a_section() {
        let page = "## Status\n\n***\n\n### Properties\n\n| <a id=\"property-x\"></a> `x` | [`A`](client.md#a), [`B`](../node/vite.md#b), [`C`](#c) |\n";
        let expected = "### Status\n\n#### Properties\n\n| `x` | [`A`](#a), [`B`](#b), [`C`](#c) |\n";
        assert_eq!(section(page), expected);
    }
}
