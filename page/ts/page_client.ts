// A page's client. The conversation with the worker is the core's, in wasm; here is what it needs of JavaScript: promises, listeners,
// and items, which stay JavaScript values.

import type * as wasm from "nightferry-wasm";
import type { Host, IdSet, Machine } from "nightferry-wasm";
import { actionText, type Beside } from "./action.js";
import { Deciders, withoutFunctions } from "./conflict_functions.js";
import { failure } from "./failure.js";
import { Ids, idsIn } from "./ids.js";
import type { Platform, WorkerLink } from "./platform.js";
import { Progress } from "./progress.js";
import { type Item, itemsOf } from "./rows.js";
import {
  add,
  each,
  listen,
  type Message,
  type ResyncReason,
  type Rows,
  type SliceChange,
  Subscriptions,
} from "./subscriptions.js";
import type {
  Action,
  Change,
  Conflict,
  ItemProgress,
  NightferryError,
  RegisterOptions,
  Registration,
  Resolution,
  UnsentFile,
} from "./types.js";
import { actionOf, type Imported, readFile } from "./unsent.js";
import { encode, wellFormed } from "./value.js";

/** The bytes of a shorter text are not counted: 500 of them, of three bytes a character, are less than a burst may have. */
const SHORT = 650;

/** A call of `register`. Its number is 0 until the wasm is loaded. */
interface Call {
  key: string;
  number: number;
  promise: Promise<Registration>;
}

/** The slice, the item and the settings that a request is about; most have none. */
export interface Subject {
  slice?: string;
  id?: string;
  settings?: string;
  signal?: AbortSignal;
}

/** The messages of an answer to `hydrate`, the changes that are newer, and how many of the page's actions are in it. */
interface Read {
  messages: Rows[];
  newer: SliceChange[];
  actions: number;
}

interface Waiting {
  // biome-ignore lint/suspicious/noExplicitAny: an answer is what its request asks for.
  resolve: (answer: any) => void;
  reject: (error: NightferryError) => void;
}

