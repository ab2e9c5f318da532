//! Names that were given up because they said nothing, or several things. Only code counts: in a sentence they are
//! ordinary words.

use std::collections::BTreeMap;

use super::source::{self, Keep};
use super::{File, Finding, lines};

struct Retired {
    words: &'static [&'static str],
    /// The name to write instead.
    instead: &'static str,
    scope: Scope,
}

enum Scope {
    /// The name is retired wherever it stands.
    Everywhere,
    /// The name belongs to others too, such as `Option::take`: only where we declare it ourselves.
    Declared,
    /// As `Declared`, beneath this folder.
    Beneath(&'static str),
    /// Only as the name of a function, beneath this folder.
    Function(&'static str),
    /// Only as a field or parameter of this type, beneath this folder.
    Typed(&'static str, &'static str),
}

use Scope::{Beneath, Declared, Everywhere, Function, Typed};

const fn retired(words: &'static [&'static str], instead: &'static str, scope: Scope) -> Retired {
    Retired { words, instead, scope }
}

const RETIRED: &[Retired] = &[
    retired(&["told", "Told"], "`SliceChange`, `WorkerMessage`, `Notifications` or `Completion`", Everywhere),
    retired(
        &["heard", "hear"],
        "`Subscriptions` for the registry, `handle_message` for receiving",
        Everywhere,
    ),
    retired(
        &["aside"],
        "`quarantined` (a row), `deferred` (a change), `full_chunks` (of a burst)",
        Everywhere,
    ),
    retired(&["whole"], "`fully_loaded`, `upsert`, `integer` or `workerHasItem`", Everywhere),
    retired(&["settle"], "`apply_results`, `evict_if_idle` or `run_until_quiescent`", Everywhere),
    retired(&["take"], "`dispatch`, `expect`, `finish` or `apply`", Declared),
    retired(&["Wake", "Woken", "wake"], "`Timeout`, `BackgroundSync` or `RequestBackgroundSync`", Declared),
    retired(&["early"], "`pending_registrations` or `changes_during_read`", Everywhere),
    retired(&["present"], "`read_slice` or `live`", Function("")),
    retired(&["n"], "a type: `BurstNo` or `PushNo`", Typed("u64", "src")),
    retired(&["stirred"], "`needs_advance`", Everywhere),
    retired(&["owed"], "`standalone_writes`", Everywhere),
    retired(&["pay"], "`flush_standalone`", Everywhere),
    retired(&["paid"], "`standalone_stored`", Everywhere),
    retired(&["fresh"], "`is_new_database`", Beneath("src")),
    retired(&["Unreachable"], "`NetworkError`", Everywhere),
    retired(&["Answer"], "`Response`", Beneath("src")),
    retired(&["dice"], "`rng`", Everywhere),
    retired(&["hurry"], "`retry_now`", Everywhere),
    retired(&["again"], "`resend`", Beneath("src/engine")),
    retired(&["made"], "`created_by_update`", Beneath("src")),
    retired(&["since"], "`first_changed_at`", Beneath("src")),
    retired(&["change"], "`entry_mut`", Function("src/engine/items.rs")),
    retired(&["of"], "`in_slice`", Function("src/engine")),
    retired(&["number"], "`next_id`", Function("src/engine")),
    retired(&["guards"], "`replay_guards`", Everywhere),
    retired(&["authors"], "`sender_by_position`", Everywhere),
    retired(&["Mark"], "`PageProgress`", Everywhere),
    retired(&["written"], "`durable_position`", Beneath("src")),
    retired(&["effective"], "`visible_position`", Beneath("src")),
    retired(&["taken"], "`visible_burst`", Beneath("src")),
    retired(&["Up"], "`ToWorker`", Everywhere),
    retired(&["Down", "down"], "`FromWorker`", Everywhere),
    retired(&["give"], "`merge_layer`", Declared),
    retired(&["Given"], "`Setting`", Everywhere),
    retired(&["saw", "seen"], "`observe` or `observed`", Beneath("src/client/session.rs")),
    retired(&["PATIENCE_MS"], "`RETRY_MS`", Everywhere),
    retired(&["SOON_MS"], "`KEEP_ALIVE_MS`", Everywhere),
    retired(&["rest"], "`until_idle`", Function("tests/simulation")),
    retired(&["tag"], "`push_id` (on the wire it stays `tag`)", Beneath("src/engine")),
    retired(&["refuse"], "`validate`", Beneath("page")),
    retired(&["gather"], "`batcher`", Declared),
    retired(&["Known"], "`TrackedIds`", Declared),
    retired(&["Gap"], "`ResyncReason`", Everywhere),
    retired(&["link"], "`internal`", Beneath("page/ts")),
    retired(&["leave"], "`onPageHide`", Declared),
    retired(&["look"], "`diff`", Beneath("page")),
    retired(&["acted"], "`onAction`", Everywhere),
    retired(&["adopt"], "`adoptState`", Beneath("page/ts/redux")),
    retired(&["weather"], "`fault_rates`", Beneath("tests/simulation")),
    retired(&["life", "Life"], "`scenario`", Beneath("tests/simulation")),
    retired(&["calm"], "`quiesce`", Beneath("tests/simulation")),
    retired(&["mirror", "Mirror"], "`page_view`", Beneath("tests/simulation")),
    retired(&["post"], "`channels`", Beneath("tests/simulation")),
    retired(&["watch"], "`invariants`", Beneath("tests/simulation")),
    retired(&["converged"], "`quiescent_checks`", Beneath("tests/simulation")),
    retired(&["met"], "`record`", Beneath("tests/simulation")),
];

/// Files whose name is retired.
const RETIRED_FILES: &[(&str, &str)] = &[
    ("src/engine/io.rs", "`input.rs` and `output.rs`"),
    ("src/engine/work.rs", "nothing: each machine has its own file"),
    ("src/engine/lane.rs", "`uplink`"),
    ("src/engine/server.rs", "`uplink`"),
    ("src/engine/pages.rs", "`clients`"),
    ("src/engine/reports.rs", "`clients`"),
    ("src/engine/boot.rs", "`recovery.rs`"),
    ("src/engine/entropy.rs", "`rng.rs`"),
    ("page/src/gather.rs", "`batcher.rs`"),
    ("page/src/refuse.rs", "`validate.rs`"),
    ("page/src/registration.rs", "`service_worker.rs`"),
    ("page/ts/redux/shape.ts", "`slice_state.ts`"),
    ("page/ts/words.ts", "`text.ts`"),
    ("server/src/flask_nightferry/ledger.py", "`idempotency.py`"),
    ("server/src/flask_nightferry/history.py", "`versions.py`"),
    ("xtask/src/machine.rs", "`toolchain.rs`"),
    ("xtask/src/rename.rs", "`minify_glue.rs`"),
];

/// Legitimate uses: a file and a word, with the reason in a comment.
const ALLOWED: &[(&str, &str)] = &[
    // The format of whole numbers.
    ("examples/demo/static/format.js", "whole"),
    // The name that `std::time::Duration` has given to the difference of two times.
    ("src/units.rs", "since"),
    // The name of the field on the wire.
    ("page/ts/action.ts", "whole"),
    ("page/ts/device.test-support.ts", "whole"),
];

/// The retired names in the sources.
pub fn check(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files {
        if let Some((_, instead)) = RETIRED_FILES.iter().find(|(path, _)| *path == file.path) {
            found.push(Finding::new(file, 1, "word", format!("the file's name is retired; write {instead}")));
        }
        if source::is_source(&file.path) {
            check_source(file, &mut found);
        }
    }
    found
}

/// Finds each retired word once a file, with the number of its uses.
fn check_source(file: &File, found: &mut Vec<Finding>) {
    let code = source::mask(&file.path, &file.text, Keep::Code);
    let mut uses: BTreeMap<&str, (usize, usize, &Retired)> = BTreeMap::new();
    for (number, line) in lines(&code) {
        for (at, word) in source::identifiers(line) {
            let retired = RETIRED.iter().find(|retired| retired.words.contains(&word));
            if let Some(retired) = retired
                && retired.scope.has(file, line, at, word)
                && !ALLOWED.contains(&(file.path.as_str(), word))
            {
                uses.entry(word).or_insert((number, 0, retired)).1 += 1;
            }
        }
    }
    for (word, (line, count, retired)) in uses {
        let times = if count == 1 { String::new() } else { format!(" ({count} uses in this file)") };
        let message = format!("`{word}` is retired; write {}{times}", retired.instead);
        found.push(Finding::new(file, line, "word", message));
    }
}

impl Scope {
    /// True if the word at this place of a line is meant.
    fn has(&self, file: &File, line: &str, at: usize, word: &str) -> bool {
        match self {
            Everywhere => true,
            Declared => is_declared(line, at, word),
            Beneath(folder) => is_beneath(&file.path, folder) && is_declared(line, at, word),
            Function(folder) => {
                is_beneath(&file.path, folder) && follows(line, at, &["fn", "function", "def"])
            }
            Typed(name, folder) => {
                is_beneath(&file.path, folder)
                    && type_of(line, at, word).is_some_and(|of| of.starts_with(name))
            }
        }
    }
}

fn is_beneath(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// Words that a name follows where it is declared.
const DECLARES: &[&str] = &[
    "fn",
    "struct",
    "enum",
    "type",
    "trait",
    "mod",
    "const",
    "static",
    "let",
    "mut",
    "function",
    "class",
    "interface",
    "def",
    "var",
];

/// True if the word is declared at this place: after `fn` and the like, or as a field or parameter with a type.
fn is_declared(line: &str, at: usize, word: &str) -> bool {
    follows(line, at, DECLARES) || type_of(line, at, word).is_some()
}

/// True if one of these words stands in front of this place.
fn follows(line: &str, at: usize, words: &[&str]) -> bool {
    let before = line[..at].trim_end();
    let last = source::identifiers(before).last();
    before.len() < at
        && last.is_some_and(|(start, last)| start + last.len() == before.len() && words.contains(&last))
}

/// Returns the text behind the colon of a field or parameter.
fn type_of<'l>(line: &'l str, at: usize, word: &str) -> Option<&'l str> {
    let (before, after) = (line[..at].trim_end(), &line[at + word.len()..]);
    let after = after.strip_prefix('?').unwrap_or(after).trim_start().strip_prefix(':')?;
    // A path, a method, or the result of a function of Python.
    let is_other = after.starts_with(':') || before.ends_with(['.', ':']) || before.ends_with("->");
    (!is_other).then(|| after.trim_start())
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&[file(path, text)]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_retired_word_is_found_with_its_replacement() {
        assert_eq!(
            found("src/a.rs", "fn f() {\n    stirred = true;\n}\n"),
            ["src/a.rs:2: `stirred` is retired; write `needs_advance`"]
        );
        assert_eq!(found("page/ts/a.ts", "let whole = x.heard;").len(), 2);
        assert_eq!(found("server/a.py", "def f(whole):\n    pass\n").len(), 1);
    }

