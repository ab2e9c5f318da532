// Stores that are put together of more: actions in batches, and reducers that come later or are replaced.

import { deepStrictEqual, strictEqual } from "node:assert";
import { type TestContext, test } from "node:test";
import { instrument } from "@redux-devtools/instrument";
import { combineReducers, combineSlices, configureStore, createSlice, type PayloadAction } from "@reduxjs/toolkit";
import type { Reducer, StoreEnhancer } from "redux";
import { batchActions, batchDispatchMiddleware, enableBatching } from "redux-batched-actions";
import { Device, untilQuiet } from "../device.test-support.js";
import { enhancer } from "./enhancer.js";
import { type Item, ids, quiet, slice, stored } from "./store.test-support.js";

const list = createSlice({
  name: "list",
  initialState: [] as Item[],
  reducers: {
    added: (state, { payload }: PayloadAction<Item>) => void state.push(payload),
    edited: (state, { payload }: PayloadAction<Item>) => {
      Object.assign(state.find(({ id }) => id === payload.id) ?? {}, payload);
    },
    removed: (state, { payload }: PayloadAction<number>) => state.filter(({ id }) => id !== payload),
  },
});
const { added, edited, removed } = list.actions;
const other = createSlice({ name: "other", initialState: 0, reducers: { counted: (state) => state + 1 } });

interface Opening {
  middleware?: readonly unknown[];
  /** The innermost enhancers. */
  inner?: StoreEnhancer[];
}

async function open(
  context: TestContext,
  device: Device,
  reducer: unknown,
  { middleware = [], inner = [] }: Opening = {},
) {
  quiet(context);
  const tab = device.tab();
  const store = configureStore({
    reducer: reducer as Reducer<{ list: Item[] }>,
    devTools: false,
    middleware: (get) => get().concat(...(middleware as never[])),
    enhancers: (get) => get().concat(enhancer(tab, { slices: { list: {} } }), ...(inner as never[])),
  });
  await untilQuiet(tab);
  return { store, tab, device, state: () => store.getState().list };
}

for (const [name, middleware] of [
  ["by the reducer", []],
  ["by the middleware, too", [batchDispatchMiddleware]],
] as const) {
  test(`b15_a_batch_of_actions_is_sent_as_what_it_came_to: ${name}`, async (context) => {
    const device = stored({ id: 1, name: "a" }, { id: 2 });
    const { store, tab } = await open(context, device, enableBatching(combineReducers({ list: list.reducer })), { middleware }); // biome-ignore format: one line
    const batch = batchActions([
      edited({ id: 1, name: "b" }),
      edited({ id: 1, name: "c" }),
      removed(2),
      batchActions([edited({ id: 1, done: true })]),
    ]);
    store.dispatch(batch as never);
    await untilQuiet(tab);
    deepStrictEqual(
      device.operations.map(({ type, payload }) => [type, payload]),
      [["list/updateItem", { name: "c", done: true }], ["list/removeItem", "2"]], // biome-ignore format: one line
    );
  });
}

test("b15_a_batch_is_looked_at_once", async (context) => {
  let reads = 0;
  // Each look at the slice reads the id of every item.
  const item = new Proxy(
    { id: 1 },
    {
      get: (target, key) => {
        if (key === "id") reads += 1;
        return Reflect.get(target, key);
      },
    },
  );
  const more = (state: Item[] = [item], { type }: { type: string }) => (type === "more" ? [...state, { id: state.length + 1 }] : state); // biome-ignore format: one line
  const { store, tab } = await open(context, new Device(), enableBatching(combineReducers({ list: more })));
  const readsOf = async (action: unknown) => {
    reads = 0;
    store.dispatch(action as never);
    await untilQuiet(tab);
    return reads;
  };
  const ofOne = await readsOf({ type: "more" });
  strictEqual(await readsOf(batchActions(Array.from({ length: 50 }, () => ({ type: "more" })))), ofOne);
});

test("what_a_new_version_of_a_reducer_makes_of_its_items_is_sent", async (context) => {
  const { store, tab, device } = await open(context, stored({ id: 1 }), { list: slice([]) });
  const migrating = (items: Item[] = []) =>
    items.every(({ v }) => v) ? items : items.map((item) => ({ ...item, v: 2 }));
  store.replaceReducer(combineReducers({ list: migrating }) as never);
  await untilQuiet(tab);
  deepStrictEqual(device.items("list").get("1"), { id: 1, v: 2 });
});

for (const [name, inner] of [
  ["alone", []],
  ["under DevTools", [instrument() as unknown as StoreEnhancer]],
] as const) {
  test(`b15_a_slice_that_is_injected_later_is_read_and_kept: ${name}`, async (context) => {
    const root = combineSlices(other);
    const { store, tab, state, device } = await open(context, stored({ id: 1 }), root, { inner: [...inner] });
    root.inject(list as never);
    store.dispatch(other.actions.counted());
    await untilQuiet(tab);
    deepStrictEqual(state(), [{ id: 1 }]);
    store.dispatch(added({ id: 2 }));
    store.dispatch(removed(1));
    await untilQuiet(tab);
    deepStrictEqual(ids(device), ["2"]);
  });

  test(`b15_a_reducer_that_is_replaced_by_one_with_more_slices_is_read: ${name}`, async (context) => {
    const { store, tab, state, device } = await open(context, stored({ id: 1 }), { other: other.reducer }, { inner: [...inner] }); // biome-ignore format: one line
    store.replaceReducer(combineReducers({ other: other.reducer, list: list.reducer }) as never);
    await untilQuiet(tab);
    deepStrictEqual(state(), [{ id: 1 }]);
    store.dispatch(added({ id: 2 }));
    await untilQuiet(tab);
    deepStrictEqual(ids(device), ["1", "2"]);
  });

  test(`b15_a_slice_that_a_replaced_reducer_leaves_out_is_not_made_up: ${name}`, async (context) => {
    const { store, tab, state, device } = await open(context, stored({ id: 1 }), { other: other.reducer, list: list.reducer }, { inner: [...inner] }); // biome-ignore format: one line
    store.replaceReducer(combineReducers({ other: other.reducer }) as never);
    store.dispatch(other.actions.counted());
    await untilQuiet(tab);
    deepStrictEqual([state(), ids(device)], [undefined, ["1"]]);
  });

  test(`a_hot_reload_of_reducers_keeps_what_is_there_and_knows_their_new_first_state: ${name}`, async (context) => {
    const { store, tab, state, device } = await open(context, stored({ id: 1 }), { list: slice([]) }, { inner: [...inner] }); // biome-ignore format: one line
    const fresh = (items: Item[] = [], action: { type: string; payload?: unknown }) =>
      action.type === "list/removed" ? items.filter(({ id }) => id !== action.payload) : items;
    const all = combineReducers({ list: fresh });
    store.replaceReducer(((root: never, action: { type: string }) =>
      all(action.type === "signed out" ? undefined : root, action)) as never);
    await untilQuiet(tab);
    deepStrictEqual([state(), device.operations], [[{ id: 1 }], []]);
    store.dispatch({ type: "signed out" });
    await untilQuiet(tab);
    deepStrictEqual([state(), ids(device)], [[{ id: 1 }], ["1"]]);
    store.dispatch(removed(1));
    await untilQuiet(tab);
    deepStrictEqual([state(), ids(device)], [[], []]);
  });
}
