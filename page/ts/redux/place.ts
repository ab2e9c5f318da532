// Where a store has the items of a slice: under the slice's name, or at the path that `select` names.

import { changedFields, isCollection, isObject, withFields } from "./fields.js";
import { change, type Items, read, type Tracking } from "./slice_state.js";

/** The keys that lead from the store's state to the items. */
export type Path = readonly string[];

/** A slice as the store has it. */
export interface Place {
  path: Path;
  tracking: Tracking;
}

/** Items that are put, and ids of items that are removed. */
export interface ItemChange {
  puts: Items;
  gone: Set<string>;
}

/** Returns what is at a path; undefined if the path leads nowhere. */
export function at(state: unknown, path: Path): unknown {
  let value = state;
  for (const key of path) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}

/** Returns the state with a value put at a path. */
export function withValue(state: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const fields = state as Record<string, unknown>;
  return { ...fields, [key]: withValue(fields[key], rest, value) };
}

/** Returns true for the state of redux-undo: versions of a state before and after the present one. */
export const isHistory = (state: unknown): state is { past: unknown[]; present: unknown; future: unknown[] } =>
  isObject(state) && Array.isArray(state.past) && Array.isArray(state.future) && "present" in state;

/** Returns how many keys of a path lead to the state of redux-undo whose present it goes through; -1 if there is none. */
export const historyOn = (state: unknown, path: Path): number =>
  path.findIndex((key, depth) => key === "present" && isHistory(at(state, path.slice(0, depth))));

/** Returns the items in the versions that redux-undo keeps before and after the present one. */
export function earlierVersions(state: unknown, path: Path): unknown[] {
  const depth = historyOn(state, path);
  if (depth < 0) return [];
  const { past, future } = at(state, path.slice(0, depth)) as { past: unknown[]; future: unknown[] };
  return [...past, ...future].map((version) => at(version, path.slice(depth + 1)));
}

/**
 * Returns the state with a change of a slice's items. In the present of redux-undo the change is made in the versions before
 * and after it, too: to undo takes back only what this page did.
 */
export function withItems(state: unknown, { path, tracking }: Place, by: ItemChange): unknown {
  const [key, ...rest] = path;
  if (key === undefined)
    return tracking.single || isCollection(state) ? change(state, by.puts, by.gone, tracking) : state;
  if (!isObject(state)) return state;
  const before = state[key];
  const inner = { path: rest, tracking };
  const present = withItems(before, inner, by);
  if (present === before) return state;
  if (key !== "present" || !isHistory(state)) return { ...state, [key]: present };
  const now = itemsAt(before, inner);
  const rebase = (version: unknown) =>
    version === before ? present : withItems(version, inner, rebased(by, itemsAt(version, inner), now));
  // The version that becomes the past with the next step.
  const { _latestUnfiltered: latest } = state as { _latestUnfiltered?: unknown };
  return {
    ...state,
    past: state.past.map(rebase),
    present,
    future: state.future.map(rebase),
    ...(latest !== undefined && { _latestUnfiltered: latest === null ? null : rebase(latest) }),
  };
}

function itemsAt(state: unknown, { path, tracking }: Place): Items {
  const items = at(state, path);
  return tracking.single || isCollection(items) ? read(items, tracking) : new Map();
}

/** A change of the items `now`, for a version of them. What differs between both is this page's own. */
function rebased({ puts, gone }: ItemChange, version: Items, now: Items): ItemChange {
  const change: ItemChange = { puts: new Map(), gone };
  for (const [id, item] of puts) {
    const [former, current] = [version.get(id), now.get(id)];
    // This page has added the item since, and takes that back.
    if (former === undefined && current !== undefined) continue;
    const differs = former !== current && isObject(former) && isObject(current) && isObject(item);
    change.puts.set(id, differs ? withFields(former, changedFields(current, item)) : item);
  }
  return change;
}
