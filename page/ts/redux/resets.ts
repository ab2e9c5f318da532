// Tells a reset of a slice from a deletion of its items, where a reducer makes its first state anew at each call: a deletion
// looks at the items that were there, a reset does not.

import { at, type Path, withValue } from "./place.js";
import { isCollection, read, size, type Tracking } from "./slice_state.js";

type Reduce = (state: unknown, action: never) => unknown;

/** A collection of the store that its reducer began with again, without a look at what was there. */
const resets = new WeakSet<object>();

export const isMarkedReset = (state: unknown) => resets.has(state as object);

export class ResetMarker {
  /** Makes the state that the reducers begin with. */
  readonly #initial: () => unknown;
  /** How many items each slice begins with. */
  readonly #initialSize = new Map<Path, number>();
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
    if (!looks(reduce, before, action, path)) resets.add(items);
  }

  /** Returns true if the items are those that the reducer begins with, made anew, and items are gone. */
  #isFirst(items: object, former: object, path: Path, tracking: Tracking): boolean {
    const begins = this.#initialSize.get(path) ?? this.#measure(path);
    if (begins === undefined || size(items, begins + 1) !== begins) return false;
    const left = read(items, tracking);
    if ([...read(former, tracking).keys()].every((id) => left.has(id))) return false;
    const [one, other] = [at(this.#initial(), path), at(this.#initial(), path)];
    return one !== other && JSON.stringify(one) === JSON.stringify(items);
  }

  #measure(path: Path): number | undefined {
    const items = at(this.#initial(), path);
    if (!isCollection(items)) return undefined;
    const begins = size(items, Number.POSITIVE_INFINITY);
    this.#initialSize.set(path, begins);
    return begins;
  }
}

/** Returns true if the reducer looks into the collection to come from one state to the other. */
function looks(reduce: Reduce, before: unknown, action: unknown, path: Path): boolean {
  const steps = batched(action);
  if (steps) {
    // The last step that left nothing decides: steps before it may have removed items.
    let [state, last, from] = [before, undefined as unknown, before];
    for (const step of steps) {
      const next = reduce(state, step as never);
      const [former, items] = [at(state, path), at(next, path)];
      if (former !== items && isCollection(former) && size(former, 1) > 0) [last, from] = [step, state];
      state = next;
    }
    return last === undefined || looks(reduce, from, last, path);
  }
  let looked = false;
  const look = (key: unknown) => {
    // Immer asks for symbols only.
    if (typeof key === "string") looked = true;
  };
  const watched = new Proxy(at(before, path) as object, {
    get: (target, key) => {
      look(key);
      return Reflect.get(target, key);
    },
    has: (target, key) => {
      look(key);
      return Reflect.has(target, key);
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
