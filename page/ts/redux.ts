// Nightferry for Redux: one store enhancer, and no reducer is edited.

import * as client from "nightferry-client";
import type { Store, StoreEnhancer } from "redux";
import { Binding, type NightferryOptions, withNightferry } from "./redux/binding.js";
import { mirror } from "./redux/sync.js";

export { clearSlice, type NightferryOptions, type TrackedSliceConfig, withoutTracking } from "./redux/binding.js";
export * from "./redux/sync.js";

/** What the enhancer adds to a store. */
export interface NightferryStore {
  nightferry: {
    /** Resolves when the slices are registered and what was stored is in the store. Rejects as `register` does. */
    ready: Promise<void>;
  };
}

/**
 * Persists the slices that are named, whatever their reducers and actions are called: each is compared by reference once
 * a microtask, and what changed is sent, field by field. What changes elsewhere is put into the store.
 *
 * `configureStore({reducer, enhancers: (get) => get().concat(nightferryEnhancer({slices: {files: {}}}))})`
 */
export function nightferryEnhancer(options: NightferryOptions): StoreEnhancer<NightferryStore> {
  return (createStore) => (reducer, preloadedState) => {
    const store = createStore(withNightferry(reducer), preloadedState);
    // On a server there is nothing to keep, nor anyone to keep it for.
    if (typeof window === "undefined") return { ...store, nightferry: { ready: Promise.resolve() } };
    const initial = reducer(undefined, { type: "nightferry/initial" } as never);
    const binding = new Binding(store as unknown as Store, client.link, options, initial);
    mirror((action) => store.dispatch(action as never));
    return {
      ...store,
      dispatch: (action) => {
        const returned = store.dispatch(action);
        binding.acted();
        return returned;
      },
      replaceReducer: (next) => store.replaceReducer(withNightferry(next)),
      nightferry: { ready: binding.ready },
    };
  };
}
