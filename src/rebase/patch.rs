//! The difference between two values as a JSON Patch (RFC 6902) of `add`, `remove` and `replace`.

use super::tree::{Kind, Node, index};
use crate::json::Writer;

/// Returns the operations that make `value` of `base`, each as JSON text. Every text in them is one of `value`, so a number
/// keeps its digits.
pub fn patch(base: &str, value: &str) -> Vec<String> {
    let mut patch = Patch::default();
    patch.value(&Node::read(base), &Node::read(value));
    patch.operations
}

#[derive(Default)]
struct Patch {
    path: String,
    operations: Vec<String>,
}

impl Patch {
    fn value(&mut self, base: &Node, value: &Node) {
        if base == value {
            return;
        }
        match (&base.kind, &value.kind) {
            (Kind::Object(_), Kind::Object(_)) => self.objects(base, value),
            (Kind::Array(base), Kind::Array(value)) => self.arrays(base, value),
            _ => self.operation("replace", Some(value)),
        }
    }

    fn objects(&mut self, base: &Node, value: &Node) {
        let (before, after) = (base.fields().unwrap_or_default(), value.fields().unwrap_or_default());
        let (in_base, in_value) = (index(before), index(after));
        for key in in_base.keys().filter(|key| !in_value.contains_key(*key)) {
            self.below(key, |patch| patch.operation("remove", None));
        }
        for (key, value) in &in_value {
            self.below(key, |patch| match in_base.get(key) {
                Some(base) => patch.value(base, value),
                None => patch.operation("add", Some(value)),
            });
        }
    }

    /// The common beginning and end of both arrays stay. Of the middle, elements at the same place are compared.
    fn arrays(&mut self, base: &[Node], value: &[Node]) {
        let begin = base.iter().zip(value).take_while(|(one, other)| one == other).count();
        let most = base.len().min(value.len()) - begin;
        let from_end = base.iter().rev().zip(value.iter().rev());
        let end = from_end.take(most).take_while(|(one, other)| one == other).count();
        let middle = |elements: usize| elements - begin - end;
        let (before, after) = (middle(base.len()), middle(value.len()));
        let both = before.min(after);
        for (at, (base, value)) in base.iter().zip(value).enumerate().skip(begin).take(both) {
            self.below(&at.to_string(), |patch| patch.value(base, value));
        }
        for at in (begin + both..begin + before).rev() {
            self.below(&at.to_string(), |patch| patch.operation("remove", None));
        }
        for (at, value) in value.iter().enumerate().skip(begin + both).take(after - both) {
            self.below(&at.to_string(), |patch| patch.operation("add", Some(value)));
        }
    }

    fn below(&mut self, key: &str, change: impl FnOnce(&mut Self)) {
        let above = self.path.len();
        self.path.push('/');
        self.path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        change(self);
        self.path.truncate(above);
    }

    fn operation(&mut self, op: &str, value: Option<&Node>) {
        let mut operation = Writer::object();
        operation.string("op", op).string("path", &self.path);
        if let Some(value) = value {
            operation.raw("value", value.text);
        }
        self.operations.push(operation.end());
    }
}
