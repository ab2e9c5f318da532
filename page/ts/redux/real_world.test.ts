// Apps as people have them are kept and shared. The end-to-end tests have them in two tabs of a browser.

import { deepStrictEqual, strictEqual } from "node:assert";
import { test } from "node:test";
import { configureStore } from "@reduxjs/toolkit";
import type { Reducer } from "redux";
import { Device, untilQuiet } from "../device.test-support.js";
import { apps, sees } from "./apps.test-support.js";
import { enhancer } from "./enhancer.js";

for (const app of apps) {
  const { name, reducer, slices, first, second, kept } = app;
  test(`b15_an_app_is_kept_and_shared_with_one_line: ${name}`, async (context) => {
    const said = [context.mock.method(console, "error", () => {}), context.mock.method(console, "warn", () => {})];
    const device = new Device();
    const open = async () => {
      const tab = device.tab();
      const store = configureStore({
        reducer: reducer as Reducer,
        enhancers: (get) => get().concat(enhancer(tab, { slices })),
      });
      await untilQuiet(...device.tabs);
      return store;
    };
    const [one, two] = [await open(), await open()];
    for (const action of first) one.dispatch(action);
    await untilQuiet(...device.tabs);
    for (const action of second) two.dispatch(action);
    await untilQuiet(...device.tabs);
    deepStrictEqual(sees(app, two.getState()), sees(app, one.getState()));
    for (const [slice, ids] of Object.entries(kept)) deepStrictEqual([...device.items(slice).keys()], ids);
    // After a reload all of it is there, and nothing goes back.
    device.operations.length = 0;
    deepStrictEqual(sees(app, (await open()).getState()), sees(app, one.getState()));
    deepStrictEqual(device.operations, []);
    for (const { mock } of said) strictEqual(mock.callCount(), 0, String(mock.calls[0]?.arguments[0]));
  });
}
