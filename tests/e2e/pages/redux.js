// A page with a Redux Toolkit store on Nightferry, and nothing to see. The tests drive `window.app`.

import { configureStore, createEntityAdapter, createSlice } from "@reduxjs/toolkit";
import { clearSlice, nightferryEnhancer, retryRejected, syncNow, syncReducer, withoutTracking } from "nightferry/redux";
import * as nf from "nightferry-client";

const adapter = createEntityAdapter();
const nothing = adapter.getInitialState();
const files = createSlice({
  name: "files",
  initialState: nothing,
  reducers: {
    arrived: adapter.setOne,
    manyArrived: adapter.setMany,
    changed: adapter.updateOne,
    left: adapter.removeOne,
    startOver: () => nothing,
  },
});
const notes = createSlice({
  name: "notes",
  initialState: [],
  reducers: {
    written: (state, { payload }) => [...state.filter(({ id }) => id !== payload.id), payload],
    torn: (state, { payload }) => state.filter(({ id }) => id !== payload),
  },
});
const counter = createSlice({
  name: "counter",
  initialState: { value: 0 },
  reducers: { incremented: ({ value }) => ({ value: value + 1 }) },
});

const slices = { files: { debounceMs: 20 }, notes: { debounceMs: 20 }, counter: { single: true, debounceMs: 20 } };
const store = configureStore({
  reducer: { files: files.reducer, notes: notes.reducer, counter: counter.reducer, sync: syncReducer },
  enhancers: (get) => get().concat(nightferryEnhancer({ slices })),
});

// Before anything was read.
if (location.search === "?clear") store.dispatch(clearSlice("files"));

/** Messages that this page posted to the worker, and those of them that clear a slice. */
let posted = 0;
let clears = 0;
const { postMessage } = ServiceWorker.prototype;
ServiceWorker.prototype.postMessage = function (message) {
  if (message.includes('"kind":"actions"')) posted += 1;
  if (message.includes("clearItems")) clears += 1;
  return postMessage.call(this, message);
};

const actions = { ...files.actions, ...notes.actions, ...counter.actions, clearSlice, retryRejected, syncNow };
const byId = (items) => Object.fromEntries(items.map((item) => [item.id, item]));
window.app = {
  nf,
  store,
  actions,
  withoutTracking,
  ready: store.nightferry.ready,
  posted: () => posted,
  clears: () => clears,
  /** The collections by id, and the value. */
  state: () => {
    const { files, notes, counter } = store.getState();
    return { files: byId(Object.values(files.entities)), notes: byId(notes), counter };
  },
  act: (name, payload) => void store.dispatch(actions[name](payload)),
};
