// The words of the toasts: what a person may want to know of the worker's errors. The console has the developer's words.

import {
  type Conflict,
  getConflicts,
  getRejected,
  type Rejected,
  STATUS_TEXTS,
  type WorkerError,
} from "nightferry-client";
import { itemName, type NameOf } from "../names.js";
import type { Decision } from "./notices.js";

/** All that the toasts say, by key; those of `describeStatus` included. */
export const TOAST_TEXTS = {
  ...STATUS_TEXTS,
  label: "Sync messages",
  earlier: (toasts: number) => `and ${toasts} earlier`,
  dismissAll: "Dismiss all",
  dismiss: "Dismiss this message",
  times: (times: number) => `${times} times`,
  over: "Sending goes on.",

  /** The server's reason is empty where it is not known any more. */
  refused: (name: string, reason: string) =>
    `“${name}”: the server refused your change. ${reason} Your version is kept.`.replace("  ", " "),
  conflict: (name: string) => `“${name}” was changed here and elsewhere. Both versions are kept: please decide.`,
  decided: "That was decided elsewhere meanwhile. Nothing was changed.",
  gone: (name: string) => `“${name}” is not there any more: your change of it was not kept.`,
  notKept: "One change could not be kept, by a mistake of this app. Everything else is kept.",
  setAside: "A part of what was saved here cannot be read, and is kept aside. Everything else goes on.",
  newDatabase: "The browser has deleted what was saved here. Reload this page to see what there is.",
  signedOut: "You have signed out in this browser. Reload this page.",
  failed: "Something on this device did not work. Leave this page open: it is tried again.",
};

export type ToastTexts = {
  [Key in keyof typeof TOAST_TEXTS]: (typeof TOAST_TEXTS)[Key] extends (...of: infer Of) => string
    ? (...of: Of) => string
    : string;
};

/** The longest reason of the server that a toast shows; the list of refused changes shows all of it. */
const LONGEST_REASON = 200;

const shortened = (text: string) => (text.length > LONGEST_REASON ? `${text.slice(0, LONGEST_REASON - 1)}…` : text);

/** No person can do anything about these, or the status says them. */
const SILENT = [
  "rebuild",
  "malformed_change",
  "database_deleted",
  "wrong_user",
  "wrong_name",
  "no_worker",
  "newer_schema",
  "unreadable_database",
  "worker_failed",
];

/** An error in words for users, and the decision that it is about. */
export interface ErrorText {
  text: string;
  about?: Decision;
}

/** Resolves with an error in words for users; null where there is nothing to say. */
export async function errorText(error: WorkerError, say: ToastTexts, nameOf?: NameOf): Promise<ErrorText | null> {
  const { kind, code, slice = "", id = "" } = error;
  const isIt = (entry: Rejected<unknown> | Conflict<unknown>) => entry.slice === slice && entry.itemId === id;
  // The decision may have been made meanwhile.
  const found = async <T extends Rejected<unknown> | Conflict<unknown>>(list: () => Promise<T[]>) =>
    (await list().catch((): T[] => [])).filter(isIt).at(-1);
  if (SILENT.includes(code)) return null;
  switch (code) {
    // A push was answered with one or the other.
    case "not_applied":
    case "conflict": {
      const conflict = await found(getConflicts);
      if (conflict || code === "conflict") {
        const item = conflict?.local ?? conflict?.remote ?? conflict?.base;
        const text = say.conflict(itemName(slice, item, id, nameOf));
        return { text, ...(conflict && { about: { list: "conflicts", slice, itemId: id } }) };
      }
      const refusal = await found(getRejected);
      const text = say.refused(itemName(slice, refusal?.value, id, nameOf), shortened(refusal?.message ?? ""));
      return { text, ...(refusal && { about: { list: "refusals", slice, itemId: id } }) };
    }
    case "missing_item":
      return { text: say.gone(itemName(slice, undefined, id, nameOf)) };
    case "rejection_changed":
    case "conflict_changed":
      return { text: say.decided };
    case "unreadable_record":
      return { text: say.setAside };
    case "new_database":
      return { text: say.newDatabase };
    case "signed_out":
      return { text: say.signedOut };
    default:
      return { text: kind === "warning" ? say.notKept : say.failed };
  }
}
