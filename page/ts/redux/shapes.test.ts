// The shapes in which stores hold items: each is kept item by item, at the place that `select` names. One that is not
// understood is named at once, and nothing of it is kept.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert";
import { type TestContext, test } from "node:test";
import { combineReducers, createEntityAdapter, createSlice, type PayloadAction } from "@reduxjs/toolkit";
import type { UnknownAction } from "redux";
import undoable, { ActionCreators } from "redux-undo";
import { Device, untilQuiet } from "../device.test-support.js";
import { clearSlice } from "./reducer.js";
import { type Item, ids, open, quiet, set, slice, stored } from "./store.test-support.js";

/** Two tabs of a device whose slice `list` is what `reducer` makes of it. */
async function two(context: TestContext, reducer: () => unknown, tracking: object, device = new Device()) {
  const errors = quiet(context);
  const [one, other] = [open(device, reducer(), { tracking }), open(device, reducer(), { tracking })];
  const quietly = () => untilQuiet(one.tab, other.tab);
  await quietly();
  return { device, one, other, quietly, errors };
}

/** What was sent since the last call. */
const sent = (device: Device) => device.operations.splice(0).map(({ type, id, payload }) => [type, id ?? payload]);

for (const [name, empty] of [
  ["allIds and byId", { allIds: [], byId: {}, loading: false }],
  ["allIds and byIds", { allIds: [], byIds: {}, loading: false }],
] as const) {
  const items = "byId" in empty ? "byId" : "byIds";
  const normalized = (...list: Item[]) => ({
    ...empty,
    allIds: list.map(({ id }) => id),
    [items]: Object.fromEntries(list.map((item) => [item.id, item])),
  });
  test(`f59_a_store_with_${name}_loses_no_edit_of_two_tabs`, async (context) => {
    const { device, one, other, quietly, errors } = await two(context, () => empty, {});
    one.store.dispatch(set(normalized({ id: 1, name: "a" }, { id: 2, name: "b" })));
    await quietly();
    deepStrictEqual(sent(device), [["list/addItem", "1"], ["list/addItem", "2"]]); // biome-ignore format: one line
    one.store.dispatch(set(normalized({ id: 1, name: "A" }, { id: 2, name: "b" })));
    other.store.dispatch(set(normalized({ id: 1, name: "a" }, { id: 2, name: "B" })));
    await quietly();
    const expected = normalized({ id: 1, name: "A" }, { id: 2, name: "B" });
    deepStrictEqual([one.list(), other.list()], [expected, expected]);
    one.store.dispatch(set(normalized({ id: 2, name: "B" })));
    await quietly();
    deepStrictEqual([ids(device), other.list(), errors.mock.callCount()], [["2"], normalized({ id: 2, name: "B" }), 0]);
  });
}

test("f59_ids_stay_numbers_where_only_the_key_says_an_items_id", async (context) => {
  const state = { allIds: [1], byIds: { 1: { content: "a" } } };
  const { one, other, quietly } = await two(context, () => state, {});
  one.store.dispatch(set({ allIds: [1, 2], byIds: { ...state.byIds, 2: { content: "b" } } }));
  await quietly();
  deepStrictEqual(other.list(), { allIds: [1, 2], byIds: { 1: { content: "a" }, 2: { content: "b" } } });
});

