// Tests which actions a store's changes become, and how the worker's messages change stores.

import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { test } from "node:test";
import {
  combineReducers,
  configureStore,
  createEntityAdapter,
  createSlice,
  type PayloadAction,
} from "@reduxjs/toolkit";
import { Device, turn, untilQuiet } from "../device.test-support.js";
import { withoutTracking } from "./binding.js";
import { enhancer } from "./enhancer.js";
import type { NightferryOptions } from "./options.js";
import { clearSlice } from "./reducer.js";

interface File {
  id: number;
  name: string;
  tags?: string[] | undefined;
  open?: boolean | undefined;
}

const adapter = createEntityAdapter<File>();
/** Action names that follow no rule, as an app may have them. */
const nothing = adapter.getInitialState({ loading: false });
const files = createSlice({
  name: "anything",
  initialState: nothing,
  reducers: {
    "came in": adapter.addOne,
    "many came": adapter.addMany,
    "was edited": adapter.updateOne,
    "went away": adapter.removeOne,
    "all went": adapter.removeAll,
    loading: (state) => {
      state.loading = !state.loading;
    },
    "start over": () => nothing,
  },
});
const list = createSlice({
  name: "list",
  initialState: [] as { id: string; done: boolean }[],
  reducers: {
    push: (state, { payload }: PayloadAction<string>) => void state.push({ id: payload, done: false }),
    toggle: (state, { payload }: PayloadAction<number>) => {
      const item = state[payload];
      if (item) item.done = !item.done;
    },
    drop: (state, { payload }: PayloadAction<number>) => void state.splice(payload, 1),
  },
});
const books = createSlice({
  name: "books",
  initialState: {} as Record<string, { isbn: string; title?: string }>,
  reducers: {
    put: (state, { payload }: PayloadAction<{ isbn: string; title?: string }>) => {
      state[payload.isbn] = payload;
    },
  },
});
const theme = createSlice({
  name: "theme",
  initialState: "light" as string,
  reducers: { flip: (state) => (state === "light" ? "dark" : "light") },
});

const reducer = { files: files.reducer, list: list.reducer, books: books.reducer, theme: theme.reducer };
const options: NightferryOptions = {
  slices: { files: {}, list: {}, books: { selectId: (book) => book.isbn }, theme: { single: true } },
};

function open(device: Device, preloadedState?: { theme: string }) {
  const tab = device.tab();
  const store = configureStore({
    reducer,
    ...(preloadedState && { preloadedState: preloadedState as never }),
    enhancers: (get) => get().concat(enhancer(tab, options)),
  });
  return { tab, store };
}

async function ready(device: Device) {
  const page = open(device);
  await untilQuiet(page.tab);
  await page.store.nightferry.ready;
  return page;
}

const { actions } = files;
const sent = (device: Device) => device.operations.splice(0);
const name = (store: { getState(): { files: { entities: Record<number, File> } } }, id: number) =>
  store.getState().files.entities[id]?.name;

test("f01_any_action_is_sent_as_what_it_changed", async () => {
  const device = new Device();
  const { store, tab } = await ready(device);
  store.dispatch(actions["came in"]({ id: 1, name: "a", tags: ["x"] }));
  store.dispatch(actions["was edited"]({ id: 1, changes: { name: "b" } }));
  await untilQuiet(tab);
  deepStrictEqual(sent(device), [{ type: "files/addItem", id: "1", payload: { id: 1, name: "b", tags: ["x"] } }]);
  store.dispatch(actions["was edited"]({ id: 1, changes: { name: "c", tags: undefined } }));
  store.dispatch(actions.loading());
  store.dispatch(list.actions.push("l"));
  store.dispatch(books.actions.put({ isbn: "0-1", title: "B" }));
  store.dispatch(theme.actions.flip());
  await untilQuiet(tab);
  deepStrictEqual(sent(device), [
    { type: "files/updateItem", id: "1", payload: { name: "c" }, was: { name: "b", tags: ["x"] } },
    { type: "list/addItem", id: "l", payload: { id: "l", done: false } },
    { type: "books/addItem", id: "0-1", payload: { isbn: "0-1", title: "B" } },
    { type: "theme/set", id: undefined, payload: "dark" },
  ]);
  deepStrictEqual(device.items("files").get("1"), { id: 1, name: "c" });
  store.dispatch(actions["went away"](1));
  store.dispatch(theme.actions.flip());
  await untilQuiet(tab);
  deepStrictEqual(sent(device), [
    { type: "files/removeItem", id: undefined, payload: "1" },
    { type: "theme/set", id: undefined, payload: "light" },
  ]);
});

