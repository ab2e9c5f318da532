// One of the apps of page/ts/redux/apps.test-support.ts, which the page's address names. The tests drive `window.app`.

import { configureStore } from "@reduxjs/toolkit";
import { nightferryEnhancer } from "nightferry/redux";
import { apps, sees } from "../../../page/ts/redux/apps.test-support.ts";

const app = apps[Number(location.search.slice(1))];
const { reducer, slices } = app;
const store = configureStore({
  reducer,
  enhancers: (get) => get().concat(nightferryEnhancer({ slices })),
});
window.app = {
  count: apps.length,
  name: app.name,
  kept: app.kept,
  ready: store.nightferry.ready,
  act: (part) => app[part].forEach(store.dispatch),
  sees: () => sees(app, store.getState()),
};
