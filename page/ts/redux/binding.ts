// A Redux store bound to the worker: what its tracked slices change is sent, what changes elsewhere is put into it.

import type { Store } from "redux";
import type { ResyncReason, SliceChange } from "../subscriptions.js";
import type { RegisterOptions, SliceConfig } from "../types.js";
import { AppStore } from "./devtools.js";
import { INSIDE_DEVTOOLS, missing } from "./misfit.js";
import type { NightferryOptions, TrackedSliceConfig } from "./options.js";
import { at, type ItemChange, type Place } from "./place.js";
import { CHANGED, type Changed, isCleared, report } from "./reducer.js";
import { type Operation, type SliceUpdate, TrackedSlice } from "./slice.js";

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

/** A moment after `ready`: reducers that an app adds later are there by then. */
const MISSING_MS = 1_000;

export class Binding {
  /** Resolves when the slices are registered and what was stored is in the store. */
  readonly ready: Promise<void>;
  readonly store: AppStore;
  readonly #client: Client;
  readonly #slices: TrackedSlice[];
  /** The slices that are being read, each with the changes told meanwhile. `again` is true if it is to be read again. */
  readonly #reading = new Map<TrackedSlice, { again: boolean; changesDuringRead: SliceUpdate[] }>();
  /** Continues the reads that wait until DevTools unlock the store. */
  readonly #locked: (() => void)[] = [];
  #scheduled = false;
  #state: unknown;

  /** `places` says where the store has the slices. `initial` makes the state that the reducers begin with. */
  constructor(
    store: Store,
    client: Client,
    options: NightferryOptions,
    places: ReadonlyMap<string, Place>,
    initial: () => unknown,
  ) {
    this.store = new AppStore(store, withoutTracking);
    this.#client = client;
    this.#state = this.store.getState();
    const first = initial();
    const configs: Record<string, SliceConfig> = {};
    this.#slices = [...places].map(([name, place]) => {
      const { selectId, sortComparer, select, ...config } = options.slices[name] as TrackedSliceConfig;
      configs[name] = config;
      const slice = new TrackedSlice(name, place, this.#state, first, initial, report);
      this.#reportMisfit(slice, this.#of(slice));
      return slice;
    });
    if (this.store.isInside) report(INSIDE_DEVTOOLS);
    bindings.add(new WeakRef(this));
    this.ready = this.#start({ ...options, slices: configs });
    this.ready.then(
      () => this.#reportMissing(),
      // A failure rejects `ready` for those who wait for it, and is shown in the console, too.
      (error) => console.error("Nightferry does not persist this store's changes:", error),
    );
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
        if (this.store.isLocked()) {
          await new Promise<void>((resolve) => this.#locked.push(resolve));
          reading.again = true;
        }
        if (reading.again) continue;
        this.sendChanges();
        this.#apply(slice, slice.replace(this.#of(slice), rows), "stored");
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
    if (update.puts.length === 0 && update.deletes.length === 0) slice.acknowledged(update.n);
    else if (this.store.isLocked()) this.#readAgain(slice);
    else {
      // Earlier changes of this page stay on top.
      this.sendChanges();
      this.#apply(slice, slice.apply(this.#of(slice), update), origin);
    }
  }

  #apply(slice: TrackedSlice, { puts, gone }: ItemChange, origin: Changed["origin"]): void {
    if (!slice.there || (puts.size === 0 && gone.size === 0)) return;
    const before = this.#of(slice);
    try {
      this.store.dispatch({ type: CHANGED, slice: slice.name, origin, puts: [...puts], deletes: [...gone] } as Changed);
    } catch (error) {
      // A subscriber's, which is told of a state that is there all the same.
      console.error("Nightferry: a subscriber of the store threw:", error);
    }
    // Something else has kept the action from the store: what is not in it was not deleted.
    if (this.#of(slice) === before) slice.adoptState(before);
  }

  #of(slice: TrackedSlice): unknown {
    return at(this.store.getState(), slice.path);
  }

  /** An action was reduced: its changes are looked at once, at the end of this microtask. */
  onAction(): void {
    if (this.#locked.length > 0 && !this.store.isLocked()) for (const resume of this.#locked.splice(0)) resume();
    const state = this.store.getState();
    const before = this.#state;
    if (state === before || untracked > 0) return;
    this.#state = state;
    const reset: TrackedSlice[] = [];
    for (const slice of this.#slices) {
      const [former, items] = [at(before, slice.path), at(state, slice.path)];
      if (!slice.isNew(items)) continue;
      const clears = isCleared(items);
      const resets = slice.there && slice.holds(items) && slice.isReset(state);
      // Changes before a reset or clearSlice in the same microtask are sent.
      if ((clears || resets) && slice.isNew(former) && slice.holds(former)) this.#send(slice, slice.diff(former));
      if (clears) this.#send(slice, slice.clear(items));
      else if (resets) reset.push(slice);
    }
    for (const slice of reset) this.#reset(slice, at(state, slice.path));
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.sendChanges());
  }

  /** Sends what has changed since the last look. */
  sendChanges(): void {
    this.#scheduled = false;
    this.#state = this.store.getState();
    for (const slice of this.#slices) {
      const state = this.#of(slice);
      if (!slice.isNew(state) || !this.#isThere(slice, state)) continue;
      if (slice.isReset(this.#state)) this.#reset(slice, state);
      else this.#send(slice, slice.diff(state));
    }
  }

  /**
   * A slice that the store does not have (a reducer that is added later, another name, a state of null) is left alone. Once
   * it is there, what is stored is put into it.
   */
  #isThere(slice: TrackedSlice, state: unknown): boolean {
    if (!slice.holds(state)) {
      this.#reportMisfit(slice, state);
      slice.there = false;
      return false;
    }
    if (slice.there) return true;
    slice.there = true;
    slice.adoptState(state);
    this.#readAgain(slice);
    return false;
  }

  /** Says once why a state cannot be taken for items. A slice that the store does not have yet may come. */
  #reportMisfit(slice: TrackedSlice, state: unknown): void {
    const why = slice.misfit(state);
    const is = slice.there || (state !== undefined && state !== null);
    if (is && why && why !== slice.reported) {
      report(`"${slice.name}" ${why}. It stays as it is, is not persisted, and nothing is deleted.`);
    }
    slice.reported = why;
  }

  /** Names the slices that the store does not have, a moment after it was bound. */
  #reportMissing(): void {
    const held = new WeakRef(this);
    setTimeout(() => held.deref()?.warnOfMissing(), MISSING_MS);
  }

  warnOfMissing(): void {
    const state = this.store.getState();
    for (const { name, path } of this.#slices)
      if (at(state, path) === undefined) console.warn(`Nightferry: ${missing(state, name, path)}`);
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
      `Nightferry: an action returned the slice "${slice.name}" to its initial state. That deletes nothing: what is stored is read again. To delete all, dispatch clearSlice("${slice.name}").`,
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
    for (const slice of this.#slices) {
      const state = this.#of(slice);
      if (!slice.isNew(state) || !this.#isThere(slice, state)) continue;
      slice.adoptState(state);
      // What was put in is gone where DevTools, outside, have computed the state anew.
      if (this.store.isInside) this.#readAgain(slice);
    }
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
