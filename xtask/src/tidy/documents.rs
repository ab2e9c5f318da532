//! Checks that everything that documents name and link to exists, and that they are not too long.

use std::collections::BTreeSet;

use super::source::{self, Keep};
use super::{File, Finding, markdown};

/// The most words of README.md, and the most bytes of ARCHITECTURE.md.
const README_WORDS: usize = 1_500;
const ARCHITECTURE_BYTES: usize = 13 * 1024;

/// Names that documents mention and our sources do not: of browsers, of Rust, of other packages, of the reader's own app,
/// and those that CONTRIBUTING.md warns of.
const FOREIGN: &[&str] = &[
    "REHYDRATE",
    "blacklist",
    "estimate",
    "purge",
    "transforms",
    "setItems",
    "stateReconciler",
    "utils",
    "helpers",
    "manager",
];

/// Paths that documents name and git does not track, by how they begin: what is built or installed, and what is in the
/// reader's own app.
const UNTRACKED: &[&str] = &[
    "dist/",
    "target/",
    "node_modules/",
    "page/node_modules",
    "server/src/flask_nightferry/browser/",
    "instance/",
    "static/",
    "nightferry/",
];

/// Files that are built, or in the reader's own app.
const FOREIGN_FILES: &[&str] = &[
    "client.js",
    "dashboard.js",
    "conflicts.js",
    "client.wasm",
    "sw.wasm",
    "vite.config.ts",
    "store.ts",
    "app.py",
];

/// Endings by which a name without a folder is known to be a file.
const ENDINGS: &[&str] =
    &["rs", "ts", "tsx", "js", "py", "md", "toml", "json", "html", "css", "wasm", "lock"];

/// The paths and names in code font that do not exist.
pub fn names(files: &[File]) -> Vec<Finding> {
    let paths = Paths::of(files);
    let known = identifiers(files);
    let mut found = Vec::new();
    for file in files.iter().filter(|file| names_things(&file.path)) {
        for (number, line) in markdown::prose(&file.text) {
            for span in markdown::code_spans(line).0 {
                let message = if let Some(path) = as_path(span, &paths) {
                    (!paths.has(path)).then(|| format!("there is no file `{path}`"))
                } else {
                    let parts = as_name(span).unwrap_or_default();
                    let missing =
                        parts.into_iter().find(|part| !known.contains(part) && !FOREIGN.contains(part));
                    missing.map(|part| format!("`{part}` is nowhere in the sources"))
                };
                found.extend(message.map(|message| Finding::new(file, number, "name", message)));
            }
        }
    }
    found
}

/// Documents that explain the sources. docs/api.md is made of them.
fn names_things(path: &str) -> bool {
    let at_root = ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"].contains(&path);
    let in_docs = path.starts_with("docs/") && path.ends_with(".md") && path != "docs/api.md";
    at_root || in_docs
}

/// Every identifier of the sources outside of comments, those in strings included.
fn identifiers(files: &[File]) -> BTreeSet<&str> {
    let mut known = BTreeSet::new();
    for file in files {
        let is_text =
            [".md", ".svg", ".lock", "package-lock.json"].iter().any(|end| file.path.ends_with(end));
        let checks_names = file.path.starts_with("xtask/src/tidy");
        if is_text || checks_names {
            continue;
        }
        let code = source::mask(&file.path, &file.text, Keep::CodeAndStrings);
        for (line, masked) in file.text.lines().zip(code.lines()) {
            // Masking changes lengths in bytes: the words are taken from the masked line, and kept of the other.
            let words: BTreeSet<&str> = source::identifiers(masked).map(|(_, word)| word).collect();
            known.extend(source::identifiers(line).map(|(_, word)| word).filter(|word| words.contains(word)));
        }
    }
    known
}

/// The path that a code span is, if it looks like one of the repository.
fn as_path<'s>(span: &'s str, paths: &Paths) -> Option<&'s str> {
    let is_plain = span.chars().all(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'));
    if !is_plain || span.starts_with(['/', '.', '-']) || UNTRACKED.iter().any(|start| span.starts_with(start))
    {
        return None;
    }
    // `page/ts/NAME.ts` stands for any file.
    if FOREIGN_FILES.contains(&span) || span.contains("NAME") {
        return None;
    }
    let has_ending = span.rsplit_once('.').is_some_and(|(_, end)| ENDINGS.contains(&end));
    let is_beneath_folder = span.split_once('/').is_some_and(|(first, _)| paths.folders.contains(first));
    (has_ending || is_beneath_folder || span.ends_with('/')).then_some(span)
}

/// The parts of a name that a code span is: `a_b`, `fooBar()`, `Engine::handle`, `store.nightferry`. Any other text is
/// `None`.
fn as_name(span: &str) -> Option<Vec<&str>> {
    let name = span.split_once('(').map_or(span, |(name, _)| name);
    let is_call = name.len() < span.len();
    if is_call && !span.ends_with(')') {
        return None;
    }
    let parts: Vec<&str> = name.split("::").flat_map(|part| part.split('.')).collect();
    let is_identifier = |part: &&str| {
        let mut identifiers = source::identifiers(part);
        identifiers.next() == Some((0, *part)) && part.is_ascii()
    };
    parts.iter().all(is_identifier).then_some(parts)
}

