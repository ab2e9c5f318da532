// The texts of the dashboard.

import type { Model } from "./nodes.js";

/** How good or bad a state is, for its colour. */
export type Tone = "good" | "busy" | "warn" | "bad" | "quiet";

export interface Words {
  tone: Tone;
  title: string;
  text: string;
}

/** How things are, and what to do about it. */
export function summary({ start, status }: Model): Words {
  if (typeof start === "object" && start.code === "not_registered") {
    return {
      tone: "quiet",
      title: "Not started",
      text: "This page has not called register({slices}). Until it does, nothing is kept and nothing is sent.",
    };
  }
  if (typeof start === "object") {
    return { tone: "bad", title: "Nightferry does not run", text: start.message };
  }
  const { connection, pending, conflicts, rejected, error, enabled, syncStatus, progress } = status;
  const waiting = pending > 0 ? `${count(pending, "change waits", "changes wait")} on this device.` : "";
  if (connection === "unknown") {
    return start === "asked"
      ? {
          tone: "quiet",
          title: "Asking",
          text: "Waiting for the worker and the server. If this stays, the browser’s console says why.",
        }
      : { tone: "quiet", title: "Not known yet", text: `The server was not reached yet. ${waiting}`.trim() };
  }
  if (connection === "local-only") {
    const kept = waiting || "Nothing waits.";
    return {
      tone: "warn",
      title: "Server out of reach",
      text: `${kept} You can go on working; all is sent by itself when the server answers. Is it running, and is the network up?`,
    };
  }
  if (!enabled) {
    return {
      tone: "warn",
      title: "Connected, persistence off",
      text: "Every slice is disabled: changes are held beside their stores until enablePersistence(slice) is called.",
    };
  }
  // Once only decisions are left, the sentence is about them.
  if (error !== null && (pending > 0 || conflicts + rejected === 0))
    return { tone: "bad", title: "Connected, with an error", text: waiting || "See the error below." };
  if (syncStatus === "syncing") {
    const { done, total } = progress ?? { done: 0, total: pending };
    return { tone: "busy", title: "Syncing", text: `${done} of ${total} changes are done.` };
  }
  if (conflicts > 0) {
    const items = count(conflicts, "item was changed here and elsewhere", "items were changed here and elsewhere");
    return {
      tone: "warn",
      title: "Connected, with conflicts",
      text: `${items}. Both sides are kept, and not sent: decide below.`,
    };
  }
  if (rejected > 0) {
    const changes = count(rejected, "change", "changes");
    return { tone: "warn", title: "Connected, with refusals", text: `The server refused ${changes}: decide below.` };
  }
  return { tone: "good", title: "Connected", text: waiting || "The server has everything." };
}

export function count(number: number, one: string, many: string): string {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}

/** A length of time, to about two digits. */
export function duration(ms: number): string {
  if (ms > 0 && ms < 1) return "<1\u00a0ms";
  if (ms < 1_000) return `${Math.round(ms)}\u00a0ms`;
  if (ms < 10_000) return `${Math.round(ms / 100) / 10}\u00a0s`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)}\u00a0s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)}\u00a0min`;
  return `${Math.round(ms / 3_600_000)}\u00a0h`;
}

/** How long ago something was, both in epoch ms. */
export function ago(at: number, now: number): string {
  const ms = now - at;
  if (ms < 1_500) return "just now";
  return ms < 86_400_000 ? `${duration(Math.floor(ms / 1_000) * 1_000)} ago` : new Date(at).toLocaleString();
}

/** The time of day; with the date where it is not today's. */
export function timeOfDay(at: number, now: number): string {
  const date = new Date(at);
  return date.toDateString() === new Date(now).toDateString() ? date.toLocaleTimeString() : date.toLocaleString();
}
