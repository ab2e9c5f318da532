// Uses of a store that once lost or deleted something: each test is a fault that was found, as small as it
// could be made.

import { deepStrictEqual, doesNotThrow, ok, strictEqual } from "node:assert";
import { type TestContext, test } from "node:test";
import { combineReducers, configureStore, createEntityAdapter, createSlice } from "@reduxjs/toolkit";
import { actionText } from "../action.js";
import { type Client, clearSlice, type NightferryOptions, withoutTracking } from "./binding.js";
import { Device, type Tab, turn, untilQuiet } from "./device.test-support.js";
import { enhancer } from "./enhancer.js";

interface Item {
  id: number | string;
  [field: string]: unknown;
}

const set = (payload: unknown) => ({ type: "set", payload });

/** A slice of which `set` makes anything. */
const slice =
  (initial: unknown) =>
  (state: unknown = initial, action: { type: string; payload?: unknown }) =>
    action.type === "set" ? action.payload : state;

interface Opened {
  getState(): { list: never };
  dispatch(action: unknown): unknown;
  replaceReducer(reducer: never): void;
  subscribe(fn: () => void): () => void;
  nightferry: { ready: Promise<void> };
}

/** A store with the slice `list`, whatever its reducer. */
function open(
  device: Device,
  reducer: unknown,
  { tracking = {}, preloaded, client }: { tracking?: object; preloaded?: unknown; client?: Client } = {},
) {
  const tab = device.tab();
  const options: NightferryOptions = { slices: { list: tracking } };
  const store = configureStore({
    reducer: (typeof reducer === "function" ? reducer : { list: slice(reducer) }) as never,
    middleware: (get) => get({ immutableCheck: false, serializableCheck: false }),
    ...(preloaded !== undefined && { preloadedState: { list: preloaded } as never }),
    enhancers: (get) => get().concat(enhancer(client ?? tab, options)),
  }) as unknown as Opened;
  return { tab, store, list: () => store.getState().list as unknown };
}

function stored(...items: Item[]): Device {
  const device = new Device();
  for (const item of items) device.items("list").set(String(item.id), item);
  return device;
}
const ids = (device: Device) => [...device.items("list").keys()];

/** The console's messages. */
function quiet(context: TestContext) {
  context.mock.method(console, "warn", () => {});
  return context.mock.method(console, "error", () => {});
}

// --- What deletes everywhere

test("a slice whose reducer comes later is not deleted everywhere by the first action", async (context) => {
  quiet(context);
  const device = stored({ id: 1 }, { id: 2 });
  const { store, tab } = open(
    device,
    combineReducers({ other: (state = 0, { type }: { type: string }) => (type === "x" ? 1 : state) }),
  );
  await untilQuiet(tab);
  store.dispatch({ type: "x" });
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["1", "2"]);
});

test("f57: an item with an empty id is named, and nothing else changes", async (context) => {
  const errors = quiet(context);
  const item = { id: "", name: "none" };
  const entities = (...items: Item[]) => ({
    ids: items.map(({ id }) => id),
    entities: Object.fromEntries(items.map((item) => [item.id, item])),
  });
  const byId = (...items: Item[]) => Object.fromEntries(items.map((item) => [item.id, item]));
  for (const shape of [(...items: Item[]) => items, entities, byId]) {
    const device = stored({ id: "1" }, { id: "2" });
    const { store, tab } = open(device, shape());
    await untilQuiet(tab);
    const kept = [{ id: "1" }, { id: "2" }] as const;
    store.dispatch(set(shape(...kept, item)));
    await untilQuiet(tab);
    store.dispatch(set(shape(...kept)));
    await untilQuiet(tab);
    deepStrictEqual(ids(device), ["1", "2"]);
    ok(errors.mock.calls.some(({ arguments: [text] }) => String(text).includes("has an empty id")));
    // Also where the store has it before it is bound.
    const bound = open(device, shape(item), {});
    await untilQuiet(bound.tab);
    bound.store.dispatch(set(shape(...kept)));
    await untilQuiet(bound.tab);
    deepStrictEqual(ids(device), ["1", "2"]);
  }
});

