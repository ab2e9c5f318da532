// A device for tests, without a browser: the core's worker and the page's client, both the real ones, with messages that wait until
// the test lets the next one through. Time passes when the test says so.

import { readFileSync } from "node:fs";
import clientFile from "client.wasm";
import { initSync, Worker } from "nightferry-node";
import * as wasm from "nightferry-wasm";
import workerFile from "worker.wasm";
import { failure } from "./failure.js";
import { Client } from "./page_client.js";
import type { PageEvents, Platform } from "./platform.js";
import type { Message } from "./subscriptions.js";

const read = (path: string) => readFileSync(new URL(path, import.meta.url));
const client = new WebAssembly.Module(read(clientFile));
wasm.begin(new WebAssembly.Instance(client, wasm.imports()), client);
initSync({ module: read(workerFile) });

type Conflict = Extract<Message, { kind: "conflicts" }>["conflicts"][number];
type Item = Record<string, unknown>;
interface Operation {
  type: string;
  id: string | undefined;
  payload: unknown;
  upsert?: unknown;
  was?: Item;
}

export class Device {
  readonly worker: Worker;
  readonly tabs: Tab[] = [];
  /** Every operation that arrived. */
  readonly operations: Operation[] = [];
  /** The bursts that arrived, by page and number: one that was sent again is the same. */
  readonly #arrived = new Set<string>();
  #requests = 0;
  #bursts = 0;
  /** The answers to the test's own messages. */
  readonly #answers: Message[] = [];

  constructor(seed = 1) {
    this.worker = new Worker(seed);
  }

  /** The items of a slice, as a page that reads now gets them. */
  items(slice: string): Items {
    return new Items(this, slice);
  }

  tab(): Tab {
    const tab = new Tab(this);
    this.tabs.push(tab);
    return tab;
  }

  /** The database is gone. */
  evict(): void {
    this.worker.evict();
    this.distribute();
  }

  /** The network comes or goes. There is none at first, and requests wait. */
  setOnline(isOnline: boolean): void {
    this.worker.setOnline(isOnline);
    this.distribute();
  }

  /** The items of a slice that the server has. */
  onServer(slice: string): Record<string, unknown> {
    return Object.fromEntries(JSON.parse(this.worker.onServer(slice)));
  }

  /** The conflicts in a slice. */
  conflicts(slice: string): Conflict[] {
    const list = this.ask("conflicts", {});
    return list?.kind === "conflicts" ? list.conflicts.filter((conflict) => conflict.slice === slice) : [];
  }

  /** Lets time pass for the worker, in ms. */
  pass(ms: number): void {
    this.worker.pass(ms);
    this.distribute();
  }

  /** Takes a message of a tab. */
  take(text: string): void {
    const { kind, page, n, actions } = JSON.parse(text);
    if (kind === "actions" && !this.#arrived.has(`${page} ${n}`)) {
      this.#arrived.add(`${page} ${n}`);
      for (const { type, id, payload, whole: upsert, was } of actions)
        this.operations.push({ type, id, payload, ...(upsert && { upsert }), ...(was && { was }) });
    }
    this.worker.handleMessage(text);
    this.distribute();
  }

  /** The number of the test's next burst. */
  nextBurst(): number {
    this.#bursts += 1;
    return this.#bursts;
  }

  /** Sends a message of the test's own. Returns the answer. */
  ask(kind: string, fields: object): Message | undefined {
    this.#requests += 1;
    const request = this.#requests;
    this.worker.handleMessage(JSON.stringify({ v: 1, kind, page: "test", request, ...fields }));
    this.distribute();
    return this.#answers.find((message) => "request" in message && message.request === request);
  }

  /** Puts what the worker has posted on its way. */
  distribute(): void {
    for (const [text, pages] of this.worker.takePosted()) {
      if (pages?.includes("test")) this.#answers.push(JSON.parse(text));
      for (const tab of this.tabs)
        if (pages?.includes(tab.page) ?? true) tab.fromWorker.push(() => tab.handleMessage(JSON.parse(text)));
    }
  }
}

/** The items of a slice on a device. */
class Items {
  readonly #device: Device;
  readonly #slice: string;

