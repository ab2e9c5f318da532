// The page's client with its real wasm, and a worker of a few lines.

import { deepStrictEqual, rejects, strictEqual } from "node:assert";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import {
  type Change,
  client,
  configureAutoSync,
  configurePersistence,
  discardRejected,
  dispatch,
  flushPersistence,
  getConflicts,
  getRejected,
  hydrate,
  register,
  resolveConflict,
  retryRejected,
  subscribe,
  subscribeConflicts,
  subscribePending,
  subscribeRejected,
  synced,
} from "./client.js";
import { deviceName } from "./device.js";

type ToWorker = {
  kind: string;
  request: number;
  n: number;
  slice: string;
  id?: string;
  slices: object;
  autoSync: object;
  device: string;
  settings: unknown;
  seen: number;
  actions: {
    type: string;
    id?: string;
    choice?: string;
    payload?: unknown;
    was?: unknown;
    left?: string[];
    at: number;
  }[];
};

/** The messages that the page has posted; with `silent`, the worker does not answer. */
const posted: ToWorker[] = [];
let silent: ToWorker[] | undefined;
/** The ids that are stored, and the position. */
let stored: [string[], number] = [[], 0];
let epoch = "e";
/** The list of refused changes. */
let rejected: { id: string }[] = [];
/** The list of conflicts; a resolution ends its conflict. */
let conflicts: { id: string; slice: string; base?: unknown; local?: unknown; remote?: unknown }[] = [];
const channels: { onmessage?: (event: { data: object }) => void }[] = [];
const say = (message: object) => channels[0]?.onmessage?.({ data: { v: 1, ...message } });

function answer({ kind, request, n, slice, slices, actions }: ToWorker): void {
  if (kind === "actions") {
    const resolved = actions.filter(({ type }) => type === "@resolveConflict").map(({ id }) => id);
    conflicts = conflicts.filter(({ id }) => !resolved.includes(id));
    say({ kind: "ack", n });
    say({ kind: "status", status: {}, unfinished: false });
  } else if (kind === "hydrate") {
    const [ids, position] = stored;
    say({
      kind: "rows",
      slice,
      request,
      ids,
      values: ids.map((id) => ({ id })),
      puts: [],
      deletes: [],
      n: 0,
      position,
    });
  } else if (kind === "pending") return;
  else if (kind === "rejected") say({ kind: "rejected", request, rejected });
  else if (kind === "conflicts") say({ kind: "conflicts", request, conflicts });
  else if (kind !== "register") say({ kind: "done", request });
  else if ("no spaces" in slices) say({ kind: "failed", request, code: "bad_config", message: "Refused." });
  else say({ kind: "registered", request, epoch, build: "b" });
}

const active = {
  postMessage(text: string) {
    const message = JSON.parse(text) as ToWorker;
    posted.push(message);
    if (silent) silent.push(message);
    else queueMicrotask(() => answer(message));
  },
};
const names = [
  "isSecureContext",
  "location",
  "document",
  "navigator",
  "addEventListener",
  "reportError",
  "fetch",
  "BroadcastChannel",
];
const former = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));

before(() => {
  const wasm = readFileSync("dist/browser/client.wasm");
  const browser = [
    true,
    { href: "https://app.test/" },
    { visibilityState: "visible", addEventListener() {}, removeEventListener() {} },
    {
      serviceWorker: { register: async ({ href }: URL) => ({ active: Object.assign(active, { scriptURL: href }) }) },
      userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
      locks: { request: (name: string, use: () => unknown) => locked(name, use) },
    },
    () => {},
    console.error,
    async () => new Response(wasm, { headers: { "Content-Type": "application/wasm" } }),
    class {
      constructor() {
        channels.push(this);
      }
    },
  ];
  names.forEach((name, at) => {
    Object.defineProperty(globalThis, name, { value: browser[at], configurable: true });
  });
});
after(() => {
  names.forEach((name, at) => {
    const descriptor = former[at];
    if (descriptor) Object.defineProperty(globalThis, name, descriptor);
  });
});

/** The holders of locks, and those that wait, by name. */
const locks = new Map<string, Promise<unknown>>();
function locked(name: string, use: () => unknown): Promise<unknown> {
  const turn = (locks.get(name) ?? Promise.resolve()).catch(() => {}).then(use);
  locks.set(name, turn);
  return turn;
}