test("a slice whose reducer is replaced by none is not deleted everywhere", async (context) => {
  quiet(context);
  const device = stored({ id: 1 });
  const { store, tab } = open(device, []);
  await untilQuiet(tab);
  store.replaceReducer(combineReducers({ other: (state = 0) => state }) as never);
  store.dispatch({ type: "x" });
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["1"]);
});

test("a reset to null deletes nothing", async (context) => {
  quiet(context);
  const device = stored({ id: 1 });
  const { store, tab } = open(device, null);
  await untilQuiet(tab);
  store.dispatch(set(null));
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["1"]);
});

test("a reset after the reducer was replaced (hot reload, code splitting) deletes nothing", async (context) => {
  quiet(context);
  const device = stored({ id: 1 });
  const { store, tab } = open(device, []);
  await untilQuiet(tab);
  const initial: Item[] = [];
  store.replaceReducer(combineReducers({ list: slice(initial) }) as never);
  store.dispatch(set(initial));
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["1"]);
});

test("the usual reset of the whole store, state = undefined, deletes nothing where a reducer writes `state = []`", async (context) => {
  quiet(context);
  const device = stored({ id: 1 });
  const all = combineReducers({ list: (state = []) => state });
  const { store, tab } = open(device, (state: never, action: { type: string }) =>
    all(action.type === "signed out" ? undefined : state, action),
  );
  await untilQuiet(tab);
  store.dispatch({ type: "signed out" });
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["1"]);
});

test("a reset of a slice with a lazy initial state deletes nothing", async (context) => {
  quiet(context);
  const device = stored({ id: 1 });
  const adapter = createEntityAdapter<Item>();
  const lazy = createSlice({ name: "l", initialState: () => adapter.getInitialState(), reducers: {} });
  const { store, tab } = open(device, (state: { list: never } | undefined, action: { type: string }) => ({
    list: action.type === "reset" ? lazy.getInitialState() : lazy.reducer(state?.list, action),
  }));
  await untilQuiet(tab);
  store.dispatch({ type: "reset" });
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["1"]);
});

test("an item with the id __proto__ in a plain object is not deleted everywhere by the next change", async (context) => {
  quiet(context);
  const device = stored({ id: "__proto__", name: "x" });
  const { store, tab, list } = open(device, {});
  await untilQuiet(tab);
  store.dispatch(set({ ...(list() as object), a: { id: "a" } }));
  await untilQuiet(tab);
  deepStrictEqual(ids(device).sort(), ["__proto__", "a"]);
});

test("an item with the id __proto__ in an entity adapter keeps its fields", async (context) => {
  quiet(context);
  const device = stored({ id: "__proto__", name: "x" });
  const adapter = createEntityAdapter<Item>();
  const entities = createSlice({
    name: "l",
    initialState: adapter.getInitialState(),
    reducers: { add: adapter.addOne },
  });
  const { store, tab } = open(device, combineReducers({ list: entities.reducer }));
  await untilQuiet(tab);
  store.dispatch(entities.actions.add({ id: "a" }));
  await untilQuiet(tab);
  deepStrictEqual(device.items("list").get("__proto__"), { id: "__proto__", name: "x" });
});

test("an item that an array cannot find again under its id is not deleted everywhere by the next change", async (context) => {
  quiet(context);
  // Kept by an app whose slice was a plain object: the key was all that there was of an id.
  const device = new Device();
  device.items("list").set("a", { title: "A" });
  const { store, tab, list } = open(device, []);
  await untilQuiet(tab);
  store.dispatch(set([...(list() as Item[]), { id: "b" }]));
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["a", "b"]);
});

