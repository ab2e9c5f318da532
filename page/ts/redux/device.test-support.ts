// A device for tests, without a browser: one worker with its items, and tabs whose messages wait until the test lets the
// next one through. It does with actions what the real worker does, and tells what the real one tells.

import type { ResyncReason, SliceChange } from "../subscriptions.js";
import type { RegisterOptions } from "../types.js";
import type { Client } from "./binding.js";
import type { SliceUpdate } from "./slice.js";

type Action = { type: string; payload?: unknown; was?: Item };
type Item = Record<string, unknown>;

export class Device {
  readonly slices = new Map<string, Map<string, unknown>>();
  readonly tabs: Tab[] = [];
  /** How many bursts were taken. */
  position = 0;
  /** The number of the database. */
  epoch = 0;
  /** Every operation that arrived. */
  readonly operations: { type: string; id: string | undefined; payload: unknown; upsert?: unknown; was?: Item }[] = [];

  items(slice: string): Map<string, unknown> {
    const items = this.slices.get(slice) ?? new Map();
    this.slices.set(slice, items);
    return items;
  }

  tab(): Tab {
    const tab = new Tab(this);
    this.tabs.push(tab);
    return tab;
  }

  /** The database is gone. A tab learns of it when it posts something, or by `learn`. */
  evict(): void {
    this.slices.clear();
    this.epoch += 1;
  }

  learn(tab: Tab): void {
    if (tab.epoch !== this.epoch) tab.miss("registered");
    tab.epoch = this.epoch;
  }

  /** Takes a tab's burst. */
  take(from: Tab, burst: string[], n: number): void {
    this.learn(from);
    from.taken = n;
    this.position += 1;
    const { position } = this;
    const changed = new Map<string, Set<string>>();
    for (const text of burst) {
      const { type, id, payload, unset, whole: upsert, was } = JSON.parse(text);
      this.operations.push({ type, id, payload, ...(upsert && { upsert }), ...(was && { was }) });
      const [slice, verb] = type.split("/");
      const ids = changed.get(slice) ?? new Set<string>();
      changed.set(slice, ids);
      if (verb === "clearItems") {
        for (const key of this.items(slice).keys()) ids.add(key);
        this.items(slice).clear();
        continue;
      }
      const touched = this.#apply(this.items(slice), verb, id, payload, unset ?? [], upsert);
      if (touched !== undefined) ids.add(touched);
    }
    for (const [slice, ids] of changed) {
      // A tab is told of all that a burst came to at once.
      const items = this.items(slice);
      const puts = [...ids].filter((id) => items.has(id)).map((id) => ({ id, value: items.get(id) }));
      const deletes = [...ids].filter((id) => !items.has(id));
      for (const tab of this.tabs) {
        if (tab !== from)
          tab.tell(slice, { puts: structuredClone(puts), deletes, origin: "tab", n: tab.taken, position });
      }
      from.tell(slice, { puts: [], deletes: [], origin: "tab", n, position });
    }
  }

  /** The item that changed. */
  #apply(
    items: Map<string, unknown>,
    verb: string,
    id: string | undefined,
    payload: unknown,
    unset: string[],
    upsert: unknown,
  ) {
    const key = verb === "set" ? "value" : (id ?? String(payload));
    const former = items.get(key);
    if (verb === "addItem" || verb === "set") items.set(key, payload);
    else if (former === undefined && verb === "updateItem" && upsert) items.set(key, upsert);
    else if (former === undefined) return undefined;
    else if (verb === "removeItem") items.delete(key);
    else {
      const item = { ...(former as Item), ...(payload as Item) };
      for (const name of unset) delete item[name];
      items.set(key, item);
    }
    return key;
  }
}

/** A page's life. */
export class Tab implements Client {
  /** Messages on their way to the worker and to the page, each in its order. */
  readonly toWorker: (() => void)[] = [];
  readonly fromWorker: (() => void)[] = [];
  taken = 0;
  epoch: number;
  readonly #device: Device;
  readonly #followers = new Map<string, (change: SliceChange | ResyncReason) => void>();
  #burst: string[] = [];
  #bursts = 0;

  constructor(device: Device) {
    this.#device = device;
    this.epoch = device.epoch;
  }

  register(_options: RegisterOptions): Promise<unknown> {
    return new Promise((resolve) => this.toWorker.push(() => this.fromWorker.push(() => resolve(undefined))));
  }

  send(action: Action, id?: string, upsert?: unknown): number {
    const { type, payload, was } = action;
    const unset = Object.keys(payload ?? {}).filter((name) => (payload as Item)[name] === undefined);
    this.#burst.push(JSON.stringify({ type, id, payload, unset, whole: upsert, was }));
    return this.#bursts + 1;
  }

  /** Posts what was gathered. */
  post(): void {
    if (this.#burst.length === 0) return;
    const burst = this.#burst;
    this.#burst = [];
    this.#bursts += 1;
    const n = this.#bursts;
    this.toWorker.push(() => this.#device.take(this, burst, n));
  }

  read(slice: string): Promise<SliceUpdate> {
    this.post();
    return new Promise((resolve) =>
      this.toWorker.push(() => {
        this.#device.learn(this);
        const puts = [...this.#device.items(slice)].map(([id, value]) => ({ id, value: structuredClone(value) }));
        const n = this.taken;
        const { position } = this.#device;
        this.fromWorker.push(() => resolve({ puts, deletes: [], n, position }));
      }),
    );
  }

  follow(slice: string, fn: (change: SliceChange | ResyncReason) => void): () => void {
    this.#followers.set(slice, fn);
    return () => this.#followers.delete(slice);
  }

  /** How many hear of slices. */
  get following(): number {
    return this.#followers.size;
  }

  /** Nobody hears any more; what was posted still arrives. */
  close(): void {
    this.#followers.clear();
  }

  tell(slice: string, change: SliceChange): void {
    this.fromWorker.push(() => this.#followers.get(slice)?.(change));
  }

  /** Something may have been missed, or lost. */
  miss(gap: ResyncReason): void {
    this.fromWorker.push(() => {
      for (const fn of this.#followers.values()) fn(gap);
    });
  }
}

export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Lets every message through, until there is none. */
export async function untilQuiet(...tabs: Tab[]): Promise<void> {
  for (let quiet = 0; quiet < 2; quiet += 1) {
    await turn();
    for (const tab of tabs) {
      tab.post();
      for (const queue of [tab.toWorker, tab.fromWorker]) {
        for (let next = queue.shift(); next; next = queue.shift()) {
          quiet = 0;
          next();
          await turn();
        }
      }
    }
  }
}
