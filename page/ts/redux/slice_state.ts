// How a slice of a Redux store holds its items: as an array, as an entity adapter does, as a plain object by id, or as one
// value. Read and changed here without knowing the slice's reducer.

import { isObject } from "./fields.js";

/** The options with which a slice is tracked. */
export interface Tracking {
  /** An item's id; by default its field `id`. */
  selectId?: ((item: never) => unknown) | undefined;
  /** The order in which an entity adapter or an array keeps its items, where it has one. */
  sortComparer?: ((a: never, b: never) => number) | undefined;
  /** The slice is one value. */
  single?: boolean | undefined;
}

/** Items by their ids. */
export type Items = Map<string, unknown>;

type Fields = Record<string, unknown>;
type Ids = (string | number)[];

/** How normalized states call their list of ids and their items: `createEntityAdapter`, and Redux's documents. */
const NORMALIZED = [
  ["ids", "entities"],
  ["allIds", "byId"],
  ["allIds", "byIds"],
] as const;

/** The id of a slice with one value. */
export const VALUE = "value";

/** Returns the names of the list of ids and of the items, if a state is normalized. It may have other fields beside. */
export function normalized(state: unknown): (typeof NORMALIZED)[number] | undefined {
  if (!isObject(state)) return undefined;
  return NORMALIZED.find(([ids, items]) => Array.isArray(state[ids]) && isObject(state[items]));
}

/** Returns how many items a collection has. */
export function size(state: object): number {
  const names = normalized(state);
  const items = names ? ((state as Fields)[names[0]] as Ids) : state;
  return Array.isArray(items) ? items.length : Object.keys(items).length;
}

/** The id that an item says it has, as text; undefined where it says none. */
export function ownId(item: unknown, selectId: Tracking["selectId"]): string | undefined {
  if (!isObject(item)) return undefined;
  let id: unknown = item.id;
  try {
    if (selectId) id = selectId(item as never);
  } catch {
    return undefined;
  }
  return typeof id === "string" || Number.isFinite(id) ? String(id) : undefined;
}

/** Calls `visit` with each item and its id. An item that cannot be kept is left out, and `reject` hears why. */
export function each(
  state: unknown,
  tracking: Tracking,
  visit: (id: string, item: unknown) => void,
  reject: (place: string, why: string) => void,
): void {
  const visitItem = (place: string | number, id: string, item: unknown) => {
    if (id === "") reject(`[${JSON.stringify(place)}]`, "has an empty id");
    else visit(id, item);
  };
  if (tracking.single) {
    if (state !== undefined) visit(VALUE, state);
  } else if (Array.isArray(state)) {
    state.forEach((item: unknown, at) => {
      const id = ownId(item, tracking.selectId);
      if (id === undefined) reject(`[${at}]`, "has no id that is a string or a finite number");
      else visitItem(at, id, item);
    });
  } else if (isObject(state)) {
    const names = normalized(state);
    const items = names ? (state[names[1]] as Fields) : state;
    const ids = names ? (state[names[0]] as Ids) : keys(state);
    for (const id of ids) visitItem(id, String(id), items[id]);
  }
}

/** The ids of a plain object's items. redux-persist has a note of its own among them. */
const keys = (state: Fields) => Object.keys(state).filter((id) => id !== "_persist");

/** Why an item cannot be kept under its id, in such a state. */
export function disagreement(state: unknown, id: string, item: unknown, tracking: Tracking): string | undefined {
  const { selectId } = tracking;
  if (tracking.single) return undefined;
  if (!isObject(item)) return "is no object, so it cannot be an item (single: true keeps a slice as one value)";
  if (id === "__proto__") return "has an id that no object can have as a key";
  const own = ownId(item, selectId);
  // In a plain object the key may be all that there is of an id.
  const byKey = !selectId && item.id === undefined && !Array.isArray(state);
  if (own === id || (own === undefined && byKey)) return undefined;
  return `says that its id is ${JSON.stringify(own)}; pass selectId if its id is in another field`;
}

/** A slice's items; of two with one id the first. */
export function read(state: unknown, tracking: Tracking): Items {
  const items: Items = new Map();
  each(
    state,
    tracking,
    (id, item) => {
      if (!items.has(id)) items.set(id, item);
    },
    () => {},
  );
  return items;
}

/** The state with these items put and these removed; the same state where nothing is. */
export function change(state: unknown, puts: Items, gone: Set<string>, tracking: Tracking): unknown {
  if (puts.size === 0 && gone.size === 0) return state;
  if (tracking.single) return puts.has(VALUE) ? puts.get(VALUE) : state;
  if (Array.isArray(state)) return changeArray(state, puts, gone, tracking);
  const names = normalized(state);
  return names
    ? changeNormalized(state as Fields, names, puts, gone, tracking)
    : changeObject(state as Fields, puts, gone);
}

function changeArray(state: unknown[], puts: Items, gone: Set<string>, tracking: Tracking): unknown[] {
  const { selectId, sortComparer } = tracking;
  const rest = new Map(puts);
  const changed = [];
  for (const item of state) {
    const id = ownId(item, selectId);
    if (id === undefined || (!puts.has(id) && !gone.has(id))) changed.push(item);
    // Once, though there may be two of one id.
    else if (rest.has(id)) changed.push(rest.get(id));
    if (id !== undefined) rest.delete(id);
  }
  changed.push(...rest.values());
  return sortComparer ? changed.sort(sortComparer as (a: unknown, b: unknown) => number) : changed;
}

function changeNormalized(
  state: Fields,
  [listed, named]: (typeof NORMALIZED)[number],
  puts: Items,
  gone: Set<string>,
  tracking: Tracking,
): Fields {
  const [former, { sortComparer }] = [state[listed] as Ids, tracking];
  const items = changeObject(state[named] as Fields, puts, gone);
  const known = new Set<string>();
  const ids = former.filter((id) => {
    known.add(String(id));
    return !gone.has(String(id));
  });
  const numbers = former.length > 0 && former.every((id) => typeof id === "number");
  for (const [id, item] of puts) if (!known.has(id)) ids.push(idAs(id, item, tracking, numbers));
  if (sortComparer) ids.sort((a, b) => sortComparer(items[a] as never, items[b] as never));
  const same = ids.length === former.length && ids.every((id, at) => id === former[at]);
  return { ...state, [listed]: same ? former : ids, [named]: items };
}

/** Ids that are numbers stay numbers. Where the item does not say its id, it is of the kind of the `others`. */
function idAs(id: string, item: unknown, { selectId }: Tracking, others: boolean): string | number {
  const own = selectId ? selectId(item as never) : (item as Fields).id;
  if (own === undefined && others && String(Number(id)) === id) return Number(id);
  return typeof own === "number" ? own : id;
}

function changeObject(state: Fields, puts: Items, gone: Set<string>): Fields {
  const changed = { ...state };
  for (const id of gone) delete changed[id];
  for (const [id, item] of puts) changed[id] = item;
  return changed;
}