const of = (kind: string) => posted.filter((message) => message.kind === kind);
const actions = () => of("actions").flatMap(({ actions }) => actions.map(({ type }) => type));
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("slices accumulate, call by call, and the later one wins", async () => {
  await rejects(hydrate("files"), { code: "not_registered" });
  const first = register({ slices: { files: { debounceMs: 1 } }, autoSync: { intervalMs: 5_000 } });
  strictEqual(register({ slices: { files: { debounceMs: 1 } }, autoSync: { intervalMs: 5_000 } }), first);
  // Of two parts of a page, or of a store module that was loaded again; nobody waits for the first one.
  const second = register({ slices: { notes: {} } });
  dispatch({ type: "notes/addItem", payload: { id: 1 } });
  await Promise.all([first, second]);
  await register({ slices: { files: { debounceMs: 2 } }, autoSync: { enabled: false } });
  const files = { debounceMs: 1 };
  deepStrictEqual(
    of("register").map(({ slices, autoSync }) => [slices, autoSync]),
    [
      [{ files }, { intervalMs: 5_000 }],
      [{ notes: {} }, {}],
      [{ files: { debounceMs: 2 } }, { enabled: false }],
    ],
  );
  await flushPersistence();
  deepStrictEqual(actions(), ["notes/addItem"]);
});

test("what is dispatched after another registration is posted after it", async () => {
  silent = [];
  const more = register({ slices: { models: {} } });
  dispatch({ type: "models/addItem", payload: { id: 1 } });
  const flushed = flushPersistence();
  await turn();
  deepStrictEqual([silent.map(({ kind }) => kind), actions()], [["register"], ["notes/addItem"]]);
  const asked = silent;
  silent = undefined;
  asked.forEach(answer);
  await Promise.all([more, flushed]);
  deepStrictEqual(actions(), ["notes/addItem", "models/addItem"]);
});

test("what is asked before another registration comes after what was dispatched before it", async () => {
  dispatch({ type: "notes/addItem", payload: { id: 2 } });
  const flushed = flushPersistence();
  const more = register({ slices: { plans: {} } });
  await Promise.all([flushed, more]);
  const kinds = posted.map(({ kind }) => kind);
  strictEqual(kinds.lastIndexOf("flush") > kinds.lastIndexOf("actions"), true, kinds.join());
  strictEqual(actions().at(-1), "notes/addItem");
});

test("a registration that fails takes nothing from the others", async () => {
  const wrong = register({ slices: { "no spaces": {} } });
  const right = register({ slices: { books: {} } });
  const flushed = flushPersistence();
  await rejects(wrong, { code: "bad_config" });
  await Promise.all([right, flushed]);
  const again = register({ slices: { "no spaces": {} } });
  const unaffected = configureAutoSync({});
  await rejects(again, { code: "bad_config" });
  await unaffected;
  dispatch({ type: "books/addItem", payload: { id: 1 } });
  await flushPersistence();
  strictEqual(actions().at(-1), "books/addItem");
  strictEqual(JSON.stringify(of("register").at(-2)?.slices).includes("spaces"), false);
});

test("another worker, API or database is an error", async () => {
  for (const other of [{ name: "other" }, { api: "/other" }, { workerUrl: "/other.js" }]) {
    await rejects(register({ slices: {}, ...other }), { code: "bad_config" });
  }
  await register({ slices: {}, name: "nightferry", api: "/nightferry", workerUrl: "/nightferry/sw.js" });
});

const ids = ({ puts, deletes }: Change<unknown>) => [puts.map(({ id }) => id), deletes];
/** Says that the page may have missed something, and waits until `changes` has heard of so many changes. */
async function catchUp(changes: unknown[], length: number): Promise<void> {
  say({ kind: "joined", position: 1_000_000 });
  for (let turns = 0; changes.length < length && turns < 1_000; turns += 1) await turn();
}

test("what was missed is changes, whatever the worker remembers of the page", async () => {
  await hydrate("books");
  const changes: unknown[] = [];
  const end = subscribe("books", (change) => changes.push(ids(change)));
  dispatch({ type: "books/addItem", payload: { id: 1 } });
  await flushPersistence();
  // It has forgotten the page's bursts.
  stored = [["2"], 1];
  await catchUp(changes, 1);
  deepStrictEqual(changes, [[["2"], ["1"]]]);
  end();
});

