// Says of a slice's state why it cannot be taken for items, and what to write.

import { isCollection, isObject } from "./fields.js";
import { at, isHistory, type Path } from "./place.js";
import { normalized, ownId, type Tracking } from "./slice_state.js";

/** Returns why a state cannot be taken for the items at `path`; undefined if it can. A sentence without its subject. */
export function misfit(state: unknown, path: string, tracking: Tracking): string | undefined {
  if (tracking.single) return state === undefined ? "is undefined" : undefined;
  if (!isCollection(state)) return state ? "is neither an array nor a plain object" : `is ${state}`;
  if (Array.isArray(state) || normalized(state) || !isObject(state)) return undefined;
  if (isHistory(state)) return `is the history of redux-undo: ${write([`${path}.present`])}`;
  if (isObject(state.queries) && isObject(state.subscriptions)) {
    return "is RTK Query's cache, which is fetched again: leave it out of slices";
  }
  const nests: string[] = [];
  const withoutId: string[] = [];
  let hasValues = false;
  for (const key in state) {
    const value = state[key];
    if (key === "_persist") continue;
    if (Array.isArray(value) || hasItems(value, tracking)) nests.push(key);
    else if (!isObject(value)) hasValues = true;
    else {
      const id = ownId(value, tracking.selectId);
      // An item is what says that its id is its key.
      if (id === key) return undefined;
      if (id === undefined) withoutId.push(key);
    }
  }
  if (nests.length === 0 && hasValues) nests.push(...withoutId);
  if (nests.length === 0) return undefined;
  return `has its items in a field: ${write(nests.map((key) => `${path}.${key}`))}`;
}

const write = (paths: string[]) =>
  `write select: ${paths.map((path) => JSON.stringify(path)).join(" or ")}, or single: true to keep it as one value`;

/** Returns true for what holds items of its own, and so is none. */
function hasItems(value: unknown, tracking: Tracking): boolean {
  if (normalized(value)) return true;
  if (!isObject(value)) return false;
  for (const key in value) return ownId(value[key], tracking.selectId) === key;
  return false;
}

/** Returns a sentence about a slice that the store does not have. */
export function missing(state: unknown, name: string, path: Path): string {
  const nested = [name, ...path];
  if (path[0] !== name && at(state, nested) !== undefined) {
    return `the store has nothing at "${path.join(".")}": write select: "${nested.join(".")}".`;
  }
  const has = isObject(state) ? Object.keys(state).map((key) => `"${key}"`) : [];
  return `the store has nothing at "${path.join(".")}", so nothing of "${name}" is kept, unless it comes later. It has ${has.join(", ")}.`;
}

/** Said where the enhancer of Redux DevTools stands outside. */
export const INSIDE_DEVTOOLS =
  "the enhancer of Redux DevTools hides `store.nightferry`. Put it last: compose(nightferryEnhancer(…), DevTools.instrument()).";
