// The browser has removed the database while pages were open: what their stores hold is what is left.

import { deepStrictEqual } from "node:assert";
import { test } from "node:test";
import { configureStore, createSlice, type PayloadAction } from "@reduxjs/toolkit";
import { Device, untilQuiet } from "../device.test-support.js";
import { enhancer } from "./enhancer.js";

interface Item {
  id: number;
  name: string;
  open?: boolean;
}
const list = createSlice({
  name: "list",
  initialState: [] as Item[],
  reducers: { set: (_, { payload }: PayloadAction<Item[]>) => payload },
});
const theme = createSlice({ name: "theme", initialState: "light", reducers: { flip: () => "dark" } });
const { set } = list.actions;

async function open(device: Device) {
  const tab = device.tab();
  const store = configureStore({
    reducer: { list: list.reducer, theme: theme.reducer },
    enhancers: (get) => get().concat(enhancer(tab, { slices: { list: {}, theme: { single: true } } })),
  });
  await untilQuiet(tab);
  return { tab, store };
}
const stored = (device: Device) => Object.fromEntries(device.items("list"));

test("a store's items go into the new database whole, with what is edited meanwhile", async () => {
  const device = new Device();
  const { tab, store } = await open(device);
  store.dispatch(set([{ id: 1, name: "a" }, { id: 2, name: "b" }, { id: 3, name: "c" }])); // biome-ignore format: one line
  store.dispatch(theme.actions.flip());
  await untilQuiet(tab);
  device.evict();
  store.dispatch(set([{ id: 1, name: "A" }, { id: 2, name: "b" }])); // biome-ignore format: one line
  await untilQuiet(tab);
  const expected = { 1: { id: 1, name: "A" }, 2: { id: 2, name: "b" } };
  deepStrictEqual([stored(device), device.items("theme").get("value")], [expected, "dark"]);
  deepStrictEqual(store.getState().list, Object.values(expected));
  // And from then on as ever.
  device.operations.length = 0;
  store.dispatch(set([{ id: 1, name: "A", open: true }, { id: 2, name: "b" }])); // biome-ignore format: one line
  await untilQuiet(tab);
  deepStrictEqual(device.operations, [{ type: "list/updateItem", id: "1", payload: { open: true }, was: {} }]);
});

test("an edit between the loss and the reading goes with the whole item", async () => {
  const device = new Device();
  const { tab, store } = await open(device);
  store.dispatch(set([{ id: 1, name: "a" }]));
  await untilQuiet(tab);
  device.evict();
  device.operations.length = 0;
  store.dispatch(set([{ id: 1, name: "a", open: true }]));
  await untilQuiet(tab);
  const upsert = { id: 1, name: "a", open: true };
  const was = {};
  // The first try was for the database that is gone.
  deepStrictEqual(device.operations.at(-1), { type: "list/updateItem", id: "1", payload: { open: true }, upsert, was });
  deepStrictEqual(stored(device), { 1: upsert });
});

test("of two tabs the one that knows less overwrites nothing of the other", async () => {
  const device = new Device();
  const [one, frozen] = [await open(device), await open(device)];
  one.store.dispatch(set([{ id: 1, name: "a" }]));
  await untilQuiet(one.tab, frozen.tab);
  one.store.dispatch(set([{ id: 1, name: "newer" }, { id: 2, name: "new" }])); // biome-ignore format: one line
  await untilQuiet(one.tab);
  device.evict();
  await untilQuiet(one.tab);
  // Messages that wait for it were posted before the loss, or are posted after it.
  frozen.store.dispatch(set([{ id: 1, name: "a", open: true }]));
  await untilQuiet(one.tab, frozen.tab);
  const expected = { 1: { id: 1, name: "newer", open: true }, 2: { id: 2, name: "new" } };
  for (const { store } of [one, frozen]) deepStrictEqual(store.getState().list, Object.values(expected));
  deepStrictEqual(stored(device), expected);
});