test("clearSlice of a single value does not make an empty object of it everywhere", async (context) => {
  quiet(context);
  const device = new Device();
  const { store, tab, list } = open(device, "light", { tracking: { single: true } });
  await untilQuiet(tab);
  store.dispatch(set("dark"));
  try {
    store.dispatch(clearSlice("list"));
  } catch {}
  await untilQuiet(tab);
  strictEqual(typeof list(), "string");
  strictEqual(typeof device.items("list").get("value"), "string");
});

test("clearSlice before the slice was read deletes all that is stored, though the page goes at once", async (context) => {
  quiet(context);
  const device = stored({ id: 1 }, { id: 2 });
  const { store, tab, list } = open(device, []);
  store.dispatch(set([{ id: 3 }]));
  store.dispatch(clearSlice("list"));
  store.dispatch(set([{ id: 4 }]));
  await turn();
  // The page is hidden, and gone.
  tab.post();
  while (tab.toWorker.length > 0) tab.toWorker.shift()?.();
  deepStrictEqual(ids(device), ["4"]);
  await untilQuiet(tab);
  deepStrictEqual(list(), [{ id: 4 }]);
});

test("what is read as of before a clearSlice does not come back", async (context) => {
  quiet(context);
  const device = stored({ id: 1 }, { id: 2 });
  const other = open(device, []);
  await untilQuiet(other.tab);
  const { store, tab, list } = open(device, []);
  await turn();
  while (tab.toWorker.length > 0) tab.toWorker.shift()?.();
  tab.fromWorker.shift()?.();
  await turn();
  tab.toWorker.shift()?.();
  store.dispatch(clearSlice("list"));
  await turn();
  other.store.dispatch(set([{ id: 1, name: "before" }, { id: 2 }])); // biome-ignore format: one line
  await turn();
  other.tab.post();
  other.tab.toWorker.shift()?.();
  while (tab.fromWorker.length > 0) tab.fromWorker.shift()?.();
  await turn();
  deepStrictEqual(list(), []);
  await untilQuiet(tab, other.tab);
  other.store.dispatch(set([{ id: 5 }]));
  await untilQuiet(tab, other.tab);
  deepStrictEqual([ids(device), list(), other.list()], [["5"], [{ id: 5 }], [{ id: 5 }]]);
});

test("clearSlice deletes all where a reducer makes its first state anew each time", async (context) => {
  quiet(context);
  const device = stored({ id: 1 });
  const { store, tab } = open(
    device,
    (state: { list: Item[] } | undefined, action: { type: string; payload?: unknown }) =>
      action.type === "set" ? { list: action.payload } : (state ?? { list: [] }),
  );
  await untilQuiet(tab);
  store.dispatch(clearSlice("list"));
  await untilQuiet(tab);
  deepStrictEqual(ids(device), []);
});

// --- What is lost of what the user did

test("an edit just before a reset is sent", async (context) => {
  quiet(context);
  const device = stored({ id: 1, name: "old" });
  const initial: Item[] = [];
  const { store, tab } = open(device, initial);
  await untilQuiet(tab);
  store.dispatch(set([{ id: 1, name: "new" }]));
  store.dispatch(set(initial));
  await untilQuiet(tab);
  deepStrictEqual(device.items("list").get("1"), { id: 1, name: "new" });
});

test("a change is sent though a subscriber throws", async (context) => {
  quiet(context);
  const device = new Device();
  const { store, tab } = open(device, []);
  await untilQuiet(tab);
  store.subscribe(() => {
    throw new Error("of the app");
  });
  try {
    store.dispatch(set([{ id: 1 }]));
  } catch {}
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["1"]);
});

test("what a thunk does later is sent wherever the enhancer stands", async (context) => {
  quiet(context);
  const device = new Device();
  const tab = device.tab();
  const store = configureStore({
    reducer: { list: slice([]) },
    enhancers: (get) => get().prepend(enhancer(tab, { slices: { list: {} } })),
  });
  await untilQuiet(tab);
  await store.dispatch((async (dispatch: (action: unknown) => void) => {
    await turn();
    dispatch(set([{ id: 1 }]));
  }) as never);
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["1"]);
});

