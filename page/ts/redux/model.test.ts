// Random lives of apps, on the core's worker and the page's client: tabs that edit, undo, reset, are reloaded and read while they are
// edited, with messages that arrive whenever they like; the browser ends the worker or removes the database, the network comes and
// goes. When all have arrived, every tab shows what the worker has, and what the server has where nothing was lost.

import { deepStrictEqual } from "node:assert";
import { test } from "node:test";
import {
  combineReducers,
  configureStore,
  createEntityAdapter,
  createSlice,
  type PayloadAction,
} from "@reduxjs/toolkit";
import type { Reducer } from "redux";
import undoable, { ActionCreators, type StateWithHistory } from "redux-undo";
import { Device, turn } from "../device.test-support.js";
import { enhancer } from "./enhancer.js";
import { clearSlice } from "./reducer.js";

/** How many lives, and the seed of the first. */
const LIVES = Number(process.env.LIVES ?? 500);
const FROM = Number(process.env.FROM ?? 1);
const STEPS = 120;
const IDS = 6;
/** Everything that is tried again is tried within it. */
const HOUR_MS = 3_600_000;

interface Model {
  id: number;
  [field: string]: unknown;
}

const adapter = createEntityAdapter<Model>();
const none = adapter.getInitialState();
const models = createSlice({
  name: "models",
  initialState: none,
  reducers: { put: adapter.setOne, edit: adapter.updateOne, remove: adapter.removeOne, reset: () => none },
});
const list = createSlice({
  name: "list",
  initialState: [] as Model[],
  reducers: {
    put: (state, { payload }: PayloadAction<Model>) => [...state.filter(({ id }) => id !== payload.id), payload],
    edit: (state, { payload }: PayloadAction<Model>) =>
      state.map((item) => (item.id === payload.id ? { ...item, ...payload } : item)),
    remove: (state, { payload }: PayloadAction<number>) => state.filter(({ id }) => id !== payload),
  },
});
/** A slice with its items in a field, and one with undo. Their first states are made anew each time. */
const nested = (
  state = { items: [] as Model[], status: 0 },
  { type, payload }: { type: string; payload?: unknown },
) => {
  const { id } = (payload ?? {}) as Model;
  if (type === "nested/status") return { ...state, status: state.status + 1 };
  const items = changed(state.items, type.replace("nested/", ""), id, payload as Model);
  return items === state.items ? state : { ...state, items };
};
const drawing = () =>
  undoable((state: Model[] = [], { type, payload }: { type: string; payload?: unknown }) =>
    changed(state, type.replace("drawing/", ""), ((payload ?? {}) as Model).id, payload as Model),
  );
function changed(items: Model[], verb: string, id: number, item: Model): Model[] {
  if (verb === "put") return [...items.filter((other) => other.id !== id), item];
  if (verb === "edit") return items.map((other) => (other.id === id ? { ...other, ...item } : other));
  return verb === "remove" ? items.filter((other) => other.id !== id) : items;
}
const theme = createSlice({ name: "theme", initialState: 0, reducers: { flip: (state) => 1 - state } });

/** A generator of whole numbers below `n`, the same for the same seed. */
function random(seed: number): (n: number) => number {
  let state = seed * 2_654_435_761 + 1;
  return (n) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) % n;
  };
}

/** The items that a server rendered: the first ones of every page, until they are changed. */
const rendered: Model[] = [0, 1, 2].map((id) => ({ id, f0: "rendered", f1: "rendered" }));

const slices = {
  models: {},
  list: {},
  theme: { single: true },
  nested: { select: "nested.items" },
  drawing: { select: "drawing.present" },
};

function open(device: Device) {
  const tab = device.tab();
  const store = configureStore({
    reducer: combineReducers({
      models: models.reducer,
      list: list.reducer,
      theme: theme.reducer,
      nested: nested as never as Reducer<ReturnType<typeof nested>>,
      drawing: drawing() as Reducer<StateWithHistory<Model[]>>,
    }),
    preloadedState: { models: none, list: rendered, theme: 0 } as never,
    middleware: (get) => get({ immutableCheck: false, serializableCheck: false }),
    enhancers: (get) => get().concat(enhancer(tab, { slices })),
  });
  return { tab, store };
}
type Page = ReturnType<typeof open>;

