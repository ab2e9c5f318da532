// An action as it is posted: checked, and JSON text.

import type { Action, Resolution } from "./types.js";
import { checkSize, encode, isPlain, MAX_ITEM_BYTES } from "./value.js";

/** The fields of a posted action beside its type and payload. */
export interface Beside {
  /** The item's id, where the payload does not say it; of an action on a refused change or a conflict, the id of that. */
  id?: string | undefined;
  /** Of the resolution of a conflict: which side. */
  choice?: Resolution | undefined;
  /** The item that an update puts if there is none; the payload is a part of it. */
  upsert?: unknown;
  /** The ids that a set leaves out. */
  left?: string[] | undefined;
}

/**
 * An action as JSON text, in which a lone surrogate may be escaped: the burst is made well-formed as a whole.
 * @throws TypeError for what cannot be an action, naming the path.
 */
export function actionText(action: Action, { id, choice, upsert, left }: Beside = {}): string {
  if (typeof action !== "object" || action === null || typeof action.type !== "string" || action.type === "") {
    throw new TypeError(
      'dispatch() takes an action: an object with a type that is a string, such as {type: "files/addItem", payload: {id: 1}}.',
    );
  }
  const { type, payload, was: former } = action;
  const was = typeof former === "object" && former !== null ? former : undefined;
  const unset = unsetFields(payload);
  const at = Date.now();
  if (isPlain(upsert ?? payload, 0) && (!was || isPlain(was, 0))) {
    const isMore = unset || left || was || id !== undefined;
    const text = JSON.stringify(
      isMore ? { type, id, choice, payload, unset, whole: upsert, was, left, at } : { type, payload, at },
    );
    // No item in it can be too large.
    if (text.length * 3 <= MAX_ITEM_BYTES) return text;
  }
  if (payload === undefined) return JSON.stringify({ type, id, choice, at });
  // Each element of an array is an item with limits of its own.
  const json = Array.isArray(payload)
    ? `[${payload.map((item, at) => itemText(item, `${type}: payload[${at}]`)).join(",")}]`
    : itemText(payload, `${type}: payload`);
  const beside = (name: string, value: unknown, path: string) =>
    value === undefined ? "" : `,"${name}":${itemText(value, `${type}: ${path}`)}`;
  const more = beside("whole", upsert, "the item") + beside("was", was, "was");
  return `${JSON.stringify({ type, id, choice, unset, left, at }).slice(0, -1)},"payload":${json}${more}}`;
}

function itemText(item: unknown, path: string): string {
  const json = encode(item, path);
  checkSize(json, path);
  return json;
}

/** Fields given as undefined, which JSON leaves out: an update removes them. */
function unsetFields(payload: unknown): string[] | undefined {
  if (typeof payload !== "object" || Array.isArray(payload)) return undefined;
  let names: string[] | undefined;
  for (const name in payload) {
    if ((payload as Record<string, unknown>)[name] === undefined) names = [...(names ?? []), name];
  }
  return names;
}
