//! Sets and maps of what an iterator brings. `collect` sorts first, which is some 3 KB of wasm for each kind of set and map
//! (13 KB of the worker's after brotli); these insert one by one.

use std::collections::{BTreeMap, BTreeSet};

pub fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(items);
    set
}

pub fn map<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(entries);
    map
}
