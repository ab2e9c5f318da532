// Asking for a path: of a new file, or a new one for a file.

import { byId, setText } from "./dom.js";
import { nameOf, readPath } from "./paths.js";

const dialog = byId("path-dialog", HTMLDialogElement);
const input = byId("path-input", HTMLInputElement);
const help = byId("path-help", HTMLElement);
const confirm = byId("path-confirm", HTMLButtonElement);

/** @type {((path: string | null) => void) | null} */
let answer = null;
/** @type {(path: string) => string} */
let check = () => "";

input.addEventListener("input", () => void problem());
byId("path-cancel", HTMLElement).addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => finish(null));
byId("path-form", HTMLElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const { path } = readPath(input.value);
  if (problem() || path === undefined) return input.focus();
  finish(path);
  dialog.close();
});

/**
 * Resolves with a path that passes `check`, or with null.
 * @param {{title: string, path: string, confirm: string, check: (path: string) => string}} options `check` says what is wrong
 * @returns {Promise<string | null>}
 */
export function askPath(options) {
  finish(null);
  setText(byId("path-title", HTMLElement), options.title);
  setText(confirm, options.confirm);
  check = options.check;
  input.value = options.path;
  problem();
  dialog.showModal();
  input.focus();
  // The name without its ending is what one wants to type over.
  const start = options.path.length - nameOf(options.path).length;
  const dot = options.path.lastIndexOf(".");
  input.setSelectionRange(start, dot > start ? dot : options.path.length);
  return new Promise((resolve) => (answer = resolve));
}

/** @param {string | null} path */
function finish(path) {
  const resolve = answer;
  answer = null;
  resolve?.(path);
}

/** Shows what is wrong with the input, and says whether something is. */
function problem() {
  const read = readPath(input.value);
  const found = read.problem ?? check(read.path);
  setText(help, found || "Slashes make folders.");
  help.classList.toggle("is-problem", Boolean(found));
  input.setAttribute("aria-invalid", String(Boolean(found)));
  confirm.disabled = Boolean(found);
  return found;
}
