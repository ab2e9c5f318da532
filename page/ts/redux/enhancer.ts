// The store enhancer, for any client.

import type { Store, StoreEnhancer } from "redux";
import { Binding, type Client, type NightferryOptions, withNightferry } from "./binding.js";

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
    const store = createStore(withNightferry(reducer, options.slices), preloadedState);
    if (!client) return { ...store, nightferry: { ready: Promise.resolve() } };
    let current = reducer;
    const initial = () => {
      try {
        return current(undefined, { type: "nightferry/initial" } as never);
      } catch {
        // A reducer without a state to begin with has no reset either.
        return undefined;
      }
    };
    const binding = new Binding(store as unknown as Store, client, options, initial);
    // The first to hear of every action, wherever it was dispatched and wherever the enhancer stands among others.
    store.subscribe(() => binding.onAction());
    bound?.(binding);
    return {
      ...store,
      replaceReducer: (next) => {
        current = next as never;
        store.replaceReducer(withNightferry(next, options.slices));
      },
      nightferry: { ready: binding.ready },
    };
  };
}
