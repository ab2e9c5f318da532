//! A run in words, for people, and its hash, by which two runs of a seed are compared.

use nightferry::store::{Row, Write};

/// A transaction in a line.
pub fn writes(writes: &[Write]) -> String {
    let words: Vec<String> = writes
        .iter()
        .map(|write| match write {
            Write::Put { store, key, row: Row::Json(json) } => format!("{store}[{key:?}]={json}"),
            Write::Put { store, key, row: Row::WithText { head, text } } => {
                format!("{store}[{key:?}]={head}{text}")
            }
            Write::Delete { store, key } => format!("-{store}[{key:?}]"),
            Write::Clear { store } => format!("-{store}"),
            Write::Trim { store, through } => format!("-{store}[..={through}]"),
        })
        .collect();
    words.join(" ").replace("Number(", "(").replace("Key(KeyParts ", "(")
}

/// FNV-1a of all lines.
pub fn hash(lines: &[String]) -> u64 {
    let bytes = lines.iter().flat_map(|line| line.bytes().chain([b'\n']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
