// The page's view of the files: what Nightferry holds, by id and by path, and how far each has come.

/**
 * @typedef {{id: string, path: string, content: string, encoding?: "base64", size: number, modifiedAt: number}} Item
 * @typedef {"local" | "sending" | "synced" | "conflict" | "rejected"} Progress
 * @typedef {Progress | "unknown"} State
 * @typedef {"here" | "tab" | "server" | "rollback" | "start"} Origin
 *
 * @typedef {object} Change what happened to the files
 * @property {boolean} structure some file came, went, or has another path
 * @property {boolean} states some file got further on its way
 * @property {Set<string>} ids the files whose item changed
 * @property {Origin} origin
 *
 * @typedef {object} Status what Nightferry says about itself
 * @property {boolean} enabled
 * @property {"unknown" | "online" | "local-only"} connection
 * @property {boolean} flaskConnected
 * @property {"idle" | "syncing" | "success" | "error"} syncStatus
 * @property {string | null} error
 * @property {string | null} errorCode
 * @property {number | null} lastSyncTime
 * @property {number} pending
 * @property {number} conflicts
 * @property {number} rejected
 * @property {{done: number, total: number} | null} progress
 * @property {unknown[]} [warnings]
 *
 * @typedef {"up-to-date" | "sending" | "saved" | "paused" | "needs-you"} StateOfThings
 * @typedef {{conflicts: (items: number) => string}} StatusTexts the part that this page replaces
 *
 * @typedef {object} Client the part of `/nightferry/client.js` that this page uses
 * @property {(options: object) => Promise<unknown>} register
 * @property {(action: {type: string, payload: unknown, was?: object}) => unknown} dispatch
 * @property {(slice: string) => Promise<{id: string, value: Item}[]>} hydrate
 * @property {(slice: string, fn: (change: {puts: {id: string, value: Item}[], deletes: string[], origin: "tab" | "server" | "rollback"}) => void) => () => void} subscribe
 * @property {(slice: string, fn: (changes: {id: string, state: Progress}[], reset: boolean) => void) => () => void} subscribePending
 * @property {() => Status} getStatus
 * @property {(status: Status, texts?: Partial<StatusTexts>) => {state: StateOfThings, text: string, detail: string}} describeStatus
 * @property {(fn: (status: Status) => void) => () => void} subscribeStatus
 * @property {() => Promise<void>} syncNow
 */

const SLICE = "files";
/** How long a change that was just made counts as only on this device when Nightferry has not named it. */
const UNNAMED_MS = 3000;

/** Words for each state, the same everywhere. @type {Record<State, string>} */
export const STATE_TEXT = {
  local: "Only on this device",
  sending: "On its way",
  synced: "On the server",
  conflict: "Changed elsewhere, too",
  rejected: "Refused by the server",
  unknown: "Checking…",
};

export class FileStore {
  /** @type {Map<string, Item>} */
  #items = new Map();
  /** Two devices may each make a file of one path while apart: so several ids. @type {Map<string, Set<string>>} */
  #paths = new Map();
  /** Files that the server does not have as they are here. @type {Map<string, Exclude<Progress, "synced">>} */
  #states = new Map();
  /** Files changed here that Nightferry has not named since, by when. @type {Map<string, number>} */
  #unnamed = new Map();
  #statesKnown = false;
  #size = 0;
  /** @type {Set<(change: Change) => void>} */
  #listeners = new Set();
  /** @type {Client} */
  #client;

  /** @param {Client} client */
  constructor(client) {
    this.#client = client;
  }