test("a snapshot of the whole state that is restored is sent", async (context) => {
  quiet(context);
  const device = stored({ id: 1, name: "a" });
  const { store, tab, list } = open(device, (state: unknown, action: { type: string; state: unknown }) =>
    action.type === "restore" ? action.state : (state ?? { list: [] }),
  );
  const other = open(device, []);
  await untilQuiet(tab, other.tab);
  const snapshot = store.getState();
  other.store.dispatch(set([{ id: 1, name: "b" }]));
  await untilQuiet(tab, other.tab);
  store.dispatch({ type: "restore", state: snapshot });
  await untilQuiet(tab, other.tab);
  deepStrictEqual(list(), [...device.items("list").values()]);
});

test("a field that is called like one of every object's is removed", async (context) => {
  quiet(context);
  const device = stored({ id: 1, constructor: "Lotus", name: "a" });
  const { store, tab } = open(device, []);
  await untilQuiet(tab);
  store.dispatch(set([{ id: 1, name: "a" }]));
  await untilQuiet(tab);
  deepStrictEqual(Object.keys(device.items("list").get("1") as object), ["id", "name"]);
});

test("a field id that is not the item's id is not sent as an update, of which the worker leaves it out", async (context) => {
  quiet(context);
  const device = new Device();
  device.items("list").set("7", { isbn: 7, id: "x" });
  const { store, tab } = open(device, [], { tracking: { selectId: (item: { isbn: number }) => item.isbn } });
  await untilQuiet(tab);
  store.dispatch(set([{ isbn: 7, id: "y" }]));
  await untilQuiet(tab);
  // src/engine/fold.rs, merge: `if name != "id"`. The double merges it; the worker does not.
  deepStrictEqual(
    device.operations.filter(({ type, payload }) => type === "list/updateItem" && "id" in Object(payload)),
    [],
  );
});

test("of the app's first items those stay that were not edited", async (context) => {
  quiet(context);
  const device = new Device();
  const seeds = [{ id: 1 }, { id: 2 }];
  const { store, tab, list } = open(device, seeds);
  store.dispatch(set([{ id: 1, name: "mine" }, seeds[1]]));
  await untilQuiet(tab);
  strictEqual((list() as Item[]).length, 2);
});

test("an edit of a preloaded item while the slice is read overwrites what was edited, and nothing else", async (context) => {
  quiet(context);
  // Edited on this device since the server rendered the page.
  const device = stored({ id: 1, name: "newer", tags: ["x"] });
  const preloaded = [
    { id: 1, name: "rendered", open: false, old: 1 },
    { id: 2, name: "rendered", open: false },
  ];
  const { store, tab, list } = open(device, [], { preloaded });
  store.dispatch(set([{ id: 1, name: "rendered", open: true }, { ...preloaded[1], open: true }])); // biome-ignore format: one line
  await untilQuiet(tab);
  const expected = [{ id: 1, name: "newer", tags: ["x"], open: true }, { id: 2, name: "rendered", open: true }]; // biome-ignore format: one line
  deepStrictEqual([...device.items("list").values()], expected);
  deepStrictEqual(list(), expected);
  // From now on the worker is known to have them.
  device.operations.length = 0;
  store.dispatch(set((list() as Item[]).map((item) => ({ ...item, open: false }))));
  await untilQuiet(tab);
  deepStrictEqual(
    device.operations.map(({ type, payload, upsert }) => [type, payload, upsert]),
    [["list/updateItem", { open: false }, undefined], ["list/updateItem", { open: false }, undefined]], // biome-ignore format: one line
  );
});

