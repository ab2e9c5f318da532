// Decisions that wait for somebody: files that were changed elsewhere, too, and changes that the server refused. Nightferry's own
// elements show them, in the place of the open file.

import { byId, setText } from "./dom.js";
import { messageOf } from "./status.js";

const ELEMENTS = "/nightferry/conflicts.js";

export class Decide {
  #section = byId("decide", HTMLElement);
  #open = byId("to-decide", HTMLButtonElement);
  #none = byId("decide-none", HTMLElement);
  #isLoading = false;

  /** @param {(shown: boolean) => void} toggled called when the decisions are shown or hidden */
  constructor(toggled) {
    this.toggled = toggled;
    this.#open.addEventListener("click", () => this.show(!this.isShown));
    byId("decide-close", HTMLElement).addEventListener("click", () => this.show(false));
    this.#section.addEventListener("keydown", ({ key, target }) => {
      if (key === "Escape" && !(target instanceof HTMLElement && target.matches("dialog"))) this.show(false);
    });
    const conflicts = /** @type {HTMLElement & {copyId?: () => string}} */ (byId("conflicts", HTMLElement));
    conflicts.copyId = () => crypto.randomUUID();
  }

  get isShown() {
    return !this.#section.hidden;
  }

  /** @param {boolean} shown */
  show(shown) {
    if (shown === this.isShown) return;
    if (shown) void this.#load();
    this.#section.hidden = !shown;
    this.#open.setAttribute("aria-expanded", String(shown));
    this.toggled(shown);
    if (shown) byId("decide-title", HTMLElement).focus();
    else if (!this.#open.hidden) this.#open.focus();
  }

  /** @param {{conflicts: number, rejected: number}} status */
  update({ conflicts, rejected }) {
    const count = conflicts + rejected;
    this.#open.hidden = count === 0 && !this.isShown;
    this.#none.hidden = count > 0;
  }

  async #load() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    try {
      await import(ELEMENTS);
    } catch (error) {
      this.#isLoading = false;
      setText(
        this.#none,
        `The decisions cannot be shown: ${messageOf(error)}. Nothing is lost; open them again later.`,
      );
      this.#none.hidden = false;
    }
  }
}
