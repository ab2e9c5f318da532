// A Redux store bound to the worker: what its tracked slices change is sent, what changes elsewhere is put into it.

import type { Action, Reducer, Store, UnknownAction } from "redux";
import type { ResyncReason, SliceChange } from "../subscriptions.js";
import type { RegisterOptions, SliceConfig } from "../types.js";
import { type Operation, type SliceUpdate, TrackedSlice } from "./slice.js";
import { isCollection } from "./slice_state.js";

/** The options of `register`; a slice may say how the store holds it. */
export interface NightferryOptions extends Omit<RegisterOptions, "slices"> {
  slices: Record<string, TrackedSliceConfig>;
}

// biome-ignore lint/suspicious/noExplicitAny: items have whatever type the app gives them.
type Item = any;

export interface TrackedSliceConfig extends SliceConfig {
  /** An item's id; by default its field `id`. */
  selectId?: (item: Item) => string | number;
  /** The order in which an entity adapter or an array keeps its items, where it has one. */
  sortComparer?: (a: Item, b: Item) => number;
}

/** The part of the page's client that a binding needs. */
export interface Client {
  register(options: RegisterOptions): Promise<unknown>;
  /**
   * Sends an action, about the item `id` if its payload does not name it; the number of its burst. An update has beside it
   * what is put where there is no such item.
   */
  send(
    action: { type: string; payload?: unknown; was?: Record<string, unknown> },
    id?: string,
    upsert?: unknown,
  ): number;
  /** All items of a slice, after everything that was sent before. */
  read(slice: string): Promise<SliceUpdate>;
  /** Hears what changes elsewhere, and up to which burst the own changes are in it; or why to read the slice again. */
  follow(slice: string, fn: (change: SliceChange | ResyncReason) => void): () => void;
}

/** The actions with which a binding changes the store. */
const CHANGED = "nightferry/changed";
const CLEAR = "nightferry/clearSlice";

interface Changed extends UnknownAction {
  type: typeof CHANGED;
  slice: string;
  /** The origin of the change; `stored` if the slice was read. */
  origin: "stored" | SliceChange["origin"];
  /** The slice's new state. */
  state: unknown;
}

type State = Record<string, unknown>;

/** Deletes all items of a slice, here and everywhere. (An action that returns a slice to its initial state does not.) */
export const clearSlice = (slice: string) => ({ type: CLEAR, slice }) as const;

/**
 * Calls `handle` with each update of `listen`, for as long as the binding exists. The source of updates outlives stores:
 * it must not keep a store that the app has dropped, as by a hot reload. (The store has its binding among its subscribers.)
 */
export function listenFor<T>(
  binding: Binding,
  listen: (fn: (update: T) => void) => () => void,
  handle: (binding: Binding, update: T) => void,
): void {
  const held = new WeakRef(binding);
  const end = listen((update) => {
    const binding = held.deref();
    if (binding) handle(binding, update);
    else end();
  });
}

function follow(binding: Binding, client: Client, name: string): void {
  listenFor<SliceChange | ResyncReason>(
    binding,
    (fn) => client.follow(name, fn),
    (binding, update) => binding.handle(name, update),
  );
}

const bindings = new Set<WeakRef<Binding>>();

function each(fn: (binding: Binding) => void): void {
  for (const held of bindings) {
    const binding = held.deref();
    if (binding) fn(binding);
    else bindings.delete(held);
  }
}

/** The states that `clearSlice` made of slices. */
const cleared = new WeakSet<object>();

/** How many calls of `withoutTracking` are under way. */
let untracked = 0;

/** Calls `fn`. Changes that `fn` makes in tracked slices are not sent. */
export function withoutTracking<T>(fn: () => T): T {
  if (untracked === 0) each((binding) => binding.sendChanges());
  untracked += 1;
  try {
    return fn();
  } finally {
    untracked -= 1;
    if (untracked === 0) each((binding) => binding.adoptState());
  }
}

