// The public shapes. Most are generated from the Rust ones (page/src/types.rs), which pages in Rust use.

export type * from "./generated/types.js";

/** A Redux-style action: `type` is `slice/verb`, such as `files/addItem`. */
export interface Action {
  type: string;
  payload?: unknown;
}

/** An error of the API. `code` is for programs, `message` says what to do next. */
export interface NightferryError extends Error {
  code: string;
}
