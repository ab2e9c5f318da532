// The operations that can be started by hand, and their results.

import {
  checkFlaskConnection,
  flushPersistence,
  type NightferryError,
  resetSyncMetrics,
  syncNow,
} from "nightferry-client";
import { make, setText } from "../nodes.js";
import { type Model, section, type View } from "./nodes.js";
import { duration, timeOfDay } from "./text.js";

/** `ask` is called after a check of the connection, which may show that Nightferry was started meanwhile. */
export function operations(ask: () => void): View {
  const buttons = make("div", { class: "buttons" });
  const result = make("p", { class: "result", role: "status" });
  let start: Model["start"] = "asked";

  /** `run` resolves with what came of it. */
  const operation = (name: string, hint: string, run: () => Promise<string>) => {
    const label = make("span", {}, name);
    const button = make("button", { type: "button", title: hint }, label);
    button.addEventListener("click", async () => {
      // A disabled button would lose the keyboard's place.
      if (button.ariaBusy === "true") return;
      button.ariaBusy = "true";
      const began = performance.now();
      say("busy", `${name} …`);
      try {
        const came = await run();
        say("done", `${came} (${duration(performance.now() - began)}, at ${timeOfDay(Date.now(), Date.now())})`);
      } catch (error) {
        say("failed", `${name} failed. ${(error as NightferryError).message}`);
      } finally {
        button.ariaBusy = "false";
      }
    });
    buttons.append(button);
    return button;
  };
  const say = (state: string, text: string) => {
    result.dataset.state = state;
    setText(result, text);
  };

  operation("Sync now", "Sends everything that waits", async () => {
    await syncNow();
    return "Synced: the server has everything that may be sent.";
  }).classList.add("first");
  operation("Flush", "Writes what was dispatched to IndexedDB, without waiting for the debounce", async () => {
    await flushPersistence();
    return "Flushed: everything dispatched is in IndexedDB.";
  });
  operation("Check connection", "Asks the server whether it is there", async () => {
    const connected = await checkFlaskConnection();
    return connected ? "The server answers." : "The server does not answer. Is it running, and is the network up?";
  }).addEventListener("click", ask);
  operation("Reset metrics", "Counts from zero again, in every tab", async () => {
    if (typeof start === "object") throw start;
    resetSyncMetrics();
    return "The metrics count from zero again.";
  });

  const node = section("operations", "By hand", buttons, result);
  return {
    node,
    update: (model) => {
      ({ start } = model);
    },
  };
}