/// The relative links and anchors that lead nowhere.
pub fn links(files: &[File]) -> Vec<Finding> {
    let paths = Paths::of(files);
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (number, line) in markdown::prose(&file.text) {
            for link in markdown::links(line) {
                if link.contains("://") || link.starts_with("mailto:") || link.starts_with('/') {
                    continue;
                }
                let problem = broken(file, &link, files, &paths);
                found.extend(problem.map(|problem| Finding::new(file, number, "link", problem)));
            }
        }
    }
    found
}

fn broken(file: &File, link: &str, files: &[File], paths: &Paths) -> Option<String> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { file.path.clone() } else { beside(&file.path, path) };
    if !paths.is(&target) {
        return Some(format!("the link `{link}` leads to no file of the repository"));
    }
    let document = files.iter().find(|file| file.path == target && target.ends_with(".md"))?;
    let is_there = anchor.is_empty() || markdown::anchors(&document.text).contains(anchor);
    (!is_there).then(|| format!("the link `{link}` leads to no heading of {target}"))
}

/// The path that a relative link leads to, from the root.
fn beside(file: &str, link: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

pub fn sizes(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files {
        let words = file.text.split_whitespace().count();
        let problem = match file.path.as_str() {
            "README.md" if words > README_WORDS => format!("{words} words; it may have {README_WORDS}"),
            "ARCHITECTURE.md" if file.text.len() > ARCHITECTURE_BYTES => {
                format!("{} bytes; it may have {ARCHITECTURE_BYTES}", file.text.len())
            }
            _ => continue,
        };
        found.push(Finding::new(file, 1, "size", problem));
    }
    found
}

/// The tracked files and the folders that they are in.
struct Paths<'f> {
    files: BTreeSet<&'f str>,
    folders: BTreeSet<&'f str>,
}

impl<'f> Paths<'f> {
    fn of(files: &'f [File]) -> Paths<'f> {
        let mut paths = Paths { files: BTreeSet::new(), folders: BTreeSet::new() };
        for file in files {
            paths.files.insert(&file.path);
            let mut folder = file.path.as_str();
            while let Some((above, _)) = folder.rsplit_once('/') {
                paths.folders.insert(above);
                folder = above;
            }
        }
        paths
    }

    fn is(&self, path: &str) -> bool {
        path.is_empty() || self.files.contains(path) || self.folders.contains(path)
    }

    /// True if a file or folder has this path, or ends in it.
    fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let ends = |full: &&str| full.strip_suffix(path).is_some_and(|rest| rest.ends_with('/'));
        self.is(path) || self.files.iter().any(ends) || self.folders.iter().any(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn texts(found: Vec<Finding>) -> Vec<String> {
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_in_code_font_is_in_the_sources() {
        let files = [
            file(
                "src/engine/mod.rs",
                "// gone_name\npub struct Engine; impl Engine { fn handle() { \"a_code\" } }\n",
            ),
            file(
                "ARCHITECTURE.md",
                "`Engine::handle` `a_code`\n`gone_name` `Engine::lost()` `handle(x, y)`\n```\nnone_of_it\n```\n",
            ),
        ];
        assert_eq!(
            texts(names(&files)),
            [
                "ARCHITECTURE.md:2: `gone_name` is nowhere in the sources",
                "ARCHITECTURE.md:2: `lost` is nowhere in the sources"
            ]
        );
    }

    #[test]
    fn what_is_no_name_is_let_be() {
        for span in [
            "cargo xtask",
            "--no-open",
            "a b",
            "files/addItem",
            "{x}",
            "Retry-After",
            "f(",
            "'self'",
            "delete…",
            "1.5",
        ] {
            assert_eq!(as_name(span), None, "{span}");
        }
        assert_eq!(as_name("getStatus().error"), None);
        assert_eq!(as_name("store.ready(a, b)"), Some(vec!["store", "ready"]));
    }

    #[test]
    fn a_path_in_code_font_exists() {
        let files = [
            file("src/engine/mod.rs", ""),
            file(
                "docs/a.md",
                "`src/engine/` `engine/mod.rs` `mod.rs` `dist/npm/` `/nightferry/sw.js`\n`src/gone.rs` `gone.py` `src/none`\n",
            ),
        ];
        assert_eq!(
            texts(names(&files)),
            [
                "docs/a.md:2: there is no file `src/gone.rs`",
                "docs/a.md:2: there is no file `gone.py`",
                "docs/a.md:2: there is no file `src/none`"
            ]
        );
    }

    #[test]
    fn links_and_anchors_lead_somewhere() {
        let files = [
            file(
                "README.md",
                "# Top\n[a](docs/a.md#second-part) [b](#top) [c](docs) [d](https://x.y/z)\n[e](gone.md) [f](#gone) [g](docs/a.md#top)\n",
            ),
            file("docs/a.md", "## Second part\n[up](../README.md#top) [out](../LICENSE)\n"),
        ];
        assert_eq!(
            texts(links(&files)),
            [
                "README.md:3: the link `gone.md` leads to no file of the repository",
                "README.md:3: the link `#gone` leads to no heading of README.md",
                "README.md:3: the link `docs/a.md#top` leads to no heading of docs/a.md",
                "docs/a.md:2: the link `../LICENSE` leads to no file of the repository"
            ]
        );
    }

    #[test]
    fn documents_are_short() {
        let files = [
            file("README.md", &"word ".repeat(1_501)),
            file("ARCHITECTURE.md", &"x".repeat(13 * 1024)),
            file("docs/README.md", &"word ".repeat(9_000)),
        ];
        assert_eq!(texts(sizes(&files)), ["README.md:1: 1501 words; it may have 1500"]);
    }
}