/** The client of one page. @internal */
export class Client {
  readonly subscriptions = new Subscriptions();
  readonly #platform: Platform;
  readonly #progress = new Progress((slice, changes, reset) =>
    each(this.subscriptions.onPending.get(slice), changes, reset),
  );
  /** The conflict functions of slices. */
  readonly #deciders = new Deciders(this);
  #machine: Machine | undefined;
  #loading: Promise<Machine> | undefined;
  /** What is to be done once the wasm is loaded. */
  #pendingCalls: ((machine: Machine) => void)[] = [];
  #worker: WorkerLink | undefined;
  /** How many actions were dispatched. */
  #actions = 0;
  #latest: Call | undefined;
  /** The options of the call that connects the page. */
  readonly #options = new Map<number, RegisterOptions>();
  readonly #waiting = new Map<number, Waiting>();
  /** Slices of which the page knows items. */
  readonly #tracked = new Set<string>();
  readonly #subscribers = new Map<string, Set<(change: Change<unknown>) => void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #getToken: RegisterOptions["getToken"];
  /** The browser may be asked to keep the data. */
  #mayPersist = true;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  // Registering

  register(options: RegisterOptions): Promise<Registration> {
    this.#deciders.take(options.slices ?? {});
    this.#getToken = options.getToken ?? this.#getToken;
    const key = JSON.stringify({ ...options, slices: withoutFunctions(options.slices ?? {}) });
    const latest = this.#latest;
    if (
      latest?.key === key &&
      (!this.#machine || !latest.number || this.#machine.act({ kind: "isRepeated", request: latest.number }))
    )
      return latest.promise;
    const begun = { key, number: 0 };
    const call: Call = Object.assign(begun, { promise: this.#register(options, begun) });
    this.#latest = call;
    call.promise.catch(() => {
      // It may be made again.
      if (this.#latest === call && !this.#machine) this.#latest = undefined;
    });
    return call.promise;
  }

  /**
   * Registers at once or, while the wasm is loaded, in the moment in which it is: what is dispatched and asked from then on may be of
   * these slices.
   */
  async #register(options: RegisterOptions, call: Omit<Call, "promise">): Promise<Registration> {
    this.#mayPersist &&= options.persistStorage ?? true;
    const { workerUrl = "/nightferry/sw.js", api = "/nightferry", name = "nightferry", user } = options;
    const slices = encode(withoutFunctions(options.slices ?? {}), "slices");
    const autoSync = encode(options.autoSync ?? {}, "autoSync");
    const device = options.deviceName ?? this.#platform.device();
    return new Promise((resolve, reject) => {
      const act = (machine: Machine) => {
        const answer = this.#answer<Registration>((number) => {
          call.number = number;
          this.#options.set(number, { ...options, workerUrl, api, name });
          const givesTokens = this.#getToken !== undefined;
          const settings = { slices, autoSync, device, givesTokens };
          machine.act({
            kind: "register",
            request: number,
            workerUrl,
            api,
            name,
            user: user ?? undefined,
            ...settings,
          });
        });
        answer.then(resolve, reject);
      };
      this.#with(act);
      this.#load().catch((error) => {
        this.#pendingCalls = this.#pendingCalls.filter((other) => other !== act);
        reject(error);
      });
    });
  }

  /** Loads the wasm, once. */
  #load(): Promise<Machine> {
    this.#loading ??= this.#platform.load().then(
      (loaded) => {
        const machine = new (loaded as typeof wasm).Machine(this.#platform.page, this.#host());
        this.#machine = machine;
        for (const act of this.#pendingCalls.splice(0)) act(machine);
        return machine;
      },
      (error) => {
        this.#loading = undefined;
        throw error;
      },
    );
    return this.#loading;
  }

  /** Calls `act` once the wasm is loaded. */
  #with(act: (machine: Machine) => void): void {
    if (this.#machine) act(this.#machine);
    else this.#pendingCalls.push(act);
  }

  async #connect(machine: Machine, call: number): Promise<void> {
    const { workerUrl = "", api = "", name = "", user } = this.#options.get(call) ?? {};
    this.#worker ??= await this.#platform.connect([workerUrl, api, name, user ?? undefined], {
      handleMessage: (message) => this.#handleMessage(machine, message),
      adopted: () => machine.act({ kind: "adopted" }),
      online: () => machine.act({ kind: "tell", what: "online" }),
      hidden: () => machine.act({ kind: "hide" }),
      shown: (wasPutAside) => machine.act({ kind: "show", wasPutAside }),
    });
  }

  /** Reports how connecting to the worker, or registering it anew, has ended. */
  async #reportConnected(machine: Machine, connecting: Promise<void> | undefined): Promise<void> {
    try {
      await connecting;
      machine.act({ kind: "connected" });
    } catch (error) {
      const { code = "worker_failed", message } = error as NightferryError;
      machine.act({ kind: "connected", code, message });
    }
  }

  // What the wasm asks for

  #host(): Host {
    const { subscriptions } = this;
    const machine = () => this.#machine as Machine;
    return {
      post: (before, burst) => this.#worker?.post(burst ? `${before}[${wellFormed(burst.join())}]}` : before),
      postSoon: () => queueMicrotask(() => machine().act({ kind: "post" })),
      arm: (ms) => {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => machine().act({ kind: "tick" }), ms);
      },
      connect: (call) => this.#reportConnected(machine(), this.#connect(machine(), call)),
      claim: () => this.#reportConnected(machine(), this.#worker?.claim()),
      lookForUpdate: () => {
        // Without the server there is none.
        const looking = this.#worker?.update() ?? Promise.resolve(false);
        looking.catch(() => false).then((isThere) => machine().act({ kind: "lookedForUpdate", isThere }));
      },
      answer: (request, isGranted, message) => {
        const { resolve, reject } = this.#take(request);
        if (isGranted) resolve(message);
        else reject(failure(message.code, message.message));
      },
      fail: (request, code, message) => this.#take(request).reject(failure(code, message)),
      rows: (request, messages, newer, actions) => this.#take(request).resolve({ messages, newer, actions }),
      caughtUp: (slice, messages, newer) => {
        const puts = items({ messages, newer });
        const gone = machine().act({ kind: "caughtUp", slice, ids: new Ids(puts.map(({ id }) => id)) });
        this.#tell(slice, { puts, deletes: [...(gone ?? [])], origin: "tab" });
      },
      gone: (slice, ids) => this.#tell(slice, { puts: [], deletes: [...ids], origin: "tab" }),
      deliver: (message: Message, actions = 0) => this.#deliver(message, actions),
      resync: (reason) => subscriptions.resync(reason as ResyncReason),
      lists: () => subscriptions.tellLists(),
      noStatus: (code, message) => subscriptions.noStatus(code, message),
      report: (code, message) =>
        subscriptions.tellError({ kind: code === "new_database" ? "warning" : "failed", code, message }),
    };
  }

  #take(request: number): Waiting {
    const waiting = this.#waiting.get(request);
    this.#waiting.delete(request);
    return waiting ?? { resolve() {}, reject() {} };
  }

  #handleMessage(machine: Machine, message: Message): void {
    if (message.kind === "changed" && machine.act({ kind: "minds", slice: message.slice })) {
      const { slice, position } = message;
      const puts = new Ids(message.puts.map(({ id }) => id));
      machine.act({ kind: "noteChange", slice, position, puts, deletes: new Ids(message.deletes), change: message });
    }
    machine.handleMessage(message);
  }

  #deliver(message: Message, actions: number): void {
    if (message.kind === "token") this.#giveToken(message.number);
    if (message.kind === "status" && message.status.pending > 0) this.#askToPersist();
    if (message.kind === "pending")
      this.#progress.take(message.slice, message.changes, message.reset, message.n === undefined ? undefined : actions);
    else if (message.kind === "folded") this.#progress.inEffect(actions);
    this.subscriptions.deliver(message, actions);
    if (message.kind === "changed") this.#tell(message.slice, message);
  }

  async #giveToken(number: number): Promise<void> {
    let token: string | null | undefined;
    try {
      token = await this.#getToken?.();
    } catch (error) {
      console.error("Nightferry: getToken failed, so requests wait until it gives a token:", error);
    }
    this.#machine?.act({ kind: "token", request: number, token: token ?? undefined });
  }

  /** Asks the browser not to evict what is unsent when the disk is full. */
  #askToPersist(): void {
    if (this.#mayPersist) this.#platform.persist();
    this.#mayPersist = false;
  }

  // Actions

  dispatch(action: Action): void {
    const type = String((action as Action | null | undefined)?.type);
    const slash = type.lastIndexOf("/");
    const slice = type.slice(0, slash);
    let left: IdSet | undefined;
    if (this.#tracked.has(slice) && this.#machine) {
      const verb = type.slice(slash + 1);
      left = this.#machine.act({ kind: "actsOn", slice, verb, ids: new Ids(idsIn(action.payload, verb)) });
    }
    this.enqueue(action, left && { left: [...left] });
  }

  /** Takes an action about the item `id` if its payload does not name it; its number. */
  send(action: Action, id?: string, upsert?: unknown): number {
    return this.enqueue(action, { id, upsert });
  }

  /** Takes an action. Returns its number: the page's actions are counted from 1. */
  enqueue(action: Action, beside?: Beside): number {
    this.#check("dispatch");
    const text = actionText(action, beside);
    const bytes = text.length <= SHORT ? text.length * 3 : new TextEncoder().encode(text).length;
    const isHidden = this.#platform.isHidden();
    this.#with((machine) => machine.dispatch(text, bytes, isHidden));
    this.#actions += 1;
    this.#progress.dispatched(action, beside, this.#actions);
    return this.#actions;
  }

  /** Throws if no call of `register` was granted or is under way. */
  #check(what: string): void {
    if (!this.#machine) {
      if (this.#loading) return;
      throw failure("not_registered", `${what}: call register() first, with the slices.`);
    }
    const error: string | undefined = this.#machine.act({ kind: "check", what });
    if (!error) return;
    const space = error.indexOf(" ");
    throw failure(error.slice(0, space), error.slice(space + 1));
  }

  // Requests

  /** Sends a request after what was dispatched before it. Resolves with the worker's answer. */
  async ask<T = unknown>(kind: string, { slice, id, settings, signal }: Subject = {}): Promise<T> {
    this.#check(kind);
    const machine = this.#machine ?? (await this.#load());
    return this.#answer((number) => {
      machine.act({ kind: "ask", request: number, what: kind, slice, id, settings });
      signal?.addEventListener("abort", () => machine.act({ kind: "forget", request: number }));
    });
  }

  #answer<T>(ask: (number: number) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const number = (this.#machine as Machine).act({ kind: "next" });
      this.#waiting.set(number, { resolve, reject });
      ask(number);
    });
  }

  /** All items of a slice, and how many of the page's actions are in them. */
  async read(slice: string): Promise<Omit<SliceChange, "origin">> {
    const { messages, actions } = await this.ask<Read>("hydrate", { slice });
    // Those who read in this way keep what is told meanwhile.
    return { puts: items({ messages, newer: [] }), deletes: [], n: actions, position: last(messages).position };
  }

  async readSlice(slice: string): Promise<Item[]> {
    return items(await this.ask<Read>("hydrate", { slice }));
  }

  async hydrate(slice: string): Promise<Item[]> {
    this.#track(slice);
    const read = await this.readSlice(slice);
    this.#machine?.act({ kind: "hasRead", slice, ids: new Ids(read.map(({ id }) => id)) });
    return read;
  }

  async unsentFile(): Promise<UnsentFile<unknown>> {
    return (await this.ask<{ file: UnsentFile<unknown> }>("export")).file;
  }

  async importUnsent(text: string): Promise<Imported> {
    const { principal, user, items } = readFile(text);
    const own = await this.unsentFile();
    // A file that names nobody was made before anyone signed in. Anyone may load it.
    if ((user ?? null) !== null && (user !== own.user || (principal && own.principal && principal !== own.principal))) {
      throw failure(
        "wrong_user",
        "This file has the changes of another user. Nothing was changed. Sign in as them, and load it again.",
      );
    }
    const done: Imported = { imported: 0, skipped: [] };
    for (const slice of new Set(items.map((item) => item.slice))) {
      const here = new Map((await this.readSlice(slice)).map(({ id, value }) => [id, value]));
      for (const item of items.filter((item) => item.slice === slice)) {
        const action = actionOf(item, here.get(item.id));
        if (action === "changed") done.skipped.push({ slice, id: item.id });
        else if (action) {
          this.enqueue(...action);
          done.imported += 1;
        }
      }
    }
    await this.ask("flush");
    // Nobody tells a page what it did itself.
    this.#machine?.act({ kind: "resync" });
    return done;
  }

  async getConflicts(): Promise<Conflict<unknown>[]> {
    return (await this.ask<{ conflicts: Conflict<unknown>[] }>("conflicts")).conflicts;
  }

  async resolveConflict(id: string, choice: Resolution, value?: unknown): Promise<void> {
    const isValue = choice === "value";
    if (isValue && value === undefined) {
      throw new TypeError(
        'resolveConflict(id, "value", value) needs the value; "remote" and "local" may delete an item.',
      );
    }
    this.enqueue({ type: "@resolveConflict", payload: isValue ? value : undefined }, { id, choice });
    await this.ask("flush");
  }

  subscribeConflicts(fn: (conflicts: Conflict<unknown>[]) => void): () => void {
    return this.subscribeList(this.subscriptions.onConflicts, () => this.getConflicts(), fn);
  }

  /** Takes the functions out of a slice's settings that decide its conflicts. */
  takeFunctions(slices: NonNullable<RegisterOptions["slices"]>): void {
    this.#deciders.take(slices);
  }

  // Listening

  #track(slice: string): void {
    if (this.#tracked.has(slice)) return;
    this.#tracked.add(slice);
    this.#with((machine) => machine.act({ kind: "track", slice, ids: new Ids() }));
  }

  /** Calls `fn` with what is told of a slice. */
  follow(slice: string, fn: (update: SliceChange | ResyncReason) => void): () => void {
    return add(this.subscriptions.onSlice, slice, fn);
  }

  subscribe(slice: string, fn: (change: Change<unknown>) => void): () => void {
    this.#track(slice);
    this.#with((machine) => machine.act({ kind: "countListeners", slice, more: true }));
    const end = add(this.#subscribers, slice, (change: Change<unknown>) => fn(change));
    let listens = true;
    return () => {
      end();
      if (listens) this.#with((machine) => machine.act({ kind: "countListeners", slice, more: false }));
      listens = false;
    };
  }

  /** Tells those who are subscribed to a slice, if it is about any items. */
  #tell(slice: string, change: Change<unknown>): void {
    if (change.puts[0] || change.deletes[0]) each(this.#subscribers.get(slice), change);
  }

  subscribePending(slice: string, fn: (changes: ItemProgress[], reset: boolean) => void): () => void {
    const end = add(this.subscriptions.onPending, slice, fn);
    this.#with((machine) => machine.act({ kind: "watch", slice }));
    return end;
  }

  /** Calls `fn` with the list that `get` asks for, now and whenever `listeners` are called. Returns what ends it. */
  subscribeList<T>(listeners: Set<() => void>, get: () => Promise<T>, fn: (list: T) => void): () => void {
    let asked = 0;
    const ask = () => {
      // Before `register` is called there is nothing to tell.
      if (!this.#isRegistering()) return;
      asked += 1;
      const turn = asked;
      get().then(
        // It may have ended meanwhile, or have asked again.
        (list) => turn === asked && fn(list),
        // A call of `register` that failed says so itself.
        (error) => this.#isRegistering() && reportError(error),
      );
    };
    const end = listen(listeners, ask);
    ask();
    return () => {
      asked += 1;
      end();
    };
  }

  #isRegistering(): boolean {
    return this.#machine ? this.#machine.act({ kind: "check", what: "" }) === undefined : this.#loading !== undefined;
  }

  /**
   * Puts an item that no code of the app makes, such as the copy of a side of a conflict: this page's stores and listeners are
   * told as of another tab's.
   */
  put(slice: string, item: { id: unknown }): void {
    this.dispatch({ type: `${slice}/addItem`, payload: item });
    const id = String(item.id);
    // No reading that is under way has it.
    const position = Number.POSITIVE_INFINITY;
    const change = { puts: [{ id, value: item }], deletes: [], origin: "tab" as const, n: 0, position };
    this.#machine?.act({ kind: "noteChange", slice, position, puts: new Ids([id]), deletes: new Ids(), change });
    each(this.subscriptions.onSlice.get(slice), change);
    this.#tell(slice, change);
  }

  /** Posts a message that needs no answer: `resetMetrics`. */
  tell(kind: string): void {
    this.#machine?.act({ kind: "tell", what: kind });
  }
}

/** The items that were read, with the changes that are newer. */
function items({ messages, newer }: Pick<Read, "messages" | "newer">): Item[] {
  return itemsOf(messages, [last(messages), ...newer]);
}

const last = (messages: Rows[]) => messages.at(-1) as Rows;
