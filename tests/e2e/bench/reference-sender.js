// What a careful developer writes by hand to send a page's changes: pushes of 500, one after the other, each change on the
// version that the server gave last. Versions are kept in IndexedDB, one transaction for each answer, so that they are there
// after a reload. It sends what Nightferry's worker sends.

const PUSH = 500;
/** A slice of its own: Nightferry would pull what is sent here, and pay for it. */
const SLICE = "reference";

export class Sender {
  #changes = new Map();
  #versions = new Map();
  #client = crypto.randomUUID();
  #n = 0;

  static async open() {
    const sender = new Sender();
    const opening = indexedDB.open("reference-versions", 1);
    sender.db = await new Promise((done, failed) => {
      opening.onupgradeneeded = () => opening.result.createObjectStore("versions");
      opening.onsuccess = () => done(opening.result);
      opening.onerror = () => failed(opening.error);
    });
    const store = sender.db.transaction("versions").objectStore("versions");
    const [keys, values] = await Promise.all(
      [store.getAllKeys(), store.getAll()].map(
        (request) => new Promise((done) => (request.onsuccess = () => done(request.result))),
      ),
    );
    sender.#versions = new Map(keys.map((key, at) => [key, values[at]]));
    return sender;
  }

  put(item) {
    this.#changes.set(item.id, { item, at: Date.now() });
  }

  /** Sends what changed; resolves when the server has all of it. */
  async send() {
    const changes = [...this.#changes];
    if (changes.length === 0) return;
    this.#changes = new Map();
    const { principal } = await this.#post("pull", { slices: {} });
    for (let from = 0; from < changes.length; from += PUSH) {
      const mutations = changes.slice(from, from + PUSH).map(([id, { item, at }]) => {
        return { slice: SLICE, id, op: "put", base: this.#versions.get(id) ?? null, value: item, at };
      });
      this.#n += 1;
      const push = { principal, n: this.#n, tag: crypto.randomUUID(), mutations };
      const { results } = await this.#post("push", push);
      await this.#keep(results);
    }
  }

  async #post(path, body) {
    const answer = await fetch(`/nightferry/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ protocol: 1, client: this.#client, ...body }),
    });
    if (!answer.ok) throw new Error(`${path} was answered ${answer.status}`);
    return answer.json();
  }

  async #keep(results) {
    const transaction = this.db.transaction("versions", "readwrite", { durability: "relaxed" });
    const store = transaction.objectStore("versions");
    for (const { id, status, version } of results) {
      if (status !== "applied") throw new Error(`${id} is ${status}`);
      this.#versions.set(id, version);
      store.put(version, id);
    }
    transaction.commit();
    await new Promise((done, failed) => {
      transaction.oncomplete = done;
      transaction.onabort = () => failed(transaction.error);
    });
  }
}
