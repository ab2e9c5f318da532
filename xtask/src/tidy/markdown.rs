//! The parts of Markdown documents that the checks read: code spans, links, and the anchors of headings.

use std::collections::{BTreeMap, BTreeSet};

use super::lines;

/// The lines of a document outside of its code blocks.
pub fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    lines(text).filter(move |(_, line)| {
        let start = line.trim_start();
        let marks = ["```", "~~~"].into_iter().find(|marks| start.starts_with(marks));
        match (fence, marks) {
            (None, Some(marks)) => fence = Some(marks),
            (None, None) => return true,
            (Some(open), Some(marks)) if open == marks => fence = None,
            (Some(_), _) => {}
        }
        false
    })
}

/// The code spans of a line, and the line with spaces in their place.
pub fn code_spans(line: &str) -> (Vec<&str>, String) {
    let (mut spans, mut without) = (Vec::new(), String::new());
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let ticks = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        let inner = &rest[start + ticks..];
        without.push_str(&rest[..start]);
        let Some(length) = inner.find(&"`".repeat(ticks)) else {
            without.push_str(&rest[start..]);
            return (spans, without);
        };
        spans.push(inner[..length].trim());
        without.push_str(&" ".repeat(length + 2 * ticks));
        rest = &inner[length + ticks..];
    }
    without.push_str(rest);
    (spans, without)
}

/// The targets of the links of a line: `[text](target)` and `[name]: target`.
pub fn links(line: &str) -> Vec<String> {
    let (_, line) = code_spans(line);
    let mut links = Vec::new();
    let mut rest = line.as_str();
    while let Some(start) = rest.find("](") {
        rest = &rest[start + 2..];
        let target = rest.split([')', ' ']).next().unwrap_or_default();
        links.push(target.trim_matches(['<', '>']).to_string());
    }
    let definition = line.trim_start().strip_prefix('[').and_then(|line| line.split_once("]: "));
    if let Some(target) = definition.and_then(|(_, target)| target.split_whitespace().next()) {
        links.push(target.trim_matches(['<', '>']).to_string());
    }
    links
}

/// The anchors of a document, as GitHub makes them of its headings, and those that it sets itself.
pub fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, line) in prose(text) {
        for attribute in ["id=\"", "name=\""] {
            for part in line.split(attribute).skip(1) {
                anchors.extend(part.split('"').next().map(String::from));
            }
        }
        let hashes = line.len() - line.trim_start_matches('#').len();
        if (1..=6).contains(&hashes) && line[hashes..].starts_with(' ') {
            let slug = slug(&line[hashes..]);
            let count = counts.entry(slug.clone()).or_default();
            anchors.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
            *count += 1;
        }
    }
    anchors
}

/// GitHub's anchor of a heading: lower case, spaces as hyphens, letters, digits, `-` and `_` alone. A link counts as its
/// text.
fn slug(heading: &str) -> String {
    let mut text = heading.trim().to_string();
    while let Some(middle) = text.find("](")
        && let Some(start) = text[..middle].rfind('[')
        && let Some(length) = text[middle..].find(')')
    {
        let label = text[start + 1..middle].to_string();
        text.replace_range(start..=middle + length, &label);
    }
    text.to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_blocks_are_no_prose() {
        let text = "a\n```ts\nb\n~~~\nc\n```\nd\n  ~~~\ne\n  ~~~\nf\n";
        assert_eq!(prose(text).map(|(_, line)| line).collect::<String>(), "adf");
    }

    #[test]
    fn spans_are_found_and_left_out() {
        let (spans, without) = code_spans("a `b` ``c ` d`` `open");
        assert_eq!(spans, ["b", "c ` d"]);
        assert_eq!(without.split_whitespace().collect::<Vec<_>>(), ["a", "`open"]);
    }

    #[test]
    fn links_are_found_outside_of_code() {
        assert_eq!(links("[a](b.md#c) ![d](<e.png>) `[f](g)` [h](i \"title\")"), ["b.md#c", "e.png", "i"]);
        assert_eq!(links("[name]: ../a.md"), ["../a.md"]);
        assert!(links("a [b] (c)").is_empty());
    }

    #[test]
    fn anchors_are_those_of_github() {
        let text = "# `nightferry/redux`, *now*\n## A b_c\n## A b_c\n### [Link](x.md) é\n```\n# no\n```\n<a id=\"own\"></a>\n#no\n";
        let expected = ["a-b_c", "a-b_c-1", "link-é", "nightferryredux-now", "own"];
        assert_eq!(anchors(text).iter().collect::<Vec<_>>(), expected);
    }
}