test("what is stored is in the store when it is ready, whatever its shape", async () => {
  const device = new Device();
  const first = await ready(device);
  first.store.dispatch(actions["many came"]([{ id: 2, name: "b" }, { id: 10, name: "j" }])); // biome-ignore format: one line
  first.store.dispatch(list.actions.push("l"));
  first.store.dispatch(books.actions.put({ isbn: "7" }));
  first.store.dispatch(theme.actions.flip());
  await untilQuiet(first.tab);
  sent(device);
  const second = await ready(device);
  const { files: state, list: items, books: shelf, theme: colour } = second.store.getState();
  // They are stored by their ids as texts.
  deepStrictEqual(state.ids, [10, 2], "ids that are numbers stay numbers");
  deepStrictEqual([state.entities[10], state.loading], [{ id: 10, name: "j" }, false]);
  deepStrictEqual([items, shelf, colour], [[{ id: "l", done: false }], { 7: { isbn: "7" } }, "dark"]);
  await untilQuiet(second.tab);
  deepStrictEqual(sent(device), [], "nothing of it goes back");
});

test("what is done while the store is read stays on top", async () => {
  const device = new Device();
  device.items("files").set("1", { id: 1, name: "stored", tags: ["t"] });
  device.items("files").set("2", { id: 2, name: "stored" });
  const { store, tab } = open(device);
  store.dispatch(actions["came in"]({ id: 2, name: "mine" }));
  store.dispatch(actions["came in"]({ id: 3, name: "mine" }));
  await turn();
  store.dispatch(actions["was edited"]({ id: 3, changes: { name: "mine still" } }));
  await untilQuiet(tab);
  await store.nightferry.ready;
  deepStrictEqual([1, 2, 3].map((id) => name(store, id)), ["stored", "mine", "mine still"]); // biome-ignore format: one line
  await untilQuiet(tab);
  deepStrictEqual(Object.fromEntries(device.items("files")), store.getState().files.entities);
});

test("f22_two_tabs_end_equal_without_an_echo", async () => {
  const device = new Device();
  const [one, two] = [await ready(device), await ready(device)];
  one.store.dispatch(actions["many came"]([{ id: 1, name: "a", open: false }, { id: 2, name: "b" }])); // biome-ignore format: one line
  await untilQuiet(one.tab, two.tab);
  sent(device);
  // Different fields of one item, and different items, at the same time.
  one.store.dispatch(actions["was edited"]({ id: 1, changes: { name: "A" } }));
  two.store.dispatch(actions["was edited"]({ id: 1, changes: { open: true } }));
  one.store.dispatch(actions["went away"](2));
  two.store.dispatch(actions["came in"]({ id: 3, name: "c" }));
  await untilQuiet(one.tab, two.tab);
  strictEqual(sent(device).length, 4, "no change comes back");
  deepStrictEqual(one.store.getState().files.entities, {
    1: { id: 1, name: "A", open: true },
    3: { id: 3, name: "c" },
  });
  deepStrictEqual(two.store.getState().files.entities, one.store.getState().files.entities);
  deepStrictEqual(one.store.getState().files.ids, [1, 3]);
});

test("a tab that was frozen overwrites nothing that it had not seen", async () => {
  const device = new Device();
  const [one, frozen] = [await ready(device), await ready(device)];
  one.store.dispatch(actions["came in"]({ id: 1, name: "a", open: false }));
  await untilQuiet(one.tab, frozen.tab);
  one.store.dispatch(actions["was edited"]({ id: 1, changes: { name: "new" } }));
  await untilQuiet(one.tab);
  // It wakes, and its user is faster than the messages that wait for it.
  frozen.store.dispatch(actions["was edited"]({ id: 1, changes: { open: true } }));
  await untilQuiet(one.tab, frozen.tab);
  const expected = { id: 1, name: "new", open: true };
  for (const { store } of [one, frozen]) deepStrictEqual(store.getState().files.entities[1], expected);
});

test("of two tabs that change one field the later one wins in both, however the messages cross", async () => {
  for (const ackFirst of [true, false]) {
    const device = new Device();
    const [one, two] = [await ready(device), await ready(device)];
    one.store.dispatch(actions["came in"]({ id: 1, name: "a" }));
    await untilQuiet(one.tab, two.tab);
    one.store.dispatch(actions["was edited"]({ id: 1, changes: { name: "earlier" } }));
    two.store.dispatch(actions["was edited"]({ id: 1, changes: { name: "later" } }));
    await turn();
    one.tab.post();
    two.tab.post();
    one.tab.toWorker.shift()?.();
    // The second tab hears of the first one's change before or after its own was taken.
    if (ackFirst) two.tab.fromWorker.shift()?.();
    two.tab.toWorker.shift()?.();
    await untilQuiet(one.tab, two.tab);
    deepStrictEqual([name(one.store, 1), name(two.store, 1)], ["later", "later"]);
    strictEqual((device.items("files").get("1") as File).name, "later");
  }
});