interface Todos {
  items: Item[] | Record<string, Item>;
  status: string;
  error: { code: number };
}
for (const [name, none, items] of [
  ["an array", [], (...list: Item[]) => list],
  ["a plain object", {}, (...list: Item[]) => Object.fromEntries(list.map((item) => [item.id, item]))],
  [
    "an entity adapter",
    { ids: [], entities: {} },
    (...list: Item[]) => ({
      ids: list.map(({ id }) => id),
      entities: Object.fromEntries(list.map((item) => [item.id, item])),
    }),
  ],
] as const) {
  test(`f59_items_in_a_field_beside_others_are_kept_by_themselves: ${name}`, async (context) => {
    const start = { items: none, status: "idle", error: { code: 0 } };
    const { device, one, other, quietly, errors } = await two(context, () => start, { select: "list.items" });
    one.store.dispatch(set({ ...start, status: "loading", items: items({ id: "a", n: 1 }, { id: "b", n: 1 }) }));
    await quietly();
    deepStrictEqual(sent(device), [["list/addItem", "a"], ["list/addItem", "b"]]); // biome-ignore format: one line
    one.store.dispatch(set({ ...(one.list() as Todos), items: items({ id: "a", n: 2 }, { id: "b", n: 1 }) }));
    other.store.dispatch(set({ ...(other.list() as Todos), items: items({ id: "a", n: 1 }, { id: "b", n: 2 }) }));
    await quietly();
    const expected = items({ id: "a", n: 2 }, { id: "b", n: 2 });
    deepStrictEqual(one.list(), { ...start, status: "loading", items: expected });
    deepStrictEqual(other.list(), { ...start, items: expected });
    strictEqual((one.list() as Todos).error, start.error, "what stands beside the items is not touched");
    strictEqual(errors.mock.callCount(), 0);
  });
}

test("f59_slices_nested_two_deep_are_kept_each_by_itself", async (context) => {
  quiet(context);
  const adapter = createEntityAdapter<Item>();
  const of = (name: string) =>
    createSlice({ name, initialState: adapter.getInitialState(), reducers: { added: adapter.addOne } });
  const [posts, users] = [of("posts"), of("users")];
  const reducer = combineReducers({
    entities: combineReducers({ posts: posts.reducer, users: users.reducer }),
    settings: combineReducers({
      theme: (state = "light", { type }: UnknownAction) => (type === "dark" ? type : state),
    }),
  });
  const others = {
    posts: { select: "entities.posts" },
    users: { select: "entities.users" },
    theme: { select: "settings.theme", single: true },
  };
  const device = new Device();
  const [one, other] = [0, 1].map(() => open(device, reducer, { tracking: { select: "entities.none" }, others })) as [Opened, Opened]; // biome-ignore format: one line
  await untilQuiet(one.tab, other.tab);
  one.store.dispatch(posts.actions.added({ id: 1 }));
  one.store.dispatch(users.actions.added({ id: 2 }));
  one.store.dispatch({ type: "dark" });
  await untilQuiet(one.tab, other.tab);
  deepStrictEqual(other.store.getState(), one.store.getState());
  deepStrictEqual([[...device.items("posts").keys()], [...device.items("users").keys()]], [["1"], ["2"]]);
});
type Opened = ReturnType<typeof open>;

test("a_name_that_no_slice_can_have_is_refused_with_what_it_may_be", async (context) => {
  quiet(context);
  const { store, tab } = open(new Device(), combineReducers({ "my.notes": slice([]) }), { others: { "my.notes": {} } });
  const failed = rejects(store.nightferry.ready, {
    code: "bad_config",
    message: /"my\.notes" must start with a letter/,
  });
  await untilQuiet(tab);
  await failed;
});

// --- redux-undo

const todos = (state: Item[] = [], action: UnknownAction): Item[] => {
  if (action.type === "added") return [...state, action.item as Item];
  if (action.type === "edited") return state.map((item) => (item.id === (action.item as Item).id ? { ...item, ...(action.item as Item) } : item)); // biome-ignore format: one line
  if (action.type === "removed") return state.filter(({ id }) => id !== action.id);
  return state;
};
const added = (item: Item) => ({ type: "added", item });
const edited = (item: Item) => ({ type: "edited", item });
const undoing = () => combineReducers({ list: undoable(todos) });
const present = ({ list }: Opened) => (list() as { present: Item[] }).present;
const present$ = { select: "list.present" };

