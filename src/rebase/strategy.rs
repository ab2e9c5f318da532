//! Strategies decide the paths that a merge leaves in conflict.

use super::rebase;
use crate::json::{Json, same};
use serde::{Deserialize, Serialize};

/// The rule for the paths that both sides of an item changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename = "ConflictStrategy"))]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// They are in conflict; all other paths are merged.
    #[default]
    Merge,
    /// This device's edit wins them.
    Local,
    /// The server's value wins them.
    Remote,
    /// The later change of the item wins them; of two at the same time, the server's.
    Newest,
    /// Nothing is merged: two changed sides are in conflict as a whole.
    Manual,
}

impl Strategy {
    /// The names, as settings give them.
    pub const NAMES: [(&'static str, Strategy); 5] = [
        ("merge", Strategy::Merge),
        ("local", Strategy::Local),
        ("remote", Strategy::Remote),
        ("newest", Strategy::Newest),
        ("manual", Strategy::Manual),
    ];

    /// Merges two sides that began as `base`. Returns the merged value, which may be absent, or `None` where the sides
    /// stay in conflict. `is_local_newer` says whether the device's edit is the later one.
    pub fn merge(
        self,
        base: Option<&str>,
        local: Option<&str>,
        remote: Option<&str>,
        is_local_newer: bool,
    ) -> Option<Option<Json>> {
        let merged = rebase(base, local, remote);
        let is_merged = merged.is_clean() && (self != Strategy::Manual || is_one_sided(base, local, remote));
        if is_merged {
            return Some(merged.value);
        }
        let takes_local = match self {
            Strategy::Merge | Strategy::Manual => return None,
            Strategy::Local => true,
            Strategy::Remote => false,
            Strategy::Newest => is_local_newer,
        };
        Some(if takes_local { merged.value } else { rebase(base, remote, local).value })
    }
}

/// Returns true unless both sides changed, each to another value.
fn is_one_sided(base: Option<&str>, local: Option<&str>, remote: Option<&str>) -> bool {
    same(base, local) || same(base, remote) || same(local, remote)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::equal;

    fn merge(
        strategy: Strategy,
        base: &str,
        local: &str,
        remote: &str,
        is_local_newer: bool,
    ) -> Option<String> {
        let side = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (base, local, remote) = (side(base), side(local), side(remote));
        let merged = strategy.merge(base.as_deref(), local.as_deref(), remote.as_deref(), is_local_newer);
        merged.map(|value| value.map_or(String::new(), |value| value.to_string()))
    }

    const BASE: &str = r#"{"a":0,"b":0,"c":0}"#;
    const LOCAL: &str = r#"{"a":1,"b":1,"c":0}"#;
    const REMOTE: &str = r#"{"a":0,"b":2,"c":2}"#;

    #[test]
    fn a_strategy_decides_the_paths_in_conflict_and_no_other() {
        let by = |strategy, newer| merge(strategy, BASE, LOCAL, REMOTE, newer);
        let (local, remote) = (r#"{"a":1,"b":1,"c":2}"#, r#"{"a":1,"b":2,"c":2}"#);
        let same = |merged: Option<String>, wanted: &str| merged.is_some_and(|merged| equal(&merged, wanted));
        assert_eq!(by(Strategy::Merge, true), None);
        assert!(same(by(Strategy::Local, false), local) && same(by(Strategy::Remote, true), remote));
        assert!(same(by(Strategy::Newest, true), local) && same(by(Strategy::Newest, false), remote));
    }

    #[test]
    fn manual_merges_nothing_that_both_sides_changed() {
        let other = r#"{"a":0,"b":0,"c":2}"#;
        let mine = r#"{"a":1,"b":0,"c":0}"#;
        assert_eq!(merge(Strategy::Manual, BASE, mine, other, true), None);
        assert_eq!(merge(Strategy::Manual, BASE, BASE, other, true).as_deref(), Some(other));
        assert_eq!(merge(Strategy::Manual, BASE, mine, BASE, true).as_deref(), Some(mine));
        assert_eq!(merge(Strategy::Manual, BASE, mine, mine, true).as_deref(), Some(mine));
    }

    #[test]
    fn a_deletion_against_an_edit_is_decided_too() {
        assert_eq!(merge(Strategy::Merge, BASE, "", REMOTE, true), None);
        assert_eq!(merge(Strategy::Local, BASE, "", REMOTE, true).as_deref(), Some(""));
        assert_eq!(merge(Strategy::Remote, BASE, "", REMOTE, true).as_deref(), Some(REMOTE));
        assert_eq!(merge(Strategy::Remote, BASE, LOCAL, "", true).as_deref(), Some(""));
    }
}
