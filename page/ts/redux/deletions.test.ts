// A page deletes on every device only items that its user has deleted. Each test is a fault that was found, as small as it could be
// made.

import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { test } from "node:test";
import { combineReducers, createEntityAdapter, createSlice } from "@reduxjs/toolkit";
import { Device, turn, untilQuiet } from "../device.test-support.js";
import { clearSlice } from "./reducer.js";
import { type Item, ids, open, quiet, set, slice, stored } from "./store.test-support.js";

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
  // The page is registered, and is hidden and gone before it has read anything.
  tab.toWorker.shift()?.();
  while (tab.fromWorker.length > 0) tab.fromWorker.shift()?.();
  tab.hide();
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
