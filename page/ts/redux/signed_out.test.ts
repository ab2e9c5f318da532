// The user signs out: nothing of theirs stays in a page's store, and nothing is sent any more.

import { deepStrictEqual } from "node:assert";
import { test } from "node:test";
import { configureStore, createSlice, type PayloadAction } from "@reduxjs/toolkit";
import { Device, untilQuiet } from "../device.test-support.js";
import { enhancer } from "./enhancer.js";

const list = createSlice({
  name: "list",
  initialState: [] as { id: number; name?: string }[],
  reducers: { set: (_, { payload }: PayloadAction<{ id: number; name?: string }[]>) => payload },
});
const theme = createSlice({ name: "theme", initialState: "light", reducers: { flip: () => "dark" } });

test("a store loses what is the user's, and deletes nothing by it", async () => {
  const device = new Device();
  const tab = device.tab();
  const store = configureStore({
    reducer: { list: list.reducer, theme: theme.reducer },
    enhancers: (get) => get().concat(enhancer(tab, { slices: { list: {}, theme: { single: true } } })),
  });
  await untilQuiet(tab);
  store.dispatch(list.actions.set([{ id: 1 }, { id: 2 }]));
  store.dispatch(theme.actions.flip());
  await untilQuiet(tab);
  device.operations.length = 0;
  const signedOut = tab.ask("signOutAndDiscard");
  await untilQuiet(tab);
  await signedOut;
  deepStrictEqual(store.getState(), { list: [], theme: "light" });
  deepStrictEqual(device.operations, []);

  // Whoever signs in next changes the same ids: whole items go, of which the worker has none.
  tab.register({ slices: { list: {}, theme: { single: true } } });
  store.dispatch(list.actions.set([{ id: 1, name: "new" }]));
  await untilQuiet(tab);
  deepStrictEqual(
    device.operations.map(({ type, payload }) => [type, payload]),
    [["list/addItem", { id: 1, name: "new" }]],
  );
});