  /** Registers, and reads what there is. */
  async open() {
    // A refused change stays here, until somebody decides.
    await this.#client.register({ slices: { [SLICE]: { refused: "keep" } } });

    // Changes that arrive during the first reading are newer than it, and are applied after it.
    /** @type {(() => void)[] | null} */
    let waiting = [];
    this.#client.subscribe(SLICE, (change) => {
      const apply = () => this.#receive(change);
      if (waiting) waiting.push(apply);
      else apply();
    });
    this.#client.subscribePending(SLICE, (changes, reset) => this.#receiveStates(changes, reset));
    this.#client.subscribeStatus((status) => this.#forgetUnnamed(status));

    const items = await this.#client.hydrate(SLICE);
    const change = newChange("start");
    for (const { id, value } of items) this.#put(asItem(id, value), change);
    change.structure = true;
    this.#emit(change);
    const late = waiting;
    waiting = null;
    for (const apply of late) apply();
  }

  /** @param {(change: Change) => void} listener */
  listen(listener) {
    this.#listeners.add(listener);
  }

  get count() {
    return this.#items.size;
  }

  get size() {
    return this.#size;
  }

  /** Files that are not on the server, with how far each has come. */
  get unsent() {
    return this.#states;
  }

  /** @param {string} id */
  get(id) {
    return this.#items.get(id);
  }

  all() {
    return this.#items.values();
  }

  /** @param {string} path */
  find(path) {
    const [id] = this.#paths.get(path) ?? [];
    return id === undefined ? undefined : this.#items.get(id);
  }

  /**
   * @param {string} id
   * @returns {State}
   */
  stateOf(id) {
    return this.#states.get(id) ?? (this.#statesKnown ? "synced" : "unknown");
  }

  // Each of these first tells Nightferry, which throws when it cannot take the change; then the page shows it.

  /** @param {Item} item */
  add(item) {
    this.#client.dispatch({ type: `${SLICE}/addItem`, payload: item });
    this.#changedHere((change) => this.#put(item, change));
  }

  /** @param {Item[]} items */
  addAll(items) {
    if (!items.length) return;
    this.#client.dispatch({ type: `${SLICE}/addItems`, payload: items });
    this.#changedHere((change) => {
      for (const item of items) this.#put(item, change);
    });
  }

  /**
   * A field given as undefined is removed.
   * @param {string} id
   * @param {Partial<Item>} fields
   */
  update(id, fields) {
    const item = this.#items.get(id);
    if (!item) return;
    // The former values tell Nightferry what the person had seen.
    const names = /** @type {(keyof Item)[]} */ (Object.keys(fields));
    const was = Object.fromEntries(names.map((name) => [name, item[name]]));
    this.#client.dispatch({ type: `${SLICE}/updateItem`, payload: { id, ...fields }, was });
    this.#changedHere((change) => this.#put(withoutAbsent({ ...item, ...fields }), change));
  }

  /** @param {Item[]} items */
  removeAll(items) {
    for (const { id } of items) this.#client.dispatch({ type: `${SLICE}/removeItem`, payload: { id } });
    this.#changedHere((change) => {
      for (const { id } of items) this.#delete(id, change);
    });
  }

  /** @param {{puts: {id: string, value: Item}[], deletes: string[], origin: "tab" | "server" | "rollback"}} received */
  #receive({ puts, deletes, origin }) {
    const change = newChange(origin);
    for (const id of deletes) this.#delete(id, change);
    for (const { id, value } of puts) this.#put(asItem(id, value), change);
    this.#emit(change);
  }

  /**
   * @param {{id: string, state: Progress}[]} changes
   * @param {boolean} reset
   */
  #receiveStates(changes, reset) {
    if (reset) {
      this.#states.clear();
      for (const id of this.#unnamed.keys()) this.#states.set(id, "local");
    }
    this.#statesKnown = true;
    for (const { id, state } of changes) {
      this.#unnamed.delete(id);
      if (state === "synced") this.#states.delete(id);
      else this.#states.set(id, state);
    }
    this.#emit({ ...newChange("server"), states: true });
  }

  /** @param {Status} status */
  #forgetUnnamed(status) {
    if (status.pending > 0 || !this.#unnamed.size) return;
    const change = newChange("server");
    for (const [id, since] of this.#unnamed) {
      if (performance.now() - since < UNNAMED_MS) continue;
      this.#unnamed.delete(id);
      this.#states.delete(id);
      change.states = true;
    }
    if (change.states) this.#emit(change);
  }

  /** @param {(change: Change) => void} make */
  #changedHere(make) {
    const change = newChange("here");
    make(change);
    const now = performance.now();
    for (const id of change.ids) {
      if (!this.#items.has(id)) continue;
      // A change on top of one that is on its way is here only, until Nightferry says otherwise.
      this.#unnamed.set(id, now);
      if (this.#states.get(id) !== "local") {
        this.#states.set(id, "local");
        change.states = true;
      }
    }
    this.#emit(change);
  }

  /**
   * @param {Item} item
   * @param {Change} change
   */
  #put(item, change) {
    const old = this.#items.get(item.id);
    if (old?.path !== item.path) {
      if (old) this.#forgetPath(old);
      let ids = this.#paths.get(item.path);
      if (!ids) {
        ids = new Set();
        this.#paths.set(item.path, ids);
      }
      ids.add(item.id);
      change.structure = true;
    }
    this.#size += (item.size || 0) - (old?.size || 0);
    this.#items.set(item.id, item);
    change.ids.add(item.id);
  }

  /**
   * @param {string} id
   * @param {Change} change
   */
  #delete(id, change) {
    const old = this.#items.get(id);
    if (!old) return;
    this.#forgetPath(old);
    this.#items.delete(id);
    this.#states.delete(id);
    this.#unnamed.delete(id);
    this.#size -= old.size || 0;
    change.structure = true;
    change.ids.add(id);
  }

  /** @param {Item} item */
  #forgetPath(item) {
    const ids = this.#paths.get(item.path);
    ids?.delete(item.id);
    if (!ids?.size) this.#paths.delete(item.path);
  }

  /** @param {Change} change */
  #emit(change) {
    if (!change.structure && !change.states && !change.ids.size) return;
    for (const listener of this.#listeners) listener(change);
  }
}

/**
 * @param {Origin} origin
 * @returns {Change}
 */
function newChange(origin) {
  return { structure: false, states: false, ids: new Set(), origin };
}

/**
 * @param {Item} item
 * @returns {Item}
 */
function withoutAbsent(item) {
  if (item.encoding === undefined) delete item.encoding;
  return item;
}

/**
 * Another program may have written something else into this slice; it is listed, and breaks nothing.
 * @param {string} id
 * @param {Partial<Item> | null} value
 * @returns {Item}
 */
function asItem(id, value) {
  const { path, content, size, modifiedAt } = value ?? {};
  return {
    ...value,
    id,
    path: typeof path === "string" && path ? path : `unnamed/${id}`,
    content: typeof content === "string" ? content : "",
    size: typeof size === "number" ? size : 0,
    modifiedAt: typeof modifiedAt === "number" ? modifiedAt : 0,
  };
}

/** A random id. `randomUUID` exists in secure contexts only; the rest everywhere. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
