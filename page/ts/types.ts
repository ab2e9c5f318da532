// The public shapes. Most are generated from the Rust ones (page/src/types.rs), which pages in Rust use.

export type * from "./generated/types.js";

/** A Redux-style action: `type` is `slice/verb`, such as `files/addItem`. */
export interface Action {
  type: string;
  payload?: unknown;
  /**
   * Of an update: the former values of the fields that it changes, as the user saw them; a field that was not there is left
   * out. With them a change that another tab or device has made meanwhile is merged or kept as a conflict; without them the
   * update wins.
   */
  was?: Record<string, unknown>;
}

/**
 * Decides a conflict on the page: given what both sides began with and what each has now (undefined where there is no item),
 * it returns the item, or undefined to leave it to somebody. It is called once for each conflict, in one tab. While no page is
 * open, it stays a conflict.
 */
// biome-ignore lint/suspicious/noExplicitAny: items have whatever type the app gives them.
export type ConflictFunction = (base: any, local: any, remote: any) => unknown;

/** A decision on a conflict: the item becomes as on this device, as on the server, both merged (as here where both changed), or a given value. */
export type Resolution = "local" | "remote" | "merge" | "value";

/** An error of the API. `code` is for programs, `message` says what to do next. */
export interface NightferryError extends Error {
  code: string;
}