/** The reducer, and besides it what the binding's own actions do. */
export function withNightferry<S, A extends Action, P>(
  reducer: Reducer<S, A, P>,
  slices: NightferryOptions["slices"],
): Reducer<S, A, P> {
  return ((state: P | undefined, action: UnknownAction) => {
    if (action.type === CHANGED) {
      const { slice, state: changed } = action as Changed;
      return { ...(state as State), [slice]: changed };
    }
    if (action.type === CLEAR) {
      const { slice } = action as unknown as ReturnType<typeof clearSlice>;
      const items = (state as State)[slice];
      if (slices[slice] && !slices[slice].single && isCollection(items)) {
        const none = emptied(items);
        cleared.add(none);
        return { ...(state as State), [slice]: none };
      }
      report(`clearSlice("${slice}") did nothing: it empties a collection that is named in slices.`);
      return state;
    }
    return reducer(state, action as unknown as A);
  }) as Reducer<S, A, P>;
}

function emptied(state: unknown): object {
  if (Array.isArray(state)) return [];
  const { ids, entities } = state as State;
  return Array.isArray(ids) && typeof entities === "object" ? { ...(state as State), ids: [], entities: {} } : {};
}

export class Binding {
  /** Resolves when the slices are registered and what was stored is in the store. */
  readonly ready: Promise<void>;
  readonly store: Store;
  readonly #client: Client;
  readonly #slices: TrackedSlice[];
  /** The slices that are being read, each with the changes told meanwhile. `again` is true if it is to be read again. */
  readonly #reading = new Map<TrackedSlice, { again: boolean; changesDuringRead: SliceUpdate[] }>();
  #scheduled = false;
  #state: unknown;

