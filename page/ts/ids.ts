// The ids of items.

import type { IdSet } from "nightferry-wasm";

/** A set of ids, as the wasm uses it. */
export class Ids extends Set<string> implements IdSet {
  isEmpty(): boolean {
    return this.size === 0;
  }

  addAll(others: IdSet): void {
    for (const id of others) this.add(id);
  }

  removeAll(others: IdSet): void {
    for (const id of others) this.delete(id);
  }

  without(others: IdSet): IdSet {
    return new Ids([...this].filter((id) => !others.has(id)));
  }
}

/** The ids in an action's payload. Of `verb` "set", what is no list may be a slice's single value, too. */
export function* idsIn(payload: unknown, verb: string): Generator<string> {
  const isSet = /^(set|save)/.test(verb);
  for (const item of Array.isArray(payload) ? payload : [payload]) {
    const id = typeof item === "object" ? (item as { id?: unknown } | null)?.id : isSet ? undefined : item;
    if (typeof id === "string" || typeof id === "number") yield String(id);
  }
  if (isSet && !Array.isArray(payload)) yield "value";
}
