//! `docs/api.md`: what the npm package's modules export, out of the declarations that TypeScript makes of them.
//!
//! It relies on how tsc prints declarations: whatever is declared at the top begins in the first column, and so does the
//! brace that ends it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::npm_package;
use crate::workspace::{self, prepared, root};

/// A module, its declarations, and what there is to say of it.
const MODULES: &[(&str, &str, &str)] = &[
    (
        "nightferry",
        "page/ts/client.d.ts",
        "The page's API. A plain page imports it from `/nightferry/client.js`.",
    ),
    (
        "nightferry/redux",
        "page/ts/redux.d.ts",
        "For Redux stores. The functions without a text are thunks of `nightferry`'s functions of the same name: \
         `await store.dispatch(syncNow())`.",
    ),
    ("nightferry/react", "page/ts/react.d.ts", "For React 18 and 19. [React](react.md) explains it."),
    ("nightferry/vite", "page/node/vite.d.ts", "For `vite.config.ts`."),
];

/// What is exported for the package's own modules says so.
const PRIVATE: &str = "No part of it.";

/// One exported name.
struct Export {
    name: String,
    doc: String,
    code: String,
}

/// What a file declares and exports.
#[derive(Default)]
struct Declarations {
    /// By name, exported or not: its comment and its code.
    declared: BTreeMap<String, (String, String)>,
    /// Names by the files that they come from; none where the file has them itself.
    imported: BTreeMap<String, String>,
    exported: Vec<Exported>,
}

enum Exported {
    Name(String),
    /// From another file.
    From(String, String),
    All(String),
}

fn file() -> PathBuf {
    root().join("docs/api.md")
}

/// Writes the document anew.
pub fn write() -> Result<()> {
    std::fs::write(file(), document()?)?;
    println!("docs/api.md is written");
    Ok(())
}

/// Whether the document is what the types say.
pub fn check() -> Result<()> {
    let now = std::fs::read_to_string(file()).unwrap_or_default();
    ensure!(now == document()?, "docs/api.md is not what the types say; run `cargo xtask api`");
    Ok(())
}

fn document() -> Result<String> {
    let types = prepared().join("api-types");
    let _lock = workspace::lock()?;
    npm_package::emit_types(&types)?;
    let mut out = String::from(
        "# API reference\n\n<!-- Generated from the types by `cargo xtask api`. Change the comments in page/, not this file. -->\n\n\
         What each module of the npm package exports, out of its types. [Getting started](getting-started.md) shows how to use it.\n\n",
    );
    for (module, ..) in MODULES {
        writeln!(out, "- [`{module}`](#{})", module.replace('/', ""))?;
    }
    for (module, declarations, intro) in MODULES {
        writeln!(out, "\n## `{module}`\n\n{intro}")?;
        let exports = exports(&types.join(declarations))?;
        let is_type =
            |export: &&Export| export.code.starts_with("interface ") || export.code.starts_with("type ");
        for export in exports.iter().filter(|export| !is_type(export)) {
            section(&mut out, export)?;
        }
        if exports.iter().any(|export| is_type(&export)) {
            writeln!(out, "\n### Types of `{module}`")?;
        }
        for export in exports.iter().filter(is_type) {
            writeln!(out, "\n#### `{}`", export.name)?;
            body(&mut out, export)?;
        }
    }
    Ok(out)
}

fn section(out: &mut String, export: &Export) -> Result<()> {
    writeln!(out, "\n### `{}`", export.name)?;
    body(out, export)
}

fn body(out: &mut String, export: &Export) -> Result<()> {
    if !export.doc.is_empty() {
        writeln!(out, "\n{}", export.doc)?;
    }
    Ok(writeln!(out, "\n```ts\n{}\n```", export.code)?)
}

/// What a file exports: what it declares itself first.
fn exports(path: &Path) -> Result<Vec<Export>> {
    let file = Declarations::read(path)?;
    let (mut exports, mut others) = (Vec::new(), Vec::new());
    for exported in &file.exported {
        match exported {
            Exported::Name(name) => exports.push(file.find(path, name)?),
            Exported::From(name, from) => others.push(find(&beside(path, from), name)?),
            Exported::All(from) => others.extend(self::exports(&beside(path, from))?),
        }
    }
    exports.append(&mut others);
    exports.retain(|export| !export.doc.contains(PRIVATE));
    Ok(exports)
}

fn find(path: &Path, name: &str) -> Result<Export> {
    Declarations::read(path)?.find(path, name)
}

/// The declarations of a module that another one imports.
fn beside(path: &Path, from: &str) -> PathBuf {
    path.with_file_name("").join(from.replace(".js", ".d.ts"))
}

impl Declarations {
    fn read(path: &Path) -> Result<Declarations> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{} is missing", path.display()))?;
        Declarations::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Declarations> {
        let mut file = Declarations::default();
        let mut lines = text.lines();
        let mut doc = String::new();
        while let Some(first) = lines.next() {
            if first.starts_with("/**") {
                doc = first.to_string();
                while !doc.ends_with("*/") {
                    doc = format!("{doc}\n{}", lines.next().context("a comment ends")?);
                }
                continue;
            }
            let mut code = first.to_string();
            while !is_whole(&code) {
                code = format!("{code}\n{}", lines.next().context("a declaration ends")?);
            }
            file.take(&code, &std::mem::take(&mut doc))?;
        }
        Ok(file)
    }

