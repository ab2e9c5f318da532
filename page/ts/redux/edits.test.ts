// A page sends every edit of its user, and keeps what the store has when a slice is read. Each test is a fault that was found, as
// small as it could be made.

import { deepStrictEqual, strictEqual } from "node:assert";
import { test } from "node:test";
import { configureStore } from "@reduxjs/toolkit";
import { Device, turn, untilQuiet } from "../device.test-support.js";
import { withoutTracking } from "./binding.js";
import { enhancer } from "./enhancer.js";
import { type Item, ids, open, quiet, set, slice, stored } from "./store.test-support.js";

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
  const tab = device.tab();
  const { store } = open(device, [], { client: tab });
  await untilQuiet(tab);
  store.dispatch(set([{ id: 1, name: "b", size: Number.NaN }]));
  await untilQuiet(tab);
  store.dispatch(set([{ id: 1, name: "b", size: 2 }]));
  await untilQuiet(tab);
  deepStrictEqual(device.items("list").get("1"), { id: 1, name: "b", size: 2 });
});

// --- When a slice is read
test("preloaded items do not vanish while nothing is stored", async (context) => {
  quiet(context);
  const { tab, list } = open(new Device(), [], { preloaded: [{ id: 1 }] });
  await untilQuiet(tab);
  deepStrictEqual(list(), [{ id: 1 }]);
});

test("what cannot be kept stays in the store, as is said, when the slice is read again", async (context) => {
  quiet(context);
  const device = stored({ id: 1 });
  const tab = device.tab();
  const { store, list } = open(device, [], { client: tab });
  await untilQuiet(tab);
  store.dispatch(set([...(list() as Item[]), { id: 2, at: new Date(0) }]));
  await untilQuiet(tab);
  strictEqual((list() as Item[]).length, 2);
  // The worker was restarted.
  tab.resume();
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