test("f59_undo_and_redo_are_sent_like_any_change", async (context) => {
  const { device, one, other, quietly } = await two(context, undoing, present$);
  one.store.dispatch(added({ id: 1, name: "a" }));
  await quietly();
  one.store.dispatch(edited({ id: 1, name: "b" }));
  await quietly();
  deepStrictEqual(present(other), [{ id: 1, name: "b" }]);
  one.store.dispatch(ActionCreators.undo());
  await quietly();
  deepStrictEqual([device.items("list").get("1"), present(other)], [{ id: 1, name: "a" }, [{ id: 1, name: "a" }]]); // biome-ignore format: one line
  one.store.dispatch(ActionCreators.undo());
  await quietly();
  deepStrictEqual([ids(device), present(one), present(other)], [[], [], []]);
  one.store.dispatch(ActionCreators.jump(2));
  await quietly();
  deepStrictEqual([device.items("list").get("1"), present(other)], [{ id: 1, name: "b" }, [{ id: 1, name: "b" }]]); // biome-ignore format: one line
});

test("f59_what_comes_in_makes_no_step_of_redux_undo", async (context) => {
  const { one, other, quietly } = await two(context, undoing, present$, stored({ id: 0 }));
  deepStrictEqual(present(one), [{ id: 0 }]);
  one.store.dispatch(added({ id: 1 }));
  await quietly();
  other.store.dispatch(added({ id: 2 }));
  await quietly();
  const { past, future } = one.list() as { past: unknown[]; future: unknown[] };
  deepStrictEqual([present(one).length, past.length, future.length], [3, 1, 0]);
  one.store.dispatch({ type: "something else" });
  strictEqual((one.list() as { past: unknown[] }).past.length, 1);
});

test("an_undo_takes_back_what_this_page_did_and_nothing_that_came_in", async (context) => {
  const { device, one, other, quietly } = await two(
    context,
    undoing,
    present$,
    stored({ id: 0, name: "stored", n: 0 }),
  );
  one.store.dispatch(edited({ id: 0, name: "mine" }));
  await quietly();
  other.store.dispatch(edited({ id: 0, n: 1 }));
  other.store.dispatch(added({ id: 2 }));
  await quietly();
  one.store.dispatch(ActionCreators.undo());
  await quietly();
  deepStrictEqual(present(one), [{ id: 0, name: "stored", n: 1 }, { id: 2 }]); // biome-ignore format: one line
  deepStrictEqual([...device.items("list").values()], present(one));
  // And to go forth again brings back what another page has deleted meanwhile no more.
  other.store.dispatch({ type: "removed", id: 2 });
  await quietly();
  one.store.dispatch(ActionCreators.redo());
  await quietly();
  deepStrictEqual(present(one), [{ id: 0, name: "mine", n: 1 }]);
  deepStrictEqual(present(other), present(one));
});

test("f59_signing_out_with_redux_undo_deletes_nothing", async (context) => {
  quiet(context);
  const device = stored({ id: 1 });
  const all = undoing();
  const page = open(device, (state: never, action: UnknownAction) => all(action.type === "signed out" ? undefined : state, action), { tracking: present$ }); // biome-ignore format: one line
  await untilQuiet(page.tab);
  page.store.dispatch(added({ id: 2 }));
  await untilQuiet(page.tab);
  page.store.dispatch({ type: "signed out" });
  await untilQuiet(page.tab);
  deepStrictEqual([ids(device), present(page).length], [["1", "2"], 2]);
});

test("an_undo_to_a_version_that_others_have_emptied_removes_what_was_added", async (context) => {
  const { device, one, other, quietly } = await two(context, undoing, present$, stored({ id: 0 }));
  one.store.dispatch(added({ id: 1 }));
  await quietly();
  other.store.dispatch({ type: "removed", id: 0 });
  await quietly();
  one.store.dispatch(ActionCreators.undo());
  await quietly();
  deepStrictEqual([ids(device), present(one), present(other)], [[], [], []]);
});

test("an_undo_of_an_added_item_removes_it_though_another_page_has_edited_it", async (context) => {
  const { device, one, other, quietly } = await two(context, undoing, present$);
  one.store.dispatch(added({ id: 1, name: "a" }));
  await quietly();
  other.store.dispatch(edited({ id: 1, name: "b" }));
  await quietly();
  one.store.dispatch(ActionCreators.undo());
  await quietly();
  deepStrictEqual([ids(device), present(one), present(other)], [[], [], []]);
});

