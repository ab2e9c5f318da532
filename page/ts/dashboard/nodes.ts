// Nodes that all of the dashboard's parts are made of.

import type { NightferryError, Status, SyncMetrics } from "nightferry-client";
import { make } from "../nodes.js";

/** How far the start of Nightferry on this page is: under way, done, or failed with an error. */
export type Start = "asked" | "running" | NightferryError;

export interface Model {
  start: Start;
  status: Status;
  metrics: SyncMetrics;
  /** In epoch ms. */
  now: number;
}

/** A part of the dashboard. */
export interface View {
  node: HTMLElement;
  update(model: Model): void;
}

/** A section with a heading, which names it. */
export function section(name: string, heading: string, ...children: (Node | string)[]): HTMLElement {
  const title = make("h2", { id: name }, heading);
  return make("section", { class: name, "aria-labelledby": name }, title, ...children);
}
