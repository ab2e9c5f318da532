import { deepStrictEqual, ok } from "node:assert";
import { test } from "node:test";
import { changedFields, isEqual, withFields } from "./fields.js";

test("values are equal by what they hold, in whatever order", () => {
  const value = { a: [1, { b: null }], c: Number.NaN };
  ok(isEqual(value, { c: Number.NaN, a: [1, { b: null }] }));
  for (const other of [
    { a: [1, { b: null }] },
    { ...value, d: undefined },
    { ...value, a: [1] },
    { ...value, a: { 0: 1, 1: { b: null } } },
    { ...value, c: "NaN" },
    null,
  ]) {
    ok(!isEqual(value, other) && !isEqual(other, value), JSON.stringify(other));
  }
  ok(!isEqual({ constructor: undefined }, { a: 1 }) && !isEqual(new Map(), new Map()));
});

test("changed fields, set in the former item, make the new one", () => {
  const former = { id: 1, kept: [], changed: 1, gone: 2, constructor: "c" };
  const item = { id: 1, kept: former.kept, changed: 2, added: 3 };
  const fields = changedFields(former, item);
  deepStrictEqual(fields, { changed: 2, added: 3, gone: undefined, constructor: undefined });
  deepStrictEqual(withFields(former, fields), item);
});
