//! The one map of the core: sorted, in blocks. A tree of the standard library costs the worker several times the code
//! for each kind of entry.

use std::borrow::Borrow;

/// The most entries in a block; a full one is split.
const BLOCK: usize = 256;

/// Keys in ascending order, each with a value. Finding is logarithmic; inserting and removing move at most a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<K, V> {
    /// None of them is empty.
    blocks: Vec<Vec<(K, V)>>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table { blocks: Vec::new() }
    }
}

/// The first of `len` places for which `before` is false; it is true for all in front of it.
fn search(len: usize, before: &dyn Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = usize::midpoint(low, high);
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

impl<K: Ord, V> Table<K, V> {
    /// Where `key` is or belongs: its block, one too far if it comes after everything, and the place in that block.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> (usize, usize)
    where
        K: Borrow<Q>,
    {
        let blocks = &self.blocks;
        let block = search(blocks.len(), &|at| blocks[at].last().is_some_and(|entry| entry.0.borrow() < key));
        let entries = blocks.get(block).map_or(&[][..], Vec::as_slice);
        (block, search(entries.len(), &|at| entries[at].0.borrow() < key))
    }

    /// The key as it is kept, and its value.
    pub fn entry<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let (block, at) = self.place(key);
        let (found, value) = self.blocks.get(block)?.get(at)?;
        (found.borrow() == key).then_some((found, value))
    }

    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entry(key).map(|(_, value)| value)
    }

    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (block, at) = self.place(key);
        let (found, value) = self.blocks.get_mut(block)?.get_mut(at)?;
        (K::borrow(found) == key).then_some(value)
    }

    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.entry(key).is_some()
    }

    /// Puts a value; returns the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(known) = self.get_mut(&key) {
            return Some(std::mem::replace(known, value));
        }
        let place = self.place(&key);
        self.add(place, key, value);
        None
    }

    /// The value of `key`, made first if there is none.
    pub fn or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let mut place = self.place(&key);
        let is_there =
            self.blocks.get(place.0).and_then(|block| block.get(place.1)).is_some_and(|entry| entry.0 == key);
        if !is_there {
            place = self.add(place, key, make());
        }
        &mut self.blocks[place.0][place.1].1
    }

    /// Adds an entry at the place where it belongs; where it then is.
    fn add(&mut self, (mut block, mut at): (usize, usize), key: K, value: V) -> (usize, usize) {
        if block == self.blocks.len() {
            // After everything: at the end of the last block.
            match block.checked_sub(1) {
                None => self.blocks.push(Vec::new()),
                Some(last) => (block, at) = (last, self.blocks[last].len()),
            }
        }
        let entries = &mut self.blocks[block];
        entries.insert(at, (key, value));
        if entries.len() <= BLOCK {
            return (block, at);
        }
        // Keys mostly come in order, so a block at the end is left full.
        let split = if at == BLOCK { BLOCK } else { BLOCK / 2 };
        let rest = entries.split_off(split);
        self.blocks.insert(block + 1, rest);
        if at < split { (block, at) } else { (block + 1, at - split) }
    }

    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (block, at) = self.place(key);
        if self.blocks.get(block)?.get(at)?.0.borrow() != key {
            return None;
        }
        let (_, value) = self.blocks[block].remove(at);
        if self.blocks[block].is_empty() {
            self.blocks.remove(block);
        }
        Some(value)
    }

    /// The entries from `key` on, in order.
    pub fn iter_from<'a>(&'a self, key: &K) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
        let (block, at) = self.place(key);
        let entries = self.blocks[block.min(self.blocks.len())..].iter().flatten().skip(at);
        entries.map(|(key, value)| (key, value))
    }
}

impl<K, V> Table<K, V> {
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.blocks.iter().flatten().map(|(key, value)| (key, value))
    }

    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Keeps the entries for which `keep` is true.
    pub fn retain(&mut self, keep: impl Fn(&K, &V) -> bool) {
        for block in &mut self.blocks {
            block.retain(|(key, value)| keep(key, value));
        }
        self.blocks.retain(|block| !block.is_empty());
    }

    pub fn len(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

impl<K, V> IntoIterator for Table<K, V> {
    type Item = (K, V);
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<(K, V)>>>;
    fn into_iter(self) -> Self::IntoIter {
        self.blocks.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_sorted_map() {
        let mut table = Table::default();
        for key in [5, 1, 3, 1] {
            *table.or_insert_with(key, || 0) += key;
        }
        assert_eq!(table.keys().collect::<Vec<_>>(), [&1, &3, &5]);
        assert_eq!(
            (table.insert(3, 9), table.remove(&5), table.remove(&7), table.get(&1)),
            (Some(3), Some(5), None, Some(&2))
        );
        assert_eq!(table.into_iter().collect::<Vec<_>>(), [(1, 2), (3, 9)]);
    }

    #[test]
    fn agrees_with_a_tree() {
        let (mut table, mut tree) = (Table::default(), std::collections::BTreeMap::new());
        let mut random = 7u64;
        for step in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = (random >> 33) % 1_500;
            // More comes than goes at first, then the other way round.
            if (random >> 20) % 10 < if step < 10_000 { 7 } else { 3 } {
                assert_eq!(table.or_insert_with(key, || step), tree.entry(key).or_insert(step));
                assert_eq!(table.insert(key, step), tree.insert(key, step));
            } else {
                assert_eq!(table.remove(&key), tree.remove(&key));
            }
            assert_eq!(table.get(&key), tree.get(&key));
        }
        assert_eq!(table.len(), tree.len());
        assert!(table.iter().eq(tree.iter()));
        assert!(table.iter_from(&700).eq(tree.range(700..)));
        assert!(table.iter_from(&9_999).next().is_none());
    }
}
