// Collects dispatched actions into bursts, and posts these to the worker.

import * as wasm from "nightferry-wasm";
import { wellFormed } from "./value.js";

/**
 * The most actions of a burst, and the most bytes of its text unless a single action has more. Actions beyond that go into
 * the next burst: each burst is one record of the worker's, which is read in one go.
 */
const MAX_ACTIONS = 500;
const MAX_BYTES = 1_000_000;
/** The bytes of a shorter text are not counted: 500 of them, of three bytes a character, are less than a burst may have. */
const SHORT = 650;

/** The least time between two posts, in ms. Bursts that follow one another more closely are posted together. */
const MIN_INTERVAL_MS = 50;

/** The actions that wait, as JSON texts with commas between; their number, and the most bytes that they may have. */
let chunk = "";
let chunkActions = 0;
let chunkBytes = 0;
/** The bursts before them that are full. */
let fullChunks: string[] = [];
/** The number of bursts that were posted. */
let bursts = 0;
/** When a burst was posted last, and the timer of the next one. */
let posted = -MIN_INTERVAL_MS;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Adds an action's JSON text. Calls `post` soon. Returns the number of the burst with which the action goes. */
export function batch(text: string, post: () => void): number {
  // With the comma before it, and room for the brackets.
  const bytes = bytesOf(text) + 1;
  if (chunkActions === MAX_ACTIONS || chunkBytes + bytes + 1 > MAX_BYTES) finishChunk();
  chunkActions += 1;
  chunkBytes += bytes;
  if (chunk === "") {
    chunk = text;
    if (fullChunks.length === 0) postSoon(post);
  } else {
    // Strings are joined in the end, all at once.
    chunk += `,${text}`;
  }
  return bursts + fullChunks.length + 1;
}

/** The bytes of a text, or more. */
const bytesOf = (text: string) => (text.length <= SHORT ? text.length * 3 : new TextEncoder().encode(text).length);

/** Calls `post` at the end of this microtask or, if bursts follow one another closely, a moment later. */
function postSoon(post: () => void): void {
  const wait = posted + MIN_INTERVAL_MS - performance.now();
  // Timers of hidden pages may be a minute late.
  if (wait <= 0 || document.visibilityState === "hidden") queueMicrotask(() => post());
  else timer = setTimeout(() => post(), wait);
}

function finishChunk(): void {
  if (chunk !== "") fullChunks.push(chunk);
  chunk = "";
  chunkActions = 0;
  chunkBytes = 0;
}

/** Posts the actions that wait. */
export function postBatch(): void {
  finishChunk();
  if (fullChunks.length === 0) return;
  const texts = fullChunks;
  fullChunks = [];
  clearTimeout(timer);
  posted = performance.now();
  bursts += texts.length;
  for (const text of texts) wasm.burst(`[${wellFormed(text)}]`);
}
