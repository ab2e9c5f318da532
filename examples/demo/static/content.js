// The content of a file: bytes, and the two ways in which an item holds them.

const LIMIT = 4 * 1024 * 1024;
const utf8 = new TextEncoder();

/** The most that Nightferry takes in one item, as words. */
export const LIMIT_TEXT = "4 MiB";

/**
 * Text stays text; what is not UTF-8 becomes base64. Either way it comes back byte for byte, a byte order mark included.
 * @param {Uint8Array} bytes
 * @returns {{content: string, encoding?: "base64"}}
 */
export function fromBytes(bytes) {
  try {
    return { content: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { content: toBase64(bytes), encoding: "base64" };
  }
}

/**
 * @param {{content: string, encoding?: string}} item
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function toBytes(item) {
  if (item.encoding !== "base64") return utf8.encode(item.content);
  const binary = atob(item.content);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** @param {Uint8Array} bytes */
function toBase64(bytes) {
  const step = 0x8000;
  let binary = "";
  for (let i = 0; i < bytes.length; i += step) binary += String.fromCharCode(...bytes.subarray(i, i + step));
  return btoa(binary);
}

/** @param {string} text */
export function byteLength(text) {
  return new Blob([text]).size;
}

/**
 * Is this more than one item may hold? It counts as JSON, where quotes and control characters take more room.
 * @param {object} item
 */
export function tooLarge(item) {
  const json = JSON.stringify(item);
  return json.length > LIMIT || (json.length * 3 > LIMIT && byteLength(json) > LIMIT);
}

/** A file of this many bytes cannot fit, whatever is in it. @param {number} size */
export function surelyTooLarge(size) {
  return size > LIMIT;
}

/**
 * A text box turns every line ending into "\n". This carries an edit made there over to the text as it was, and leaves
 * all other lines as they are.
 * @param {string} original
 * @param {string} edited what the text box holds
 */
export function carryEdit(original, edited) {
  if (!original.includes("\r")) return edited;
  const before = toBox(original);
  if (before === edited) return original;

  const shortest = Math.min(before.length, edited.length);
  let head = 0;
  while (head < shortest && before[head] === edited[head]) head++;
  let tail = 0;
  while (tail < shortest - head && before[before.length - 1 - tail] === edited[edited.length - 1 - tail]) tail++;

  const start = offsetIn(original, head);
  const end = offsetIn(original, before.length - tail);
  const lineEnd = /\r\n|\r|\n/.exec(original)?.[0] ?? "\n";
  const middle = edited.slice(head, edited.length - tail).replaceAll("\n", lineEnd);
  return original.slice(0, start) + middle + original.slice(end);
}

/** The text as a text box will hold it. @param {string} text */
export function toBox(text) {
  return text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
}

/**
 * Returns the place in the original of an offset in the text box.
 * @param {string} original
 * @param {number} offset
 */
function offsetIn(original, offset) {
  let at = 0;
  for (let seen = 0; seen < offset; seen++) at += original[at] === "\r" && original[at + 1] === "\n" ? 2 : 1;
  return at;
}
