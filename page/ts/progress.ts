// How far changes have come: what the worker has told, beneath what this page has dispatched since.

import type { Beside } from "./action.js";
import { each, pendingListeners } from "./subscriptions.js";
import type { Action, ItemProgress, ProgressState } from "./types.js";

/**
 * Items of this page's actions that are not in effect yet, by slice, each with its last burst, in the order of these. Until
 * then they are `local`.
 */
const dispatched = new Map<string, Map<string, number>>();
/** The items of a slice that the worker said are not synced. A slice is missing before the first list of it. */
const listed = new Map<string, Map<string, ProgressState>>();

/** Notes the items of an action that goes with burst `n`. */
export function noteDispatched({ type, payload }: Action, { id, left = [] }: Beside = {}, n: number): void {
  const slash = type.lastIndexOf("/");
  if (slash < 1) return;
  const slice = type.slice(0, slash);
  const items = dispatched.get(slice) ?? new Map<string, number>();
  dispatched.set(slice, items);
  const inPayload = id === undefined ? namedIn(payload, /^(set|save)/.test(type.slice(slash + 1))) : [id];
  const named = [...left, ...inPayload];
  for (const id of named) {
    items.delete(id);
    items.set(id, n);
  }
  if (listed.has(slice)) tell(slice, named.map(local), false);
}

/** The ids in a payload. `isSet`: what is no list may be a slice's single value, too. */
function* namedIn(payload: unknown, isSet: boolean): Generator<string> {
  for (const item of Array.isArray(payload) ? payload : [payload]) {
    const id = typeof item === "object" ? (item as { id?: unknown } | null)?.id : isSet ? undefined : item;
    if (typeof id === "string" || typeof id === "number") yield String(id);
  }
  if (isSet && !Array.isArray(payload)) yield "value";
}

/** Takes what the worker tells. `n`: the page's newest burst that is in it, where it says so. */
export function takeProgress(slice: string, changes: ItemProgress[], reset: boolean, n?: number): void {
  if (n !== undefined) forget(slice, n);
  const states = (!reset && listed.get(slice)) || new Map<string, ProgressState>();
  for (const { id, state } of changes) {
    if (state === "synced") states.delete(id);
    else states.set(id, state);
  }
  // The first list has all changes before it.
  if (reset || listed.has(slice)) listed.set(slice, states);
  const items = dispatched.get(slice) ?? new Map<string, number>();
  const shown = changes.map((change) => (items.has(change.id) ? local(change.id) : change));
  const named = new Set(changes.map(({ id }) => id));
  const others = reset ? [...items.keys()].filter((id) => !named.has(id)) : [];
  tell(slice, [...shown, ...others.map(local)], reset);
}

/** The page's bursts up to `n` are in effect: what the worker told of their items counts. */
export function inEffect(n: number): void {
  for (const slice of [...dispatched.keys()]) {
    const states = listed.get(slice);
    const ids = forget(slice, n);
    if (!states) continue;
    const changes = ids.map((id) => ({ id, state: states.get(id) ?? ("synced" as const) }));
    const changed = changes.filter(({ state }) => state !== "local");
    if (changed.length > 0) tell(slice, changed, false);
  }
}

/** Forgets the items of bursts up to `n`, and returns them. */
function forget(slice: string, n: number): string[] {
  const items = dispatched.get(slice) ?? new Map<string, number>();
  const ids: string[] = [];
  for (const [id, burst] of items) {
    if (burst > n) break;
    ids.push(id);
    items.delete(id);
  }
  if (items.size === 0) dispatched.delete(slice);
  return ids;
}

function local(id: string): ItemProgress {
  return { id, state: "local" };
}

function tell(slice: string, changes: ItemProgress[], reset: boolean): void {
  each(pendingListeners.get(slice), changes, reset);
}
