// Valid and invalid values: those of tests/wire/values.json, as every side treats them, and those that only
// JavaScript has.

import { deepStrictEqual, ok, strictEqual, throws } from "node:assert";
import { test } from "node:test";
import golden from "../../tests/wire/values.json";
import { checkSize, encode, MAX_ITEM_BYTES } from "./value.js";

/** Asserts that a value throws a TypeError that starts with the path and has `part` behind it. */
function invalid(value: unknown, path: string, part: string): void {
  throws(
    () => encode(value, "x"),
    (error: unknown) => {
      ok(error instanceof TypeError, `${error}`);
      ok(error.message.startsWith(`${path} `), `"${error.message}" does not start with ${path}`);
      ok(error.message.includes(part), `"${error.message}" does not say "${part}"`);
      return true;
    },
  );
}

/** Kept as this JSON text. */
function kept(value: unknown, text: string): void {
  strictEqual(encode(value, "x"), text);
}

/** The page's way to write a JSON Pointer: `/a~1b/0` is `x["a/b"][0]`. */
function pathOf(pointer: string, value: unknown): string {
  let path = "x";
  let at = value;
  for (const part of pointer.split("/").slice(1)) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(at)) path += `[${name}]`;
    else path += /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
    at = (at as Record<string, unknown> | undefined)?.[name];
  }
  return path;
}

const nested = (depth: number) => {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
};

test("values that every side accepts", () => {
  for (const { text, equals } of golden.accepted) {
    const encoded = encode(JSON.parse(text), "x");
    deepStrictEqual(JSON.parse(encoded), JSON.parse(equals), text);
  }
});

test("f40_values_that_every_side_refuses", () => {
  const says: Record<string, string> = {
    not_finite: "is not JSON",
    unsafe_integer: "beyond 2^53-1",
    proto_key: '"__proto__"',
    too_deep: "deeper than 100",
  };
  const checked = new Set<string>();
  for (const { text, reason, path } of golden.refused) {
    // JSON.parse reads no text that is not JSON, and can't show that a key was there twice.
    if (reason === "syntax") {
      throws(() => JSON.parse(text), SyntaxError, text);
      continue;
    }
    if (reason === "duplicate_key") continue;
    const value: unknown = JSON.parse(text);
    const pointer = path ?? "";
    // The page names the object that has the key.
    const place = reason === "proto_key" ? pointer.slice(0, pointer.lastIndexOf("/")) : pointer;
    invalid(value, pathOf(place, value), says[reason] ?? `no message is known for ${reason}`);
    checked.add(reason);
  }
  deepStrictEqual([...checked].sort(), Object.keys(says).sort());
});

test("numbers that are not JSON", () => {
  invalid(Number.NaN, "x", "NaN");
  invalid({ a: [Number.POSITIVE_INFINITY] }, "x.a[0]", "Infinity");
  invalid({ a: Number.NEGATIVE_INFINITY }, "x.a", "-Infinity");
  invalid([2 ** 53], "x[0]", "Keep it as a string");
  kept([-0, 2 ** 53 - 1, -(2 ** 53 - 1), 5e-324], "[0,9007199254740991,-9007199254740991,5e-324]");
});

test("undefined is an absent field, and nothing elsewhere", () => {
  kept({ a: undefined, b: null, c: { d: undefined } }, '{"b":null,"c":{}}');
  invalid([1, undefined], "x[1]", "undefined");
  invalid(new Array(2), "x[0]", "undefined");
  invalid(undefined, "x", "undefined");
});

test("a value that JSON.stringify would change or drop is invalid", () => {
  class Point {
    x = 1;
  }
  invalid({ at: new Date(0) }, "x.at", "Date");
  invalid([new Map()], "x[0]", "Map");
  invalid({ tags: new Set([1]) }, "x.tags", "Set");
  invalid({ bytes: new Uint8Array(1) }, "x.bytes", "Uint8Array");
  invalid({ a: new Point() }, "x.a", "Point");
  invalid({ a: Object(1) }, "x.a", "Number");
  invalid({ "a b": 1n }, 'x["a b"]', "bigint");
  invalid({ f: () => 1 }, "x.f", "function");
  invalid({ s: Symbol("s") }, "x.s", "symbol");
  invalid({ f: { toJSON: () => 1 } }, "x.f.toJSON", "function");
});

test("a plain object may have no prototype, or another window's", () => {
  kept(Object.assign(Object.create(null), { a: 1 }), '{"a":1}');
  const othersPrototype = Object.create(null);
  kept(Object.assign(Object.create(othersPrototype), { a: 1 }), '{"a":1}');
});

test("a cycle is invalid, the same value twice is not", () => {
  const cycle: Record<string, unknown> = { a: {} };
  cycle.a = { list: [cycle] };
  invalid(cycle, "x.a.list[0]", "cycle");
  const shared = { b: 1 };
  kept([shared, shared], '[{"b":1},{"b":1}]');
});

test("nesting ends at 100", () => {
  kept(nested(100), `${"[".repeat(100)}1${"]".repeat(100)}`);
  invalid(nested(101), `x${"[0]".repeat(100)}`, "deeper than 100");
});

test("an own key __proto__ is invalid", () => {
  invalid(JSON.parse('{"a":{"__proto__":{"admin":true}}}'), "x.a", '"__proto__"');
  kept({ constructor: 1, prototype: 2 }, '{"constructor":1,"prototype":2}');
});

test("lone surrogates become U+FFFD, pairs and backslashes stay", () => {
  for (const [value, expected] of [
    ["\ud800", "\ufffd"],
    ["a\udfff\ud800b", "a\ufffd\ufffdb"],
    ["\ud83d\ude00", "\ud83d\ude00"],
    ["\ud800\ud83d\ude00", "\ufffd\ud83d\ude00"],
    ["\\ud800", "\\ud800"],
    ["\\\ud800", "\\\ufffd"],
    ['"\udc00"', '"\ufffd"'],
  ]) {
    strictEqual(JSON.parse(encode(value, "x")), expected);
  }
  deepStrictEqual(JSON.parse(encode({ "\ud800": 1 }, "x")), { "\ufffd": 1 });
});

test("an item's size counts in bytes of UTF-8, and the message says both", () => {
  const quoted = (length: number, letter: string) => JSON.stringify(letter.repeat(length));
  checkSize(quoted(MAX_ITEM_BYTES - 2, "a"), "x");
  throws(() => checkSize(quoted(MAX_ITEM_BYTES - 1, "a"), "files/addItem: payload"), {
    name: "TypeError",
    message: /^files\/addItem: payload is 4194305 bytes of JSON; an item may have 4194304/,
  });
  checkSize(quoted(MAX_ITEM_BYTES / 2 - 1, "é"), "x");
  throws(() => checkSize(quoted(MAX_ITEM_BYTES / 2, "é"), "x"), TypeError);
});
