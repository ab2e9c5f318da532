"""Writes rebase.json: triples of values and their three-way merges.

    python3 tests/wire/make_rebase.py

`merge` below is the merge of `src/rebase/` a second time, in another language and written for clarity alone.
The header of `src/rebase/mod.rs` explains its rules. A Rust test compares the two.
"""

import json
import random
from decimal import Decimal
from pathlib import Path

TRIPLES = 10_000
SEED = 2026


class Absent:
    """The value of what is not there. It is not `None`, which is JSON's null."""


ABSENT = Absent()


# The merge.


def merge(base, local, remote, path="", conflicts=None):
    """Returns the merged value and the paths in conflict."""
    conflicts = [] if conflicts is None else conflicts
    # Rules 1 to 3: the sides agree, or only one of them changed.
    if same(local, remote):
        return local, conflicts
    if same(base, local):
        return remote, conflicts
    if same(base, remote):
        return local, conflicts
    # Rule 4: objects, key by key.
    if isinstance(local, dict) and isinstance(remote, dict) and (base is ABSENT or isinstance(base, dict)):
        return merge_parts({} if base is ABSENT else base, local, remote, path + "/", conflicts), conflicts
    # Rule 5: lists, element by element, and their order.
    by_id = [elements_by_id([] if base is ABSENT else base), elements_by_id(local), elements_by_id(remote)]
    if None not in by_id:
        elements = merge_parts(*by_id, path + "/@", conflicts)
        order, contested = merge_order(*(list(side) for side in by_id), kept=set(elements))
        if contested:
            conflicts.append(path)
        return [elements[id] for id in order], conflicts
    # Rule 6: both sides changed it.
    conflicts.append(path)
    return local, conflicts


def merge_parts(base, local, remote, prefix, conflicts):
    """Merges fields by key or elements by id, and leaves out those that come to absent."""
    merged = {}
    for key in [*local, *(key for key in remote if key not in local)]:
        path = prefix + key.replace("~", "~0").replace("/", "~1")
        sides = (side.get(key, ABSENT) for side in (base, local, remote))
        value, _ = merge(*sides, path, conflicts)
        if value is not ABSENT:
            merged[key] = value
    return merged


def merge_order(base, local, remote, kept):
    """Merges three lists of ids, of which `kept` are in the result.

    Returns the order, and true if it is contested."""
    # The frame: what all three lists have, ordered as by the side that moved.
    common = set(base) & set(local) & set(remote)
    in_base, in_local, in_remote = ([id for id in side if id in common] for side in (base, local, remote))
    contested = False
    if in_local == in_remote or in_remote == in_base:
        frame = in_local
    elif in_local == in_base:
        frame = in_remote
    else:
        frame, contested = in_local, True
    # Each other element goes behind the element of the frame that it follows on its side.
    # Gap 0 is in front of all.
    gap_of = {}
    for side in (local, remote):
        gap = 0
        for id in side:
            if id in common:
                gap = frame.index(id) + 1
            elif id in kept:
                gap_of[id] = max(gap, gap_of.get(id, 0))
    # If both sides have elements in one gap, the run whose ids are smaller goes first.
    order = []
    for gap in range(len(frame) + 1):
        order += frame[gap - 1 : gap] if gap else []
        for run in sorted([id for id in side if gap_of.get(id) == gap] for side in (local, remote)):
            order += [id for id in run if id not in order]
    return order, contested


def elements_by_id(value):
    """Returns the elements of a list by id, in their order; `None` for a value that is not a list."""
    if not isinstance(value, list):
        return None
    elements = {}
    for element in value:
        id = id_text(element.get("id")) if isinstance(element, dict) else ""
        if id == "" or id in elements:
            return None
        elements[id] = element
    return elements


