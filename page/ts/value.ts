// Checks values where they are dispatched, so that the error points at the caller's line. Only JSON values can be kept.
// The worker and the server agree on them (tests/wire/values.json).

/** The deepest nesting of arrays and objects. */
const MAX_DEPTH = 100;
/** The largest item, in bytes of JSON text. */
export const MAX_ITEM_BYTES = 4 * 1024 * 1024;

/**
 * The JSON text of `value`. Lone surrogates become U+FFFD, -0 is 0, fields that are undefined are left out.
 * @throws TypeError naming the path of what cannot be kept.
 */
export function encode(value: unknown, path: string): string {
  check(value, path, []);
  return wellFormed(JSON.stringify(value));
}

/** Fast check: true if the value is plain JSON. If it is false, `check` finds the path for the error. */
export function isPlain(value: unknown, depth: number): boolean {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return true;
  if (typeof value === "number") return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  if (typeof value !== "object" || depth === MAX_DEPTH) return false;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at += 1) if (!isPlain(value[at], depth + 1)) return false;
    return true;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype || "toJSON" in value) return false;
  for (const key in value) {
    const field = (value as Record<string, unknown>)[key];
    if (key === "__proto__" || (field !== undefined && !isPlain(field, depth + 1))) return false;
  }
  return true;
}

/** Throws where the text of one item is too large; `path` names it. */
export function checkSize(text: string, path: string): void {
  // A UTF-16 unit is at most three bytes of UTF-8, so most texts need no counting.
  if (text.length * 3 <= MAX_ITEM_BYTES) return;
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > MAX_ITEM_BYTES) {
    throw new TypeError(
      `${path} is ${bytes} bytes of JSON; an item may have ${MAX_ITEM_BYTES}. Split it, or keep it elsewhere.`,
    );
  }
}

/** Finds what cannot be kept; `above` has the values around this one. */
function check(value: unknown, path: string, above: object[]): void {
  const fail: (why: string) => never = (why) => {
    throw new TypeError(`${path} ${why}`);
  };
  if (isPlain(value, above.length)) return;
  if (Number.isFinite(value)) fail("is an integer beyond 2^53-1, which no browser holds exactly. Keep it as a string.");
  if (typeof value !== "object" || value === null)
    fail(`is ${["undefined", "number"].includes(typeof value) ? value : `a ${typeof value}`}, ${NOT_JSON}`);
  if (above.includes(value)) fail("refers back to a value that contains it (a cycle), which cannot be kept.");
  if (above.length === MAX_DEPTH) fail(`is nested deeper than ${MAX_DEPTH} levels, which cannot be kept.`);
  const around = [...above, value];
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at += 1) check(value[at], `${path}[${at}]`, around);
    return;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    const name = value.constructor?.name || "an object with a class";
    fail(`is a ${name}, ${NOT_JSON} Convert it to a plain object, array, string or number.`);
  }
  for (const [key, field] of Object.entries(value)) {
    if (key === "__proto__") fail('has a key "__proto__", which is refused for safety.');
    if (field !== undefined)
      check(field, /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`, around);
  }
  if ("toJSON" in value && typeof value.toJSON === "function") fail("has a toJSON method, which cannot be kept.");
}

const NOT_JSON = "which is not JSON and cannot be kept.";

/** JSON.stringify writes a lone surrogate as an escape; other JSON readers fail on it. */
export function wellFormed(json: string): string {
  if (!json.includes("\\ud")) return json;
  return json.replace(/\\(?:\\|ud[89a-f][0-9a-f]{2})/g, (found) => (found === "\\\\" ? found : "�"));
}