function act({ store }: Page, pick: (n: number) => number, count: number): void {
  const id = pick(IDS);
  const changes = { [`f${pick(3)}`]: pick(4) === 0 ? undefined : count };
  const verb = pick(3) === 0 ? "remove" : pick(2) ? "edit" : "put";
  const item = { id, [`f${pick(3)}`]: count };
  switch (pick(18)) {
    case 0:
    case 1:
      store.dispatch(models.actions.put({ id, f0: count }));
      break;
    case 2:
    case 3:
    case 4:
      store.dispatch(models.actions.edit({ id, changes }));
      break;
    case 5:
      store.dispatch(models.actions.remove(id));
      break;
    case 6:
      store.dispatch(list.actions.put({ id, f0: count }));
      break;
    case 7:
    case 8:
      store.dispatch(list.actions.edit({ id, ...changes }));
      break;
    case 9:
      store.dispatch(list.actions.remove(id));
      break;
    case 10:
      // There and back again, in one turn or not.
      store.dispatch(theme.actions.flip());
      if (pick(2)) store.dispatch(theme.actions.flip());
      break;
    case 11:
    case 12:
      store.dispatch({ type: `nested/${verb}`, payload: item });
      break;
    case 13:
    case 14:
      store.dispatch({ type: `drawing/${verb}`, payload: item });
      break;
    case 15:
      store.dispatch(pick(2) ? ActionCreators.undo() : ActionCreators.redo());
      break;
    case 16:
      store.dispatch({ type: "nested/status" });
      break;
    default:
      if (pick(8) === 0) store.dispatch(pick(2) ? models.actions.reset() : clearSlice("models"));
  }
}

/** Lets one message through, or posts what a page has gathered. */
function deliver({ tab }: Page, pick: (n: number) => number): void {
  const what = pick(3);
  if (what === 0) tab.post();
  else (what === 1 ? tab.toWorker : tab.fromWorker).shift()?.();
}

async function untilQuiet(device: Device): Promise<void> {
  for (let quiet = 0; quiet < 3; quiet += 1) {
    await turn();
    for (const tab of device.tabs) {
      tab.post();
      for (const next of [...tab.toWorker.splice(0), ...tab.fromWorker.splice(0)]) {
        quiet = -1;
        next();
      }
    }
  }
}

const plain = (items: Iterable<Model | undefined>) =>
  Object.fromEntries(JSON.parse(JSON.stringify([...items])).map((item: Model) => [item.id, item]));

async function run(seed: number): Promise<void> {
  const pick = random(seed);
  const device = new Device(seed);
  let hasLost = false;
  const pages = [open(device), open(device)];
  for (let step = 0; step < STEPS; step += 1) {
    const at = pick(pages.length);
    const page = pages[at];
    if (!page) continue;
    // The chances of what goes wrong are in 160ths.
    const what = pick(160);
    if (what < 4) {
      // A reload: what was gathered is posted when the page is hidden, and what is said to it then is lost.
      await Promise.resolve();
      page.tab.hide();
      page.tab.close();
      pages[at] = open(device);
    } else if (what < 6) {
      device.evict();
      hasLost = true;
    } else if (what < 10) device.worker.stop();
    else if (what < 18) device.setOnline(pick(2) === 0);
    else if (what < 34) device.pass(pick(3_000));
    else if (pick(3) === 0) act(page, pick, step);
    else deliver(page, pick);
    if (pick(2)) await Promise.resolve();
    if (pick(6) === 0) await turn();
  }
  await untilQuiet(device);
  device.setOnline(true);
  device.pass(HOUR_MS);
  await untilQuiet(device);
  const stored = (slice: string) => plain(device.items(slice).values() as Iterable<Model>);
  for (const { store } of pages) {
    const state = store.getState();
    deepStrictEqual(plain(Object.values(state.models.entities)), stored("models"), `seed ${seed}: models`);
    // Rendered items may have been deleted. Items that are shown and not stored are as they were rendered.
    const shown = rendered.filter(({ id }) => state.list.some((item) => item.id === id));
    deepStrictEqual(plain(state.list), { ...plain(shown), ...stored("list") }, `seed ${seed}: list`);
    deepStrictEqual(plain(state.nested.items), stored("nested"), `seed ${seed}: nested`);
    deepStrictEqual(plain(state.drawing.present), stored("drawing"), `seed ${seed}: drawing`);
    deepStrictEqual(state.theme, device.items("theme").get("value") ?? 0, `seed ${seed}: theme`);
  }
  // Two tabs that change a field, neither of which has the other's change, are in conflict.
  for (const slice of hasLost ? [] : Object.keys(slices)) {
    const expected = Object.fromEntries(device.items(slice));
    for (const { itemId, remote } of device.conflicts(slice)) {
      if (remote === undefined) delete expected[itemId];
      else expected[itemId] = remote;
    }
    deepStrictEqual(device.onServer(slice), expected, `seed ${seed}: ${slice} on the server`);
  }
}

test(`${LIVES} random lives end with all tabs equal to what the worker has`, async (context) => {
  context.mock.method(console, "warn", () => {});
  for (let seed = FROM; seed < FROM + LIVES; seed += 1) await run(seed);
});
