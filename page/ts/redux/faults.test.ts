// Unusual uses of a store that once lost or deleted something: each test is a fault that was found, as small as it could be made.

import { deepStrictEqual, doesNotThrow, ok, strictEqual } from "node:assert";
import { test } from "node:test";
import { configureStore } from "@reduxjs/toolkit";
import { Device, turn, untilQuiet } from "../device.test-support.js";
import { type Client, withoutTracking } from "./binding.js";
import { enhancer } from "./enhancer.js";
import { clearSlice } from "./reducer.js";
import { type Item, ids, open, quiet, set, slice, stored } from "./store.test-support.js";

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
  const tab = device.tab();
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
