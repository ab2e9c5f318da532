// An action that removes items deletes them, whatever is left. An action that gives a slice its first state without a look at
// its items is a reset, which deletes nothing.

import { deepStrictEqual, strictEqual } from "node:assert";
import { type TestContext, test } from "node:test";
import { combineReducers, createEntityAdapter, createReducer, createSlice } from "@reduxjs/toolkit";
import type { Reducer, UnknownAction } from "redux";
import { batchActions, enableBatching } from "redux-batched-actions";
import { Device, untilQuiet } from "../device.test-support.js";
import { type Item, ids, open, stored } from "./store.test-support.js";

const remove = (...gone: (string | number)[]) => ({ type: "removed", gone });
const goneWith = (action: UnknownAction) => (action.gone ?? []) as unknown[];

/** Reducers as tutorials write them: each makes its first state anew. */
const array = (state: Item[] = [], action: UnknownAction): Item[] => {
  switch (action.type) {
    case "added":
      return [...state, action.item as Item];
    case "removed":
      return state.filter(({ id }) => !goneWith(action).includes(id));
    case "cleared completed":
      return state.filter(({ done }) => !done);
    default:
      return state;
  }
};

const byKey = (state: Record<string, Item> = {}, action: UnknownAction): Record<string, Item> =>
  action.type === "removed"
    ? Object.fromEntries(Object.entries(state).filter(([, { id }]) => !goneWith(action).includes(id)))
    : state;

/** One that looks at keys, and at nothing else of what it leaves out. */
const byKeys = (state: Record<string, Item> = {}, action: UnknownAction): Record<string, Item> => {
  if (action.type !== "removed") return state;
  const left: Record<string, Item> = {};
  for (const key of Object.keys(state)) if (!goneWith(action).map(String).includes(key)) left[key] = state[key] as Item; // biome-ignore format: one line
  return left;
};

const adapter = createEntityAdapter<Item>();
const entities = (state = adapter.getInitialState({ loading: false }), action: UnknownAction) =>
  action.type === "removed" ? adapter.removeMany(state, goneWith(action) as never[]) : state;

const immer = createReducer(
  () => [] as Item[],
  (builder) =>
    builder.addCase("removed", (state, action: UnknownAction) => {
      for (const id of goneWith(action)) state.splice(state.findIndex((item) => item.id === id), 1); // biome-ignore format: one line
    }),
);

// biome-ignore lint/suspicious/noExplicitAny: reducers of states of any shape.
type AnyReducer = Reducer<any, any, any>;
const shapes: [name: string, AnyReducer][] = [
  ["an array", array],
  ["a plain object", byKey],
  ["a plain object, by its keys", byKeys],
  ["an entity adapter", entities],
  ["a lazy initial state", immer],
];

const same = (items: Item[]) => () => items;

/** The console's warnings. */
const warnings = (context: TestContext) => context.mock.method(console, "warn", () => {}).mock;

for (const [name, reducer] of shapes) {
  test(`f58_removing_the_last_item_deletes_it_where_a_reducer_makes_its_first_state_anew: ${name}`, async (context) => {
    const warned = warnings(context);
    const device = stored({ id: 1 });
    const { store, tab } = open(device, combineReducers({ list: reducer }));
    const other = open(device, combineReducers({ list: reducer }));
    await untilQuiet(tab, other.tab);
    store.dispatch(remove(1));
    await untilQuiet(tab, other.tab);
    deepStrictEqual([ids(device), warned.callCount()], [[], 0]);
    deepStrictEqual([store.getState(), other.store.getState()].map(text), [text({ list: reducer(undefined, { type: "" }) }), text({ list: reducer(undefined, { type: "" }) })]); // biome-ignore format: one line
  });

  test(`f58_removing_all_items_in_one_action_deletes_them: ${name}`, async (context) => {
    const warned = warnings(context);
    const device = stored({ id: 1 }, { id: 2 }, { id: 3 });
    const { store, tab } = open(device, combineReducers({ list: reducer }));
    await untilQuiet(tab);
    store.dispatch(remove(1, 2, 3));
    await untilQuiet(tab);
    deepStrictEqual([ids(device), warned.callCount()], [[], 0]);
  });

  test(`f58_a_sign_out_that_gives_the_root_reducer_no_state_deletes_nothing: ${name}`, async (context) => {
    const warned = warnings(context);
    const device = stored({ id: 1 });
    const all = combineReducers({ list: reducer, filter: (state = "all") => state, session: (state = "me") => state });
    const roots: ((state: never) => unknown)[] = [
      () => undefined,
      ({ session }: { session: string }) => ({ session }),
      (state: object) => ({ ...state, list: undefined }),
    ];
    for (const root of roots) {
      const { store, tab, list } = open(device, (state: never, action: UnknownAction) =>
        all(action.type === "signed out" ? (root(state) as never) : state, action),
      );
      await untilQuiet(tab);
      const before = text(list());
      store.dispatch({ type: "signed out" });
      await untilQuiet(tab);
      deepStrictEqual([ids(device), text(list())], [["1"], before]);
    }
    strictEqual(warned.callCount(), 3);
  });
}

