// Tells a reset of a slice from a deletion of its items: both may come to the state that the reducer begins with. A deletion
// looks at the items that were there, or has the new ones with it. A reset does neither.

import { isCollection, isEqual } from "./fields.js";
import { at, earlierVersions, type Path, withValue } from "./place.js";
import { read, size, type Tracking } from "./slice_state.js";

type Reduce = (state: unknown, action: never) => unknown;

/** A collection of the store that its reducer began with again, without a look at what was there. */
const resets = new WeakSet<object>();

export const isMarkedReset = (state: unknown) => resets.has(state as object);

export class ResetMarker {
  /** Makes the state that the reducers begin with. */
  readonly #initial: () => unknown;
  /** What each slice begins with. */
  readonly #first = new Map<Path, unknown>();
  /** The collections that the store has had: one that is there again is no new beginning but an undo. */
  readonly #had = new WeakSet<object>();

  constructor(initial: () => unknown) {
    this.#initial = initial;
  }

  /** Marks a slice that an action has reset. `reduce` may be called again, with a state that says when it is looked at. */
  mark(reduce: Reduce, before: unknown, action: unknown, after: unknown, path: Path, tracking: Tracking): void {
    const [former, items] = [at(before, path), at(after, path)];
    if (former === items || tracking.single) return;
    const again = this.#had.has(items as object);
    for (const state of [former, items]) if (isCollection(state)) this.#had.add(state);
    if (again || !isCollection(former) || !isCollection(items) || !this.#isFirst(items, former, path, tracking)) return;
    // A version that redux-undo kept may have been changed since it was there.
    if (earlierVersions(before, path).includes(items)) return;
    if (!deletes(reduce, before, action, path, items)) resets.add(items);
  }

  /** Returns true if the items are those that the reducer begins with, and others are gone. */
  #isFirst(items: object, former: object, path: Path, tracking: Tracking): boolean {
    if (!this.#first.has(path)) this.#first.set(path, at(this.#initial(), path));
    const first = this.#first.get(path);
    if (!isCollection(first) || size(first) !== size(items) || !isEqual(first, items)) return false;
    const left = read(items, tracking);
    return [...read(former, tracking).keys()].some((id) => !left.has(id));
  }
}

/** Returns true if an action comes from a state to `items` by what it removes or brings. */
function deletes(reduce: Reduce, before: unknown, action: unknown, path: Path, items: object): boolean {
  const steps = batched(action);
  if (!steps) return brings(action, items, 3) || looks(reduce, before, action, path);
  // The last step that changed items decides: those before it may have removed some.
  let [state, last] = [before, undefined as unknown];
  for (const step of steps) {
    let next: unknown;
    try {
      next = reduce(state, step as never);
    } catch {
      return false;
    }
    const [former, left] = [at(state, path), at(next, path)];
    if (former !== left && isCollection(former) && size(former) > 0) last = step;
    state = next;
  }
  return last === undefined || deletes(reduce, before, last, path, items);
}

/** Returns true if an action has these items with it. */
function brings(value: unknown, items: object, depth: number): boolean {
  if (!isCollection(value)) return false;
  if (isEqual(value, items)) return true;
  return depth > 0 && Object.values(value).some((part) => brings(part, items, depth - 1));
}

/** Returns true if the reducer looks into the collection to come from one state to the next. */
function looks(reduce: Reduce, before: unknown, action: unknown, path: Path): boolean {
  let looked = false;
  const watched = new Proxy(at(before, path) as object, {
    get: (target, key) => {
      // Immer asks every object for symbols.
      if (typeof key === "string") looked = true;
      return Reflect.get(target, key);
    },
    ownKeys: (target) => {
      looked = true;
      return Reflect.ownKeys(target);
    },
  });
  try {
    reduce(withValue(before, path, watched), action as never);
  } catch {
    // A reducer that does not like to be called twice: what it looked at until then is known.
  }
  return looked;
}

/** The actions in one of redux-batched-actions. */
function batched(action: unknown): unknown[] | undefined {
  const { meta, payload } = action as { meta?: { batch?: unknown }; payload?: unknown };
  return meta?.batch === true && Array.isArray(payload) ? payload : undefined;
}
