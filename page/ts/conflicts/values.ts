// Values as people read them.

import { isObject } from "../json.js";
import { make } from "../nodes.js";
import { TEXT } from "./text.js";

/** Of texts that differ, so many equal lines around the difference are shown. */
const CONTEXT_LINES = 2;
/** A text of more lines than this, or of more characters, is scrolled. */
const LONG_LINES = 12;
const LONG = 800;

/** A value; what is another than in `other` is marked, where both are texts. */
export function valueNode(value: unknown, other?: unknown): HTMLElement {
  if (value === undefined) return make("span", { class: "value none" }, TEXT.absent);
  if (value === "") return make("span", { class: "value none" }, TEXT.emptyText);
  if (typeof value !== "string") {
    const text = isObject(value) || Array.isArray(value) ? JSON.stringify(value, null, 2) : String(value);
    return scrolled(make("span", { class: typeof value === "object" ? "value code" : "value" }, text), text);
  }
  const node = make("span", { class: "value text" });
  if (typeof other === "string" && other !== value) node.append(...marked(value, other));
  else node.append(value);
  return scrolled(node, value);
}

/** A long value has a height of its own, and is scrolled with the keyboard, too. */
export function scrolled(node: HTMLElement, text: string): HTMLElement {
  if (text.length > LONG || text.split("\n").length > LONG_LINES) {
    node.classList.add("long");
    node.tabIndex = 0;
    node.setAttribute("role", "group");
  }
  return node;
}

/** A text in three: as in the other one, another, and again as in the other one. Of long equal parts the ends are shown. */
function marked(text: string, other: string): (Node | string)[] {
  let start = 0;
  while (start < text.length && text[start] === other[start]) start += 1;
  let end = 0;
  const most = Math.min(text.length, other.length) - start;
  while (end < most && text[text.length - 1 - end] === other[other.length - 1 - end]) end += 1;
  const middle = text.slice(start, text.length - end);
  const before = shortened(text.slice(0, start), "end");
  const after = shortened(text.slice(text.length - end), "start");
  return [...before, ...(middle === "" ? [] : [make("mark", {}, middle)]), ...after];
}

/** The lines at one end of a text, and how many others there are. */
function shortened(text: string, keep: "start" | "end"): (Node | string)[] {
  const lines = text.split("\n");
  const others = lines.length - CONTEXT_LINES - 1;
  if (others <= CONTEXT_LINES) return text === "" ? [] : [text];
  const rest = make("span", { class: "rest" }, TEXT.sameLines(others));
  return keep === "end"
    ? [rest, "\n", lines.slice(others).join("\n")]
    : [lines.slice(0, -others).join("\n"), "\n", rest];
}

/** A list of parts and their values. */
export function partList(parts: readonly { label: string[]; value: unknown }[]): HTMLElement {
  const list = make("dl", { class: "parts" });
  for (const { label, value } of parts) {
    list.append(make("div", {}, make("dt", {}, labelText(label)), make("dd", {}, valueNode(value))));
  }
  return list;
}

/** Returns the name of a part. */
export const labelText = (label: string[]) => (label.length === 0 ? TEXT.entire : label.join(" › "));
