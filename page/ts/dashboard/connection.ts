// The head: how things are, how much waits, and when the next sync is due.

import { make, setText } from "../nodes.js";
import { type Model, section, type View } from "./nodes.js";
import { ago, duration, summary } from "./text.js";
import { TEXT } from "./texts.js";

export function connection(): View {
  const dot = make("span", { class: "dot", "aria-hidden": "true" });
  const title = make("strong");
  const text = make("p");
  // Only the title is read aloud: the text counts, and would never be silent.
  const state = make("div", { class: "state" }, make("div", { class: "title", role: "status" }, dot, title), text);
  const bar = make("progress", { "aria-label": TEXT.progress });
  const facts = make("dl", { class: "facts" });
  const fact = (name: string) => {
    const value = make("dd");
    facts.append(make("div", {}, make("dt", {}, name), value));
    return value;
  };
  const waiting = fact(TEXT.waiting);
  const oldest = fact(TEXT.oldestChange);
  const conflicts = fact(TEXT.inConflict);
  const rejected = fact(TEXT.refused);
  const last = fact(TEXT.lastSync);
  const next = fact(TEXT.nextSync);
  const node = section("connection", TEXT.sync, state, bar, facts);

  const update = (model: Model): void => {
    const { status, metrics, now } = model;
    const words = summary(model);
    node.dataset.state = words.state;
    setText(title, words.text);
    setText(text, words.detail);
    const { progress, lastSyncTime, autoSync } = status;
    bar.hidden = status.syncStatus !== "syncing" || progress === null;
    bar.max = progress?.total ?? 1;
    bar.value = progress?.done ?? 0;
    setText(waiting, status.pending.toLocaleString());
    setText(oldest, metrics.oldestPendingAt === null ? "–" : ago(metrics.oldestPendingAt, now));
    setText(conflicts, status.conflicts.toLocaleString());
    setText(rejected, status.rejected.toLocaleString());
    setText(last, lastSyncTime === null ? TEXT.never : ago(lastSyncTime, now));
    const off = autoSync.enabled ? "–" : TEXT.autoSyncIsOff;
    setText(next, autoSync.nextSyncAt === null ? off : within(autoSync.nextSyncAt - now));
  };
  return { node, update };
}

const within = (ms: number) => (ms < 1_000 ? TEXT.now : TEXT.in(duration(Math.floor(ms / 1_000) * 1_000)));
