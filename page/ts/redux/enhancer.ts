// The store enhancer, for any client.

import type { Store, StoreEnhancer } from "redux";
import { Binding, type Client, withoutTracking } from "./binding.js";
import { appState } from "./devtools.js";
import { type NightferryOptions, placesOf } from "./options.js";
import { withNightferry } from "./reducer.js";

/** The property that the enhancer adds to a store. */
export interface NightferryStore {
  nightferry: {
    /** Resolves when the slices are registered and what was stored is in the store. Rejects as `register` does. */
    ready: Promise<void>;
  };
}

/** Binds a store to `client`; without one there is nothing to keep, as on a server. `bound` is called with what binds it. */
export function enhancer(
  client: Client | undefined,
  options: NightferryOptions,
  bound?: (binding: Binding) => void,
): StoreEnhancer<NightferryStore> {
  return (createStore) => (reducer, preloadedState) => {
    const places = placesOf(options.slices);
    let current = reducer as (state: unknown, action: unknown) => unknown;
    const initial = () => {
      // Under this name DevTools, where they stand outside, compute a state.
      const action = { type: "@@redux/INIT.nightferry" };
      try {
        // Twice: redux-undo goes back to the first state that it is given, which should not be one with items in it.
        return appState(current(current(undefined, action), action));
      } catch {
        // A reducer without a state to begin with has no reset either.
        return undefined;
      }
    };
    const store = createStore(withNightferry(reducer, places, initial), preloadedState);
    if (!client) return { ...store, nightferry: { ready: Promise.resolve() } };
    const binding = new Binding(store as unknown as Store, client, options, places, initial);
    // The first to hear of every action, wherever it was dispatched and wherever the enhancer stands among others.
    store.subscribe(() => binding.onAction());
    bound?.(binding);
    return {
      ...store,
      replaceReducer: (next) => {
        current = next as never;
        const replace = () => store.replaceReducer(withNightferry(next, places, initial));
        // DevTools compute all states anew, which nobody changed.
        if (binding.store.lifted) withoutTracking(replace);
        else replace();
      },
      nightferry: { ready: binding.ready },
    };
  };
}