def id_text(id):
    """Returns `String(id)` of JavaScript for a string or a number, and "" for all that is not an id."""
    if isinstance(id, str):
        return id
    if isinstance(id, bool) or not isinstance(id, int | float):
        return ""
    if id == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(float(id))).normalize().as_tuple()
    point = len(digits) + exponent  # The decimal point stands behind so many digits.
    digits = "".join(map(str, digits))
    if 0 < point <= 21:
        text = digits.ljust(point, "0")[:point] + ("." + digits[point:] if len(digits) > point else "")
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + f"e{point - 1:+}"
    return "-" * sign + text


def same(one, other):
    """Says whether two values are the same: 1 is 1.0 but not true, and the order of keys means nothing."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if is_number(one) and is_number(other):
        return one == other
    return type(one) is type(other) and one == other


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


# The triples.

LEAVES = [0, 1, 1.0, -2.5, 1e-7, "", "a", "é", None, True, False, "1"]
KEYS = ["x", "y", "z", "id", "@a", "a/b", "~"]
# Some of them are the same id as another one: 1, 1.0 and "1"; -0.0, 0 and "0".
IDS = [
    "a",
    "b",
    "c",
    "d",
    "é",
    "a/b",
    1,
    2,
    10,
    1.0,
    "1",
    -7.5,
    0,
    -0.0,
    "0",
    1e-7,
    "1e-7",
    1e21,
    "1e+21",
    123456.75,
]
NOT_IDS = ["", None, True, {}]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def triple(self):
        """Returns a base and two edits of it, or two unrelated values with an absent base."""
        base = self.value(3) if self.chance(0.9) else ABSENT
        sides = [self.value(2) if base is ABSENT else self.edited(base, 3) for _ in "lr"]
        return base, *(ABSENT if self.chance(0.05) else side for side in sides)

    def value(self, depth):
        kind = self.random.random()
        if depth == 0 or kind < 0.3:
            return self.leaf()
        if kind < 0.6:
            return {key: self.value(depth - 1) for key in self.some(KEYS, 3)}
        if kind < 0.92:
            return [self.element(id, depth - 1) for id in self.some(IDS, 4)]
        return [self.leaf() for _ in range(self.random.randint(0, 2))]

    def edited(self, value, depth):
        if self.chance(0.08):
            return self.value(max(depth - 1, 0))
        if isinstance(value, dict):
            return self.edited_object(value, depth)
        if isinstance(value, list) and elements_by_id(value) is not None:
            return self.edited_list(value, depth)
        return self.leaf() if self.chance(0.4) else value

    def edited_object(self, value, depth):
        edited = {key: self.maybe_edited(part, depth) for key, part in value.items() if self.chance(0.9)}
        if self.chance(0.3):
            edited[self.random.choice(KEYS)] = self.value(max(depth - 2, 0))
        return edited

    def edited_list(self, value, depth):
        edited = [
            {key: part if key == "id" else self.maybe_edited(part, depth) for key, part in element.items()}
            for element in value
            if self.chance(0.87)
        ]
        for _ in range(self.random.choice([0, 0, 1, 1, 2])):
            place = self.random.randint(0, len(edited))
            edited.insert(place, self.element(self.random.choice(IDS), 0))
        if self.chance(0.3):
            self.random.shuffle(edited)
        return edited

    def maybe_edited(self, value, depth):
        return self.edited(value, depth - 1) if self.chance(0.4) else value

    def element(self, id, depth):
        id = self.random.choice(NOT_IDS) if self.chance(0.01) else id
        return {"id": id, "d": self.value(depth)} if self.chance(0.5) else {"id": id}

    def leaf(self):
        return self.random.choice(LEAVES)

    def some(self, choices, most):
        return self.random.sample(choices, self.random.randint(0, most))

    def chance(self, probability):
        return self.random.random() < probability


# The file.


def main():
    generator = Generator(SEED)
    lines = []
    for _ in range(TRIPLES):
        base, local, remote = generator.triple()
        merged, conflicts = merge(base, local, remote)
        row = [[] if value is ABSENT else [value] for value in (base, local, remote, merged)]
        lines.append(json.dumps([row, sorted(conflicts)], ensure_ascii=False, separators=(",", ":")))
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    (Path(__file__).parent / "rebase.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
