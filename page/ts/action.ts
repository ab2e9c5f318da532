// An action as it is posted: checked, and JSON text.

import type { Action } from "./types.js";
import { checkSize, encode, isPlain, MAX_ITEM_BYTES } from "./value.js";

/** The fields of a posted action beside its type and payload. */
export interface Beside {
  /** The item's id, where the payload does not say it; of an action on a refused change, that change's. */
  id?: string | undefined;
  /** The item that an update puts if there is none; the payload is a part of it. */
  upsert?: unknown;
  /** The ids that a set leaves out. */
  left?: string[] | undefined;
}

/**
 * An action as JSON text, in which a lone surrogate may be escaped: the burst is made well-formed as a whole.
 * @throws TypeError for what cannot be an action, naming the path.
 */
export function actionText(action: Action, { id, upsert, left }: Beside = {}): string {
  if (typeof action !== "object" || action === null || typeof action.type !== "string" || action.type === "") {
    throw new TypeError(
      'dispatch() takes an action: an object with a type that is a string, such as {type: "files/addItem", payload: {id: 1}}.',
    );
  }
  const { type, payload } = action;
  const unset = unsetFields(payload);
  const at = Date.now();
  if (isPlain(upsert ?? payload, 0)) {
    const isMore = unset || left || id !== undefined;
    const text = JSON.stringify(isMore ? { type, id, payload, unset, whole: upsert, left, at } : { type, payload, at });
    // No item in it can be too large.
    if (text.length * 3 <= MAX_ITEM_BYTES) return text;
  }
  if (payload === undefined) return JSON.stringify({ type, id, at });
  // Each element of an array is an item with limits of its own.
  const json = Array.isArray(payload)
    ? `[${payload.map((item, at) => itemText(item, `${type}: payload[${at}]`)).join(",")}]`
    : itemText(payload, `${type}: payload`);
  const beside = upsert === undefined ? "" : `,"whole":${itemText(upsert, `${type}: the item`)}`;
  return `${JSON.stringify({ type, id, unset, left, at }).slice(0, -1)},"payload":${json}${beside}}`;
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
