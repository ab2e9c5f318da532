// The latest errors, from the moment this module is loaded: all dashboards of a page show the same ones.

import { subscribeErrors, subscribeStatus } from "nightferry-client";

export interface Entry {
  text: string;
  /** When it was first heard, and when it last was, in epoch ms. */
  at: number;
  latest: number;
  times: number;
  /** For what the status told of: when it was over. */
  over?: number;
}

const MOST = 20;

const listeners = new Set<() => void>();
/** Newest first. */
let entries: Entry[] = [];
/** The entry of the status's present error. */
let present: Entry | undefined;

export function log(): readonly Entry[] {
  return entries;
}

/** The entry of the status's error, which is in the log, too. */
export function presentError(): Entry | undefined {
  return present;
}

/** Calls `fn` when the log has changed. Returns what ends it. */
export function logChanged(fn: () => void): () => void {
  listeners.add(fn);
  return () => listeners.delete(fn);
}

/** `again`: the same words count as said once more. */
function add(text: string, again: boolean): Entry {
  const now = Date.now();
  const [newest] = entries;
  let entry: Entry;
  if (newest?.text === text) {
    entry = newest;
    entry.latest = now;
    if (again) entry.times += 1;
  } else {
    entry = { text, at: now, latest: now, times: 1 };
    entries = [entry, ...entries].slice(0, MOST);
  }
  return entry;
}

function tell(): void {
  for (const listener of listeners) listener();
}

subscribeErrors(({ message }) => {
  add(message, true);
  tell();
});

let error: string | null = null;
subscribeStatus((status) => {
  if (status.error === error) return;
  ({ error } = status);
  if (present) present.over = Date.now();
  // The worker says of what it could not do both in a message and in the status.
  present = error === null ? undefined : add(error, false);
  if (present) delete present.over;
  tell();
});
