// What Redux DevTools do to a store is never sent, and nothing that comes in is lost by it. With their real enhancer, in every
// order that apps have.

import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { type TestContext, test } from "node:test";
import { ActionCreators, instrument } from "@redux-devtools/instrument";
import { configureStore, createSlice, type PayloadAction } from "@reduxjs/toolkit";
import type { StoreEnhancer, UnknownAction } from "redux";
import { Device, untilQuiet } from "../device.test-support.js";
import { enhancer } from "./enhancer.js";
import { clearSlice } from "./reducer.js";
import { ids, quiet } from "./store.test-support.js";

interface Todo {
  id: number;
  name: string;
  done?: boolean;
}
const list = createSlice({
  name: "list",
  initialState: [] as Todo[],
  reducers: {
    added: (state, { payload }: PayloadAction<Todo>) => void state.push(payload),
    edited: (state, { payload }: PayloadAction<Partial<Todo> & { id: number }>) => {
      Object.assign(state.find(({ id }) => id === payload.id) ?? {}, payload);
    },
    removed: (state, { payload }: PayloadAction<number>) => state.filter(({ id }) => id !== payload),
  },
});
const { added, edited, removed } = list.actions;

interface Inspected {
  liftedStore: { dispatch(action: UnknownAction): unknown; getState(): { nextActionId: number } & object };
  dispatch(action: UnknownAction): unknown;
  getState(): { list: Todo[] };
  replaceReducer(reducer: never): void;
  nightferry?: { ready: Promise<void> };
}

/** Where the enhancer of DevTools stands. `composeWithDevTools` puts it last, next to the store. */
const ORDERS = {
  "DevTools last, as composeWithDevTools has them": (
    nightferry: StoreEnhancer,
    tools: StoreEnhancer,
    rest: StoreEnhancer[],
  ) => [...rest, nightferry, tools],
  "nightferryEnhancer first of all": (nightferry: StoreEnhancer, tools: StoreEnhancer, rest: StoreEnhancer[]) => [
    nightferry,
    ...rest,
    tools,
  ],
  "nightferryEnhancer behind DevTools": (nightferry: StoreEnhancer, tools: StoreEnhancer, rest: StoreEnhancer[]) => [
    ...rest,
    tools,
    nightferry,
  ],
};

function open(device: Device, order: keyof typeof ORDERS, options: object = {}) {
  const tab = device.tab();
  const store = configureStore({
    reducer: { list: list.reducer },
    devTools: false,
    enhancers: ((get: () => StoreEnhancer[]) =>
      ORDERS[order](enhancer(tab, { slices: { list: {} } }), instrument(undefined, options) as never, [
        ...get(),
      ])) as never,
  }) as unknown as Inspected;
  return {
    tab,
    dispatch: store.dispatch,
    names: () => store.getState().list.map(({ name }) => name),
    tool: (action: unknown) => store.liftedStore.dispatch(action as UnknownAction),
    store,
  };
}

/** A page with DevTools and one without, on a device that has two items. */
async function pages(context: TestContext, order: keyof typeof ORDERS, options?: object) {
  const errors = quiet(context);
  const device = new Device();
  const plain = open(device, order);
  await untilQuiet(plain.tab);
  plain.dispatch(added({ id: 1, name: "a" }));
  plain.dispatch(added({ id: 2, name: "b" }));
  await untilQuiet(plain.tab);
  const page = open(device, order, options);
  const quietly = () => untilQuiet(page.tab, plain.tab);
  await quietly();
  device.operations.length = 0;
  return { device, page, plain, quietly, errors };
}

const sent = (device: Device) => device.operations.splice(0).map(({ type, id, payload }) => [type, id, payload]);

