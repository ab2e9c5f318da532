//! Each rule and each law by example. `tests/rebase.rs` tries the laws on many values.

use super::*;
use crate::json::equal;

/// Absent.
const NONE: &str = "";

fn merge(base: &str, local: &str, remote: &str) -> Rebased {
    let [base, local, remote] = [base, local, remote].map(|text| (text != NONE).then_some(text));
    rebase(base, local, remote)
}

/// The merged text of a merge without conflicts.
fn clean(base: &str, local: &str, remote: &str) -> String {
    let merged = merge(base, local, remote);
    assert_eq!(merged.conflicts, [""; 0], "{base} {local} {remote}");
    merged.value.as_deref().unwrap_or(NONE).into()
}

fn conflicts(base: &str, local: &str, remote: &str) -> (String, Vec<String>) {
    let merged = merge(base, local, remote);
    assert!(!merged.is_clean());
    (merged.value.as_deref().unwrap_or(NONE).into(), merged.conflicts)
}

/// A list whose elements have these letters as ids.
fn list(ids: &str) -> String {
    let elements: Vec<String> = ids.chars().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
    format!("[{}]", elements.join(","))
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

// The rules.

#[test]
fn rule_1_equal_sides_are_the_result() {
    assert_eq!(clean("1", "2", "2"), "2");
    assert_eq!(clean("1", NONE, NONE), NONE);
    assert_eq!(clean("1", r#"{"a":1.0,"b":2}"#, r#"{ "b":2, "a":1 }"#), r#"{"a":1.0,"b":2}"#, "local's text");
}

#[test]
fn rule_2_a_change_of_remote_alone_is_taken() {
    assert_eq!(clean("1", "1", "2"), "2");
    assert_eq!(clean("1", "1.0", "[ 2 ]"), "[ 2 ]");
    assert_eq!(clean("1", "1", NONE), NONE);
    assert_eq!(clean(NONE, NONE, "null"), "null");
}

#[test]
fn rule_3_a_change_of_local_alone_is_taken() {
    assert_eq!(clean("1", "2", "1"), "2");
    assert_eq!(clean("1", NONE, "1.0"), NONE);
    assert_eq!(clean(NONE, "null", NONE), "null");
}

#[test]
fn rule_4_objects_merge_key_by_key() {
    assert_eq!(clean(r#"{"a":1,"b":1}"#, r#"{"a":2,"b":1}"#, r#"{"a":1,"b":2}"#), r#"{"a":2,"b":2}"#);
    assert_eq!(
        clean(r#"{"a":1,"b":1,"c":1}"#, r#"{"a":1,"c":2}"#, r#"{"b":1,"c":1}"#),
        r#"{"c":2}"#,
        "both deleted"
    );
    assert_eq!(
        clean(NONE, r#"{"z":1}"#, r#"{"a":{"x":1}}"#),
        r#"{"z":1,"a":{"x":1}}"#,
        "an absent base is an empty object"
    );
    assert_eq!(
        clean(r#"{"o":{"a":1,"b":1}}"#, r#"{"o":{"a":2,"b":1}}"#, r#"{"o":{"a":1}}"#),
        r#"{"o":{"a":2}}"#
    );
}

#[test]
fn rule_5_lists_merge_by_id() {
    assert_eq!(
        clean(
            r#"[{"id":"a","x":1},{"id":"b","x":1},{"id":"c","x":1}]"#,
            r#"[{"id":"a","x":2},{"id":"b","x":1}]"#,
            r#"[{"id":"b","x":3},{"id":"a","x":1},{"id":"c","x":1},{"id":"d"}]"#,
        ),
        r#"[{"id":"b","x":3},{"id":"a","x":2},{"id":"d"}]"#
    );
    assert_eq!(clean(NONE, &list("b"), &list("a")), list("ab"), "an absent base is an empty list");
}

#[test]
fn rule_5_an_id_is_compared_as_text() {
    assert_eq!(
        clean(r#"[{"id":1,"x":1,"y":1}]"#, r#"[{"id":1.0,"x":2,"y":1}]"#, r#"[{"id":"1","x":1,"y":2}]"#),
        r#"[{"id":"1","x":2,"y":2}]"#
    );
}

#[test]
fn rule_6_all_else_is_a_conflict_and_local_stays() {
    for (base, local, remote) in [
        ("1", "2", "3"),
        (NONE, "2", "3"),
        ("null", r#"{"a":1}"#, r#"{"b":1}"#),
        (r#"{"a":1}"#, r#"{"a":2}"#, "[]"),
        ("[1]", "[1,2]", "[1,3]"),
        ("[]", r#"[{"id":"a"}]"#, r#"[{"name":"b"}]"#),
        ("{}", r#"[{"id":"a"}]"#, r#"[{"id":"b"}]"#),
    ] {
        assert_eq!(conflicts(base, local, remote), (local.into(), strings(&[""])));
    }
}

#[test]
fn rule_6_delete_against_edit_is_a_conflict() {
    assert_eq!(conflicts("1", NONE, "2"), (NONE.into(), strings(&[""])));
    assert_eq!(conflicts("1", "2", NONE), ("2".into(), strings(&[""])));
    assert_eq!(conflicts(r#"{"a":1}"#, "{}", r#"{"a":2}"#), ("{}".into(), strings(&["/a"])));
    assert_eq!(
        conflicts(r#"[{"id":"e","x":1}]"#, r#"[{"id":"e","x":2}]"#, "[]"),
        (r#"[{"id":"e","x":2}]"#.into(), strings(&["/@e"]))
    );
}

#[test]
fn absent_is_not_null() {
    assert_eq!(clean(r#"{"a":1}"#, "{}", r#"{"a":1}"#), "{}");
    assert_eq!(clean(r#"{"a":1}"#, r#"{"a":null}"#, r#"{"a":1}"#), r#"{"a":null}"#);
    assert_eq!(conflicts(r#"{"a":1}"#, r#"{"a":null}"#, "{}").1, ["/a"]);
}

#[test]
fn only_the_contested_order_of_a_list_is_a_conflict() {
    let value = |ids| format!(r#"{{"t":{}}}"#, list(ids));
    assert_eq!(conflicts(&value("abc"), &value("cab"), &value("bac")), (value("cab"), strings(&["/t"])));
}

#[test]
fn moving_an_element_that_the_other_side_removed_does_not_keep_it() {
    assert_eq!(clean(&list("abc"), &list("cab"), &list("ab")), list("ab"));
}

#[test]
fn an_element_moved_here_and_edited_there_is_both() {
    assert_eq!(
        clean(
            r#"[{"id":"a","x":1},{"id":"b"}]"#,
            r#"[{"id":"b"},{"id":"a","x":1}]"#,
            r#"[{"id":"a","x":2},{"id":"b"}]"#
        ),
        r#"[{"id":"b"},{"id":"a","x":2}]"#
    );
}

#[test]
fn paths_are_json_pointers_with_ids_and_sorted() {
    let value =
        |x: u8| format!(r#"{{"z~":{x},"a/b":[{{"id":7,"x":{x}}},{{"id":"/","x":{x}}}],"@7":{x},"":{x}}}"#);
    let (merged, paths) = conflicts(&value(1), &value(2), &value(3));
    assert!(equal(&merged, &value(2)));
    assert_eq!(paths, ["/", "/@7", "/a~1b/@7/x", "/a~1b/@~1/x", "/z~0"]);
}

#[test]
fn numbers_keep_their_digits_and_objects_their_order() {
    assert_eq!(
        clean(
            r#"{"b":0.1000,"a":1e2,"c":1}"#,
            r#"{"b":0.1,"a":100,"c":2}"#,
            r#"{"a":100,"n":122416294033786.585,"c":1,"b":0.10}"#
        ),
        r#"{"b":0.1,"a":100,"c":2,"n":122416294033786.585}"#
    );
}

#[test]
fn text_that_is_not_json_is_one_value() {
    assert_eq!(clean("{", "{", "1"), "1");
    assert_eq!(conflicts("{", "[1,", r#"{"a":1,"a":2}"#), ("[1,".into(), strings(&[""])));
}

/// 100 levels are the deepest that a value may have. A worker's stack has 1 MB; pointers there are half as long as here.
#[test]
fn the_deepest_values_merge_on_a_small_stack() {
    let deep = |x: u8, y: u8| {
        let open = r#"{"o":[{"id":"e","p":"#.repeat(33);
        format!("{open}{{\"x\":{x},\"y\":{y}}}{}", "}]}".repeat(33))
    };
    let merge_deep = move || clean(&deep(1, 1), &deep(2, 1), &deep(1, 2)) == deep(2, 2);
    let stack = if cfg!(debug_assertions) { 384 } else { 128 } * 1024;
    let small = std::thread::Builder::new().stack_size(stack).spawn(merge_deep);
    assert!(small.unwrap().join().unwrap());
}

// The laws.

const BASE: &str = r#"{"t":[{"id":1,"x":1},{"id":2,"x":1},{"id":3,"x":1}],"n":1,"o":{"k":true}}"#;
const LOCAL: &str = r#"{"t":[{"id":3,"x":1},{"id":1,"x":2},{"id":2,"x":1},{"id":"n"}],"n":1,"o":{}}"#;
const REMOTE: &str = r#"{"t":[{"id":1,"x":1},{"id":"m"},{"id":3,"x":4}],"n":[5],"o":{"k":true}}"#;
const MERGED: &str = r#"{"t":[{"id":3,"x":4},{"id":1,"x":2},{"id":"m"},{"id":"n"}],"n":[5],"o":{}}"#;

#[test]
fn law_1_swapping_the_sides_gives_the_same() {
    assert!(equal(&clean(BASE, LOCAL, REMOTE), MERGED));
    assert!(equal(&clean(BASE, REMOTE, LOCAL), MERGED));
    let (one, other) =
        (merge("{}", r#"{"a":1,"b":2}"#, r#"{"b":3}"#), merge("{}", r#"{"b":3}"#, r#"{"a":1,"b":2}"#));
    assert_eq!(one.conflicts, other.conflicts);
}

#[test]
fn law_2_no_leaf_is_a_third_value() {
    assert_eq!(
        clean(r#"{"a":[1],"b":1}"#, r#"{"a":[1],"b":2}"#, r#"{"a":[1,2],"b":1}"#),
        r#"{"a":[1,2],"b":2}"#
    );
    assert_eq!(conflicts("[1]", "[1,2]", "[0,1]").0, "[1,2]", "elements without ids do not mix");
}

#[test]
fn law_3_the_result_is_an_edit_of_remote() {
    assert_eq!(clean(REMOTE, MERGED, REMOTE), MERGED);
}

#[test]
fn law_4_the_same_remote_again_changes_nothing() {
    assert!(equal(&clean(BASE, MERGED, REMOTE), MERGED));
}

#[test]
fn law_5_the_result_as_remote_changes_nothing() {
    assert!(equal(&clean(BASE, LOCAL, MERGED), MERGED));
}

#[test]
fn law_6_what_one_side_alone_changed_is_in_the_result() {
    let merged = clean(BASE, LOCAL, REMOTE);
    for part in [r#""o":{}"#, r#""n":[5]"#, r#"{"id":3,"x":4}"#, r#"{"id":1,"x":2}"#] {
        assert!(merged.contains(part), "{part}");
    }
}

#[test]
fn law_7_the_side_that_moved_gives_the_order() {
    assert_eq!(clean(&list("abcd"), &list("dcxba"), &list("aybcd")), list("dcxbay"));
    assert_eq!(clean(&list("abcd"), &list("aybcd"), &list("dcxba")), list("dcxbay"));
}