    fn take(&mut self, code: &str, doc: &str) -> Result<()> {
        let quoted = code.split('"').nth(1);
        if code == "export {};" {
            return Ok(());
        }
        if let (Some(list), Some(from)) = (code.strip_prefix("import "), quoted) {
            for name in names(list) {
                self.imported.insert(name, from.to_string());
            }
            return Ok(());
        }
        if let (true, Some(from)) =
            (code.starts_with("export *") || code.starts_with("export type *"), quoted)
        {
            self.exported.push(Exported::All(from.to_string()));
            return Ok(());
        }
        if code.starts_with("export {") || code.starts_with("export type {") {
            for name in names(code) {
                let from = quoted.map(str::to_string).or_else(|| self.imported.get(&name).cloned());
                self.exported
                    .push(from.map_or(Exported::Name(name.clone()), |from| Exported::From(name, from)));
            }
            return Ok(());
        }
        let own = code.strip_prefix("export ");
        let code = own.unwrap_or(code);
        let code = code.strip_prefix("declare ").unwrap_or(code);
        let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$');
        let (Some("function" | "const" | "class" | "interface" | "type"), Some(name)) =
            (words.next(), words.next())
        else {
            bail!("this is no declaration that docs/api.md can show: {code}");
        };
        if own.is_some() {
            self.exported.push(Exported::Name(name.to_string()));
        }
        self.declared.insert(name.to_string(), (text_of(doc), code.to_string()));
        Ok(())
    }

    /// A declaration; one that extends another of the file that is not exported has that in front of it.
    fn find(&self, path: &Path, name: &str) -> Result<Export> {
        let (doc, code) =
            self.declared.get(name).with_context(|| format!("{} does not declare {name}", path.display()))?;
        let mut code = code.clone();
        let exported = |base: &str| {
            self.exported.iter().any(|exported| matches!(exported, Exported::Name(name) if name == base))
        };
        if let Some((_, rest)) = code.lines().next().and_then(|head| head.split_once(" extends "))
            && let Some(base) = rest.split([' ', '<', ',']).next()
            && !exported(base)
            && let Some((_, hidden)) = self.declared.get(base)
        {
            code = format!("{code}\n\n{hidden}");
        }
        Ok(Export { name: name.to_string(), doc: doc.clone(), code })
    }
}

/// Whether a declaration is complete: its brackets are closed, and it ends like one.
fn is_whole(code: &str) -> bool {
    let count = |open: char, close: char| code.matches(open).count() == code.matches(close).count();
    count('{', '}') && count('(', ')') && (code.ends_with(';') || code.ends_with('}'))
}

/// The names between braces; of `import * as x` none.
fn names(list: &str) -> Vec<String> {
    let Some((_, list)) = list.split_once('{') else { return Vec::new() };
    let list = list.split('}').next().unwrap_or_default();
    let bare = |name: &str| name.trim().trim_start_matches("type ").to_string();
    list.split(',').map(bare).filter(|name| !name.is_empty()).collect()
}

/// A comment's text, its tags as words.
fn text_of(doc: &str) -> String {
    let inner = doc.trim_start_matches("/**").trim_end_matches("*/");
    let mut out = String::new();
    for line in inner.lines().map(|line| line.trim().trim_start_matches('*').trim()) {
        let line = match line.split_once(' ') {
            Some(("@throws", what)) => format!("\nThrows: {what}"),
            Some(("@returns", what)) => format!("\nReturns: {what}"),
            _ => line.to_string(),
        };
        out = format!("{out}{line}\n");
    }
    out.trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_found_with_their_comments() {
        let text = "import { type B } from \"./b.js\";\n/**\n * Does it.\n * @throws X where not.\n */\nexport declare function act<A extends {\n    type: string;\n}>(action: A): A;\ninterface Hidden {\n    x: 1;\n}\n/** Seen. */\nexport interface Shown extends Hidden {\n}\nexport type { B };\nexport * from \"./c.js\";\nexport {};\n";
        let file = Declarations::parse(text).unwrap();
        let act = file.find(Path::new("a.d.ts"), "act").unwrap();
        assert_eq!(act.doc, "Does it.\n\nThrows: X where not.");
        assert!(act.code.starts_with("function act<A extends {") && act.code.ends_with("(action: A): A;"));
        let shown = file.find(Path::new("a.d.ts"), "Shown").unwrap();
        assert_eq!(shown.code, "interface Shown extends Hidden {\n}\n\ninterface Hidden {\n    x: 1;\n}");
        assert!(matches!(&file.exported[2], Exported::From(name, from) if name == "B" && from == "./b.js"));
        assert!(matches!(&file.exported[3], Exported::All(from) if from == "./c.js"));
        assert!(file.find(Path::new("a.d.ts"), "none").is_err());
    }
}
