// The page's client on its wasm and the core's worker.

import { deepStrictEqual, rejects } from "node:assert";
import { test } from "node:test";
import { Device, untilQuiet } from "./device.test-support.js";

const add = { type: "list/addItem", payload: { id: 1 } };

test("what is dispatched in any turn after register was called is kept", async () => {
  for (let turns = 0; turns < 20; turns += 1) {
    const device = new Device();
    const tab = device.tab();
    tab.register({ slices: { list: {} } });
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    tab.dispatch(add);
    await untilQuiet(tab);
    deepStrictEqual([...device.items("list").keys()], ["1"], `${turns} turns later`);
  }
});

test("a call that failed as the wasm could not be loaded is not made by a later one", async () => {
  const device = new Device();
  const tab = device.tab();
  tab.failToLoad();
  const failed = tab.register({ slices: { other: {} } });
  tab.dispatch(add);
  await rejects(failed, { code: "client_failed" });
  const registered = tab.register({ slices: { list: {} } });
  await untilQuiet(tab);
  await registered;
  deepStrictEqual([...device.items("list").keys()], ["1"], "what was dispatched waits for the next call");
  const refused = rejects(tab.ask("hydrate", { slice: "other" }), { code: "unknown_slice" });
  await untilQuiet(tab);
  await refused;
});
