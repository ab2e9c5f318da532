// The open file. Each input is handed on at once: Nightferry keeps it and waits for a pause before it writes.

import { byteLength, carryEdit, LIMIT_TEXT, toBox, toBytes, tooLarge } from "./content.js";
import { button, byId, setIcon, setText } from "./dom.js";
import { at, bytes, count } from "./format.js";
import { announce, toast } from "./notices.js";
import { extensionOf, folderOf, nameOf } from "./paths.js";
import { messageOf } from "./status.js";
import { STATE_TEXT } from "./store.js";

/**
 * @typedef {import("./store.js").Item} Item
 * @typedef {import("./store.js").FileStore} FileStore
 */

/** For so long after a key, what somebody else wrote does not replace the text. */
const TYPING_MS = 2000;

/** @type {Record<string, string>} */
const IMAGE_TYPES = {
  avif: "image/avif",
  bmp: "image/bmp",
  gif: "image/gif",
  ico: "image/x-icon",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
};

/** Describes a change of the file, and its author. */
const CHANGED = {
  tab: "changed in another tab",
  server: "changed on another device",
  rollback: "put back to what the server has",
  here: "changed here",
  start: "changed here",
};
const REMOVED = {
  tab: "This file was deleted in another tab.",
  server: "This file was deleted on another device.",
  rollback: "The server does not have this file, and your version was discarded.",
  here: "This file was deleted here.",
  start: "This file was deleted here.",
};

/** Describes the decision that waits, and that nothing is lost. */
const TO_DECIDE = {
  conflict: "This file was changed elsewhere, too. What you see is your version; the other one is kept beside it.",
  rejected: "The server refused your version. It is kept here, and is not sent until you change it or decide.",
};

export class Editor {
  #article = byId("file", HTMLElement);
  #name = byId("file-name", HTMLElement);
  #folder = byId("file-folder", HTMLElement);
  #chip = byId("file-state", HTMLElement);
  #text = byId("editor", HTMLTextAreaElement);
  #preview = byId("preview", HTMLElement);
  #image = byId("preview-image", HTMLImageElement);
  #previewText = byId("preview-text", HTMLElement);
  #foot = byId("file-foot", HTMLElement);
  #notice = byId("notice", HTMLElement);
  /** The file as this pane knows it; it outlives a deletion elsewhere. @type {Item | null} */
  #item = null;
  /** The text that somebody else wrote, while it is not shown. @type {Item | null} */
  #held = null;
  #gone = false;
  #composing = false;
  #lastInput = -Infinity;
  #imageUrl = "";

