//! Arrays whose elements have ids, and the order of their elements when both sides changed it.

use super::number::Decimal;
use super::tree::{Kind, Node, text_of_string};
use crate::collect;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A *list*: an array whose elements are objects, each with an `id` that no other of them has. `[]` is a list too.
#[derive(Default)]
pub struct List<'n, 'a> {
    /// The ids in the order of the array.
    ids: Vec<Cow<'a, str>>,
    elements: Vec<&'n Node<'a>>,
}

impl<'n, 'a> List<'n, 'a> {
    /// The list that a value is, or `None`.
    pub fn of(node: &'n Node<'a>) -> Option<Self> {
        let Kind::Array(elements) = &node.kind else { return None };
        let ids = elements.iter().map(id_of).collect::<Option<Vec<_>>>()?;
        let distinct = collect::set(ids.iter().map(|id| &**id));
        let are_unique = distinct.len() == ids.len();
        are_unique.then(|| List { ids, elements: elements.iter().collect() })
    }

    pub fn ids(&self) -> Vec<&str> {
        self.ids.iter().map(|id| &**id).collect()
    }

    /// The elements by id.
    pub fn index(&self) -> BTreeMap<&str, &'n Node<'a>> {
        collect::map(self.ids().into_iter().zip(self.elements.iter().copied()))
    }
}

/// The id of an element as text, as `String(id)` of JavaScript gives it: 1, 1.0 and "1" are the same id.
pub fn id_of<'a>(element: &Node<'a>) -> Option<Cow<'a, str>> {
    let (_, id) = element.fields()?.iter().find(|(key, _)| key == "id")?;
    match Decimal::read(id.text) {
        Some(number) => number.is_finite().then(|| number.to_javascript().into()),
        None => text_of_string(id.text).filter(|text| !text.is_empty()),
    }
}

/// The merged order of a list.
#[derive(Debug, PartialEq)]
pub struct Order<'i> {
    pub ids: Vec<&'i str>,
    /// True if both sides moved elements and disagree; then the order of `local` counts.
    pub is_contested: bool,
}

/// Merges the orders of three lists. `kept` are the ids of the elements that the merged list has.
///
/// First the *frame* is laid, the elements that all three lists have. Each other element then goes into a *gap* of the
/// frame, behind the element of the frame that it follows on its own side.
pub fn order<'i>(
    base: &[&'i str],
    local: &[&'i str],
    remote: &[&'i str],
    kept: &BTreeSet<&'i str>,
) -> Order<'i> {
    let (frame, is_contested) = frame(base, local, remote);
    let gap_behind = collect::map(frame.iter().enumerate().map(|(at, id)| (*id, at + 1)));
    let mut gap_of = gaps(local, &gap_behind, kept);
    for (id, gap) in gaps(remote, &gap_behind, kept) {
        gap_of.entry(id).and_modify(|other| *other = gap.max(*other)).or_insert(gap);
    }
    let mut local = runs(local, &gap_of);
    let mut remote = runs(remote, &gap_of);
    let mut ids = Vec::with_capacity(kept.len());
    for gap in 0..=frame.len() {
        if let Some(before) = gap.checked_sub(1).and_then(|at| frame.get(at)) {
            ids.push(*before);
        }
        fill_gap(&mut ids, local.remove(&gap).unwrap_or_default(), remote.remove(&gap).unwrap_or_default());
    }
    Order { ids, is_contested }
}

/// The elements that all three lists have, in their merged order, and true if that is contested.
fn frame<'i>(base: &[&'i str], local: &[&'i str], remote: &[&'i str]) -> (Vec<&'i str>, bool) {
    let sets = [base, local, remote].map(|ids| collect::set(ids.iter().copied()));
    let [base, local, remote] = [base, local, remote].map(|ids| {
        let common = ids.iter().copied().filter(|id| sets.iter().all(|set| set.contains(id)));
        common.collect::<Vec<&str>>()
    });
    if local == remote || remote == base {
        (local, false)
    } else if local == base {
        (remote, false)
    } else {
        (local, true)
    }
}

/// The gaps that the elements of one side outside of the frame go into. Gap 0 is in front of the frame.
fn gaps<'i>(
    side: &[&'i str],
    gap_behind: &BTreeMap<&str, usize>,
    kept: &BTreeSet<&str>,
) -> BTreeMap<&'i str, usize> {
    let mut gap = 0;
    let mut gaps = BTreeMap::new();
    for id in side {
        match gap_behind.get(id) {
            Some(behind) => gap = *behind,
            None if kept.contains(id) => drop(gaps.insert(*id, gap)),
            None => {}
        }
    }
    gaps
}

