// Errors of the page's API.

import type { NightferryError } from "./types.js";

export function failure(code: string, message: string): NightferryError {
  return Object.assign(new Error(message), { code });
}
