// The reducer of a bound store: the app's, and what the binding's own actions do.

import type { Action, Reducer, UnknownAction } from "redux";
import type { SliceChange } from "../subscriptions.js";
import { appAction, appState, withAppState } from "./devtools.js";
import { isCollection } from "./fields.js";
import { at, type Place, withItems } from "./place.js";
import { ResetMarker } from "./resets.js";
import { read } from "./slice_state.js";

/** The actions with which a binding changes the store. */
export const CHANGED = "nightferry/changed";
const CLEAR = "nightferry/clearSlice";

/**
 * Items of a slice that are put, and ids that are removed. DevTools repeat actions on other states, so that this one names
 * what changes.
 */
export interface Changed extends UnknownAction {
  type: typeof CHANGED;
  slice: string;
  /** The origin of the change; `stored` if the slice was read. */
  origin: "stored" | SliceChange["origin"];
  puts: [id: string, item: unknown][];
  deletes: string[];
}

/** Deletes all items of a slice, here and everywhere. (An action that returns a slice to its initial state does not.) */
export const clearSlice = (slice: string) => ({ type: CLEAR, slice }) as const;

/** The states that `clearSlice` made of slices. */
const cleared = new WeakSet<object>();

export const isCleared = (state: unknown) => cleared.has(state as object);

export const report = (problem: string) => console.error(`Nightferry: ${problem}`);

/** The reducer, and besides it what the binding's own actions do. `initial` makes the state that the reducer begins with. */
export function withNightferry<S, A extends Action, P>(
  reducer: Reducer<S, A, P>,
  places: ReadonlyMap<string, Place>,
  initial: () => unknown,
): Reducer<S, A, P> {
  const marker = new ResetMarker(initial);
  const reduce = reducer as unknown as (state: unknown, action: UnknownAction) => unknown;
  return ((state: unknown, action: UnknownAction) => {
    const done = appAction(state, action);
    const before = appState(state);
    const own = done && ownReducer(done, places);
    // Under DevTools the action is in their log, too.
    const next = own && state === before ? state : reduce(state, action);
    if (own) return next === state && state !== before ? next : withAppState(next, own(appState(next)));
    const after = appState(next);
    if (done && before !== undefined && after !== before) {
      const again = (root: unknown, step: UnknownAction) =>
        appState(reduce(withAppState(state, root), action === done ? step : { ...action, action: step }));
      for (const { path, tracking } of places.values()) marker.mark(again, before, done, after, path, tracking);
    }
    return next;
  }) as Reducer<S, A, P>;
}

/** Returns what an action of the binding does to the app's state; undefined for every other action. */
function ownReducer(
  action: UnknownAction,
  places: ReadonlyMap<string, Place>,
): ((app: unknown) => unknown) | undefined {
  if (action.type === CHANGED) {
    const { slice, puts, deletes } = action as Changed;
    const place = places.get(slice);
    return (app) => (place ? withItems(app, place, { puts: new Map(puts), gone: new Set(deletes) }) : app);
  }
  if (action.type !== CLEAR) return undefined;
  const { slice } = action as unknown as ReturnType<typeof clearSlice>;
  return (app) => {
    const place = places.get(slice);
    const items = place && at(app, place.path);
    if (!place || place.tracking.single || !isCollection(items)) {
      report(`clearSlice("${slice}") did nothing: it empties a collection that is named in slices.`);
      return app;
    }
    // No item has the empty id, with which also a collection without items becomes another one.
    const gone = new Set([...read(items, place.tracking).keys(), ""]);
    const emptied = withItems(app, place, { puts: new Map(), gone });
    cleared.add(at(emptied, place.path) as object);
    return emptied;
  };
}
