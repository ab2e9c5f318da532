//! The laws of `nightferry::rebase` on generated values, and its golden file. The laws have the numbers of the module's
//! header.

use nightferry::json::{equal, read};
use nightferry::rebase::{Rebased, rebase};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many triples the laws are tried on.
const TRIPLES: u64 = 100_000;

/// A value, or absent.
type Side = Option<Value>;

/// A row of the golden file: base, local, remote and merged, each an array of no or one value; and the conflicts.
#[derive(Deserialize)]
struct Row<'a>(#[serde(borrow)] [Vec<&'a RawValue>; 4], Vec<String>);

#[test]
fn the_golden_triples_merge_as_the_other_implementation_merges_them() {
    let rows: Vec<Row> = read(include_str!("wire/rebase.json")).expect("rebase.json has rows of five");
    assert_eq!(rows.len(), 10_000);
    for Row(sides, conflicts) in rows {
        let [base, local, remote, value] = sides.map(|side| side.first().map(|text| text.get()));
        let merged = rebase(base, local, remote);
        let is_same = match (merged.value.as_deref(), value) {
            (Some(one), Some(other)) => equal(one, other),
            (one, other) => one == other,
        };
        assert!(
            is_same && merged.conflicts == conflicts,
            "base   {base:?}\nlocal  {local:?}\nremote {remote:?}\nis     {merged:?}\nshould be {value:?} {conflicts:?}"
        );
    }
}

/// Laws 1 to 6. Each triple is swapped and tried with one other law in turn: all on all take three times as long.
#[test]
fn the_laws_hold() {
    let mut clean = 0;
    for seed in 0..TRIPLES {
        let triple = Triple::new(seed);
        let merged = triple.merge();
        clean += u64::from(merged.is_clean());
        triple.check_swapped(&merged);
        match seed % 5 {
            0 => triple.check_leaves(&merged),
            1 => triple.check_as_edit_of_remote(&merged),
            _ if !merged.is_clean() => {}
            2 => triple.check_remote_again(&merged),
            3 => triple.check_as_remote(&merged),
            _ => triple.check_one_sided_changes(&merged),
        }
    }
    // Otherwise most laws would be tried on little.
    assert!(clean > TRIPLES / 3, "only {clean} merges were clean");
}

#[test]
fn law_7_the_order_is_that_of_the_side_that_moved() {
    for seed in 0..TRIPLES / 10 {
        let mut random = Random(seed);
        let mut ids = ["a", "b", "c", "d", "e", "f"];
        random.shuffle(&mut ids);
        let base = &ids[..random.below(6)];
        let moved = list_of(&mut random, base, true);
        let still = list_of(&mut random, base, false);
        for swapped in [false, true] {
            let (local, remote) = if swapped { (&still, &moved) } else { (&moved, &still) };
            let [base, local, remote] = [base, local, remote].map(|ids| as_list(ids).to_string());
            let merged = rebase(Some(&base), Some(&local), Some(&remote));
            let order = ids_of(&value(&merged).expect("it is there")).expect("it is a list");
            let of = |ids: &[String]| ids.iter().filter(|id| moved.contains(&id.as_str())).cloned().collect();
            let (order, kept): (Vec<String>, BTreeSet<String>) =
                (of(&order), order.iter().cloned().collect());
            let expected: Vec<&&str> = moved.iter().filter(|id| kept.contains(**id)).collect();
            assert!(merged.is_clean());
            assert!(order.iter().eq(expected), "seed {seed}: {base} {local} {remote} {merged:?}");
        }
    }
}

// The laws.

struct Triple {
    seed: u64,
    base: Side,
    local: Side,
    remote: Side,
}

