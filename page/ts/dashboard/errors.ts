// The present error in words, and the latest ones with their times.

import { log } from "./log.js";
import { make, section, setText, type View } from "./nodes.js";
import { duration, timeOfDay } from "./words.js";

export function errors(): View {
  const present = make("p", { class: "present", role: "status" });
  const list = make("ol");
  const none = make("p", { class: "quiet" }, "No error since this page was opened.");
  const node = section("errors", "Errors", present, none, list);
  let shown = "";

  return {
    node,
    update({ status, now }) {
      setText(present, status.error ?? "");
      present.hidden = status.error === null;
      const entries = log();
      none.hidden = entries.length > 0 || status.error !== null;
      const key = JSON.stringify(entries);
      if (key === shown) return;
      shown = key;
      list.replaceChildren(
        ...entries.map(({ text, at, latest, times, over }) => {
          const time = make("time", { datetime: new Date(latest).toISOString() }, timeOfDay(latest, now));
          const notes = [
            times > 1 ? `${times} times since ${timeOfDay(at, now)}` : "",
            over === undefined ? "" : `over after ${duration(over - at)}`,
          ].filter(Boolean);
          const item = make("li", {}, time, make("span", {}, text));
          if (notes.length > 0) item.append(make("small", {}, notes.join("; ")));
          return item;
        }),
      );
    },
  };
}