test("f59_an_undo_to_the_state_that_a_slice_begins_with_is_no_reset", async (context) => {
  const drawing = createSlice({
    name: "drawing",
    initialState: [] as Item[],
    reducers: { drawn: (state, { payload }: PayloadAction<Item>) => void state.push(payload) },
  });
  const reducer = () => combineReducers({ list: undoable(drawing.reducer) });
  const { device, one, quietly } = await two(context, reducer, present$);
  one.store.dispatch(drawing.actions.drawn({ id: 1 }));
  await quietly();
  one.store.dispatch(ActionCreators.undo());
  await quietly();
  deepStrictEqual([ids(device), present(one)], [[], []]);
});

test("an_undo_after_clearSlice_brings_back_nothing", async (context) => {
  const { device, one, other, quietly } = await two(context, undoing, present$, stored({ id: 0 }));
  one.store.dispatch(added({ id: 1 }));
  await quietly();
  one.store.dispatch(clearSlice("list"));
  one.store.dispatch(added({ id: 2 }));
  await quietly();
  for (let step = 0; step < 3; step += 1) one.store.dispatch(ActionCreators.undo());
  await quietly();
  deepStrictEqual([ids(device), present(one), present(other)], [[], [], []]);
});

// --- What is not understood

for (const [name, state, hint] of [
  ["redux-undo's history", { past: [], present: [], future: [] }, 'select: "list.present"'],
  ["items in an array beside others", { items: [], status: "idle" }, 'select: "list.items"'],
  ["items in an object beside others", { items: {}, status: "idle", error: null }, 'select: "list.items"'],
  ["entities without ids", { entities: { a: { id: "a" } }, loading: false }, 'select: "list.entities"'],
  [
    "slices below a slice",
    { posts: { ids: [], entities: {} }, users: { byId: {}, allIds: [] } },
    'select: "list.posts" or "list.users"',
  ],
  ["a setting with a list", { columns: ["a"], wrap: true }, "single: true"],
  ["an ES map", new Map(), "neither an array nor a plain object"],
  [
    "RTK Query's cache",
    { queries: {}, mutations: {}, provided: {}, subscriptions: {}, config: { online: true } },
    "RTK Query",
  ],
] as const) {
  test(`f59_a_shape_that_is_not_understood_is_named_at_once_and_not_sent: ${name}`, async (context) => {
    const errors = quiet(context);
    const device = stored({ id: "x" });
    const { store, tab, list } = open(device, state);
    const first = String(errors.mock.calls[0]?.arguments[0]);
    ok(first.includes('"list"') && first.includes(hint), first);
    await untilQuiet(tab);
    store.dispatch(set(state instanceof Map ? new Map([["a", 1]]) : { ...state, more: { id: "m" } }));
    await untilQuiet(tab);
    deepStrictEqual([device.operations, ids(device)], [[], ["x"]]);
    ok(!JSON.stringify(list()).includes('"x"'));
    strictEqual(errors.mock.callCount(), 1, "and once");
  });
}

test("f59_what_becomes_understood_is_kept_from_then_on", async (context) => {
  quiet(context);
  const device = stored({ id: "x" });
  const { store, tab, list } = open(device, { items: [], status: "idle" });
  await untilQuiet(tab);
  store.dispatch(set([]));
  await untilQuiet(tab);
  deepStrictEqual(list(), [{ id: "x" }]);
});

test("f59_a_plain_object_with_an_item_that_says_its_key_is_understood_whatever_is_beside_it", async (context) => {
  quiet(context);
  const device = stored({ id: "b" });
  const { store, tab, list } = open(device, { a: { id: "a" }, order: ["a"] });
  await untilQuiet(tab);
  store.dispatch(set({ ...(list() as object), c: { id: "c" } }));
  await untilQuiet(tab);
  deepStrictEqual(ids(device), ["b", "c"]);
});

