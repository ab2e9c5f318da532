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
import { TEXT } from "./texts.js";

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
      say("busy", TEXT.busy(name));
      try {
        const came = await run();
        say("done", TEXT.result(came, duration(performance.now() - began), timeOfDay(Date.now(), Date.now())));
      } catch (error) {
        say("failed", TEXT.failed(name, (error as NightferryError).message));
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

  operation(TEXT.syncNow, TEXT.syncNowHint, async () => {
    await syncNow();
    return TEXT.synced;
  }).classList.add("first");
  operation(TEXT.flush, TEXT.flushHint, async () => {
    await flushPersistence();
    return TEXT.flushed;
  });
  operation(TEXT.check, TEXT.checkHint, async () => {
    const connected = await checkFlaskConnection();
    return connected ? TEXT.answers : TEXT.noAnswer;
  }).addEventListener("click", ask);
  operation(TEXT.resetMetrics, TEXT.resetMetricsHint, async () => {
    if (typeof start === "object") throw start;
    resetSyncMetrics();
    return TEXT.reset;
  });

  const node = section("operations", TEXT.byHand, buttons, result);
  return {
    node,
    update: (model) => {
      ({ start } = model);
    },
  };
}
