//! The one map of the core: sorted, in blocks. A tree of the standard library costs the worker several times the code
//! for each kind of entry. Here the order is kept by code that knows no kind, and keys by code that knows no values.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// The most entries in a block; a full one is split.
const BLOCK: usize = 256;

/// Keys in ascending order, each with a value. Finding is logarithmic; inserting and removing move at most a block.
#[derive(Debug, Clone)]
pub struct Table<K, V> {
    index: Index<K>,
    /// Each in its slot, as the keys.
    values: Vec<Option<V>>,
}

/// A table of which only the keys matter: it shares the code of tables of numbers.
pub type Set<K> = Table<K, u64>;

/// The keys, each in its slot.
#[derive(Debug, Clone)]
struct Index<K> {
    order: Order,
    keys: Vec<Option<K>>,
}

/// The slots of the entries, in the order of their keys.
#[derive(Debug, Clone, Default)]
struct Order {
    /// None of them is empty.
    blocks: Vec<Vec<usize>>,
    /// How many slots there are, and those without an entry.
    slots: usize,
    free: Vec<usize>,
}

/// A place in the order: its block, one too far if it comes after everything, and the place in that block.
type Place = (usize, usize);

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

impl Order {
    /// Where a key is or belongs, and its slot if it is there; `to` compares the key in a slot with it.
    #[inline(never)]
    fn find(&self, to: &dyn Fn(usize) -> Ordering) -> (Place, Option<usize>) {
        let is_before = |slot: &usize| to(*slot) == Ordering::Less;
        let block = search(self.blocks.len(), &|at| self.blocks[at].last().is_some_and(is_before));
        let slots = self.blocks.get(block).map_or(&[][..], Vec::as_slice);
        let at = search(slots.len(), &|at| is_before(&slots[at]));
        let found = slots.get(at).copied().filter(|slot| to(*slot) == Ordering::Equal);
        ((block, at), found)
    }

    /// Takes a slot for an entry that belongs to this place; it is free, or comes after all others.
    #[inline(never)]
    fn add(&mut self, (mut block, mut at): Place) -> usize {
        let slot = self.free.pop().unwrap_or(self.slots);
        self.slots = self.slots.max(slot + 1);
        if block == self.blocks.len() {
            // After everything: at the end of the last block.
            match block.checked_sub(1) {
                None => self.blocks.push(Vec::new()),
                Some(last) => (block, at) = (last, self.blocks[last].len()),
            }
        }
        let slots = &mut self.blocks[block];
        slots.insert(at, slot);
        if slots.len() > BLOCK {
            // Keys mostly come in order, so a block at the end is left full.
            let split = if at == BLOCK { BLOCK } else { BLOCK / 2 };
            let rest = slots.split_off(split);
            self.blocks.insert(block + 1, rest);
        }
        slot
    }

    #[inline(never)]
    fn remove(&mut self, (block, at): Place) {
        let slot = self.blocks[block].remove(at);
        self.free.push(slot);
        if self.blocks[block].is_empty() {
            self.blocks.remove(block);
        }
    }

    /// The slot at a place, which moves on.
    #[inline(never)]
    fn next(&self, place: &mut Place) -> Option<usize> {
        if self.blocks.get(place.0)?.len() <= place.1 {
            *place = (place.0 + 1, 0);
        }
        let slot = self.blocks.get(place.0)?.get(place.1);
        place.1 += 1;
        slot.copied()
    }
}

impl<K: Ord> Index<K> {
    #[inline(never)]
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> (Place, Option<usize>)
    where
        K: Borrow<Q>,
    {
        self.order.find(&|slot| match &self.keys[slot] {
            Some(other) => other.borrow().cmp(key),
            None => Ordering::Less,
        })
    }

    #[inline(never)]
    fn add(&mut self, place: Place, key: K) -> usize {
        let slot = self.order.add(place);
        if slot == self.keys.len() {
            self.keys.push(None);
        }
        self.keys[slot] = Some(key);
        slot
    }

    #[inline(never)]
    fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let (place, slot) = self.find(key);
        let slot = slot?;
        self.order.remove(place);
        self.keys[slot] = None;
        Some(slot)
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table { index: Index { order: Order::default(), keys: Vec::new() }, values: Vec::new() }
    }
}

impl<K: Ord, V> Table<K, V> {
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> (Place, Option<usize>)
    where
        K: Borrow<Q>,
    {
        self.index.find(key)
    }

    /// The key as it is kept, and its value.
    pub fn entry<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let slot = self.find(key).1?;
        Some((self.index.keys.get(slot)?.as_ref()?, self.values.get(slot)?.as_ref()?))
    }

    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.values.get(self.find(key).1?)?.as_ref()
    }

    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let slot = self.find(key).1?;
        self.values.get_mut(slot)?.as_mut()
    }

    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).1.is_some()
    }

    /// Puts a value; returns the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (place, known) = self.find(&key);
        match known {
            Some(slot) => self.values[slot].replace(value),
            None => {
                self.add(place, key, value);
                None
            }
        }
    }

    /// The value of `key`, made first if there is none.
    pub fn or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let (place, known) = self.find(&key);
        let slot = known.unwrap_or_else(|| self.add(place, key, make()));
        self.values[slot].get_or_insert_with(|| unreachable!("the order names an entry that is there"))
    }

    fn add(&mut self, place: Place, key: K, value: V) -> usize {
        let slot = self.index.add(place, key);
        if slot == self.values.len() {
            self.values.push(None);
        }
        self.values[slot] = Some(value);
        slot
    }

    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let slot = self.index.remove(key)?;
        self.values[slot].take()
    }

    /// The entries from `key` on, in order.
    pub fn iter_from(&self, key: &K) -> Iter<'_, K, V> {
        Iter { table: self, place: self.find(key).0 }
    }

    /// Keeps the entries for which `keep` is true.
    pub fn retain(&mut self, keep: impl Fn(&K, &V) -> bool)
    where
        K: Clone,
    {
        let mut gone = Vec::new();
        for (key, value) in self.iter() {
            if !keep(key, value) {
                gone.push(key.clone());
            }
        }
        for key in &gone {
            self.remove(key);
        }
    }
}

impl<K, V> Table<K, V> {
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { table: self, place: (0, 0) }
    }

    pub fn keys(&self) -> Keys<'_, K> {
        Keys { index: &self.index, place: (0, 0) }
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// In no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.values.iter_mut().flatten()
    }

    pub fn len(&self) -> usize {
        self.index.order.slots - self.index.order.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Copy, V> Table<K, V> {
    /// The first key.
    pub fn first(&self) -> Option<K> {
        self.keys().next().copied()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other.iter()).all(|(entry, other)| entry == other)
    }
}

impl<K: Eq, V: Eq> Eq for Table<K, V> {}

/// Entries in order.
pub struct Iter<'a, K, V> {
    table: &'a Table<K, V>,
    place: Place,
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);
    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        let slot = self.table.index.order.next(&mut self.place)?;
        Some((self.table.index.keys.get(slot)?.as_ref()?, self.table.values.get(slot)?.as_ref()?))
    }
}

/// Keys in order.
pub struct Keys<'a, K> {
    index: &'a Index<K>,
    place: Place,
}

impl<'a, K> Iterator for Keys<'a, K> {
    type Item = &'a K;
    fn next(&mut self) -> Option<Self::Item> {
        let slot = self.index.order.next(&mut self.place)?;
        self.index.keys.get(slot)?.as_ref()
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
        assert_eq!(table.iter().collect::<Vec<_>>(), [(&1, &2), (&3, &9)]);
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
