// An action as it is posted: checked, and JSON text.

import type { Action } from "./types.js";
import { checkSize, encode } from "./value.js";

/**
 * An action as JSON text.
 * @throws TypeError for what cannot be an action, naming the path.
 */
export function actionText(action: Action): string {
  if (typeof action !== "object" || action === null || typeof action.type !== "string" || action.type === "") {
    throw new TypeError(
      'dispatch() takes an action: an object with a type that is a string, such as {type: "files/addItem", payload: {id: 1}}.',
    );
  }
  const { type, payload } = action;
  if (payload === undefined) return `{"type":${JSON.stringify(type)}}`;
  // Each element of an array is an item with limits of its own.
  const json = Array.isArray(payload)
    ? `[${payload.map((item, at) => itemText(item, `${type}: payload[${at}]`)).join(",")}]`
    : itemText(payload, `${type}: payload`);
  return `{"type":${JSON.stringify(type)},"payload":${json}${unset(payload)}}`;
}

function itemText(item: unknown, path: string): string {
  const json = encode(item, path);
  checkSize(json, path);
  return json;
}

/** Fields given as undefined, which JSON leaves out: an update removes them. */
function unset(payload: unknown): string {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) return "";
  const names = Object.keys(payload).filter((name) => (payload as Record<string, unknown>)[name] === undefined);
  return names.length === 0 ? "" : `,"unset":${JSON.stringify(names)}`;
}