  /**
   * @param {FileStore} store
   * @param {() => void} decide shows what is to be decided
   */
  constructor(store, decide) {
    this.store = store;
    this.decide = decide;
    this.#text.addEventListener("input", () => this.#typed());
    this.#text.addEventListener("compositionstart", () => (this.#composing = true));
    this.#text.addEventListener("compositionend", () => (this.#composing = false));
    this.#image.addEventListener("error", () => {
      this.#image.hidden = true;
      setText(this.#previewText, "This image cannot be shown. You can download it.");
    });
    store.listen((change) => {
      if (!this.#item) return;
      if (change.ids.has(this.#item.id)) this.#changed(change.origin);
      if (change.states || change.ids.has(this.#item.id)) this.#drawState();
    });
  }

  /** The open file. */
  get item() {
    return this.#item;
  }

  /** @param {string} id */
  open(id) {
    const item = this.store.get(id);
    if (!item) return;
    const another = this.#item?.id !== id;
    this.#item = item;
    this.#gone = false;
    if (another) {
      this.#held = null;
      this.#lastInput = -Infinity;
      this.#closeNotice();
      this.#text.value = "";
      this.#text.scrollTop = this.#text.scrollLeft = 0;
    }
    this.#article.hidden = false;
    this.#drawContent();
    this.#drawHead();
    if (another) this.#text.setSelectionRange(0, 0);
  }

  close() {
    this.#item = null;
    this.#held = null;
    this.#closeNotice();
    this.#article.hidden = true;
    this.#text.value = "";
    this.#dropImage();
  }

  focus() {
    if (!this.#text.hidden) this.#text.focus({ preventScroll: true });
    else byId("download", HTMLElement).focus();
  }

  /** Saves the file to the computer, byte for byte. */
  download() {
    if (!this.#item) return;
    const url = URL.createObjectURL(new Blob([toBytes(this.#item)]));
    const link = document.createElement("a");
    link.href = url;
    link.download = nameOf(this.#item.path);
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  #typed() {
    const item = this.#item;
    if (!item || this.#gone) return;
    this.#lastInput = performance.now();
    const content = carryEdit(item.content, this.#text.value);
    const next = { ...item, content, size: byteLength(content), modifiedAt: Date.now() };
    try {
      if (tooLarge(next)) throw new Error(`A file of more than ${LIMIT_TEXT} cannot be kept.`);
      this.store.update(item.id, { content, size: next.size, modifiedAt: next.modifiedAt });
    } catch (error) {
      this.#tell(`Your last input is not kept: ${messageOf(error)}`, [
        ["Back to what is kept", () => this.#drawContent()],
      ]);
      return;
    }
    if (this.#notice.dataset.about === "refused") this.#closeNotice();
  }

  /** @param {import("./store.js").Origin} origin */
  #changed(origin) {
    const old = /** @type {Item} */ (this.#item);
    const item = this.store.get(old.id);
    if (!item) return this.#removed(origin);
    this.#gone = false;

    if (origin === "here") {
      this.#item = item;
      this.#drawHead();
      if (this.#text.readOnly && this.#notice.dataset.about === "gone") this.#closeNotice();
      if (toBox(item.content) !== this.#text.value) this.#drawContent();
      this.#drawFoot();
      return;
    }

    const same = item.content === old.content && item.encoding === old.encoding;
    if (!same && this.#typing) {
      this.#held = item;
      this.#item = { ...item, content: old.content, encoding: old.encoding, size: old.size };
      this.#drawHead();
      this.#tell(`This file was just ${CHANGED[origin]}, while you are typing. What you see is your text.`, [
        ["Use the other text", () => this.#useHeld()],
        ["Keep mine", () => this.#keepMine()],
      ]);
      return;
    }
    this.#item = item;
    this.#held = null;
    this.#drawHead();
    this.#drawContent();
    this.#closeNotice();
    if (same) return;
    announce(`This file was ${CHANGED[origin]}.`);
  }

  get #typing() {
    const here = document.activeElement === this.#text && document.hasFocus();
    return here && (this.#composing || this.#held !== null || performance.now() - this.#lastInput < TYPING_MS);
  }

  #useHeld() {
    const { id } = /** @type {Item} */ (this.#item);
    const held = this.#held;
    this.#held = null;
    this.#closeNotice();
    if (!held) return;
    const { content, encoding, size } = held;
    const stored = this.store.get(id);
    // Typing on has put this tab's text over it: then using it is a change of its own.
    if (stored && stored.content !== content)
      this.store.update(id, { content, encoding, size, modifiedAt: Date.now() });
    this.#item = this.store.get(id) ?? held;
    this.#drawContent();
    this.#text.focus({ preventScroll: true });
  }

  #keepMine() {
    const { id, content, encoding, size } = /** @type {Item} */ (this.#item);
    this.#held = null;
    this.#closeNotice();
    if (this.store.get(id)?.content !== content)
      this.store.update(id, { content, encoding, size, modifiedAt: Date.now() });
    this.#text.focus({ preventScroll: true });
  }

  /** @param {import("./store.js").Origin} origin */
  #removed(origin) {
    if (origin === "here") return;
    this.#gone = true;
    this.#held = null;
    this.#text.readOnly = true;
    this.#tell(`${REMOVED[origin]} Its text is still here.`, [["Bring it back", () => this.#bringBack()]], "gone");
  }

  #bringBack() {
    const item = this.#item;
    if (!item) return;
    try {
      this.store.add({ ...item, modifiedAt: Date.now() });
      toast(`${nameOf(item.path)} is back.`);
      this.focus();
    } catch (error) {
      this.#tell(`It could not be brought back: ${messageOf(error)}`, []);
    }
  }

  // The text that is shown.

  #drawHead() {
    const item = /** @type {Item} */ (this.#item);
    setText(this.#name, nameOf(item.path));
    setText(this.#folder, folderOf(item.path));
    this.#name.title = item.path;
    this.#text.setAttribute("aria-label", `Content of ${item.path}`);
    this.#drawState();
  }

  #drawState() {
    const item = this.#item;
    if (!item) return;
    const state = this.store.stateOf(item.id);
    this.#chip.dataset.state = state;
    setIcon(this.#chip.querySelector("svg"), state);
    setText(/** @type {Element} */ (this.#chip.querySelector("span")), STATE_TEXT[state]);
    const isToDecide = state === "conflict" || state === "rejected";
    const about = this.#notice.hidden ? "" : this.#notice.dataset.about;
    // Another's change, or text that cannot be kept, comes first.
    if (isToDecide && (!about || about in TO_DECIDE)) this.#tell(TO_DECIDE[state], [["Decide", this.decide]], state);
    else if (!isToDecide && about && about in TO_DECIDE) this.#closeNotice();
  }

  #drawContent() {
    const item = /** @type {Item} */ (this.#item);
    const binary = item.encoding === "base64";
    this.#text.hidden = binary;
    this.#preview.hidden = !binary;
    this.#dropImage();
    if (binary) this.#drawBinary(item);
    else {
      this.#text.readOnly = this.#gone;
      const text = toBox(item.content);
      if (this.#text.value !== text) {
        const { selectionStart, selectionEnd, scrollTop, scrollLeft } = this.#text;
        this.#text.value = text;
        this.#text.setSelectionRange(selectionStart, selectionEnd);
        this.#text.scrollTop = scrollTop;
        this.#text.scrollLeft = scrollLeft;
      }
    }
    this.#drawFoot();
  }

  /** @param {Item} item */
  #drawBinary(item) {
    const type = IMAGE_TYPES[extensionOf(item.path)];
    this.#image.hidden = !type;
    setText(this.#previewText, type ? "" : "This file is not text. It is kept byte for byte; you can download it.");
    if (!type) return;
    try {
      this.#imageUrl = URL.createObjectURL(new Blob([toBytes(item)], { type }));
      this.#image.alt = nameOf(item.path);
      this.#image.src = this.#imageUrl;
    } catch {
      this.#image.hidden = true;
      setText(this.#previewText, "The content of this file is not valid base64. Import it again.");
    }
  }

  #dropImage() {
    if (this.#imageUrl) URL.revokeObjectURL(this.#imageUrl);
    this.#imageUrl = "";
    this.#image.removeAttribute("src");
    this.#image.hidden = true;
  }

  #drawFoot() {
    const item = /** @type {Item} */ (this.#item);
    const parts = [bytes(item.size)];
    if (item.encoding !== "base64") {
      let lines = 1;
      for (let at = item.content.indexOf("\n"); at >= 0; at = item.content.indexOf("\n", at + 1)) lines++;
      parts.push(count(lines, "line"));
      if (item.content.includes("\r\n")) parts.push("Windows line ends (CRLF)");
      if (item.content.startsWith("\uFEFF")) parts.push("begins with a byte order mark");
    }
    if (item.modifiedAt) parts.push(`changed ${at(item.modifiedAt)}`);
    setText(this.#foot, parts.join("  ·  "));
  }

  /**
   * @param {string} text
   * @param {[string, () => void][]} actions
   * @param {string} [about]
   */
  #tell(text, actions, about = actions.length === 1 ? "refused" : "held") {
    this.#notice.dataset.about = about;
    setText(byId("notice-text", HTMLElement), text);
    byId("notice-actions", HTMLElement).replaceChildren(...actions.map(([label, run]) => button(label, run)));
    this.#notice.hidden = false;
  }

  #closeNotice() {
    this.#notice.hidden = true;
    if (this.#item && !this.#gone) this.#drawState();
  }
}
