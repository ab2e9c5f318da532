// `useItemState`: how far an item's latest change has come.

import { type ProgressState, subscribePending } from "nightferry-client";
import { useCallback, useSyncExternalStore } from "react";

/**
 * How far an item's latest change has come: `local`, `sending`, `synced`, `conflict` or `rejected`; undefined until the worker
 * was heard. It renders again only when that changes.
 */
export function useItemState(slice: string, id: string | number): ProgressState | undefined {
  const states = statesOf(slice);
  const key = String(id);
  return useSyncExternalStore(
    useCallback((changed: () => void) => states.subscribe(key, changed), [states, key]),
    () => states.of(key),
    () => undefined,
  );
}

/** The items of a slice that the server does not have as they are here. */
class States {
  readonly #slice: string;
  #unsynced: Map<string, ProgressState> | undefined;
  readonly #components = new Map<string, Set<() => void>>();
  #end: (() => void) | undefined;

  constructor(slice: string) {
    this.#slice = slice;
  }

  of(id: string): ProgressState | undefined {
    return this.#unsynced && (this.#unsynced.get(id) ?? "synced");
  }

  subscribe(id: string, changed: () => void): () => void {
    const components = this.#components.get(id) ?? new Set();
    this.#components.set(id, components.add(changed));
    this.#end ??= subscribePending(this.#slice, (changes, reset) => this.#take(changes, reset));
    return () => {
      components.delete(changed);
      if (components.size === 0) this.#components.delete(id);
      if (this.#components.size > 0) return;
      this.#end?.();
      this.#end = undefined;
      this.#unsynced = undefined;
    };
  }

  #take(changes: { id: string; state: ProgressState }[], reset: boolean): void {
    // The first list includes all changes before it.
    if (!reset && !this.#unsynced) return;
    const before = this.#unsynced;
    const now = new Map(reset ? [] : before);
    for (const { id, state } of changes) {
      if (state === "synced") now.delete(id);
      else now.set(id, state);
    }
    this.#unsynced = now;
    for (const [id, components] of this.#components) {
      if (before && before.get(id) === now.get(id)) continue;
      for (const changed of components) changed();
    }
  }
}

const slices = new Map<string, States>();

function statesOf(slice: string): States {
  const states = slices.get(slice) ?? new States(slice);
  slices.set(slice, states);
  return states;
}
