// The page lays sides side by side as the worker merges them: both agree on tests/wire/rebase.json.

import { deepStrictEqual, strictEqual } from "node:assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { same } from "../json.js";
import { combine, type Difference, merge } from "./merge.js";

type Absent = [] | [unknown];
type Row = [[base: Absent, local: Absent, remote: Absent, merged: Absent], conflicts: string[]];

test("the page merges as the worker does", () => {
  const rows = JSON.parse(readFileSync("tests/wire/rebase.json", "utf8")) as Row[];
  strictEqual(rows.length > 5_000, true, String(rows.length));
  for (const [[base, local, remote, merged], conflicts] of rows) {
    const result = merge(base[0], local[0], remote[0]);
    const row = JSON.stringify([base, local, remote]);
    strictEqual(same(result.value, merged[0]), true, `${row} is ${JSON.stringify(result.value)}`);
    deepStrictEqual(result.conflicts, conflicts, row);
  }
});

test("parts are named after what people call them", () => {
  const list = (done: boolean, more: object[] = []) => ({
    tasks: [{ id: 7, title: "Buy oil", done }, { id: 8 }, ...more],
  });
  const seen: [string, string[], Difference["changed"]][] = [];
  const base = list(false);
  combine(
    base,
    list(true),
    { ...list(false, [{ id: 9, name: "New" }]), a: 1 },
    {
      differs: ({ path, label, changed, local }) => {
        seen.push([path, label, changed]);
        return local;
      },
    },
  );
  deepStrictEqual(seen, [
    ["/tasks/@7/done", ["tasks", "Buy oil", "done"], "local"],
    ["/tasks/@9", ["tasks", "New"], "remote"],
    ["/a", ["a"], "remote"],
  ]);
});

test("of two orders of a list one is chosen, and each element is there once", () => {
  const ids = (text: string) => [...text].map((id) => ({ id }));
  const order = (side: "local" | "remote") =>
    combine(ids("abc"), ids("cabx"), ids("bacy"), {
      differs: (difference) => (difference.isOrder ? difference[side] : (difference.local ?? difference.remote)),
    }) as { id: string }[];
  strictEqual(
    order("local")
      .map(({ id }) => id)
      .join(""),
    "cyabx",
  );
  strictEqual(
    order("remote")
      .map(({ id }) => id)
      .join(""),
    "bxacy",
  );
});