const text = (state: unknown) => JSON.stringify(state);

test("f58_a_reducer_that_clears_what_is_completed_deletes_it_though_nothing_is_left", async (context) => {
  warnings(context);
  const device = stored({ id: 1, done: true }, { id: 2, done: true });
  const { store, tab } = open(device, combineReducers({ list: array, filter: (state = "all") => state }));
  await untilQuiet(tab);
  store.dispatch({ type: "cleared completed" });
  await untilQuiet(tab);
  deepStrictEqual(ids(device), []);
});

test("f58_one_action_that_empties_several_slices_deletes_what_it_looks_at", async (context) => {
  warnings(context);
  const device = stored({ id: 1 });
  device.items("other").set("1", { id: 1 });
  const { store, tab } = open(device, combineReducers({ list: array, other: array }), {
    others: { other: {} },
  });
  await untilQuiet(tab);
  store.dispatch(remove(1));
  await untilQuiet(tab);
  deepStrictEqual([ids(device), [...device.items("other").keys()]], [[], []]);
});

test("f58_an_undo_to_an_empty_state_deletes_what_was_added", async (context) => {
  warnings(context);
  const device = new Device();
  const { store, tab, list } = open(device, undoing(combineReducers({ list: array })));
  await untilQuiet(tab);
  store.dispatch({ type: "added", item: { id: 1 } });
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["1"]);
  store.dispatch({ type: "undo" });
  await untilQuiet(tab);
  deepStrictEqual([ids(device), list()], [[], []]);
});

/** A root reducer that goes back to the state before. */
function undoing(reducer: AnyReducer) {
  const states: unknown[] = [];
  return (state: unknown, action: UnknownAction) => {
    if (action.type === "undo") return states.at(-1);
    if (action.type === "added") states.push(state);
    return reducer(state, action);
  };
}

test("f58_the_items_that_a_reducer_begins_with_are_told_from_what_was_deleted", async (context) => {
  warnings(context);
  const welcome = (state: Item[] = [{ id: "welcome" }], action: UnknownAction) => array(state, action);
  const all = combineReducers({ list: welcome });
  const device = stored({ id: 1 }, { id: 2 });
  const { store, tab, list } = open(device, (state: never, action: UnknownAction) =>
    all(action.type === "signed out" ? undefined : state, action),
  );
  await untilQuiet(tab);
  store.dispatch({ type: "signed out" });
  await untilQuiet(tab);
  deepStrictEqual([ids(device), list()], [["1", "2"], [{ id: "welcome" }, { id: 1 }, { id: 2 }]]); // biome-ignore format: one line
  store.dispatch(remove(1, 2));
  await untilQuiet(tab);
  deepStrictEqual(ids(device), []);
});

for (const [name, reducer] of [
  ["a reducer", (state: Item[] = [], action: UnknownAction) => (action.type === "set" ? action.payload : state)],
  [
    "a copy",
    (state: Item[] = [], action: UnknownAction) => (action.type === "set" ? [...(action.payload as Item[])] : state),
  ],
  [
    "a part",
    (state: Item[] = [], action: UnknownAction) =>
      action.type === "loaded" ? (action.payload as { list: Item[] }).list : state,
  ],
  [
    "a slice",
    createSlice({
      name: "l",
      initialState: [] as Item[],
      reducers: {},
      extraReducers: (builder) => builder.addCase("set", (_, action: UnknownAction) => action.payload as Item[]),
    }).reducer,
  ],
] as const) {
  test(`f58_an_action_that_sets_no_items_deletes_those_that_were_there: ${name}`, async (context) => {
    const warned = warnings(context);
    const device = stored({ id: 1 });
    const { store, tab } = open(device, combineReducers({ list: reducer as AnyReducer }));
    await untilQuiet(tab);
    store.dispatch(name === "a part" ? { type: "loaded", payload: { list: [] } } : { type: "set", payload: [] });
    await untilQuiet(tab);
    deepStrictEqual([ids(device), warned.callCount()], [[], 0]);
  });
}

