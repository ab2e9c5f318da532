// A slice that the store does not have is named in the console, once, a moment after the store is ready.

import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { type TestContext, test } from "node:test";
import { combineReducers, combineSlices, configureStore, createSlice, type PayloadAction } from "@reduxjs/toolkit";
import { Device, untilQuiet } from "../device.test-support.js";
import { enhancer } from "./enhancer.js";
import type { NightferryOptions } from "./options.js";
import { type Item, slice, stored } from "./store.test-support.js";

async function open(
  context: TestContext,
  reducer: unknown,
  slices: NightferryOptions["slices"],
  device = new Device(),
) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const warned = context.mock.method(console, "warn", () => {}).mock;
  const failed = context.mock.method(console, "error", () => {}).mock;
  const tab = device.tab();
  const store = configureStore({
    reducer: reducer as never,
    middleware: (get) => get({ immutableCheck: false, serializableCheck: false }),
    enhancers: (get) => get().concat(enhancer(tab, { slices })),
  });
  await untilQuiet(tab);
  await store.nightferry.ready;
  const later = () => context.mock.timers.tick(60_000);
  return {
    store,
    tab,
    device,
    later,
    warnings: () => warned.calls.map(({ arguments: [text] }) => String(text)),
    failed,
  };
}

test("f61_a_slice_that_the_store_does_not_have_is_named_with_those_that_it_has", async (context) => {
  const { later, warnings } = await open(context, { notes: slice([]), filter: slice("all") }, { note: {} });
  deepStrictEqual(warnings(), [], "a reducer may be added at once");
  later();
  strictEqual(warnings().length, 1);
  for (const name of ['"note"', '"notes"', '"filter"']) ok(warnings()[0]?.includes(name), warnings()[0]);
  later();
  strictEqual(warnings().length, 1);
});

test("f61_a_name_that_every_object_has_is_not_in_the_store", async (context) => {
  const { later, warnings } = await open(context, { notes: slice([]) }, { constructor: {} });
  later();
  strictEqual(warnings().length, 1);
});

test("f61_a_select_that_leads_nowhere_is_named_with_the_one_to_write", async (context) => {
  const todos = { items: [], status: "idle" };
  const { later, warnings } = await open(context, { todos: slice(todos) }, { todos: { select: "items" } });
  later();
  strictEqual(warnings().length, 1);
  ok(warnings()[0]?.includes('select: "todos.items"'), warnings()[0]);
});

test("f61_a_reducer_that_comes_a_moment_later_is_not_warned_of", async (context) => {
  const { store, tab, later, warnings, device } = await open(
    context,
    { other: slice(0) },
    { list: {} },
    stored({ id: 1 }),
  );
  store.replaceReducer(combineReducers({ other: slice(0), list: slice([]) }) as never);
  later();
  deepStrictEqual(warnings(), []);
  await untilQuiet(tab);
  deepStrictEqual((store.getState() as { list: unknown }).list, [...device.items("list").values()]);
});

test("f61_a_slice_that_is_injected_after_the_warning_is_kept_all_the_same", async (context) => {
  const other = createSlice({ name: "other", initialState: 0, reducers: { count: (state) => state + 1 } });
  const list = createSlice({
    name: "list",
    initialState: [] as Item[],
    reducers: { added: (state, { payload }: PayloadAction<Item>) => [...state, payload] },
  });
  const root = combineSlices(other);
  const { store, tab, later, warnings, device } = await open(context, root, { list: {} }, stored({ id: 1 }));
  later();
  strictEqual(warnings().length, 1);
  root.inject(list as never);
  store.dispatch(other.actions.count());
  await untilQuiet(tab);
  deepStrictEqual((store.getState() as unknown as { list: Item[] }).list, [{ id: 1 }]);
  store.dispatch(list.actions.added({ id: 2 }));
  await untilQuiet(tab);
  later();
  deepStrictEqual([[...device.items("list").keys()], warnings().length], [["1", "2"], 1]);
});

test("f61_nothing_is_said_of_slices_that_are_there_or_where_register_failed", async (context) => {
  const { later, warnings, failed } = await open(
    context,
    { list: slice([]), theme: slice("light"), none: slice(null) },
    { list: {}, theme: { single: true }, none: {} },
  );
  later();
  deepStrictEqual([warnings(), failed.callCount()], [[], 0]);
});