impl Triple {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let base = (!random.chance(10)).then(|| random.value(3));
        let mut side = || match &base {
            _ if random.chance(7) => None,
            Some(base) => Some(random.edited(base, 3)),
            None => Some(random.value(3)),
        };
        let (local, remote) = (side(), side());
        Triple { seed, base, local, remote }
    }

    fn merge(&self) -> Rebased {
        merge(&self.base, &self.local, &self.remote)
    }

    fn fail(&self, law: &str, merged: &Rebased) -> ! {
        let Triple { seed, base, local, remote } = self;
        let text = |side: &Side| side.as_ref().map(Value::to_string);
        panic!(
            "{law}: seed {seed}\nbase   {:?}\nlocal  {:?}\nremote {:?}\nmerged {merged:?}",
            text(base),
            text(local),
            text(remote)
        )
    }

    fn check_swapped(&self, merged: &Rebased) {
        let swapped = merge(&self.base, &self.remote, &self.local);
        if swapped.conflicts != merged.conflicts || merged.is_clean() && value(&swapped) != value(merged) {
            self.fail("law 1, swapping local and remote gives the same", merged);
        }
    }

    fn check_leaves(&self, merged: &Rebased) {
        let [base, local, remote, merged_leaves] =
            [&self.base, &self.local, &self.remote, &value(merged)].map(leaves);
        let is_known = |(path, leaf): (&String, &String)| {
            [&base, &local, &remote].iter().any(|side| side.get(path) == Some(leaf))
        };
        if !merged_leaves.iter().all(is_known) {
            self.fail("law 2, every leaf is from one of the three", merged);
        }
    }

    fn check_as_edit_of_remote(&self, merged: &Rebased) {
        if !is_cleanly(&merge(&self.remote, &value(merged), &self.remote), merged) {
            self.fail("law 3, rebase(remote, merged, remote) is merged", merged);
        }
    }

    fn check_remote_again(&self, merged: &Rebased) {
        if !is_cleanly(&merge(&self.base, &value(merged), &self.remote), merged) {
            self.fail("law 4, rebase(base, merged, remote) is merged", merged);
        }
    }

    fn check_as_remote(&self, merged: &Rebased) {
        if !is_cleanly(&merge(&self.base, &self.local, &value(merged)), merged) {
            self.fail("law 5, rebase(base, local, merged) is merged", merged);
        }
    }

    fn check_one_sided_changes(&self, merged: &Rebased) {
        let value = value(merged);
        if [&self.base, &self.local, &self.remote, &value].iter().any(|side| side.is_none()) {
            return;
        }
        let [base, local, remote, result] = [&self.base, &self.local, &self.remote, &value].map(leaves);
        for path in base.keys().chain(local.keys()).chain(remote.keys()) {
            let [base, local, remote, result] = [&base, &local, &remote, &result].map(|side| side.get(path));
            let is_kept = if remote == base { result == local } else { local != base || result == remote };
            if !is_kept {
                self.fail(&format!("law 6, the change of one side alone is kept, at {path}"), merged);
            }
        }
    }
}

fn merge(base: &Side, local: &Side, remote: &Side) -> Rebased {
    let [base, local, remote] = [base, local, remote].map(|side| side.as_ref().map(Value::to_string));
    rebase(base.as_deref(), local.as_deref(), remote.as_deref())
}

fn value(merged: &Rebased) -> Side {
    merged.value.as_deref().map(|text| serde_json::from_str(text).expect("it is JSON"))
}

fn is_cleanly(again: &Rebased, merged: &Rebased) -> bool {
    again.is_clean() && value(again) == value(merged)
}

/// The leaves of a value by path. An object and a list are leaves too, so that empty ones count.
fn leaves(side: &Side) -> BTreeMap<String, String> {
    fn collect(value: &Value, path: String, found: &mut BTreeMap<String, String>) {
        if let Value::Object(fields) = value {
            for (key, field) in fields {
                collect(field, format!("{path}/{key}"), found);
            }
            found.insert(path, "{}".into());
        } else if let (Value::Array(elements), Some(ids)) = (value, ids_of(value)) {
            for (id, element) in ids.iter().zip(elements) {
                collect(element, format!("{path}/@{id}"), found);
            }
            found.insert(path, "[]".into());
        } else {
            found.insert(path, value.to_string());
        }
    }
    let mut found = BTreeMap::new();
    if let Some(value) = side {
        collect(value, String::new(), &mut found);
    }
    found
}

/// The ids of a list, or `None`. Numbers as ids are integers here.
fn ids_of(value: &Value) -> Option<Vec<String>> {
    let id = |element: &Value| match element.as_object()?.get("id")? {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    };
    let ids = value.as_array()?.iter().map(id).collect::<Option<Vec<_>>>()?;
    let distinct: BTreeSet<&String> = ids.iter().collect();
    (distinct.len() == ids.len()).then_some(ids)
}

// The values.