  /** `initial` makes the state that the reducers begin with. */
  constructor(store: Store, client: Client, options: NightferryOptions, initial: () => unknown) {
    this.store = store;
    this.#client = client;
    this.#state = store.getState();
    const configs: Record<string, SliceConfig> = {};
    this.#slices = Object.entries(options.slices).map(([name, { selectId, sortComparer, ...config }]) => {
      configs[name] = config;
      const tracking = { selectId, sortComparer, single: config.single };
      const first = () => (initial() as State | undefined)?.[name];
      const state = this.#of(name);
      const slice = new TrackedSlice(name, tracking, state, first, report);
      if (state && !slice.there) report(`"${name}" is neither an array nor a plain object, so it is not persisted.`);
      return slice;
    });
    bindings.add(new WeakRef(this));
    this.ready = this.#start({ ...options, slices: configs });
    // A failure rejects `ready` for those who wait for it, and is shown in the console, too.
    this.ready.catch((error) => console.error("Nightferry does not persist this store's changes:", error));
  }

  async #start(options: RegisterOptions): Promise<void> {
    const registered = this.#client.register(options);
    for (const { name } of this.#slices) follow(this, this.#client, name);
    await registered;
    await Promise.all(this.#slices.map((slice) => this.#read(slice)));
  }

  /** Puts all that is stored of a slice into the store. */
  async #read(slice: TrackedSlice): Promise<void> {
    const under = this.#reading.get(slice);
    if (under) {
      under.again = true;
      return;
    }
    const reading = { again: true, changesDuringRead: [] as SliceUpdate[] };
    this.#reading.set(slice, reading);
    try {
      while (reading.again) {
        reading.again = false;
        // Changes of this page are sent before the slice is read.
        this.sendChanges();
        const rows = await this.#client.read(slice.name);
        if (reading.again) continue;
        this.sendChanges();
        this.#apply(slice, slice.replace(this.#of(slice.name), rows), "stored");
        for (const update of reading.changesDuringRead.splice(0))
          if (update.position > rows.position) this.#applyUpdate(slice, update, "tab");
        this.#send(slice, slice.restore());
      }
    } finally {
      this.#reading.delete(slice);
      for (const update of reading.changesDuringRead) this.#applyUpdate(slice, update, "tab");
    }
  }

  /** Handles a message about a slice. */
  handle(name: string, update: SliceChange | ResyncReason): void {
    const slice = this.#slices.find((slice) => slice.name === name) as TrackedSlice;
    const reading = this.#reading.get(slice);
    if (typeof update === "string") {
      if (update === "registered") {
        this.#send(slice, slice.lost());
        // Positions begin anew.
        reading?.changesDuringRead.splice(0);
      }
      this.#readAgain(slice);
    } else if (reading) reading.changesDuringRead.push(update);
    else this.#applyUpdate(slice, update, update.origin);
  }

  #applyUpdate(slice: TrackedSlice, update: SliceUpdate, origin: Changed["origin"]): void {
    if (update.puts.length === 0 && update.deletes.length === 0) {
      slice.acknowledged(update.n);
      return;
    }
    // Earlier changes of this page stay on top.
    this.sendChanges();
    this.#apply(slice, slice.apply(this.#of(slice.name), update), origin);
  }

  #apply(slice: TrackedSlice, state: unknown, origin: Changed["origin"]): void {
    if (!slice.there || state === this.#of(slice.name)) return;
    try {
      this.store.dispatch({ type: CHANGED, slice: slice.name, origin, state } satisfies Changed);
    } catch (error) {
      // A subscriber's, which is told of a state that is there all the same.
      console.error("Nightferry: a subscriber of the store threw:", error);
    }
  }

  #of(slice: string): unknown {
    return (this.store.getState() as State | undefined)?.[slice];
  }

  /** An action was reduced: its changes are looked at once, at the end of this microtask. */
  onAction(): void {
    const state = this.store.getState();
    const before = this.#state as State;
    if (state === before || untracked > 0) return;
    this.#state = state;
    for (const slice of this.#slices) {
      const [former, items] = [before?.[slice.name], (state as State)[slice.name]];
      const clears = slice.isNew(items) && cleared.has(items as object);
      // Changes before a reset or clearSlice in the same microtask are sent.
      if ((clears || slice.isResetTo(items)) && slice.isNew(former) && slice.holds(former)) {
        this.#send(slice, slice.diff(former));
      }
      if (clears) this.#send(slice, slice.clear(items));
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.sendChanges());
  }

  /** Sends what has changed since the last look. */
  sendChanges(): void {
    this.#scheduled = false;
    this.#state = this.store.getState();
    for (const slice of this.#slices) {
      const state = this.#of(slice.name);
      if (!slice.isNew(state) || !this.#isThere(slice, state)) continue;
      if (slice.isReset(state)) this.#reset(slice, state);
      else this.#send(slice, slice.diff(state));
    }
  }

  /**
   * A slice that the store does not have (a reducer that is added later, another name, a state of null) is left alone. Once
   * it is there, what is stored is put into it.
   */
  #isThere(slice: TrackedSlice, state: unknown): boolean {
    if (!slice.holds(state)) {
      if (slice.there) report(`"${slice.name}" is ${state} in the store now. What is stored stays.`);
      slice.there = false;
      return false;
    }
    if (slice.there) return true;
    slice.there = true;
    slice.adoptState(state);
    this.#readAgain(slice);
    return false;
  }

  #send(slice: TrackedSlice, operations: Operation[]): void {
    for (const operation of operations) {
      try {
        const [verb, payload, ...beside] = actionOf(operation, slice.tracking.single);
        const { was } = operation;
        const action = { type: `${slice.name}/${verb}`, payload, ...(was && { was }) };
        slice.sent(this.#client.send(action, ...beside), operation);
      } catch (error) {
        slice.unsent(operation.id);
        report(`${(error as Error).message} The change stays in the store and is not persisted.`);
      }
    }
  }

  #reset(slice: TrackedSlice, state: unknown): void {
    console.warn(
      `Nightferry: an action returned the slice "${slice.name}" to its initial state. That deletes nothing: what is stored is read again. To delete all of its items, dispatch clearSlice("${slice.name}").`,
    );
    slice.adoptState(state);
    this.#readAgain(slice);
  }

  #readAgain(slice: TrackedSlice): void {
    this.#read(slice).catch((error) => console.error(`Nightferry could not read "${slice.name}" again:`, error));
  }

  /** Takes what the store has as it is, without sending it. */
  adoptState(): void {
    this.#state = this.store.getState();
    for (const slice of this.#slices) slice.adoptState(this.#of(slice.name));
  }
}

/** Converts an operation to an action: its verb and payload, and the fields that `send` passes beside it. */
function actionOf(
  { id, all, item, fields }: Operation,
  single?: boolean,
): [verb: string, payload: unknown, id?: string, upsert?: unknown] {
  if (all) return ["clearItems", null];
  if (fields) return ["updateItem", fields, id, item];
  if (item === undefined) return ["removeItem", id];
  return single ? ["set", item] : ["addItem", item, id];
}

const report = (problem: string) => console.error(`Nightferry: ${problem}`);