test("an edited preloaded item is shown whole before the worker has taken the edit", async (context) => {
  quiet(context);
  const { store, tab, list } = open(stored({ id: 1, name: "newer" }), [], {
    preloaded: [{ id: 1, name: "a" }, { id: 2, name: "b" }], // biome-ignore format: one line
  });
  // The read is answered as of before the edit.
  await turn();
  while (tab.toWorker.length > 0) tab.toWorker.shift()?.();
  for (const next of tab.fromWorker.splice(0)) next();
  await turn();
  while (tab.toWorker.length > 0) tab.toWorker.shift()?.();
  store.dispatch(set([{ id: 1, name: "a", open: true }, { id: 2, name: "B" }])); // biome-ignore format: one line
  await turn();
  while (tab.fromWorker.length > 0) tab.fromWorker.shift()?.();
  await turn();
  deepStrictEqual(list(), [{ id: 1, name: "newer", open: true }, { id: 2, name: "B" }]); // biome-ignore format: one line
});

test("fields that are called like those of an entity adapter are sent like any others", async (context) => {
  quiet(context);
  const device = stored({ id: 1, ids: [2], entities: { 2: {} } });
  const { store, tab } = open(device, []);
  await untilQuiet(tab);
  store.dispatch(set([{ id: 1, ids: [], entities: {} }]));
  await untilQuiet(tab);
  deepStrictEqual(device.items("list").get("1"), { id: 1, ids: [], entities: {} });
});

test("copies of the app's first items that change nothing are not sent", async (context) => {
  quiet(context);
  const device = stored({ id: 1, name: "stored" });
  const seeds = [{ id: 1, name: "seed" }, { id: 2, name: "seed" }]; // biome-ignore format: one line
  const { store, tab } = open(device, seeds);
  store.dispatch(set(seeds.map((item) => ({ ...item }))));
  await untilQuiet(tab);
  deepStrictEqual([...device.items("list").values()], [{ id: 1, name: "stored" }]);
});

test("after a change that could not be sent, the next one is sent whole", async (context) => {
  quiet(context);
  const device = stored({ id: 1, name: "a", size: 1 });
  const tab = strict(device);
  const { store } = open(device, [], { client: tab });
  await untilQuiet(tab);
  store.dispatch(set([{ id: 1, name: "b", size: Number.NaN }]));
  await untilQuiet(tab);
  store.dispatch(set([{ id: 1, name: "b", size: 2 }]));
  await untilQuiet(tab);
  deepStrictEqual(device.items("list").get("1"), { id: 1, name: "b", size: 2 });
});

// --- What vanishes from the store when it is read

test("preloaded items do not vanish while nothing is stored", async (context) => {
  quiet(context);
  const { tab, list } = open(new Device(), [], { preloaded: [{ id: 1 }] });
  await untilQuiet(tab);
  deepStrictEqual(list(), [{ id: 1 }]);
});

/** A tab that throws where the client throws. */
function strict(device: Device): Tab {
  const tab = device.tab();
  const send = tab.send.bind(tab);
  tab.send = (action, id, upsert) => {
    actionText(action, { id, upsert });
    return send(action, id, upsert);
  };
  return tab;
}

test("what cannot be kept stays in the store, as is said, when the slice is read again", async (context) => {
  quiet(context);
  const device = stored({ id: 1 });
  const tab = strict(device);
  const { store, list } = open(device, [], { client: tab });
  await untilQuiet(tab);
  store.dispatch(set([...(list() as Item[]), { id: 2, at: new Date(0) }]));
  await untilQuiet(tab);
  strictEqual((list() as Item[]).length, 2);
  // The worker was restarted.
  tab.miss("joined");
  await untilQuiet(tab);
  strictEqual((list() as Item[]).length, 2);
});

test("what withoutTracking put in before the slice was read stays", async (context) => {
  quiet(context);
  const device = stored({ id: 1 });
  const { store, tab, list } = open(device, []);
  withoutTracking(() => store.dispatch(set([{ id: 2 }])));
  await untilQuiet(tab);
  strictEqual((list() as Item[]).length, 2);
});

// --- withoutTracking