test("a reset deletes nothing, and clearSlice all", async (context) => {
  const warn = context.mock.method(console, "warn", () => {});
  const device = new Device();
  const { store, tab } = await ready(device);
  store.dispatch(actions["came in"]({ id: 1, name: "a" }));
  await untilQuiet(tab);
  sent(device);
  store.dispatch(actions["start over"]());
  strictEqual(name(store, 1), undefined);
  await untilQuiet(tab);
  deepStrictEqual([sent(device), name(store, 1), warn.mock.callCount()], [[], "a", 1]);
  store.dispatch(clearSlice("files"));
  await untilQuiet(tab);
  deepStrictEqual([sent(device).length, device.items("files").size, store.getState().files.ids], [1, 0, []]);
  // To remove all items one by one is no reset.
  store.dispatch(actions["came in"]({ id: 2, name: "b" }));
  await untilQuiet(tab);
  store.dispatch(actions["all went"]());
  await untilQuiet(tab);
  strictEqual(device.items("files").size, 0);
});

test("withoutTracking adopts what is done in it", async () => {
  const device = new Device();
  const { store, tab } = await ready(device);
  store.dispatch(actions["came in"]({ id: 1, name: "a" }));
  withoutTracking(() => store.dispatch(actions["came in"]({ id: 2, name: "b" })));
  await untilQuiet(tab);
  deepStrictEqual([...device.items("files").keys()], ["1"], "what was done before it is sent");
  store.dispatch(actions["was edited"]({ id: 2, changes: { name: "B" } }));
  await untilQuiet(tab);
  deepStrictEqual(device.items("files").get("2"), { id: 2, name: "B" }, "what the worker does not have is sent whole");
});

test("a slice that is not in the store loses nothing, and is read once it is", async (context) => {
  const error = context.mock.method(console, "error", () => {});
  const device = new Device();
  device.items("files").set("1", { id: 1, name: "stored" });
  const tab = device.tab();
  const store = configureStore({
    reducer: { list: list.reducer },
    enhancers: (get) => get().concat(enhancer(tab, { slices: { files: {} } })),
  });
  await untilQuiet(tab);
  store.dispatch(list.actions.push("l"));
  await untilQuiet(tab);
  store.replaceReducer(combineReducers({ list: list.reducer, files: files.reducer }) as never);
  store.dispatch(list.actions.push("m"));
  await untilQuiet(tab);
  strictEqual(name(store as never, 1), "stored");
  // Signed out by a reducer that knows nothing better than null.
  store.replaceReducer(combineReducers({ list: list.reducer, files: () => null }) as never);
  store.dispatch(list.actions.push("n"));
  await untilQuiet(tab);
  deepStrictEqual([sent(device), device.items("files").size, error.mock.callCount()], [[], 1, 1]);
});

test("what cannot be kept is reported, stays in the store, and stops nothing else", async (context) => {
  const error = context.mock.method(console, "error", () => {});
  const device = new Device();
  const { store, tab } = await ready(device);
  store.dispatch(books.actions.put({ isbn: "1" }));
  store.dispatch({ type: "bad" });
  await untilQuiet(tab);
  const wrong = configureStore({
    reducer: { books: (state = { a: { isbn: "b" }, c: { isbn: "c" } }, action) => (action.type === "x" ? { ...state, d: { isbn: "e" }, f: { isbn: "f" } } : state) },
    enhancers: (get) => get().concat(enhancer(tab, { slices: { books: { selectId: (book) => book.isbn } } })),
  }); // biome-ignore format: one line
  wrong.dispatch({ type: "x" });
  await untilQuiet(tab);
  ok(device.items("books").has("f") && !device.items("books").has("d"));
  ok(String(error.mock.calls[0]?.arguments[0]).includes('books["d"] says that its id is "e"'));
});

test("a store on a server is left alone", () => {
  const store = configureStore({ reducer, enhancers: (get) => get().concat(enhancer(undefined, options)) });
  store.dispatch(actions["came in"]({ id: 1, name: "a" }));
  strictEqual(name(store, 1), "a");
});

test("a reducer that is replaced is tracked like the first", async () => {
  const device = new Device();
  const { store, tab } = await ready(device);
  store.replaceReducer(((state: never, action: never) => {
    const combined = { files: files.reducer, list: list.reducer, books: books.reducer, theme: theme.reducer };
    return Object.fromEntries(Object.entries(combined).map(([slice, reduce]) => [slice, reduce(state[slice], action)]));
  }) as never);
  store.dispatch(actions["came in"]({ id: 1, name: "a" }));
  device.items("files").set("2", { id: 2, name: "b" });
  await untilQuiet(tab);
  deepStrictEqual([device.items("files").size, name(store, 2)], [2, "b"]);
});