test("a_store_that_does_not_take_what_comes_in_deletes_nothing", async (context) => {
  quiet(context);
  const device = stored({ id: 1 });
  const { store, tab } = open(device, (state: unknown = { list: [] }, action: UnknownAction) =>
    action.type === "set" ? { list: action.payload } : state,
  );
  await untilQuiet(tab);
  let refused = true;
  const refuses = open(device, [], {
    inner: (create) => (reducer, preloaded) =>
      create((state, action) => (refused && state && action.type === "nightferry/changed" ? (state as never) : reducer(state, action)), preloaded), // biome-ignore format: one line
  });
  await untilQuiet(tab, refuses.tab);
  refuses.store.dispatch(set([{ id: 2 }]));
  store.dispatch(set([{ id: 1, name: "a" }, { id: 3 }])); // biome-ignore format: one line
  await untilQuiet(tab, refuses.tab);
  refused = false;
  refuses.store.dispatch(set([{ id: 2, name: "b" }]));
  await untilQuiet(tab, refuses.tab);
  deepStrictEqual(ids(device).sort(), ["1", "2", "3"]);
});

test("the_note_of_redux_persist_in_a_slice_is_no_item", async (context) => {
  const errors = quiet(context);
  const device = new Device();
  const note = { version: -1, rehydrated: true };
  const { store, tab, list } = open(device, { loading: false, _persist: note });
  await untilQuiet(tab);
  store.dispatch(set({ a: { id: "a" }, _persist: note }));
  await untilQuiet(tab);
  store.dispatch(set({ b: { id: "b" }, _persist: { ...note } }));
  await untilQuiet(tab);
  deepStrictEqual([ids(device), list(), errors.mock.callCount()], [["b"], { b: { id: "b" }, _persist: note }, 0]);
});

// --- Ids

test("b15_ids_that_are_numbers_or_look_empty_are_ids_and_no_id_is_none", async (context) => {
  const errors = quiet(context);
  const device = new Device();
  const { store, tab, list } = open(device, []);
  await untilQuiet(tab);
  store.dispatch(set([{ id: 0 }, { id: " " }, { id: -0.5 }, { id: "" }, { id: Number.NaN }, { id: null }]));
  await untilQuiet(tab);
  deepStrictEqual([ids(device), (list() as Item[]).length], [[" ", "-0.5", "0"], 6]);
  deepStrictEqual(
    errors.mock.calls.map(({ arguments: [text] }) => String(text).replace(/\. .*/, "")),
    [
      "Nightferry: list[3] has an empty id",
      "Nightferry: list[4] has no id that is a string or a finite number",
      "Nightferry: list[5] has no id that is a string or a finite number",
    ],
  );
});

test("b15_of_two_items_with_one_id_the_first_is_kept_and_the_other_is_named", async (context) => {
  const errors = quiet(context);
  const twice = [{ id: 1, name: "first" }, { id: "1", name: "second" }]; // biome-ignore format: one line
  for (const preloaded of [twice, []]) {
    const device = new Device();
    const { store, tab } = open(device, [], { preloaded });
    store.dispatch(set([...twice, { id: 2 }]));
    await untilQuiet(tab);
    strictEqual(device.items("list").has("1"), preloaded.length === 0, "preloaded items are sent once they are edited");
    store.dispatch(set([{ id: 1, name: "edited" }, twice[1], { id: 2 }]));
    await untilQuiet(tab);
    deepStrictEqual(device.items("list").get("1"), { id: 1, name: "edited" });
  }
  ok(errors.mock.calls.every(({ arguments: [text] }) => String(text).includes('list["1"] has the id of another item')));
});

test("an_item_that_is_an_immer_draft_is_sent_as_what_it_becomes", async (context) => {
  quiet(context);
  const list = createSlice({
    name: "list",
    initialState: [] as (Item & { tags: string[] })[],
    reducers: {
      added: (state, { payload }: PayloadAction<number>) => void state.push({ id: payload, tags: [] }),
      tagged: (state, { payload }: PayloadAction<string>) => {
        for (const item of state) item.tags.push(payload);
      },
    },
  });
  const device = new Device();
  const { store, tab } = open(device, combineReducers({ list: list.reducer }));
  await untilQuiet(tab);
  store.dispatch(list.actions.added(1));
  store.dispatch(list.actions.tagged("x"));
  await untilQuiet(tab);
  deepStrictEqual(device.items("list").get("1"), { id: 1, tags: ["x"] });
});
