// The present error in words, and the latest ones with their times.

import { make, setText } from "../nodes.js";
import { type Entry, log, presentError } from "./log.js";
import { section, type View } from "./nodes.js";
import { duration, timeOfDay } from "./text.js";
import { TEXT } from "./texts.js";

export function errors(): View {
  const text = make("p");
  const since = make("small");
  const present = make("div", { class: "present", role: "status" }, text, since);
  // Of many it is scrolled, with the keyboard, too.
  const list = make("ol", { tabindex: "0", "aria-label": TEXT.errors });
  const none = make("p", { class: "quiet" }, TEXT.noErrors);
  const node = section("errors", TEXT.errors, present, none, list);
  let shown = "";

  return {
    node,
    update({ start, now }) {
      const error = presentError();
      // Why the page could not start is in no status.
      const failure = typeof start === "object" ? start.message : error?.text;
      const earlier = log().filter((entry) => entry !== error);
      setText(text, failure ?? "");
      setText(since, error ? TEXT.since(timeOfDay(error.at, now)) : "");
      present.hidden = failure === undefined;
      none.hidden = log().length > 0 || failure !== undefined;
      const key = JSON.stringify(earlier);
      if (key === shown) return;
      shown = key;
      list.replaceChildren(...earlier.map((entry) => item(entry, now)));
    },
  };
}

function item({ text, at, latest, times, over }: Entry, now: number): HTMLElement {
  const time = make("time", { datetime: new Date(latest).toISOString() }, timeOfDay(latest, now));
  const node = make("li", {}, time, make("span", {}, text));
  const notes = [];
  if (times > 1) notes.push(TEXT.timesSince(times, timeOfDay(at, now)));
  if (over !== undefined) notes.push(TEXT.overAfter(duration(over - at)));
  if (notes.length > 0) node.append(make("small", {}, notes.join("; ")));
  return node;
}
