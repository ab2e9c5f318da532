// Messages to people: cards in the corner, the banner for errors, and words for screen readers.

import { button, byId, icon, make, setText } from "./dom.js";

/** Says something to screen readers, without showing it. @param {string} text */
export function announce(text) {
  setText(byId("announcer", HTMLElement), text);
}

/**
 * A card that goes away by itself, unless somebody is on it.
 * @param {string} text
 * @param {{action?: {label: string, run: () => void}, ms?: number, testid?: string}} [options]
 */
export function toast(text, { action, ms = 8000, testid = "toast" } = {}) {
  const { card, body, close } = makeCard(testid);
  card.setAttribute("role", "status");
  body.append(make("p", "", text));
  if (action) {
    const act = button(action.label, () => {
      close();
      action.run();
    });
    act.dataset.testid = `${testid}-action`;
    body.after(act);
  }
  let timer = setTimeout(close, ms);
  const hold = () => clearTimeout(timer);
  const release = () => {
    clearTimeout(timer);
    if (!card.matches(":hover, :focus-within")) timer = setTimeout(close, ms / 2);
  };
  card.addEventListener("pointerenter", hold);
  card.addEventListener("focusin", hold);
  card.addEventListener("pointerleave", release);
  card.addEventListener("focusout", () => queueMicrotask(release));
  show(card);
}

/**
 * A card that shows how far something long has come, and at its end what became of it.
 * @param {string} title
 * @param {() => void} cancel
 */
export function progressCard(title, cancel) {
  // The result of an earlier import has been read by now.
  for (const finished of document.querySelectorAll('[data-testid="import-card"][data-done]')) finished.remove();
  const { card, body, close, closer } = makeCard("import-card");
  const heading = make("h2", "", title);
  const text = make("p");
  const bar = make("progress");
  bar.setAttribute("aria-label", title);
  const stop = button("Cancel", cancel);
  closer.hidden = true;
  body.append(heading, text, bar);
  body.after(stop);
  show(card);
  return {
    /**
     * @param {number} done
     * @param {number} total
     * @param {string} words
     */
    progress(done, total, words) {
      bar.max = Math.max(1, total);
      bar.value = done;
      setText(text, words);
    },
    /**
     * @param {string} result
     * @param {string} words
     * @param {{title: string, lines: string[], important?: boolean}[]} lists
     */
    finish(result, words, lists) {
      stop.remove();
      bar.remove();
      closer.hidden = false;
      card.dataset.done = "true";
      setText(heading, result);
      setText(text, words);
      text.hidden = !words;
      for (const { title, lines, important } of lists) {
        const details = make("details", important ? "important" : "");
        details.open = Boolean(important);
        const list = make("ul");
        for (const line of lines.slice(0, 200)) list.append(make("li", "", line));
        if (lines.length > 200) list.append(make("li", "", `and ${lines.length - 200} more`));
        details.append(make("summary", "", title), list);
        body.append(details);
      }
      announce([result, words, ...lists.map((list) => list.title)].filter(Boolean).join(" "));
      if (!lists.length) setTimeout(close, 8000);
    },
  };
}

/** The banner for errors: what happened, and what to do next. */
export class ErrorBanner {
  #element = byId("error-banner", HTMLElement);
  #closed = "";
  #text = "";

  constructor() {
    byId("error-close", HTMLElement).addEventListener("click", () => {
      this.#closed = this.#text;
      this.#element.hidden = true;
    });
  }

  /**
   * @param {string} title
   * @param {string} text
   * @param {string} [reason] words for whoever runs the site
   */
  show(title, text, reason = "") {
    this.#text = `${title} ${text}`;
    if (this.#text === this.#closed) return;
    setText(byId("error-title", HTMLElement), title);
    setText(byId("error-text", HTMLElement), text);
    setText(byId("error-reason", HTMLElement), reason);
    byId("error-details", HTMLElement).hidden = !reason;
    this.#element.hidden = false;
  }

  /** Cards that were closed may be shown again after this. */
  clear() {
    this.#closed = "";
    this.#element.hidden = true;
  }
}

/** @param {string} testid */
function makeCard(testid) {
  const card = make("section", "card");
  card.dataset.testid = testid;
  const body = make("div", "card-body");
  const close = () => card.remove();
  const closer = button("", close, "button bare");
  closer.setAttribute("aria-label", "Close this message");
  closer.append(icon("close"));
  card.append(body, closer);
  return { card, body, close, closer };
}

/** @param {HTMLElement} card */
function show(card) {
  const cards = byId("cards", HTMLElement);
  cards.append(card);
  const toasts = cards.querySelectorAll('[data-testid="toast"]');
  if (toasts.length > 3) toasts[0].remove();
}
