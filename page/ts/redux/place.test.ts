import { deepStrictEqual, strictEqual } from "node:assert";
import { test } from "node:test";
import { at, withItems } from "./place.js";

const change = { puts: new Map([["1", { id: 1 }]]), gone: new Set<string>() };

test("a change of items that a state does not have changes nothing", () => {
  // As where DevTools repeat it on a state from before the slice was there.
  for (const state of [undefined, {}, { list: null }, { list: { items: 7 } }]) {
    strictEqual(withItems(state, { path: ["list", "items"], tracking: {} }, change), state);
  }
});

test("a change copies what lies on the path, and nothing else", () => {
  const state = { other: {}, list: { items: [], error: {} } };
  const changed = withItems(state, { path: ["list", "items"], tracking: {} }, change) as typeof state;
  deepStrictEqual(changed.list.items, [{ id: 1 }]);
  strictEqual(changed.other, state.other);
  strictEqual(changed.list.error, state.list.error);
  deepStrictEqual([state.list.items, at(state, ["list", "none", "at", "all"])], [[], undefined]);
});
