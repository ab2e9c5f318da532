// The types that nightferry/redux adds to a store. There is nothing to run.

import { configureStore, createEntityAdapter, createSlice } from "@reduxjs/toolkit";
import type * as nightferry from "./redux.js";

type Equal<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
type Holds<Condition extends true> = Condition;

declare const nf: typeof nightferry;
const adapter = createEntityAdapter<{ id: number; text: string }>();
const notes = createSlice({
  name: "notes",
  initialState: adapter.getInitialState(),
  reducers: { add: adapter.addOne },
});
const made = () =>
  configureStore({
    reducer: { notes: notes.reducer, sync: nf.syncReducer },
    enhancers: (defaults) =>
      defaults().concat(
        nf.nightferryEnhancer({
          slices: { notes: { debounceMs: 100, selectId: (note) => note.id, sortComparer: (a, b) => a.id - b.id } },
        }),
      ),
  });
type Store = ReturnType<typeof made>;

const thunks = (store: Store) => ({
  flush: store.dispatch(nf.flushPersistence()),
  sync: store.dispatch(nf.syncNow()),
  bulk: store.dispatch(nf.syncToFlaskBulk()),
  check: store.dispatch(nf.checkFlaskConnection()),
  configure: store.dispatch(nf.configurePersistence("notes", { debounceMs: 5 })),
  enable: store.dispatch(nf.enablePersistence("notes")),
  disable: store.dispatch(nf.disablePersistence("notes")),
  autoSync: store.dispatch(nf.configureAutoSync({ intervalMs: 5_000 })),
  reset: store.dispatch(nf.resetSyncMetrics()),
  clear: store.dispatch(nf.clearSlice("notes")),
});
type Thunks = ReturnType<typeof thunks>;

export type Checks = [
  Holds<Equal<Store["nightferry"], { ready: Promise<void> }>>,
  // The state is the reducers' own.
  Holds<Equal<ReturnType<Store["getState"]>["notes"], ReturnType<typeof notes.reducer>>>,
  Holds<Equal<ReturnType<Store["getState"]>["sync"], nightferry.SyncState>>,
  Holds<Equal<Thunks["flush" | "sync" | "bulk" | "configure" | "enable" | "disable" | "autoSync"], Promise<void>>>,
  Holds<Equal<Thunks["check"], Promise<boolean>>>,
  Holds<Equal<Thunks["reset"], void>>,
  Holds<Equal<Thunks["clear"]["slice"], string>>,
];

export const refused = () => {
  // @ts-expect-error the slices are missing
  nf.nightferryEnhancer({});
  // @ts-expect-error there is no such setting
  nf.nightferryEnhancer({ slices: { notes: { debounce: 1 } } });
};