test("of what is gone a listener hears, however it came to know", async () => {
  stored = [["read"], 2];
  await hydrate("models");
  dispatch({ type: "models/addItem", payload: { id: "made" } });
  const changes: [string[], string[]][] = [];
  const end = subscribe("models", (change) => changes.push(ids(change) as [string[], string[]]));
  dispatch({ type: "models/removeItem", payload: "other" });
  stored = [["found"], 3];
  await catchUp(changes, 1);
  stored = [[], 4];
  await catchUp(changes, 2);
  deepStrictEqual(changes[0]?.[1].sort(), ["made", "read"]);
  deepStrictEqual(changes[1]?.[1], ["found"], "what it has heard of once is not told again");
  // One that ended meanwhile hears nothing.
  let last = 0;
  const endLast = subscribe("models", () => {
    last += 1;
  });
  stored = [["last"], 5];
  say({ kind: "joined", position: 1_000_000 });
  end();
  await hydrate("models");
  await turn();
  endLast();
  deepStrictEqual([changes.length, last], [2, 1]);
});

test("what is told while the items are read is in them, however often that is", async () => {
  await flushPersistence();
  silent = [];
  stored = [["old"], 5];
  const reading = hydrate("books");
  await turn();
  const asked = silent;
  silent = undefined;
  // The worker reads a store while it takes what others do.
  const post = (position: number, puts: string[], deletes: string[]) => {
    const items = puts.map((id) => ({ id, value: { id } }));
    say({ kind: "changed", slice: "books", puts: items, deletes, origin: "tab", n: 0, position });
  };
  post(5, ["before"], []);
  for (let position = 6; position < 20; position += 1) post(position, [`new ${position}`], ["old"]);
  post(20, [], ["new 6"]);
  const before = of("hydrate").length;
  asked.forEach(answer);
  const items = (await reading).map(({ id }) => id);
  deepStrictEqual([items.length, items.includes("new 19"), items.includes("old")], [13, true, false]);
  strictEqual(of("hydrate").length, before, "it is read once");
});

test("another database takes nothing away from who listens", async () => {
  stored = [["kept"], 21];
  await hydrate("books");
  const changes: unknown[] = [];
  const end = subscribe("books", (change) => changes.push(ids(change)));
  stored = [[], 0];
  epoch = "another";
  say({ kind: "stale" });
  await hydrate("books");
  await catchUp(changes, 1);
  stored = [["new"], 1];
  await catchUp(changes, 1);
  deepStrictEqual(changes, [[["new"], []]]);
  end();
});

test("an action says when it was dispatched, and a burst up to where the page has applied everything", async () => {
  stored = [[], 30];
  await hydrate("books");
  const before = Date.now();
  dispatch({ type: "books/addItem", payload: { id: "at" } });
  dispatch({ type: "books/removeItem", payload: "at" });
  await flushPersistence();
  const burst = of("actions").at(-1);
  strictEqual(burst?.seen, 30);
  strictEqual(
    burst.actions.every(({ at }) => at >= before && at <= Date.now()),
    true,
  );
});

test("what was dispatched before the page is told of a change goes first, and has not seen it", async () => {
  await flushPersistence();
  dispatch({ type: "books/addItem", payload: { id: "just now" } });
  await flushPersistence();
  const before = of("actions").length;
  dispatch({ type: "books/addItem", payload: { id: "gathered" } });
  say({ kind: "changed", slice: "books", puts: [], deletes: ["x"], origin: "server", n: 0, position: 35 });
  dispatch({ type: "books/addItem", payload: { id: "later" } });
  await flushPersistence();
  deepStrictEqual(
    of("actions")
      .slice(before)
      .map(({ seen }) => seen),
    [30, 35],
  );
});

