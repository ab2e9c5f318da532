//! The maps of the core: the standard library's trees.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, btree_map, btree_set};

/// Keys in ascending order, each with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<K, V>(BTreeMap<K, V>);

/// A table of which only the keys matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<K>(BTreeSet<K>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table(BTreeMap::new())
    }
}
impl<K> Default for Set<K> {
    fn default() -> Self {
        Set(BTreeSet::new())
    }
}

impl<K: Ord, V> Table<K, V> {
    pub fn entry<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.0.get_key_value(key)
    }
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.get_mut(key)
    }
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(key)
    }
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }
    pub fn or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.0.entry(key).or_insert_with(make)
    }
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.remove(key)
    }
    pub fn iter_from<'a>(&'a self, key: &K) -> btree_map::Range<'a, K, V> {
        self.0.range(key..)
    }
    pub fn retain(&mut self, keep: impl Fn(&K, &V) -> bool) {
        self.0.retain(|key, value| keep(key, value));
    }
}

impl<K, V> Table<K, V> {
    pub fn iter(&self) -> btree_map::Iter<'_, K, V> {
        self.0.iter()
    }
    pub fn keys(&self) -> btree_map::Keys<'_, K, V> {
        self.0.keys()
    }
    pub fn values(&self) -> btree_map::Values<'_, K, V> {
        self.0.values()
    }
    pub fn values_mut(&mut self) -> btree_map::ValuesMut<'_, K, V> {
        self.0.values_mut()
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Copy + Ord, V> Table<K, V> {
    pub fn first(&self) -> Option<K> {
        self.0.first_key_value().map(|(key, _)| *key)
    }
}

impl<K: Ord> Set<K> {
    /// As a table's (the value means nothing): whether it was there.
    pub fn insert(&mut self, key: K, _: u64) -> Option<u64> {
        if self.0.insert(key) { None } else { Some(0) }
    }
    pub fn or_insert_with(&mut self, key: K, _: impl FnOnce() -> u64) {
        self.0.insert(key);
    }
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<u64>
    where
        K: Borrow<Q>,
    {
        self.0.remove(key).then_some(0)
    }
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains(key)
    }
    pub fn entry<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, u64)>
    where
        K: Borrow<Q>,
    {
        Some((self.0.get(key)?, 0))
    }
    pub fn iter_from<'a>(&'a self, key: &K) -> impl Iterator<Item = (&'a K, u64)> {
        self.0.range(key..).map(|key| (key, 0))
    }
    pub fn retain(&mut self, keep: impl Fn(&K, u64) -> bool) {
        self.0.retain(|key| keep(key, 0));
    }
}

impl<K> Set<K> {
    pub fn iter(&self) -> impl Iterator<Item = (&K, u64)> {
        self.0.iter().map(|key| (key, 0))
    }
    pub fn keys(&self) -> btree_set::Iter<'_, K> {
        self.0.iter()
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Copy + Ord> Set<K> {
    pub fn first(&self) -> Option<K> {
        self.0.first().copied()
    }
}
