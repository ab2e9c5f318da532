// One tracked slice: what the store holds of it as it was last sent or received, and what this page changed that the
// worker may not have taken yet.

import type { SliceChange } from "../subscriptions.js";
import { changedFields, isObject, withFields } from "./fields.js";
import { misfit } from "./misfit.js";
import { at, historyOn, type ItemChange, type Path, type Place } from "./place.js";
import { isMarkedReset } from "./resets.js";
import { disagreement, each, type Items, read, size, type Tracking } from "./slice_state.js";

/** A change of one item: some of its fields, or else the whole; with neither it is deleted. */
export interface Operation {
  id: string;
  /** It is about all of the slice: all items are deleted. The id is empty. */
  all?: true;
  /** Beside fields, what the item becomes where there is none. */
  item?: unknown;
  /** The fields to set; undefined ones are removed. */
  fields?: Record<string, unknown>;
  /** The former values of the fields, without those that were not there. */
  was?: Record<string, unknown>;
}

/** A change of the slice that the worker reports, or the slice as the worker has it. */
export type SliceUpdate = Omit<SliceChange, "origin">;

export class TrackedSlice {
  readonly name: string;
  readonly path: Path;
  readonly tracking: Tracking;
  /** The store's state that its reducers begin with. Should a later action bring back what the slice has in it, that is a reset. */
  readonly #initial: unknown;
  /** The same, of the reducers that the store has by now. */
  readonly #initialNow: () => unknown;
  readonly #report: (problem: string) => void;
  /** True if the store had the slice when it was last looked at. */
  there = false;
  /** What was said last of a state that cannot be taken for items. */
  reported: string | undefined;
  /** The state that was last looked at. */
  #seen: unknown;
  /** Its items as they were sent or received. */
  #items: Items;
  /**
   * The items of which the worker has, or will have, the whole: only these can be sent as fields alone. With `false` those
   * that could not be sent: what the store has of them is nothing that fields could be told from. With `undefined` those
   * that the worker had before it lost its database.
   */
  readonly #workerHasItem = new Map<string, boolean | undefined>();
  /** True if the stored items of the slice are known. */
  #known = false;
  /** The burst that deletes all that was stored, unknown: what is told of before it is gone. */
  #cleared = 0;
  /** Own operations that may be in none of what the worker told, each with its burst. */
  #own: { n: number; operation: Operation }[] = [];
  /** The items that could not be kept, by place, so that each is reported once. */
  readonly #reported = new Map<string, unknown>();

  /** `root` is the store's state, `initial` the one that its reducers begin with. `report` hears of what cannot be kept. */
  constructor(
    name: string,
    { path, tracking }: Place,
    root: unknown,
    initial: unknown,
    initialNow: () => unknown,
    report: (problem: string) => void,
  ) {
    this.#report = report;
    this.name = name;
    this.path = path;
    this.tracking = tracking;
    this.#initial = initial;
    this.#initialNow = initialNow;
    this.#seen = at(root, path);
    this.there = this.holds(this.#seen);
    this.#items = this.there ? read(this.#seen, tracking) : new Map();
  }

  /** Returns true if such a state holds the slice's items; if not, that says nothing about them. */
  holds(state: unknown): boolean {
    return this.misfit(state) === undefined;
  }

  /** Returns why a state cannot be taken for the slice's items; undefined if it can. */
  misfit(state: unknown): string | undefined {
    return misfit(state, this.path.join("."), this.tracking);
  }

  /** Returns true if the state is another one than was last looked at. */
  isNew(state: unknown): boolean {
    return state !== this.#seen;
  }

  /** Returns true if an action returned a collection to what it was at first, and did not remove its items. */
  isReset(root: unknown): boolean {
    const state = at(root, this.path);
    if (this.tracking.single || !this.isNew(state)) return false;
    if (this.#isFirst(root, this.#initial) || isMarkedReset(state)) return true;
    // Only where nothing is left is it worth to ask the reducer.
    return this.#items.size > 0 && size(state as object) === 0 && this.#isFirst(root, this.#initialNow());
  }

  /** To undo until the first state is no reset: redux-undo has another history then. */
  #isFirst(root: unknown, initial: unknown): boolean {
    const { path, tracking } = this;
    const first = at(initial, path);
    if (tracking.single || first === undefined || at(root, path) !== first) return false;
    const history = path.slice(0, Math.max(0, historyOn(initial, path)));
    return history.length === 0 || at(root, history) === at(initial, history);
  }

  /** Takes the state as it is, without anything to send. */
  adoptState(state: unknown): void {
    this.#seen = state;
    this.#items = read(state, this.tracking);
  }

  /** Says once what is not done with an item. */
  #reportOnce(place: string, item: unknown, why: string, what: string): void {
    if (this.#reported.get(place) === item) return;
    this.#reported.set(place, item);
    this.#report(`${this.name}${place} ${why}. ${what}`);
  }

  /** Returns the operations that changed the state since it was last compared. */
  diff(state: unknown): Operation[] {
    const operations: Operation[] = [];
    const before = this.#items;
    let there = 0;
    const reject = (place: string, item: unknown, why: string) =>
      this.#reportOnce(place, item, why, "It stays in the store and is not persisted.");
    const visit = (id: string, item: unknown) => {
      const former = before.get(id);
      if (former !== undefined) there += 1;
      if (former === item) return;
      const why = disagreement(state, id, item, this.tracking);
      if (why) return reject(`[${JSON.stringify(id)}]`, item, why);
      before.set(id, item);
      const operation = this.#operation(id, former, item);
      if (operation) operations.push(operation);
    };
    const known = before.size;
    const visited = new Set<string>();
    const once = (id: string, item: unknown) => {
      if (visited.has(id)) return reject(`[${JSON.stringify(id)}]`, item, "has the id of another item");
      visited.add(id);
      visit(id, item);
    };
    // Only an array can hold two items of one id.
    const accept = Array.isArray(state) ? once : visit;
    each(state, this.tracking, accept, (place, why) => reject(place, state, why));
    if (there < known) {
      const now = read(state, this.tracking);
      for (const id of before.keys()) {
        if (now.has(id)) continue;
        before.delete(id);
        this.#workerHasItem.delete(id);
        operations.push({ id });
      }
    }
    this.#seen = state;
    return operations;
  }

  #operation(id: string, former: unknown, item: unknown): Operation | undefined {
    const known = this.#workerHasItem.get(id);
    const asPut = known === false || !isObject(former) || !isObject(item);
    // An update leaves an item's own id alone.
    if (asPut || former.id !== item.id) {
      this.#workerHasItem.set(id, true);
      return { id, item };
    }
    const fields = changedFields(former, item);
    const was: Record<string, unknown> = {};
    for (const name in former) {
      if (former[name] !== undefined && Object.hasOwn(fields, name)) was[name] = former[name];
    }
    if (Object.keys(fields).length === 0) return undefined;
    this.#workerHasItem.set(id, true);
    return known ? { id, fields, was } : { id, fields, was, item };
  }

