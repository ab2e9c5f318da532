// Tests stores that the app has dropped: by a hot reload, or in React's StrictMode, which makes two and keeps one.

import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { type TestContext, test } from "node:test";
import { configureStore, createSlice, type PayloadAction } from "@reduxjs/toolkit";
import type { StoreEnhancer } from "redux";
import { client } from "../client.js";
import { Device, type Tab, turn, untilQuiet } from "../device.test-support.js";
import { nightferryEnhancer, syncReducer } from "../redux.js";
import { withoutTracking } from "./binding.js";
import { enhancer } from "./enhancer.js";

const list = createSlice({
  name: "list",
  initialState: [] as { id: number }[],
  reducers: { put: (state, { payload }: PayloadAction<number>) => [...state, { id: payload }] },
});

function open(tab: Tab, others: StoreEnhancer[] = []) {
  return configureStore({
    reducer: { list: list.reducer },
    enhancers: (get) => get().concat(enhancer(tab, { slices: { list: {} } }), ...others),
  });
}

/** Waits until the target is no more. */
async function collected(target: WeakRef<object>): Promise<void> {
  ok(gc, "Node has --expose-gc");
  while (target.deref()) {
    await turn();
    gc();
  }
}

/** Waits until what can go is gone. */
async function swept(): Promise<void> {
  await collected(new WeakRef({}));
}

const timeout = 30_000;

test("a dropped store goes, and hears nothing more", { timeout }, async () => {
  const device = new Device();
  const tab = device.tab();
  const dropped = await (async () => {
    const store = open(tab);
    await untilQuiet(tab);
    await store.nightferry.ready;
    store.dispatch(list.actions.put(1));
    await untilQuiet(tab);
    // The app dropped its store; this is what only the binding could still hold.
    return new WeakRef(store.getState());
  })();
  await collected(dropped);
  device.items("list").set("1", { id: 1 });
  await untilQuiet(tab);
  strictEqual(tab.following, 0);
  // And nothing else of it stands in the way.
  const next = open(tab);
  await untilQuiet(tab);
  withoutTracking(() => next.dispatch(list.actions.put(2)));
  next.dispatch(list.actions.put(3));
  await untilQuiet(tab);
  deepStrictEqual([...device.items("list").keys()], ["1", "3"]);
});

test("a store stays bound for as long as the app has anything of it", { timeout }, async () => {
  const device = new Device();
  const tab = device.tab();
  // An enhancer whose store is an object of its own, with little of what it wraps.
  const wraps: StoreEnhancer = (create) => (reducer, state) => {
    const { dispatch, getState, subscribe, replaceReducer } = create(reducer, state);
    return {
      dispatch: (action: Parameters<typeof dispatch>[0]) => dispatch(action),
      getState: () => getState(),
      subscribe,
      replaceReducer,
    } as never;
  };
  const { dispatch, getState } = open(tab, [wraps]);
  await untilQuiet(tab);
  await swept();
  dispatch(list.actions.put(1));
  await untilQuiet(tab);
  deepStrictEqual([...device.items("list").keys()], ["1"]);
  await swept();
  const value = { id: 2 };
  device.items("list").set("2", value);
  await untilQuiet(tab);
  deepStrictEqual(getState().list, [{ id: 1 }, value]);
});

test("a dropped store with syncReducer goes, and one that is there has the status", { timeout }, async (context) => {
  insecure(context);
  const open = () =>
    configureStore({
      reducer: { list: list.reducer, sync: syncReducer },
      enhancers: (get) => get().concat(nightferryEnhancer({ slices: { list: {} } })),
    });
  const dropped = await (async () => {
    const store = open();
    await store.nightferry.ready.catch(() => {});
    // The app dropped its store; this is what only the binding could still hold.
    return new WeakRef(store.getState());
  })();
  const { getState } = open();
  await collected(dropped);
  await swept();
  const { subscriptions } = client;
  const status = { ...subscriptions.status, pending: 7 };
  subscriptions.deliver({ v: 1, kind: "status", status, unfinished: false }, 0);
  strictEqual(getState().sync.status.pending, 7);
});

/** A browser's window in which no worker can be. */
function insecure(context: TestContext): void {
  // A mock would keep the error, whose stack keeps the store.
  const { error } = console;
  console.error = () => {};
  context.after(() => {
    console.error = error;
  });
  for (const [name, value] of [
    ["window", {}],
    ["isSecureContext", false],
  ] as const) {
    Object.defineProperty(globalThis, name, { value, configurable: true });
    context.after(() => Reflect.deleteProperty(globalThis, name));
  }
}
