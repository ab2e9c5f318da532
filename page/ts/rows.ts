// The items of a slice that was read. There may be very many, so there is one pass over them and nothing is made but the list.

import type { Rows, SliceChange } from "./subscriptions.js";

export interface Item {
  id: string;
  value: unknown;
}

type Changed = Pick<SliceChange, "puts" | "deletes">;
type Stored = Pick<Rows, "ids" | "values">;

/** Lists the items of an answer in its parts, after these changes. */
export function itemsOf(parts: Stored[], changes: Changed[]): Item[] {
  const changed = new Map<string, Item | undefined>();
  for (const { puts, deletes } of changes) {
    for (const id of deletes) changed.set(id, undefined);
    for (const put of puts) changed.set(put.id, put);
  }
  const items: Item[] = [];
  for (const { ids, values } of parts) {
    ids.forEach((id, at) => {
      const item = changed.has(id) ? changed.get(id) : { id, value: values[at] };
      changed.delete(id);
      if (item) items.push(item);
    });
  }
  return items.concat([...changed.values()].filter((item) => item !== undefined));
}
