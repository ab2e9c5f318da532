// A page as it was before Nightferry: a Redux store that redux-persist keeps in localStorage.

import { combineReducers, configureStore, createEntityAdapter, createSlice } from "@reduxjs/toolkit";
import { persistReducer, persistStore } from "redux-persist";
import createWebStorage from "redux-persist/lib/storage/createWebStorage";

const adapter = createEntityAdapter();
const notes = createSlice({
  name: "notes",
  initialState: adapter.getInitialState(),
  reducers: { added: adapter.addMany },
});
const theme = createSlice({ name: "theme", initialState: "light", reducers: { chosen: (_, { payload }) => payload } });
const reducer = persistReducer(
  { key: "root", storage: createWebStorage("local") },
  combineReducers({ notes: notes.reducer, theme: theme.reducer }),
);
const store = configureStore({ reducer, middleware: (get) => get({ serializableCheck: false }) });
const persistor = persistStore(store, null, () => {
  window.before = async (items, chosen) => {
    store.dispatch(notes.actions.added(items));
    store.dispatch(theme.actions.chosen(chosen));
    await persistor.flush();
  };
});
