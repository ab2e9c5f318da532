// How the dashboard's parts are made: nodes and text, never markup.

import type { NightferryError, Status, SyncMetrics } from "nightferry-client";

/** Whether Nightferry was started on this page: asked for, yes, or why not. */
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

type Child = Node | string;

/** An element with attributes and children. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The same for SVG. */
export function draw(tag: string, attributes: Record<string, string | number> = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** A section with a heading, which names it. */
export function section(name: string, heading: string, ...children: Child[]): HTMLElement {
  const title = make("h2", { id: name }, heading);
  return make("section", { class: name, "aria-labelledby": name }, title, ...children);
}

/** Sets text where it is another: what reads the screen aloud is told of changes only. */
export function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}
