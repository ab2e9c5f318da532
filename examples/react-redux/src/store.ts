// The store. Nothing in the reducers knows of Nightferry: the enhancer persists what they change.

import { configureStore, createEntityAdapter, createSlice, type PayloadAction } from "@reduxjs/toolkit";
import { nightferryEnhancer } from "nightferry/redux";
import { useDispatch, useSelector } from "react-redux";
import type { Item, Kind } from "./kinds";

const sortComparer = (a: Item, b: Item) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id);
const adapter = createEntityAdapter<Item>({ sortComparer });

const collection = (name: Kind) =>
  createSlice({
    name,
    initialState: adapter.getInitialState(),
    reducers: { added: adapter.addOne, changed: adapter.updateOne, removed: adapter.removeOne },
  });

export const collections: Record<Kind, ReturnType<typeof collection>> = {
  files: collection("files"),
  models: collection("models"),
  components: collection("components"),
  componentTrees: collection("componentTrees"),
  workflows: collection("workflows"),
  lambdas: collection("lambdas"),
};

export type Theme = "system" | "light" | "dark";

export const theme = createSlice({
  name: "theme",
  initialState: "system" as Theme,
  reducers: { chosen: (_, { payload }: PayloadAction<Theme>) => payload },
});

const initialSettings = { wrap: true, fontSize: 14 };

export const settings = createSlice({
  name: "settings",
  initialState: initialSettings,
  reducers: {
    changed: (state, { payload }: PayloadAction<Partial<typeof initialSettings>>) => ({ ...state, ...payload }),
  },
});

export const store = configureStore({
  reducer: {
    files: collections.files.reducer,
    models: collections.models.reducer,
    components: collections.components.reducer,
    componentTrees: collections.componentTrees.reducer,
    workflows: collections.workflows.reducer,
    lambdas: collections.lambdas.reducer,
    theme: theme.reducer,
    settings: settings.reducer,
  },
  enhancers: (defaults) =>
    defaults().concat(
      nightferryEnhancer({
        slices: {
          files: { sortComparer },
          models: { sortComparer },
          components: { sortComparer },
          componentTrees: { sortComparer },
          workflows: { sortComparer },
          lambdas: { sortComparer },
          theme: { single: true },
          // How the editor looks is a matter of this device.
          settings: { single: true, syncToFlask: false },
        },
      }),
    ),
});

export const useAppSelector = useSelector.withTypes<ReturnType<typeof store.getState>>();
export const useAppDispatch = useDispatch.withTypes<typeof store.dispatch>();

const selectors = adapter.getSelectors();

export const useItems = (kind: Kind) => useAppSelector((state) => selectors.selectAll(state[kind]));
export const useItem = (kind: Kind, id: string | undefined) =>
  useAppSelector((state) => (id === undefined ? undefined : state[kind].entities[id]));