  constructor(device: Device, slice: string) {
    this.#device = device;
    this.#slice = slice;
  }

  #all(): Map<string, unknown> {
    const slice = this.#slice;
    const rows = this.#device.ask("hydrate", { after: 0, slice });
    if (rows?.kind !== "rows") return new Map();
    const items = new Map((rows.ids ?? []).map((id, at) => [id, rows.values?.[at]]));
    for (const id of rows.deletes) items.delete(id);
    for (const { id, value } of rows.puts) items.set(id, value);
    return items;
  }

  get size(): number {
    return this.#all().size;
  }

  has = (id: string) => this.#all().has(id);
  get = (id: string) => this.#all().get(id);
  keys = () => this.#all().keys();
  values = () => this.#all().values();
  [Symbol.iterator] = () => this.#all()[Symbol.iterator]();
  /** As another tab does. */
  set(id: string, value: unknown): void {
    const slice = this.#slice;
    const answer = this.#device.ask("register", { slices: { [slice]: {} } });
    if (answer?.kind !== "registered") throw new Error(`not registered: ${JSON.stringify(answer)}`);
    const n = this.#device.nextBurst();
    this.#device.ask("actions", {
      epoch: answer.epoch,
      n,
      first: n,
      seen: 0,
      actions: [{ type: `${slice}/addItem`, id, payload: value, at: 0 }],
    });
  }
}
let pages = 0;

/** A page's life. */
export class Tab extends Client {
  /** Messages on their way to the worker and to the page, each in its order. */
  readonly toWorker: (() => void)[] = [];
  readonly fromWorker: (() => void)[] = [];
  readonly page: string;
  readonly #surroundings: Surroundings;

  constructor(device: Device) {
    pages += 1;
    const page = `page${pages}`;
    const surroundings = new Surroundings(device, page);
    super(surroundings);
    surroundings.toWorker = this.toWorker;
    this.page = page;
    this.#surroundings = surroundings;
  }

  handleMessage(message: Message): void {
    this.#surroundings.events?.handleMessage(message);
  }

  /** Posts what was gathered. */
  post(): void {
    this.#surroundings.machine?.act({ kind: "post" });
  }

  /** The wasm cannot be loaded the next time. */
  failToLoad(): void {
    this.#surroundings.failsToLoad = true;
  }

  /** The browser hides the page. */
  hide(): void {
    this.#surroundings.events?.hidden();
  }

  /** How many hear of slices. */
  get following(): number {
    return [...this.subscriptions.onSlice.values()].reduce((count, listeners) => count + listeners.size, 0);
  }

  /** Nobody hears any more; what was posted still arrives. */
  close(): void {
    this.fromWorker.length = 0;
    this.subscriptions.onSlice.clear();
    this.#surroundings.events = undefined;
  }

  /** The browser had put the page aside, and shows it again. */
  resume(): void {
    this.#surroundings.events?.shown(true);
  }
}

class Surroundings implements Platform {
  events: PageEvents | undefined;
  machine: wasm.Machine | undefined;
  failsToLoad = false;
  toWorker: (() => void)[] = [];
  readonly page: string;
  readonly #device: Device;

  constructor(device: Device, page: string) {
    this.#device = device;
    this.page = page;
  }

  /** The wasm, with a client that posts when the test says so, and looks at no clock. */
  async load(): Promise<unknown> {
    if (this.failsToLoad) {
      this.failsToLoad = false;
      throw failure("client_failed", "The test lets it fail.");
    }
    const keep = (machine: wasm.Machine) => {
      this.machine = machine;
    };
    class Machine extends wasm.Machine {
      constructor(page: string, host: wasm.Host) {
        super(page, { ...host, postSoon() {}, arm() {} });
        keep(this);
      }
    }
    return { Machine };
  }

  async connect(_: unknown, events: PageEvents) {
    this.events = events;
    return {
      post: (text: string) => void this.toWorker.push(() => this.#device.take(text)),
      claim: async () => {},
      update: async () => false,
    };
  }

  isHidden = () => false;
  device = () => "a test";
  persist() {}
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
