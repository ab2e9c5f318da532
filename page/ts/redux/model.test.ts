// Random lives of apps: tabs that edit, undo, reset, are reloaded and read while they are edited, and lose their database,
// with messages that arrive whenever they like. When all have arrived, every tab shows what the worker has.

import { deepStrictEqual } from "node:assert";
import { test } from "node:test";
import { configureStore, createEntityAdapter, createSlice, type PayloadAction } from "@reduxjs/toolkit";
import { Device, turn } from "./device.test-support.js";
import { enhancer } from "./enhancer.js";
import { clearSlice } from "./reducer.js";

const RUNS = 500;
const STEPS = 120;
const IDS = 6;

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

function open(device: Device) {
  const tab = device.tab();
  const store = configureStore({
    reducer: { models: models.reducer, list: list.reducer, theme: theme.reducer },
    preloadedState: { models: none, list: rendered, theme: 0 },
    middleware: (get) => get({ immutableCheck: false, serializableCheck: false }),
    enhancers: (get) => get().concat(enhancer(tab, { slices: { models: {}, list: {}, theme: { single: true } } })),
  });
  return { tab, store };
}
type Page = ReturnType<typeof open>;

function act({ store }: Page, pick: (n: number) => number, count: number): void {
  const id = pick(IDS);
  const changes = { [`f${pick(3)}`]: pick(4) === 0 ? undefined : count };
  switch (pick(12)) {
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
  const device = new Device();
  const pages = [open(device), open(device)];
  for (let step = 0; step < STEPS; step += 1) {
    const at = pick(pages.length);
    const page = pages[at];
    if (!page) continue;
    if (pick(40) === 0) {
      // A reload: what was gathered is posted when the page is hidden, and what is said to it then is lost.
      await Promise.resolve();
      page.tab.post();
      page.tab.fromWorker.length = 0;
      page.tab.close();
      pages[at] = open(device);
    } else if (pick(80) === 0) device.evict();
    else if (pick(3) === 0) act(page, pick, step);
    else deliver(page, pick);
    if (pick(2)) await Promise.resolve();
    if (pick(6) === 0) await turn();
  }
  await untilQuiet(device);
  // The tabs that have posted nothing since the database was lost.
  for (const tab of device.tabs) device.learn(tab);
  await untilQuiet(device);
  const stored = (slice: string) => plain(device.items(slice).values() as Iterable<Model>);
  for (const { store } of pages) {
    const state = store.getState();
    deepStrictEqual(plain(Object.values(state.models.entities)), stored("models"), `seed ${seed}: models`);
    // Rendered items may have been deleted. Items that are shown and not stored are as they were rendered.
    const shown = rendered.filter(({ id }) => state.list.some((item) => item.id === id));
    deepStrictEqual(plain(state.list), { ...plain(shown), ...stored("list") }, `seed ${seed}: list`);
    deepStrictEqual(state.theme, device.items("theme").get("value") ?? 0, `seed ${seed}: theme`);
  }
}

test(`${RUNS} random lives end with all tabs equal to what the worker has`, async (context) => {
  context.mock.method(console, "warn", () => {});
  for (let seed = 1; seed <= RUNS; seed += 1) await run(seed);
});
