// The public shapes. Most are generated from the Rust ones (page/src/types.rs), which pages in Rust use.

import type { RegisterOptions as PlainOptions } from "./generated/types.js";

export type * from "./generated/types.js";

/** The options of `register`; all but the slices are optional. */
export interface RegisterOptions extends PlainOptions {
  /**
   * Gives the token that requests to the API carry, as `Authorization: Bearer …`; nothing where nobody is signed in. It is called
   * when a request needs one, and once more after the server has answered 401. The token is kept in the worker's memory only.
   */
  getToken?: () => string | null | undefined | Promise<string | null | undefined>;
  /**
   * With `false`, the browser is not asked to keep this site's data when the disk is full. It is asked once there is something
   * unsent, and Firefox asks the user.
   */
  persistStorage?: boolean;
}

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