/// The splitmix64 generator: the same values for the same seed, on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn choice<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.below(end + 1));
        }
    }

    fn leaf(&mut self) -> Value {
        self.choice(&[json!(0), json!(1), json!(2.5), json!("a"), Value::Null, json!(true)])
    }

    fn id(&mut self) -> Value {
        self.choice(&[json!("a"), json!("b"), json!("c"), json!("d"), json!(1), json!("1"), json!(2)])
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(20) {
            0..7 => self.leaf(),
            _ if depth == 0 => self.leaf(),
            7..12 => {
                let keys = (0..self.below(4)).map(|_| self.key()).collect::<Vec<_>>();
                keys.into_iter().map(|key| (key, self.value(depth - 1))).collect::<Map<_, _>>().into()
            }
            12..18 => {
                let mut list = Vec::new();
                for _ in 0..self.below(5) {
                    self.insert_element(&mut list, depth - 1);
                }
                list.into()
            }
            _ => (0..self.below(3)).map(|_| self.leaf()).collect::<Vec<_>>().into(),
        }
    }

    fn key(&mut self) -> String {
        self.choice(&["x", "y", "z"]).into()
    }

    fn insert_element(&mut self, list: &mut Vec<Value>, depth: usize) {
        let mut element = json!({ "id": self.id() });
        if self.chance(60) {
            element["d"] = self.value(depth);
        }
        let place = self.below(list.len() + 1);
        list.insert(place, element);
        // The list stays one: an id that is there already is not added.
        if ids_of(&Value::Array(list.clone())).is_none() {
            list.remove(place);
        }
    }

    fn edited(&mut self, value: &Value, depth: usize) -> Value {
        if self.chance(10) {
            return self.value(depth);
        }
        match value {
            Value::Object(fields) => self.edited_object(fields, depth).into(),
            Value::Array(elements) if ids_of(value).is_some() => self.edited_list(elements, depth).into(),
            _ if self.chance(50) => self.value(depth),
            _ => value.clone(),
        }
    }

    fn edited_object(&mut self, fields: &Map<String, Value>, depth: usize) -> Map<String, Value> {
        let mut edited = Map::new();
        for (key, value) in fields {
            if key == "id" || !self.chance(12) {
                let is_edited = key != "id" && self.chance(40);
                let value =
                    if is_edited { self.edited(value, depth.saturating_sub(1)) } else { value.clone() };
                edited.insert(key.clone(), value);
            }
        }
        if self.chance(30) {
            edited.insert(self.key(), self.value(depth.saturating_sub(1)));
        }
        edited
    }

    fn edited_list(&mut self, elements: &[Value], depth: usize) -> Vec<Value> {
        let mut edited = Vec::new();
        for element in elements {
            if !self.chance(15) {
                let fields = element.as_object().expect("an element of a list is an object");
                let is_edited = self.chance(40);
                edited.push(if is_edited {
                    self.edited_object(fields, depth).into()
                } else {
                    element.clone()
                });
            }
        }
        if self.chance(35) {
            self.insert_element(&mut edited, 1);
        }
        if self.chance(25) {
            self.shuffle(&mut edited);
        }
        edited
    }
}

/// A side of a list: some elements are deleted, some are new, and all are moved if `moves`.
fn list_of<'i>(random: &mut Random, base: &[&'i str], moves: bool) -> Vec<&'i str> {
    let mut ids: Vec<&str> = base.iter().copied().filter(|_| !random.chance(20)).collect();
    if moves {
        random.shuffle(&mut ids);
    }
    for _ in 0..random.below(3) {
        let id = random.choice(if moves { &["g", "h", "i", "j"] } else { &["p", "q", "r", "s"] });
        if !ids.contains(&id) {
            ids.insert(random.below(ids.len() + 1), id);
        }
    }
    ids
}

fn as_list(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>().into()
}

/// A patch, as a kept library applies it, makes the new value of the old one.
#[test]
fn a_patch_makes_the_one_value_of_the_other() {
    let triples: Value = serde_json::from_str(include_str!("wire/rebase.json")).unwrap();
    let mut patched = 0;
    for triple in triples.as_array().unwrap() {
        let sides = triple[0].as_array().unwrap();
        for (one, other) in [(0, 1), (0, 2), (1, 2), (2, 3)] {
            let (Some(base), Some(value)) = (sides[one].get(0), sides[other].get(0)) else { continue };
            let operations = nightferry::rebase::patch(&base.to_string(), &value.to_string());
            let patch: json_patch::Patch =
                serde_json::from_str(&format!("[{}]", operations.join(","))).unwrap();
            let mut made = base.clone();
            json_patch::patch(&mut made, &patch).unwrap();
            assert!(
                nightferry::json::equal(&made.to_string(), &value.to_string()),
                "{base} -> {value}: {operations:?}"
            );
            patched += 1;
        }
    }
    assert!(patched > 20_000, "{patched}");
}