test("withoutTracking in withoutTracking sends nothing of the outer one", async (context) => {
  quiet(context);
  const device = new Device();
  const { store, tab } = open(device, []);
  await untilQuiet(tab);
  withoutTracking(() => {
    store.dispatch(set([{ id: 1 }]));
    withoutTracking(() => {});
  });
  await untilQuiet(tab);
  deepStrictEqual(ids(device), []);
});

// --- Duplicate ids in an array

test("a deletion is sent beside items with one id", async (context) => {
  quiet(context);
  const device = new Device();
  const { store, tab } = open(device, []);
  await untilQuiet(tab);
  const twice = [{ id: 1 }, { id: 1 }];
  store.dispatch(set([...twice, { id: 2 }]));
  await untilQuiet(tab);
  store.dispatch(set(twice));
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["1"]);
});

test("a change from elsewhere is not overwritten by the second item with its id", async (context) => {
  quiet(context);
  const device = new Device();
  const { store, tab, list } = open(device, []);
  const other = open(device, []);
  await untilQuiet(tab, other.tab);
  store.dispatch(set([{ id: 1, name: "old" }, { id: 1, name: "old" }])); // biome-ignore format: one line
  await untilQuiet(tab, other.tab);
  other.store.dispatch(set([{ id: 1, name: "new" }]));
  await untilQuiet(tab, other.tab);
  store.dispatch(set([...(list() as Item[]), { id: 2 }]));
  await untilQuiet(tab, other.tab);
  deepStrictEqual(device.items("list").get("1"), { id: 1, name: "new" });
});

// --- Two stores in one page

test("a selectId that throws for one item stops no other slice", async (context) => {
  quiet(context);
  const device = new Device();
  const tab = device.tab();
  const selectId = (item: { meta: { id: string } }) => item.meta.id;
  const store = configureStore({
    reducer: { list: slice([]), other: (state: Item[] = [], { type }: { type: string }) => (type === "set" ? [{ id: 1 }] : state) },
    enhancers: (get) => get().concat(enhancer(tab, { slices: { list: { selectId }, other: {} } })),
  }); // biome-ignore format: one line
  await untilQuiet(tab);
  store.dispatch(set([{}]) as never);
  await untilQuiet(tab);
  deepStrictEqual([...device.items("other").keys()], ["1"]);
});

test("clearSlice of an unknown slice says so, or does nothing", async (context) => {
  quiet(context);
  const { store, tab } = open(new Device(), []);
  await untilQuiet(tab);
  try {
    store.dispatch(clearSlice("lisst"));
  } catch (error) {
    ok(String(error).includes("lisst"), String(error));
  }
});

test("a root reducer without a default makes a store", (context) => {
  quiet(context);
  doesNotThrow(() => open(new Device(), (state: unknown) => state, { preloaded: [] }));
});

test("a single value that becomes undefined is sent as something that the worker knows", async (context) => {
  quiet(context);
  const device = new Device();
  const { store, tab } = open(device, "light", { tracking: { single: true } });
  await untilQuiet(tab);
  store.dispatch(set("dark"));
  await untilQuiet(tab);
  device.operations.length = 0;
  const bare = open(device, (state: { list: unknown } | undefined, action: { type: string; payload: unknown }) =>
    ({ list: action.type === "set" ? action.payload : state ? state.list : "light" }), { tracking: { single: true } }); // biome-ignore format: one line
  await untilQuiet(bare.tab);
  bare.store.dispatch(set(undefined));
  await untilQuiet(bare.tab);
  // src/bridge/action.rs, single: only set… and save….
  deepStrictEqual(
    device.operations.map(({ type }) => type).filter((type) => !/\/(set|save)/.test(type)),
    [],
  );
});

test("an ES map stays one", async (context) => {
  quiet(context);
  const { tab, list } = open(stored({ id: 1 }), new Map());
  await untilQuiet(tab);
  ok(list() instanceof Map, "or is refused and reported, but not replaced by something else");
});