/// The elements of one side by gap, in the order of that side.
fn runs<'i>(side: &[&'i str], gap_of: &BTreeMap<&str, usize>) -> BTreeMap<usize, Vec<&'i str>> {
    let mut runs: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for id in side {
        if let Some(gap) = gap_of.get(id) {
            runs.entry(*gap).or_default().push(id);
        }
    }
    runs
}

/// Appends the runs of both sides. The run whose ids are smaller goes first, so that both devices come to one order.
fn fill_gap<'i>(ids: &mut Vec<&'i str>, local: Vec<&'i str>, remote: Vec<&'i str>) {
    let (first, second) = if local <= remote { (local, remote) } else { (remote, local) };
    let in_first = collect::set(first.iter().copied());
    ids.extend(first);
    ids.extend(second.into_iter().filter(|id| !in_first.contains(id)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Option<Vec<String>> {
        let node = Node::read(text);
        List::of(&node).map(|list| list.ids().into_iter().map(String::from).collect())
    }

    #[test]
    fn ids_are_what_javascript_prints() {
        for (json, id) in [
            (r#""a""#, "a"),
            (r#""\u0061/~""#, "a/~"),
            ("1", "1"),
            ("1.0", "1"),
            ("-0.0", "0"),
            ("-7.50", "-7.5"),
        ] {
            assert_eq!(ids(&format!(r#"[{{"id":{json}}}]"#)), Some(vec![id.to_string()]), "{json}");
        }
    }

    #[test]
    fn a_list_is_an_array_of_objects_with_different_ids() {
        assert_eq!(ids("[]"), Some(vec![]));
        for text in [
            "{}",
            "[1]",
            "[{}]",
            r#"[{"id":null}]"#,
            r#"[{"id":true}]"#,
            r#"[{"id":""}]"#,
            r#"[{"id":{}}]"#,
            r#"[{"id":1e999}]"#,
            r#"[{"id":"a"},{"id":"a"}]"#,
            r#"[{"id":1},{"id":"1"}]"#,
            r#"[{"id":"a"},2]"#,
        ] {
            assert_eq!(ids(text), None, "{text}");
        }
    }

    /// Each letter is an id; all that are given are kept.
    fn merged(base: &str, local: &str, remote: &str, kept: &str) -> (String, bool) {
        let letters = |text: &'static str| text.split("").filter(|id| !id.is_empty()).collect::<Vec<_>>();
        let leak = |text: &str| letters(String::from(text).leak());
        let kept = leak(kept).into_iter().collect();
        let order = order(&leak(base), &leak(local), &leak(remote), &kept);
        (order.ids.concat(), order.is_contested)
    }

    #[test]
    fn the_side_that_moved_gives_the_order() {
        assert_eq!(merged("abc", "cab", "abc", "abc"), ("cab".into(), false));
        assert_eq!(merged("abc", "abc", "cab", "abc"), ("cab".into(), false));
        assert_eq!(merged("abc", "cab", "cab", "abc"), ("cab".into(), false));
    }

    #[test]
    fn two_different_moves_are_contested_and_local_counts() {
        assert_eq!(merged("abc", "cab", "bac", "abc"), ("cab".into(), true));
    }

    #[test]
    fn an_added_element_follows_its_neighbour() {
        assert_eq!(merged("abc", "axbc", "cab", "abcx"), ("caxb".into(), false));
        assert_eq!(merged("ab", "xab", "ba", "abx"), ("xba".into(), false), "in front if it has none");
    }

    #[test]
    fn an_element_that_both_added_takes_the_later_place() {
        assert_eq!(merged("ab", "axb", "abx", "abx"), ("abx".into(), false));
        assert_eq!(merged("ab", "abx", "xab", "abx"), ("abx".into(), false));
    }

    #[test]
    fn in_one_gap_the_smaller_run_goes_first_as_a_whole() {
        assert_eq!(merged("a", "azb", "acd", "abcdz"), ("acdzb".into(), false));
        assert_eq!(merged("a", "acd", "azb", "abcdz"), ("acdzb".into(), false));
        assert_eq!(merged("", "xy", "yz", "xyz"), ("xyz".into(), false), "shared elements stand once");
    }

    #[test]
    fn an_element_that_is_not_kept_has_no_place() {
        assert_eq!(merged("abc", "cba", "ac", "ac"), ("ca".into(), false));
    }
}