const initialState = { loading: false, ids: [] as number[], entities: {} as Record<number, Item> };
for (const [name, reset] of [
  ["a new adapter's state", () => adapter.getInitialState({ loading: false })],
  ["a copy of its first state", () => ({ ...initialState, ids: [], entities: {} })],
] as const) {
  test(`f58_a_sign_out_that_each_slice_hears_by_itself_deletes_nothing: ${name}`, async (context) => {
    const warned = warnings(context);
    const list = createSlice({
      name: "list",
      initialState: adapter.getInitialState({ loading: false }),
      reducers: {},
      extraReducers: (builder) => builder.addCase("signed out", reset as never),
    });
    const device = stored({ id: 1 });
    const { store, tab } = open(device, combineReducers({ list: list.reducer, session: (state = "me") => state }));
    await untilQuiet(tab);
    store.dispatch({ type: "signed out", payload: { reason: "idle", at: [1] } });
    await untilQuiet(tab);
    deepStrictEqual([ids(device), warned.callCount()], [["1"], 1]);
  });
}

for (const [name, initial] of [
  ["made anew", () => []],
  ["the same", same([])],
] as const) {
  test(`f58_what_is_done_just_before_and_after_a_sign_out_is_sent_and_nothing_else: a first state that is ${name}`, async (context) => {
    warnings(context);
    const device = stored({ id: 1, name: "old" }, { id: 2 });
    const all = combineReducers({
      list: (state: Item[] = initial(), action: UnknownAction): Item[] =>
        action.type === "edited" ? state.map((item) => ({ ...item, name: "new" })) : array(state, action),
    });
    const { store, tab, list } = open(device, (state: never, action: UnknownAction) =>
      all(action.type === "signed out" ? undefined : state, action),
    );
    await untilQuiet(tab);
    store.dispatch({ type: "edited" });
    store.dispatch({ type: "signed out" });
    store.dispatch({ type: "added", item: { id: 3 } });
    await untilQuiet(tab);
    const expected = [{ id: 1, name: "new" }, { id: 2, name: "new" }, { id: 3 }]; // biome-ignore format: one line
    deepStrictEqual([...device.items("list").values()], expected);
    deepStrictEqual((list() as Item[]).map(({ id }) => id).sort(), [1, 2, 3]);
  });
}

test("f58_other_items_than_the_first_ones_are_no_reset_though_there_are_as_many", async (context) => {
  const warned = warnings(context);
  const device = new Device();
  const template = (state: Item[] = [{ id: "welcome" }], action: UnknownAction) =>
    action.type === "template" ? [{ id: "blank" }] : array(state, action);
  const { store, tab } = open(device, combineReducers({ list: template }));
  await untilQuiet(tab);
  store.dispatch({ type: "added", item: { id: 1 } });
  await untilQuiet(tab);
  store.dispatch({ type: "template" });
  await untilQuiet(tab);
  deepStrictEqual([ids(device), warned.callCount()], [["blank"], 0]);
});

test("f58_a_sign_out_of_a_store_without_items_says_nothing", async (context) => {
  const warned = warnings(context);
  const all = combineReducers({ list: array });
  const { store, tab } = open(new Device(), (state: never, action: UnknownAction) =>
    all(action.type === "signed out" ? undefined : state, action),
  );
  await untilQuiet(tab);
  store.dispatch({ type: "signed out" });
  await untilQuiet(tab);
  strictEqual(warned.callCount(), 0);
});

test("f58_a_slice_whose_reducer_returns_its_initial_state_is_reset_as_documented", async (context) => {
  const warned = warnings(context);
  const initialState: Item[] = [];
  const list = createSlice({ name: "list", initialState, reducers: { cleared: () => initialState } });
  const device = stored({ id: 1 });
  const { store, tab } = open(device, combineReducers({ list: list.reducer }));
  await untilQuiet(tab);
  store.dispatch(list.actions.cleared());
  await untilQuiet(tab);
  deepStrictEqual([ids(device), warned.callCount()], [["1"], 1]);
});

test("f58_a_batch_of_removals_deletes_and_a_reset_in_a_batch_does_not", async (context) => {
  warnings(context);
  const all = combineReducers({ list: array });
  const root = enableBatching(((state, action) =>
    all(action.type === "signed out" ? undefined : state, action)) as AnyReducer);
  const device = stored({ id: 1 }, { id: 2 });
  const { store, tab } = open(device, root);
  await untilQuiet(tab);
  store.dispatch(batchActions([remove(1), { type: "signed out" }]));
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["1", "2"]);
  store.dispatch(batchActions([remove(1), remove(2)]));
  await untilQuiet(tab);
  deepStrictEqual(ids(device), []);
});

test("f58_a_reducer_that_throws_at_a_second_call_stops_nothing", async (context) => {
  warnings(context);
  let calls = 0;
  const device = stored({ id: 1 });
  const { store, tab } = open(
    device,
    combineReducers({
      list: ((state = [], action: UnknownAction) => {
        if (action.type === "removed" && ++calls > 1) throw new Error("impure");
        return array(state, action);
      }) as never,
    }),
  );
  await untilQuiet(tab);
  store.dispatch(remove(1));
  await untilQuiet(tab);
  // It is not known whether the reducer looked: what is stored stays.
  deepStrictEqual(ids(device), ["1"]);
});