test("a field beside the items of a plain object, which is said to stay in the store, does", async (context) => {
  quiet(context);
  const { tab, list } = open(stored({ id: "a" }), { loading: false });
  await untilQuiet(tab);
  deepStrictEqual(list(), { loading: false, a: { id: "a" } });
});

test("a slice that is null at first is not given a shape that its reducer may not know", async (context) => {
  quiet(context);
  const { store, tab, list } = open(stored({ id: 1 }), null);
  await untilQuiet(tab);
  // The app's own items are an array.
  store.dispatch({
    type: "set",
    payload: Array.isArray(list()) ? list() : [...((list() as Item[] | null) ?? []), { id: 2 }],
  });
  await untilQuiet(tab);
  ok((list() as Item[]).some(({ id }) => id === 1));
});

test("a subscriber that throws when what is stored comes in loses no other slice and no readiness", async (context) => {
  quiet(context);
  const { store, tab } = open(stored({ id: 1 }), []);
  let thrown = false;
  store.subscribe(() => {
    if (thrown) return;
    thrown = true;
    throw new Error("of the app");
  });
  let failure: unknown;
  store.nightferry.ready.catch((error) => (failure = error));
  await untilQuiet(tab);
  strictEqual(failure, undefined);
});

// --- Attacked and found sound

test("sound: what is dispatched while subscribers hear of a change from elsewhere is sent", async (context) => {
  quiet(context);
  const device = stored({ id: 1 });
  const { store, tab, list } = open(device, []);
  store.subscribe(() => {
    const items = list() as Item[];
    if (items.some(({ seen }) => !seen)) store.dispatch(set(items.map((item) => ({ ...item, seen: true }))));
  });
  await untilQuiet(tab);
  device.items("list").set("2", { id: 2 });
  tab.tell("list", { puts: [{ id: "2", value: { id: 2 } }], deletes: [], origin: "server", n: 0, position: 9 });
  await untilQuiet(tab);
  deepStrictEqual([...device.items("list").values()], [{ id: 1, seen: true }, { id: 2, seen: true }]); // biome-ignore format: one line
});

test("sound: where register fails the store goes on, and its changes are reported", async (context) => {
  const error = quiet(context);
  const failing: Client = {
    register: () => Promise.reject(new Error("unsupported")),
    send: () => {
      throw new Error("register first");
    },
    read: () => Promise.reject(new Error("register first")),
    follow: () => () => {},
  };
  const { store, list } = open(new Device(), [], { client: failing });
  await turn();
  store.dispatch(set([{ id: 1 }]));
  await turn();
  deepStrictEqual([list(), error.mock.callCount()], [[{ id: 1 }], 2]);
});

test("sound: withoutTracking adopts what was done before it was left by an exception", async (context) => {
  quiet(context);
  const device = new Device();
  const { store, tab } = open(device, []);
  await untilQuiet(tab);
  try {
    withoutTracking(() => {
      store.dispatch(set([{ id: 1 }]));
      throw new Error("of the app");
    });
  } catch {}
  await untilQuiet(tab);
  deepStrictEqual(ids(device), []);
});

test("sound: NaN, BigInt and cycles are reported, stop nothing else, and are sent once they can be", async (context) => {
  const error = quiet(context);
  const device = new Device();
  const tab = strict(device);
  const { store } = open(device, [], { client: tab });
  await untilQuiet(tab);
  const cycle: Item = { id: 3 };
  cycle.self = cycle;
  store.dispatch(set([{ id: 1, x: Number.NaN }, { id: 2, x: 1n }, cycle, { id: 4 }])); // biome-ignore format: one line
  await untilQuiet(tab);
  deepStrictEqual([ids(device), error.mock.callCount()], [["4"], 3]);
  store.dispatch(set([{ id: 1, x: 0 }, { id: 4 }])); // biome-ignore format: one line
  await untilQuiet(tab);
  deepStrictEqual(ids(device).sort(), ["1", "4"]);
});
