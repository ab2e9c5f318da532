import { deepStrictEqual, strictEqual, throws } from "node:assert";
import { test } from "node:test";
import { BadEdit } from "./draft.js";
import { mended } from "./refusal.js";

const value = { id: "a", "in/out": { "~": 1, list: [1, 2] }, on: true, text: "", none: {} };
const type = (texts: Record<string, string>) => mended(value, ({ path }) => texts[path]);

test("what was typed takes the place of its part, and all else stays", () => {
  deepStrictEqual(type({ "/in~1out/~0": "2", "/in~1out/list": "[3]", "/on": "false", "/text": "x" }), {
    ...value,
    "in/out": { "~": 2, list: [3] },
    on: false,
    text: "x",
  });
  deepStrictEqual(type({}), value);
  strictEqual(
    mended("dark", () => "light"),
    "light",
  );
});

test("a text that is no value of its part is an error with the part's path", () => {
  for (const [path, text] of [
    ["/in~1out/~0", "many"],
    ["/on", "maybe"],
    ["/in~1out/list", "[3"],
  ] as const) {
    throws(
      () => type({ [path]: text }),
      (error) => error instanceof BadEdit && error.path === path,
    );
  }
});
