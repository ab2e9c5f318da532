// How a slice of a Redux store holds its items: as an array, as an entity adapter does, as a plain object by id, or as one
// value. Read and changed here without knowing the slice's reducer.

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

/** The state of `createEntityAdapter`; it may have other fields beside. */
interface Entities {
  ids: (string | number)[];
  entities: Record<string, unknown>;
}

type Fields = Record<string, unknown>;

/** The id of a slice with one value. */
export const VALUE = "value";

/** A plain object; of another window's, too. */
export function isObject(value: unknown): value is Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

const isEntities = (state: unknown): state is Entities =>
  isObject(state) && Array.isArray(state.ids) && isObject(state.entities);

/** Returns true if a slice's state can hold items. */
export const isCollection = (state: unknown) => Array.isArray(state) || isObject(state);

/** Returns true if a collection has no items. */
export function isEmpty(state: unknown): boolean {
  if (isEntities(state)) return state.ids.length === 0;
  for (const _ in state as object) return false;
  return true;
}

/** The id that an item says it has, as text; undefined where it says none. */
function ownId(item: unknown, selectId: Tracking["selectId"]): string | undefined {
  if (!isObject(item)) return undefined;
  let id: unknown = item.id;
  try {
    if (selectId) id = selectId(item as never);
  } catch {
    return undefined;
  }
  return typeof id === "string" || typeof id === "number" ? String(id) : undefined;
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
      if (id === undefined) reject(`[${at}]`, "has no id that is a string or a number");
      else visitItem(at, id, item);
    });
  } else if (isEntities(state)) {
    for (const id of state.ids) visitItem(id, String(id), state.entities[id]);
  } else if (isObject(state)) {
    for (const id in state) visitItem(id, id, state[id]);
  }
}

/** Why an item cannot be kept under its id, in such a state. */
export function disagreement(state: unknown, id: string, item: unknown, tracking: Tracking): string | undefined {
  const { selectId, single } = tracking;
  if (single) return undefined;
  if (!isObject(item)) return "is no object, so it cannot be an item";
  if (id === "__proto__") return "has an id that no object can have as a key";
  const own = ownId(item, selectId);
  // In a plain object the key may be all that there is of an id.
  const byKey = !selectId && item.id === undefined && !Array.isArray(state);
  if (own === id || (own === undefined && byKey)) return undefined;
  return `says that its id is ${JSON.stringify(own)}; pass selectId if its id is in another field`;
}

/** A slice's items. */
export function read(state: unknown, tracking: Tracking): Items {
  const items: Items = new Map();
  each(
    state,
    tracking,
    (id, item) => items.set(id, item),
    () => {},
  );
  return items;
}

/** The state with these items put and these removed; the same state where nothing is. */
export function change(state: unknown, puts: Items, gone: Set<string>, tracking: Tracking): unknown {
  if (puts.size === 0 && gone.size === 0) return state;
  if (tracking.single) return puts.has(VALUE) ? puts.get(VALUE) : state;
  if (Array.isArray(state)) return changeArray(state, puts, gone, tracking);
  if (isEntities(state)) return changeEntities(state, puts, gone, tracking);
  return changeObject(state as Fields, puts, gone);
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

function changeEntities(state: Entities, puts: Items, gone: Set<string>, tracking: Tracking): Entities {
  const entities = changeObject(state.entities, puts, gone);
  const known = new Set<string>();
  // Ids that are numbers stay numbers.
  const ids = state.ids.filter((id) => {
    known.add(String(id));
    return !gone.has(String(id));
  });
  for (const [id, item] of puts) if (!known.has(id)) ids.push(idAs(id, item, tracking));
  const { sortComparer } = tracking;
  if (sortComparer) ids.sort((a, b) => sortComparer(entities[a] as never, entities[b] as never));
  const same = ids.length === state.ids.length && ids.every((id, at) => id === state.ids[at]);
  return { ...state, ids: same ? state.ids : ids, entities };
}

function idAs(id: string, item: unknown, { selectId }: Tracking): string | number {
  const own = selectId ? selectId(item as never) : (item as Fields).id;
  return typeof own === "number" ? own : id;
}

function changeObject(state: Fields, puts: Items, gone: Set<string>): Fields {
  const changed = { ...state };
  for (const id of gone) delete changed[id];
  for (const [id, item] of puts) changed[id] = item;
  return changed;
}