test("a long burst is posted in parts, each with a number of its own", async () => {
  const parts = async (payloads: unknown[]) => {
    await flushPersistence();
    const before = of("actions").length;
    for (const payload of payloads) dispatch({ type: "plans/addItem", payload });
    await flushPersistence();
    return of("actions").slice(before);
  };
  const many = await parts(Array.from({ length: 1_201 }, (_, id) => ({ id, text: "é".repeat(300) })));
  deepStrictEqual(
    many.map(({ actions }) => actions.length),
    [500, 500, 201],
  );
  const first = many[0]?.n ?? 0;
  deepStrictEqual(
    many.map(({ n }) => n - first),
    [0, 1, 2],
  );
  // A single action may be longer.
  const texts = [300_000, 150_000, 100, 400_000, 10].map((length, id) => ({ id, text: "é".repeat(length) }));
  const long = await parts(texts);
  deepStrictEqual(
    long.map(({ actions }) => actions.length),
    [3, 2],
  );
  for (const { actions } of long) strictEqual(Buffer.byteLength(JSON.stringify(actions)) <= 1_000_000, true);
  strictEqual((await parts([{ id: 1, text: "é".repeat(600_000) }, { id: 2 }])).length, 2);
});

test("a set names what the page knew and leaves out, once it has read the slice", async () => {
  await register({ slices: { sets: {} } });
  const left = async (payload: { id: unknown }[]) => {
    dispatch({ type: "sets/setSets", payload });
    await flushPersistence();
    return of("actions").at(-1)?.actions.at(-1)?.left;
  };
  const end = subscribe("sets", () => {});
  strictEqual(await left([{ id: "a" }]), undefined, "it was not read");
  stored = [["b", "c"], 40];
  await hydrate("sets");
  deepStrictEqual(await left([{ id: "b" }, { id: 7 }]), ["a", "c"]);
  dispatch({ type: "sets/removeItem", payload: { id: 7 } });
  dispatch({ type: "sets/addItem", payload: { id: "d" } });
  say({
    kind: "changed",
    slice: "sets",
    puts: [{ id: "e", value: {} }],
    deletes: ["b"],
    origin: "tab",
    n: 0,
    position: 41,
  });
  deepStrictEqual(await left([]), ["d", "e"]);
  deepStrictEqual(await left([{ id: "f" }]), []);
  dispatch({ type: "sets/clearItems", payload: null });
  deepStrictEqual(await left([]), []);
  // Of another database it knows nothing.
  await left([{ id: "g" }]);
  epoch = "one more";
  say({ kind: "stale" });
  await turn();
  strictEqual(await left([]), undefined);
  end();
});

test("refused changes are listed, retried and discarded", async () => {
  rejected = [{ id: "files/7/a/b" }];
  deepStrictEqual(await getRejected(), rejected);
  const lists: unknown[] = [];
  const end = subscribeRejected((list) => lists.push(list));
  await turn();
  await retryRejected("files/7/a/b");
  await retryRejected("files/7/a/b", { id: "a/b" });
  await rejects(retryRejected("files/7/a/b", Number.NaN), TypeError);
  await discardRejected("files/7/a/b");
  const sent = of("actions").flatMap(({ actions }) => actions.filter(({ type }) => type.startsWith("@")));
  deepStrictEqual(
    sent.map(({ at: _, ...action }) => action),
    [
      { type: "@retryRejected", id: "files/7/a/b" },
      { type: "@retryRejected", id: "files/7/a/b", payload: { id: "a/b" } },
      { type: "@discardRejected", id: "files/7/a/b" },
    ],
  );
  const first = rejected;
  rejected = [];
  say({ kind: "rejections" });
  await turn();
  deepStrictEqual(lists, [first, []]);
  end();
  say({ kind: "rejections" });
  await turn();
  strictEqual(lists.length, 2);
});

/** Returns the actions on conflicts that were dispatched since burst `from`, without their times. */
const resolutions = (from: number) =>
  of("actions")
    .slice(from)
    .flatMap(({ actions }) => actions.filter(({ type }) => type === "@resolveConflict"))
    .map(({ at: _, type: __, ...action }) => action);