    #[test]
    fn comments_strings_and_parts_of_names_are_free() {
        assert!(found("src/a.rs", "// told again\nlet a = \"whole\"; let wholesale = 1;").is_empty());
        assert!(found("docs/a.md", "the whole").is_empty());
    }

    #[test]
    fn a_name_of_others_counts_where_it_is_declared() {
        assert!(found("src/a.rs", "let a = std::mem::take(&mut b); c.take(); x.iter().take(3)").is_empty());
        assert_eq!(found("src/a.rs", "    pub fn take(&mut self)").len(), 1);
        assert_eq!(found("src/a.rs", "struct A { since: u64 }").len(), 1);
        assert_eq!(found("page/ts/a.ts", "interface A { link?: string }").len(), 1);
        assert!(found("server/a.py", "def f() -> Known:\n    pass").is_empty());
        assert!(found("src/a.rs", "since::new(a.since); match x { a => again }").is_empty());
    }

    #[test]
    fn some_words_are_retired_as_functions_or_by_their_type() {
        assert_eq!(found("src/engine/a.rs", "fn number() { let number = 1; }").len(), 1);
        assert!(found("src/a.rs", "fn number() {}").is_empty());
        assert_eq!(found("src/a.rs", "struct A { n: u64 }").len(), 1);
        assert!(found("src/a.rs", "struct A { n: BurstNo } let n = 1;").is_empty());
    }

    #[test]
    fn a_word_is_found_once_a_file() {
        assert_eq!(
            found("src/a.rs", "a();\nowed();\nowed(); owed();"),
            ["src/a.rs:2: `owed` is retired; write `standalone_writes` (3 uses in this file)"]
        );
    }

    #[test]
    fn some_words_are_retired_in_one_folder() {
        assert_eq!(found("tests/simulation/src/a.rs", "let weather = 1;").len(), 1);
        assert!(found("tests/simulations.rs", "let weather = 1;").is_empty());
    }

    #[test]
    fn a_file_with_a_retired_name_is_found() {
        assert_eq!(
            found("xtask/src/machine.rs", ""),
            ["xtask/src/machine.rs:1: the file's name is retired; write `toolchain.rs`"]
        );
    }

    #[test]
    fn a_word_is_retired_once() {
        let mut words: Vec<_> = RETIRED.iter().flat_map(|retired| retired.words).collect();
        words.sort();
        let count = words.len();
        words.dedup();
        assert_eq!(words.len(), count);
    }
}
