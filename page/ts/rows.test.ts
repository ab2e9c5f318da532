import { deepStrictEqual } from "node:assert";
import { test } from "node:test";
import { itemsOf } from "./rows.js";

/** An answer in two parts. */
const rows = [
  { ids: ["a", "b"], values: [1, 2] },
  { ids: ["c"], values: [3] },
];

test("without changes the items are as they were read", () => {
  deepStrictEqual(itemsOf(rows, []), [
    { id: "a", value: 1 },
    { id: "b", value: 2 },
    { id: "c", value: 3 },
  ]);
});

test("changes take effect in their order", () => {
  const gone = { puts: [{ id: "a", value: 10 }], deletes: ["b"] };
  const back = { puts: [{ id: "d", value: 4 }], deletes: ["a", "e"] };
  const again = { puts: [{ id: "b", value: 20 }], deletes: ["d"] };
  deepStrictEqual(itemsOf(rows, [gone, back, again]), [
    { id: "b", value: 20 },
    { id: "c", value: 3 },
  ]);
});