test("conflicts are listed and resolved", async () => {
  conflicts = [{ id: "files/9/a", slice: "files", local: 1, remote: 2 }];
  const first = conflicts;
  deepStrictEqual(await getConflicts(), first);
  const lists: unknown[] = [];
  const end = subscribeConflicts((list) => lists.push(list));
  await turn();
  const from = of("actions").length;
  await resolveConflict("files/9/a", "remote");
  await resolveConflict("files/9/a", "value", null);
  await resolveConflict("files/9/a", "local", "left out");
  await rejects(resolveConflict("files/9/a", "value", Number.NaN), TypeError);
  await rejects(resolveConflict("files/9/a", "value"), TypeError);
  deepStrictEqual(resolutions(from), [
    { id: "files/9/a", choice: "remote" },
    { id: "files/9/a", choice: "value", payload: null },
    { id: "files/9/a", choice: "local" },
  ]);
  say({ kind: "conflictsChanged" });
  await turn();
  deepStrictEqual(lists, [first, []]);
  end();
  say({ kind: "conflictsChanged" });
  await turn();
  strictEqual(lists.length, 2);
});

test("a function decides the conflicts of its slice, each once", async () => {
  const calls: unknown[][] = [];
  const decide = (...sides: unknown[]) => {
    calls.push(sides);
    if (sides[1] === "throws") throw new Error("a fault of the app");
    return sides[1] === "left" ? undefined : "decided";
  };
  await register({ slices: { files: { conflict: decide }, notes: { conflict: "newest" } } });
  deepStrictEqual(of("register").at(-1)?.slices, { files: { conflict: "merge" }, notes: { conflict: "newest" } });
  const from = of("actions").length;
  const errors: unknown[] = [];
  const { error } = console;
  console.error = (text: string) => errors.push(text);
  const list = ["plain", "left", "throws"].map((local) => ({ id: `files/9/${local}`, slice: "files", local }));
  conflicts = [...list, { id: "notes/9/a", slice: "notes", local: "of another slice" }];
  for (let times = 0; times < 3; times += 1) {
    say({ kind: "conflictsChanged" });
    await turn();
  }
  while (locks.size > 0) {
    const [name, decided] = [...locks][0] as [string, Promise<unknown>];
    locks.delete(name);
    await decided.catch(() => {});
  }
  console.error = error;
  deepStrictEqual(calls, [
    [undefined, "plain", undefined],
    [undefined, "left", undefined],
    [undefined, "throws", undefined],
  ]);
  deepStrictEqual(resolutions(from), [{ id: "files/9/plain", choice: "value", payload: "decided" }]);
  deepStrictEqual(
    conflicts.map(({ id }) => id),
    ["files/9/left", "files/9/throws", "notes/9/a"],
  );
  strictEqual(errors.length === 1 && String(errors[0]).includes("(conflict_function)"), true, errors.join());

  // A strategy in its place ends that.
  await configurePersistence("files", { conflict: "manual" });
  deepStrictEqual(of("configure").at(-1)?.settings, { conflict: "manual" });
  conflicts = [{ id: "files/10/a", slice: "files", local: "plain" }];
  say({ kind: "conflictsChanged" });
  await turn();
  strictEqual(calls.length, 3);
  conflicts = [];
});

test("of two tabs that decide a conflict one does, and the other does nothing", async () => {
  const calls: unknown[] = [];
  conflicts = [{ id: "books/9/a", slice: "books", local: 1 }];
  // The other tab has the lock, and resolves the conflict.
  let decided = () => {};
  locked("nightferry-conflict:books/9/a", () => new Promise<void>((resolve) => (decided = resolve)));
  await register({ slices: { books: { conflict: (_: unknown, local: unknown) => calls.push(local) } } });
  await turn();
  conflicts = [];
  decided();
  await locks.get("nightferry-conflict:books/9/a");
  deepStrictEqual(calls, []);
});

test("an update carries the former values that the app gives, and they are checked", async () => {
  dispatch({ type: "books/updateItem", payload: { id: 1, title: "b" }, was: { title: "a" } });
  dispatch({ type: "books/updateItem", payload: { id: 1, added: 1 }, was: {} });
  await flushPersistence();
  const sent = of("actions")
    .at(-1)
    ?.actions.map(({ payload, was }) => [payload, was]);
  deepStrictEqual(sent, [
    [{ id: 1, title: "b" }, { title: "a" }],
    [{ id: 1, added: 1 }, {}],
  ]);
  const wrong = { type: "books/updateItem", payload: { id: 1, title: "b" }, was: { title: new Date() } };
  strictEqual(messageOf(() => dispatch(wrong)).startsWith("books/updateItem: was.title is a Date"), true);
});

function messageOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return "nothing was thrown";
}

test("one waits until the server has a slice or an item, and may stop waiting", async () => {
  await synced("files");
  await synced("files", "a");
  deepStrictEqual(
    of("synced").map(({ slice, id }) => [slice, id]),
    [
      ["files", undefined],
      ["files", "a"],
    ],
  );
  silent = [];
  const stop = new AbortController();
  const waiting = synced("files", "b", { signal: stop.signal });
  await turn();
  strictEqual(silent.length, 1);
  const reason = new Error("enough");
  stop.abort(reason);
  await rejects(waiting, reason);
  await rejects(synced("files", "c", { signal: stop.signal }), reason);
  // A worker that starts anew is asked for what is waited for, and for nothing else.
  silent = [];
  say({ kind: "hello" });
  deepStrictEqual(
    silent.map(({ kind }) => kind),
    ["ping"],
  );
  silent = undefined;
});

test("a device is named after its browser and system, unless the app names it", async () => {
  strictEqual(of("register")[0]?.device, "Firefox on Linux");
  await register({ slices: {}, deviceName: "Ann's tablet" });
  strictEqual(of("register").at(-1)?.device, "Ann's tablet");
  const chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0";
  strictEqual(deviceName(`Mozilla/5.0 (Windows NT 10.0) ${chrome} Safari/537.36 Edg/140.0.0.0`), "Edge on Windows");
  strictEqual(deviceName(`Mozilla/5.0 (Linux; Android 10; K) ${chrome} Mobile Safari/537.36`), "Chrome on Android");
  strictEqual(deviceName("Mozilla/5.0 (iPhone; like Mac OS X) Version/18.6 Safari/604.1"), "Safari on iPhone");
  strictEqual(deviceName(""), "Browser");
});

test("an item that no code of the app made is told to the page's own listeners, too", async () => {
  const changes: unknown[] = [];
  const end = subscribe("books", (change) => changes.push(ids(change)));
  client.put("books", { id: "a-copy" });
  await flushPersistence();
  strictEqual(actions().at(-1), "books/addItem");
  deepStrictEqual(changes, [[["a-copy"], []]]);
  end();
});

test("an item of an action that is not in effect yet is local, whatever the worker has told of it", async () => {
  const calls: unknown[] = [];
  const news = () => calls.splice(0);
  // Before anybody listens, as by a click that shows a new item.
  dispatch({ type: "files/addItem", payload: { id: "new" } });
  const end = subscribePending("files", (changes, reset) =>
    calls.push([reset, changes.map(({ id, state }) => [id, state])]),
  );
  await flushPersistence();
  const n = of("actions").at(-1)?.n ?? 0;
  const pending = (changes: object[], more = {}) =>
    say({ kind: "pending", slice: "files", reset: false, changes, ...more });
  // This list was made before the action was in effect.
  pending([{ id: "old", state: "sending" }], { reset: true, n: n - 1 });
  deepStrictEqual(news(), [
    [
      true,
      [
        ["old", "sending"],
        ["new", "local"],
      ],
    ],
  ]);
  dispatch({ type: "files/updateItem", payload: { id: "old", x: 1 } });
  deepStrictEqual(news(), [[false, [["old", "local"]]]]);
  pending([{ id: "old", state: "synced" }]);
  deepStrictEqual(news(), [[false, [["old", "local"]]]]);
  await flushPersistence();
  // In effect, it is what the worker tells.
  pending([{ id: "new", state: "sending" }]);
  say({ kind: "folded", position: 90, n, slices: ["files"] });
  pending([{ id: "new", state: "synced" }]);
  deepStrictEqual(news(), [
    [false, [["new", "local"]]],
    [false, [["new", "sending"]]],
    [false, [["new", "synced"]]],
  ]);
  // One that came to nothing is what it was.
  say({ kind: "folded", position: 91, n: n + 1, slices: ["files"] });
  deepStrictEqual(news(), [[false, [["old", "synced"]]]]);
  // A list that a page asked for has its actions.
  dispatch({ type: "files/removeItem", payload: "old" });
  await flushPersistence();
  pending([], { reset: true, n: n + 2 });
  deepStrictEqual(news(), [
    [false, [["old", "local"]]],
    [true, []],
  ]);
  end();
});
