// The types that nightferry/redux adds to a store. There is nothing to run.

import { combineReducers, configureStore, createEntityAdapter, createSlice } from "@reduxjs/toolkit";
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

interface RootState {
  notes: { ids: number[]; entities: Record<number, { id: number }> };
  todos: { items: { id: string }[]; status: "idle" | "loading" };
  list: { past: unknown[]; present: { id: string }[]; future: unknown[] };
  entities: { posts: { byId: Record<string, { id: string }>; allIds: string[] } };
  settings: Record<string, boolean>;
}

/** f61: what the store's state has can be named, and nothing else. */
export const f61_named_by_the_state = () => {
  nf.nightferryEnhancer<RootState>({
    slices: {
      notes: { debounceMs: 100 },
      todos: { select: "todos.items" },
      list: { select: "list.present" },
      posts: { select: "entities.posts" },
      settings: { single: true },
    },
  });
  // @ts-expect-error the store has notes
  nf.nightferryEnhancer<RootState>({ slices: { note: {} } });
  // @ts-expect-error the store's state has todos.items
  nf.nightferryEnhancer<RootState>({ slices: { todos: { select: "todos.item" } } });
  // @ts-expect-error a path begins at the store's state
  nf.nightferryEnhancer<RootState>({ slices: { list: { select: "present" } } });
  // @ts-expect-error what is nested has to be selected
  nf.nightferryEnhancer<RootState>({ slices: { posts: {} } });
  // @ts-expect-error an item is no slice
  nf.nightferryEnhancer<RootState>({ slices: { length: { select: "todos.items" } } });
  // The type of a reducer's state, which an app has before it has a store.
  const reducer = combineReducers({ notes: notes.reducer });
  const slices = { notes: {} };
  configureStore({
    reducer,
    enhancers: (get) => get().concat(nf.nightferryEnhancer<ReturnType<typeof reducer>>({ slices })),
  }).nightferry.ready;
  // @ts-expect-error the reducer has notes
  nf.nightferryEnhancer<ReturnType<typeof reducer>>({ slices: { note: {} } });
};

export const refused = () => {
  // @ts-expect-error the slices are missing
  nf.nightferryEnhancer({});
  // @ts-expect-error there is no such setting
  nf.nightferryEnhancer({ slices: { notes: { debounce: 1 } } });
};
