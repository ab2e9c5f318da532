// What a careful developer writes by hand to keep a page's items in IndexedDB: write-behind. Changes are gathered in
// memory, the last one of an item wins, and once it is quiet they go to the store in one transaction.
//
// It is meant to be hard to beat. Keys are given beside the values, because Chromium reads a value back to find a key
// inside of it. No put has a handler: the transaction's end says all there is to know. A change costs no timer of its
// own. Durability is relaxed, and the transaction is told to commit instead of being left to find out.

export class WriteBehind {
  /** Changes that no transaction has taken yet: by id, the item, or undefined where it was removed. */
  #changes = new Map();
  /** The transactions under way. */
  #writing = new Set();
  #timer;
  #firstAt = 0;
  #lastAt = 0;

  constructor(db, store, { quietMs = 300, maxWaitMs = 2_000 } = {}) {
    this.db = db;
    this.store = store;
    this.quietMs = quietMs;
    this.maxWaitMs = maxWaitMs;
    // A page that is left may not come back.
    addEventListener("pagehide", () => this.flush().catch(console.error));
  }

  static async open(name, store, options) {
    const opening = indexedDB.open(name, 1);
    const db = await new Promise((done, failed) => {
      opening.onupgradeneeded = () => opening.result.createObjectStore(store);
      opening.onsuccess = () => done(opening.result);
      opening.onerror = () => failed(opening.error);
    });
    db.onversionchange = () => db.close();
    return new WriteBehind(db, store, options);
  }

  put(item) {
    this.#change(item.id, item);
  }

  delete(id) {
    this.#change(id, undefined);
  }

  /** Writes what was gathered now; resolves when everything that was put before is committed. */
  async flush() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#changes.size > 0) {
      const writing = this.#write(this.#changes);
      this.#changes = new Map();
      this.#writing.add(writing);
      const ended = () => this.#writing.delete(writing);
      writing.then(ended, ended);
    }
    await Promise.all(this.#writing);
  }

  /** Writes one item at once, in a transaction of its own. */
  putAlone(item) {
    return this.#write(new Map([[item.id, item]]));
  }

  /** All stored items. */
  all() {
    const reading = this.db.transaction(this.store).objectStore(this.store).getAll();
    return new Promise((done, failed) => {
      reading.onsuccess = () => done(reading.result);
      reading.onerror = () => failed(reading.error);
    });
  }

  async #write(changes) {
    const transaction = this.db.transaction(this.store, "readwrite", { durability: "relaxed" });
    const store = transaction.objectStore(this.store);
    for (const [id, item] of changes) {
      if (item === undefined) store.delete(id);
      else store.put(item, id);
    }
    transaction.commit();
    try {
      await new Promise((done, failed) => {
        transaction.oncomplete = done;
        transaction.onabort = () => failed(transaction.error);
      });
    } catch (error) {
      // What failed is tried again with the next flush, unless the item was changed since.
      this.#changes = new Map([...changes, ...this.#changes]);
      throw error;
    }
  }

  #change(id, item) {
    const now = performance.now();
    if (this.#changes.size === 0) this.#firstAt = now;
    this.#lastAt = now;
    this.#changes.set(id, item);
    this.#timer ??= setTimeout(() => this.#due(), this.quietMs);
  }

  /** The one timer: flushes once it was quiet for long enough, or since the first change waits for too long. */
  #due() {
    const dueAt = Math.min(this.#lastAt + this.quietMs, this.#firstAt + this.maxWaitMs);
    const wait = dueAt - performance.now();
    if (wait > 0) this.#timer = setTimeout(() => this.#due(), wait);
    else this.flush().catch(console.error);
  }
}