  /** Returns the operations that delete all items. Where the stored items are not known, that is one operation. */
  clear(state: unknown): Operation[] {
    if (this.#known) return this.diff(state);
    this.adoptState(state);
    this.#workerHasItem.clear();
    return [{ id: "", all: true }];
  }

  /** An operation was sent in burst `n`. */
  sent(n: number, operation: Operation): void {
    if (!operation.all) this.#own.push({ n, operation });
    else {
      this.#own = [];
      this.#cleared = n;
    }
  }

  /** An operation could not be sent: the item's next change is sent whole. */
  unsent(id: string): void {
    this.#workerHasItem.set(id, false);
  }

  /**
   * The worker lost its database. Returns the edits that may have come to nothing, as the new one may not have their
   * items yet: each with the whole item beside it.
   */
  lost(): Operation[] {
    this.#known = false;
    for (const [id, has] of this.#workerHasItem) if (has) this.#workerHasItem.set(id, undefined);
    const edits = this.#own.map(({ operation }) => operation).filter(({ fields }) => fields);
    const again: Operation[] = [];
    for (const id of new Set(edits.map((edit) => edit.id))) {
      const item = this.#items.get(id);
      if (!isObject(item)) continue;
      const ofItem = edits.filter((edit) => edit.id === id);
      const fields = Object.assign({}, ...ofItem.map((edit) => edit.fields));
      // The first edit says what there was before all of them.
      const was = Object.assign({}, ...ofItem.reverse().map((edit) => edit.was));
      this.#workerHasItem.set(id, true);
      again.push({ id, item, fields, was });
    }
    return again;
  }

  /**
   * Returns puts of the items that were lost, are in the store and were read from nobody else. Each is dropped if the item is
   * there by then.
   */
  restore(): Operation[] {
    const operations: Operation[] = [];
    for (const [id, has] of this.#workerHasItem) {
      const item = this.#items.get(id);
      if (has !== undefined || item === undefined) continue;
      this.#workerHasItem.set(id, true);
      operations.push(isObject(item) ? { id, item, fields: {} } : { id, item });
    }
    return operations;
  }

  /** The worker has taken everything up to burst `n`. */
  acknowledged(n: number): void {
    // Of another database, `n` begins anew.
    if (n >= this.#cleared) this.#cleared = 0;
    this.#own = this.#own.filter((sent) => sent.n > n);
  }

  /** Returns how the worker's update changes the state; own changes that are newer stay on top. */
  apply(state: unknown, { puts, deletes, n }: SliceUpdate): ItemChange {
    this.acknowledged(n);
    const put: Items = new Map();
    const gone = new Set(deletes);
    for (const { id, value } of puts) {
      if (n < this.#cleared) gone.add(id);
      else {
        this.#workerHasItem.set(id, true);
        put.set(id, value);
      }
    }
    return this.#change(state, put, gone);
  }

  /** Returns how the state becomes the slice as the worker has it: what it had and does not name is gone. */
  replace(state: unknown, update: SliceUpdate): ItemChange {
    this.#known = true;
    const named = new Set(update.puts.map(({ id }) => id));
    // Items that the worker never had stay: the app's first ones, and those that could not be kept.
    const deletes = [...this.#workerHasItem].flatMap(([id, has]) => (has && !named.has(id) ? [id] : []));
    return this.apply(state, { ...update, deletes });
  }

  #change(state: unknown, puts: Items, deletes: Set<string>): ItemChange {
    for (const { operation } of this.#own) {
      const { id } = operation;
      if (!puts.has(id) && !deletes.has(id)) continue;
      const item = over(puts.get(id), operation);
      deletes.delete(id);
      puts.delete(id);
      if (item === undefined) deletes.add(id);
      else puts.set(id, item);
    }
    for (const [id, item] of puts) {
      const why = disagreement(state, id, item, this.tracking);
      if (!why) continue;
      puts.delete(id);
      this.#reportOnce(`[${JSON.stringify(id)}]`, item, why, "It is stored and not shown.");
    }
    for (const id of deletes) {
      this.#items.delete(id);
      this.#workerHasItem.delete(id);
    }
    for (const [id, item] of puts) this.#items.set(id, item);
    return { puts, gone: deletes };
  }
}

/** An item after an operation. */
function over(item: unknown, { item: upsert, fields }: Operation): unknown {
  if (!fields) return upsert;
  // An item that was deleted elsewhere is not created again from some of its fields.
  return isObject(item) ? withFields(item, fields) : (item ?? upsert);
}
