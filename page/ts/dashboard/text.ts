// How the dashboard says states and times.

import { describeStatus, type StatusText } from "nightferry-client";
import type { Model } from "./nodes.js";
import { TEXT } from "./texts.js";

/** How things are, and what to do about it. */
export function summary({ start, status }: Model): StatusText {
  if (typeof start !== "object") return describeStatus(status, TEXT);
  const detail = start.code === "not_registered" ? TEXT.notStarted : TEXT.cannotStart;
  return { state: "paused", text: TEXT.paused, detail };
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
  if (ms < 1_500) return TEXT.justNow;
  return ms < 86_400_000 ? TEXT.ago(duration(Math.floor(ms / 1_000) * 1_000)) : new Date(at).toLocaleString();
}

/** The time of day; with the date where it is not today's. */
export function timeOfDay(at: number, now: number): string {
  const date = new Date(at);
  return date.toDateString() === new Date(now).toDateString() ? date.toLocaleTimeString() : date.toLocaleString();
}
