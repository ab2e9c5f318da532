// A file of unsent changes, as ordinary actions.

import type { Beside } from "./action.js";
import { failure } from "./failure.js";
import { isObject, same } from "./json.js";
import type { Action, UnsentFile, UnsentItem } from "./types.js";

/** What `importUnsent` has done. */
export interface Imported {
  /** How many items were changed as the file says. */
  imported: number;
  /** The items that were left as they are: they were changed since the file was made, so the file's change no longer fits. */
  skipped: { slice: string; id: string }[];
}

/** Reads a file. @throws NightferryError `bad_file`. */
export function readFile(text: string): UnsentFile<unknown> {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    // It is told of below.
  }
  const isItem = (item: unknown) => isObject(item) && typeof item.slice === "string" && typeof item.id === "string";
  if (isObject(file) && file.nightferry === 1 && Array.isArray(file.items) && file.items.every(isItem)) {
    return file as unknown as UnsentFile<unknown>;
  }
  throw failure(
    "bad_file",
    isObject(file) && typeof file.nightferry === "number" && file.nightferry > 1
      ? "This file was made by a newer version of the app. Reload the page, and load the file again."
      : "This is no file of unsent changes, or a part of it is missing. Nothing was changed. Choose the file that was saved.",
  );
}

/**
 * The action that makes an item what the file says, given what it is here; undefined where it is that already, `"changed"` where
 * somebody has changed it since so that only a person can tell.
 */
export function actionOf(item: UnsentItem<unknown>, here: unknown): [Action, Beside] | "changed" | undefined {
  const { slice, id } = item;
  // A refused change was undone, so the item itself does not have it.
  const refused = item.state === "rejected" ? item.refused.at(-1) : undefined;
  const local = refused ? refused.value : item.local;
  const base = refused ? refused.base : item.base;
  if (same(here, local)) return undefined;
  if (isObject(local) && (base === undefined || isObject(base))) {
    const [fields, was] = difference(base ?? {}, local);
    // What others changed meanwhile is merged, or is a conflict.
    return [
      { type: `${slice}/updateItem`, payload: fields, was },
      { id, upsert: local },
    ];
  }
  if (!same(here, base)) return "changed";
  if (local === undefined) return [{ type: `${slice}/removeItem`, payload: id }, {}];
  return [{ type: `${slice}/set`, payload: local }, {}];
}

/** The fields that differ, undefined where they are gone, and their former values. */
function difference(base: Record<string, unknown>, local: Record<string, unknown>) {
  const fields: Record<string, unknown> = {};
  const was: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(base), ...Object.keys(local)])) {
    if (same(base[name], local[name])) continue;
    fields[name] = local[name];
    if (base[name] !== undefined) was[name] = base[name];
  }
  return [fields, was] as const;
}
