// The page's client with its real wasm, and a worker of a few lines.

import { deepStrictEqual, rejects, strictEqual } from "node:assert";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import {
  type Change,
  configureAutoSync,
  discardRejected,
  dispatch,
  flushPersistence,
  getRejected,
  hydrate,
  register,
  retryRejected,
  subscribe,
  subscribeRejected,
} from "./client.js";

type ToWorker = {
  kind: string;
  request: number;
  n: number;
  slice: string;
  slices: object;
  autoSync: object;
  seen: number;
  actions: { type: string; id?: string; payload?: unknown; left?: string[]; at: number }[];
};

/** What the page has posted; with `silent`, the worker does not answer. */
const posted: ToWorker[] = [];
let silent: ToWorker[] | undefined;
/** What is stored: ids, and the position. */
let stored: [string[], number] = [[], 0];
let epoch = "e";
/** The list of refused changes. */
let rejected: { id: string }[] = [];
const channels: { onmessage?: (event: { data: object }) => void }[] = [];
const say = (message: object) => channels[0]?.onmessage?.({ data: { v: 1, ...message } });

function answer({ kind, request, n, slice, slices }: ToWorker): void {
  if (kind === "actions") {
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
  } else if (kind === "rejected") say({ kind: "rejected", request, rejected });
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
    { visibilityState: "visible", addEventListener() {} },
    { serviceWorker: { register: async () => ({ active }) } },
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

test("a registration that is refused takes nothing from the others", async () => {
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

test("another worker, API or database is refused", async () => {
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
  deepStrictEqual(changes[1]?.[1].sort(), ["found", "made", "read"]);
  // One that ended meanwhile hears nothing.
  let last = 0;
  const endLast = subscribe("models", () => {
    last += 1;
  });
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
