// Functions of the page that decide conflicts: a slice's `conflict` may be one. The worker knows such a slice as one that merges.

import type { Conflict, ConflictFunction, Resolution, SliceConfig } from "./types.js";

interface Client {
  getConflicts(): Promise<Conflict<unknown>[]>;
  resolveConflict(id: string, choice: Resolution, value?: unknown): Promise<void>;
  subscribeConflicts(fn: (conflicts: Conflict<unknown>[]) => void): () => void;
}

type Slices = Record<string, SliceConfig>;

/** The settings as the worker takes them. */
export function withoutFunctions(slices: Slices): Slices {
  const plain: Slices = {};
  for (const [name, config] of Object.entries(slices)) {
    plain[name] = typeof config?.conflict === "function" ? { ...config, conflict: "merge" } : config;
  }
  return plain;
}

/** The conflict functions of this page. Each conflict is decided in one tab, by its lock. */
export class Deciders {
  readonly #client: Client;
  readonly #functions = new Map<string, ConflictFunction>();
  /** The ids of the conflicts for which a function was called. */
  #decided = new Set<string>();
  #end: (() => void) | undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Takes the functions out of slices' settings. A strategy in the place of a function ends that. */
  take(slices: Slices): void {
    for (const [name, config] of Object.entries(slices)) {
      const conflict = config?.conflict;
      if (typeof conflict === "function") this.#functions.set(name, conflict);
      else if (conflict !== undefined) this.#functions.delete(name);
    }
    if (this.#functions.size === 0) {
      this.#end?.();
      this.#end = undefined;
    } else this.#end ??= this.#client.subscribeConflicts((conflicts) => this.#decideAll(conflicts));
  }

  #decideAll(conflicts: Conflict<unknown>[]): void {
    const listed = new Set(conflicts.map(({ id }) => id));
    this.#decided = new Set([...this.#decided].filter((id) => listed.has(id)));
    for (const { id, slice } of conflicts) {
      if (!this.#functions.has(slice) || this.#decided.has(id)) continue;
      this.#decided.add(id);
      this.#decide(id).catch((error) => {
        console.error(
          `Nightferry (conflict_function): the function that decides conflicts of "${slice}" failed. Both sides are kept; resolve the conflict with resolveConflict(), and mend the function.`,
          error,
        );
      });
    }
  }

  /** While this tab decides, the others wait; after that the conflict is not there any more, or is left to somebody. */
  async #decide(id: string): Promise<void> {
    await navigator.locks.request(`nightferry-conflict:${id}`, async () => {
      const conflict = (await this.#client.getConflicts()).find((one) => one.id === id);
      const decide = conflict && this.#functions.get(conflict.slice);
      if (!decide) return;
      const value = await decide(conflict.base, conflict.local, conflict.remote);
      if (value !== undefined) await this.#client.resolveConflict(id, "value", value);
    });
  }
}
