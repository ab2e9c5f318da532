// How far changes have come: what the worker has told, beneath what this page has dispatched since.

import type { Beside } from "./action.js";
import { idsIn } from "./ids.js";
import type { Action, ItemProgress, ProgressState } from "./types.js";

export class Progress {
  /** Tells the listeners of a slice. */
  readonly #tell: (slice: string, changes: ItemProgress[], reset: boolean) => void;
  /**
   * Items of this page's actions that are not in effect yet, by slice, each with the number of its last action, in the order of
   * these. Until then they are `local`.
   */
  readonly #dispatched = new Map<string, Map<string, number>>();
  /** The items of a slice that the worker said are not synced. A slice is missing before the first list of it. */
  readonly #listed = new Map<string, Map<string, ProgressState>>();

  constructor(tell: (slice: string, changes: ItemProgress[], reset: boolean) => void) {
    this.#tell = tell;
  }

  /** Notes the items of the page's `n`th action. */
  dispatched({ type, payload }: Action, { id, left = [] }: Beside = {}, n: number): void {
    const slash = type.lastIndexOf("/");
    if (slash < 1) return;
    const slice = type.slice(0, slash);
    const items = this.#dispatched.get(slice) ?? new Map<string, number>();
    this.#dispatched.set(slice, items);
    const named = [...left, ...(id === undefined ? idsIn(payload, type.slice(slash + 1)) : [id])];
    for (const id of named) {
      items.delete(id);
      items.set(id, n);
    }
    if (this.#listed.has(slice)) this.#tell(slice, named.map(local), false);
  }

  /** Takes what the worker tells. `n`: the page's newest action that is in it, where it says so. */
  take(slice: string, changes: ItemProgress[], reset: boolean, n?: number): void {
    if (n !== undefined) this.#forget(slice, n);
    const states = (!reset && this.#listed.get(slice)) || new Map<string, ProgressState>();
    for (const { id, state } of changes) {
      if (state === "synced") states.delete(id);
      else states.set(id, state);
    }
    // The first list has all changes before it.
    if (reset || this.#listed.has(slice)) this.#listed.set(slice, states);
    const items = this.#dispatched.get(slice) ?? new Map<string, number>();
    const shown = changes.map((change) => (items.has(change.id) ? local(change.id) : change));
    const named = new Set(changes.map(({ id }) => id));
    const others = reset ? [...items.keys()].filter((id) => !named.has(id)) : [];
    this.#tell(slice, [...shown, ...others.map(local)], reset);
  }

  /** The page's actions up to `n` are in effect: what the worker told of their items counts. */
  inEffect(n: number): void {
    for (const slice of [...this.#dispatched.keys()]) {
      const states = this.#listed.get(slice);
      const ids = this.#forget(slice, n);
      if (!states) continue;
      const changes = ids.map((id) => ({ id, state: states.get(id) ?? ("synced" as const) }));
      const changed = changes.filter(({ state }) => state !== "local");
      if (changed.length > 0) this.#tell(slice, changed, false);
    }
  }

  /** Forgets the items of actions up to `n`, and returns them. */
  #forget(slice: string, n: number): string[] {
    const items = this.#dispatched.get(slice) ?? new Map<string, number>();
    const ids: string[] = [];
    for (const [id, action] of items) {
      if (action > n) break;
      ids.push(id);
      items.delete(id);
    }
    if (items.size === 0) this.#dispatched.delete(slice);
    return ids;
  }
}

function local(id: string): ItemProgress {
  return { id, state: "local" };
}