for (const order of Object.keys(ORDERS) as (keyof typeof ORDERS)[]) {
  test(`f60_a_jump_sends_nothing_and_loses_nothing: ${order}`, async (context) => {
    const { device, page, plain, quietly } = await pages(context, order);
    page.dispatch(edited({ id: 1, name: "A" }));
    page.dispatch(added({ id: 3, name: "c" }));
    await quietly();
    sent(device);
    page.tool(ActionCreators.jumpToState(0));
    await quietly();
    deepStrictEqual([sent(device), page.names()], [[], []]);
    // What is done and what comes in meanwhile is about the newest state.
    plain.dispatch(added({ id: 4, name: "d" }));
    page.dispatch(edited({ id: 2, done: true }));
    await quietly();
    deepStrictEqual(sent(device), [["list/updateItem", "2", { done: true }], ["list/addItem", "4", { id: 4, name: "d" }]]); // biome-ignore format: one line
    page.tool(ActionCreators.jumpToState((page.store.liftedStore.getState() as never as { stagedActionIds: [] }).stagedActionIds.length - 1)); // biome-ignore format: one line
    await quietly();
    deepStrictEqual([sent(device), page.names()], [[], ["A", "b", "c", "d"]]);
    deepStrictEqual(device.items("list").get("2"), { id: 2, name: "b", done: true });
  });

  test(`f60_locked_changes_delete_nothing_and_send_nothing_old: ${order}`, async (context) => {
    const { device, page, plain, quietly } = await pages(context, order);
    page.tool(ActionCreators.lockChanges(true));
    plain.dispatch(added({ id: 3, name: "c" }));
    plain.dispatch(edited({ id: 1, name: "A" }));
    plain.dispatch(removed(2));
    await quietly();
    sent(device);
    page.dispatch(edited({ id: 1, name: "dropped by DevTools" }));
    await quietly();
    deepStrictEqual([sent(device), page.names(), ids(device)], [[], ["a", "b"], ["1", "3"]]);
    page.tool(ActionCreators.lockChanges(false));
    await quietly();
    deepStrictEqual([sent(device), page.names(), plain.names()], [[], ["A", "c"], ["A", "c"]]);
    page.dispatch(edited({ id: 3, done: true }));
    await quietly();
    deepStrictEqual(sent(device), [["list/updateItem", "3", { done: true }]]);
  });

  test(`f60_a_store_that_starts_locked_is_filled_once_it_is_unlocked: ${order}`, async (context) => {
    const { device, page, quietly } = await pages(context, order, { shouldStartLocked: true });
    deepStrictEqual(page.names(), []);
    page.tool(ActionCreators.lockChanges(false));
    await quietly();
    deepStrictEqual([sent(device), page.names()], [[], ["a", "b"]]);
  });

  test(`f60_an_imported_state_is_not_sent: ${order}`, async (context) => {
    const { device, page, plain, quietly } = await pages(context, order);
    const before = JSON.parse(JSON.stringify(page.store.liftedStore.getState()));
    page.dispatch(removed(1));
    page.dispatch(edited({ id: 2, name: "B" }));
    await quietly();
    sent(device);
    page.tool(ActionCreators.importState(before));
    page.tool(ActionCreators.importState(before, true));
    page.tool(ActionCreators.importState([added({ id: 9, name: "imported" })]));
    await quietly();
    deepStrictEqual([sent(device), ids(device), plain.names()], [[], ["2"], ["B"]]);
    // Edits are sent as ever, each as what it changed.
    page.dispatch(edited({ id: 9, done: true }));
    await quietly();
    ok(!ids(device).includes("1") && (device.items("list").get("2") as Todo).name === "B");
  });

  test(`f60_skipping_sweeping_and_reordering_send_nothing: ${order}`, async (context) => {
    const { device, page, plain, quietly } = await pages(context, order);
    const first = page.store.liftedStore.getState().nextActionId;
    page.dispatch(edited({ id: 1, name: "A" }));
    page.dispatch(added({ id: 3, name: "c" }));
    page.dispatch(removed(2));
    await quietly();
    sent(device);
    for (const action of [
      ActionCreators.toggleAction(first),
      ActionCreators.setActionsActive(first, first + 3, false),
      ActionCreators.setActionsActive(first, first + 3, true),
      ActionCreators.reorderAction(first + 2, first),
      ActionCreators.toggleAction(first + 1),
      ActionCreators.sweep(),
    ]) {
      page.tool(action);
      await quietly();
    }
    deepStrictEqual([sent(device), ids(device), plain.names()], [[], ["1", "3"], ["A", "c"]]);
    plain.dispatch(edited({ id: 3, name: "C" }));
    await quietly();
    deepStrictEqual(sent(device), [["list/updateItem", "3", { name: "C" }]]);
    ok(page.names().includes("C"));
  });

  test(`f60_what_came_in_is_shown_after_a_skip: ${order}`, async (context) => {
    const { page, plain, quietly } = await pages(context, order);
    const first = page.store.liftedStore.getState().nextActionId;
    page.dispatch(edited({ id: 1, name: "A" }));
    plain.dispatch(added({ id: 3, name: "c" }));
    await quietly();
    page.tool(ActionCreators.toggleAction(first));
    await quietly();
    deepStrictEqual(page.names().slice(1), ["b", "c"]);
  });

  test(`f60_rollback_reset_and_commit_send_nothing: ${order}`, async (context) => {
    for (const action of [ActionCreators.rollback(), ActionCreators.reset(), ActionCreators.commit()]) {
      const { device, page, plain, quietly } = await pages(context, order);
      page.dispatch(edited({ id: 1, name: "A" }));
      // In the same turn: what the user did before it is sent.
      page.tool(action);
      await quietly();
      deepStrictEqual(sent(device), [["list/updateItem", "1", { name: "A" }]]);
      page.dispatch(added({ id: 3, name: "c" }));
      plain.dispatch(added({ id: 4, name: "d" }));
      await quietly();
      deepStrictEqual(ids(device).sort(), ["1", "2", "3", "4"]);
      ok(page.names().includes("d"));
      context.mock.restoreAll();
    }
  });

  test(`f60_what_is_done_while_recording_is_paused_is_sent: ${order}`, async (context) => {
    const { device, page, plain, quietly } = await pages(context, order);
    page.tool(ActionCreators.pauseRecording(true));
    page.dispatch(edited({ id: 1, name: "A" }));
    plain.dispatch(added({ id: 3, name: "c" }));
    await quietly();
    page.dispatch(removed(2));
    await quietly();
    sent(device);
    page.tool(ActionCreators.pauseRecording(false));
    await quietly();
    deepStrictEqual([sent(device), page.names(), plain.names()], [[], ["A", "c"], ["A", "c"]]);
  });

  test(`f60_clearSlice_empties_under_DevTools_too: ${order}`, async (context) => {
    const { device, page, plain, quietly } = await pages(context, order);
    page.dispatch(clearSlice("list"));
    await quietly();
    deepStrictEqual([ids(device), page.names(), plain.names()], [[], [], []]);
  });

  test(`f60_a_reset_under_DevTools_deletes_nothing: ${order}`, async (context) => {
    quiet(context);
    const device = new Device();
    device.items("list").set("1", { id: 1, name: "a" });
    const tab = device.tab();
    const fresh = (state: Todo[] = [], action: UnknownAction): Todo[] =>
      action.type === "removed" ? state.filter(({ id }) => id !== action.id) : state;
    const store = configureStore({
      reducer: ((state: { list: Todo[] } | undefined, action: UnknownAction) => ({
        list: fresh(action.type === "signed out" ? undefined : state?.list, action),
      })) as never,
      devTools: false,
      enhancers: ((get: () => StoreEnhancer[]) =>
        ORDERS[order](enhancer(tab, { slices: { list: {} } }), instrument() as never, [...get()])) as never,
    });
    await untilQuiet(tab);
    store.dispatch({ type: "signed out" });
    await untilQuiet(tab);
    deepStrictEqual(ids(device), ["1"]);
    store.dispatch({ type: "removed", id: 1 });
    await untilQuiet(tab);
    deepStrictEqual(ids(device), []);
  });

  test(`a_hot_reload_under_DevTools_which_computes_all_states_anew_sends_nothing: ${order}`, async (context) => {
    const { device, page, plain, quietly } = await pages(context, order);
    page.dispatch(added({ id: 3, name: "c" }));
    await quietly();
    sent(device);
    let made = 100;
    // The new version of the reducer gives other ids, and other names.
    page.store.replaceReducer(((state: { list: Todo[] }, action: UnknownAction) => ({
      list: added.match(action)
        ? [...state.list, { ...action.payload, id: ++made, name: "C" }]
        : list.reducer(state?.list, action),
    })) as never);
    await quietly();
    deepStrictEqual([sent(device), ids(device), plain.names()], [[], ["1", "2", "3"], ["a", "b", "c"]]);
    page.dispatch(added({ id: 4, name: "d" }));
    await quietly();
    strictEqual(ids(device).length, 4);
  });
}

test("f60_an_enhancer_that_stands_where_the_store_has_no_nightferry_says_so", async (context) => {
  const { errors, page } = await pages(context, "nightferryEnhancer behind DevTools");
  ok(errors.mock.calls.some(({ arguments: [text] }) => String(text).includes("Put it last")));
  strictEqual(page.store.nightferry, undefined);
});

test("f60_ready_resolves_under_DevTools", async (context) => {
  const { page } = await pages(context, "DevTools last, as composeWithDevTools has them");
  await page.store.nightferry?.ready;
});
