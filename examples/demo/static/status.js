// The header and the bar at the bottom: how things are, what waits, what somebody has to do, and "Sync now".

import { byId, setIcon, setText } from "./dom.js";
import { at, count, since } from "./format.js";
import { announce, toast } from "./notices.js";

/**
 * @typedef {import("./store.js").Status} Status
 * @typedef {import("./store.js").Client} Client
 * @typedef {import("./notices.js").ErrorBanner} ErrorBanner
 */

const ICONS = {
  "up-to-date": "synced",
  sending: "sending",
  saved: "local",
  paused: "rejected",
  "needs-you": "conflict",
};
/** What this app calls an item. @type {Partial<import("./store.js").StatusTexts>} */
const TEXTS = {
  conflicts: (files) =>
    `${count(files, "file")} ${files === 1 ? "was" : "were"} changed here and elsewhere; both versions are kept.`,
};
const FEEDBACK = {
  Synced: "Synced.",
  "Needs you": "Synced, but for what waits for your decision.",
  "No answer": "The server does not answer. Changes are kept on this device.",
  "Not synced": "The sync did not work. Changes are kept on this device.",
};
/** A sync of so many changes shows how far it has come. */
const LONG_SYNC = 20;

export class StatusView {
  #connection = byId("connection", HTMLElement);
  #connectionText = byId("connection-text", HTMLElement);
  #pending = byId("pending", HTMLElement);
  #detail = byId("sync-detail", HTMLElement);
  #lastSync = byId("last-sync", HTMLElement);
  #progress = byId("progress", HTMLProgressElement);
  #button = byId("sync-now", HTMLButtonElement);
  #buttonText = byId("sync-now-text", HTMLElement);
  #bar = byId("bar", HTMLElement);
  /** @type {Status | null} */
  #status = null;
  #said = "";
  /** @type {Set<string>} */
  #warned = new Set();
  #busy = false;
  /** What the last sync came to; a phone has no room for it on the button. */
  #feedback = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #resting;

  /**
   * @param {ErrorBanner} banner
   * @param {Client} client
   */
  constructor(banner, client) {
    this.banner = banner;
    this.client = client;
    this.#button.addEventListener("click", () => void this.syncNow());
    setInterval(() => this.#drawTime(), 5000);
  }

  /** @param {Status} status */
  show(status) {
    this.#status = status;
    const { connection, pending, progress, syncStatus } = status;
    const { state, text, detail } = this.#words(status);
    // "Synced." is not true any more.
    if (this.#feedback === FEEDBACK.Synced && (state === "saved" || state === "paused")) this.#rest();

    this.#connection.dataset.connection = connection;
    this.#connection.dataset.state = state;
    setText(this.#connectionText, text);
    setIcon(this.#connection.querySelector("svg"), ICONS[state]);

    this.#pending.dataset.count = String(pending);
    setText(this.#pending, pending && state !== "sending" ? `${count(pending, "change")} to send` : "");

    this.#button.disabled = this.#busy || !status.enabled;
    this.#button.classList.toggle("is-busy", this.#busy || syncStatus === "syncing");

    const long = progress !== null && progress.total >= LONG_SYNC;
    this.#progress.hidden = !long;
    if (long) {
      this.#progress.max = progress.total;
      this.#progress.value = progress.done;
    }

    setText(this.#detail, this.#feedback || detail);
    this.#bar.dataset.tone = state;
    this.#drawTime();

    // That changes wait on this device is nothing to act on: one quiet line says it.
    if (state === "paused") this.banner.show(text, detail);
    else this.banner.clear();

    this.#say(state, `${text}. ${detail}`);
    this.#warn(status.warnings ?? []);
  }

  /** @param {Status} status */
  #words(status) {
    return this.client.describeStatus(status, TEXTS);
  }

  async syncNow() {
    if (this.#busy) return;
    this.#busy = true;
    this.#button.disabled = true;
    this.#button.classList.add("is-busy");
    setText(this.#buttonText, "Syncing…");
    this.#feedback = "Syncing…";
    setText(this.#detail, this.#feedback);
    /** @type {keyof typeof FEEDBACK} */
    let result = "Synced";
    try {
      await this.client.syncNow();
      const state = this.#status && this.#words(this.#status).state;
      if (state === "saved" || state === "paused") result = "Not synced";
      else if (state === "needs-you") result = "Needs you";
    } catch (error) {
      result = /** @type {{code?: string}} */ (error).code === "unreachable" ? "No answer" : "Not synced";
      console.error("Sync now did not work:", error);
    }
    setText(this.#buttonText, result);
    this.#feedback = FEEDBACK[result];
    setText(this.#detail, this.#feedback);
    announce(this.#feedback);
    this.#resting = setTimeout(() => {
      this.#rest();
      if (this.#status) this.show(this.#status);
    }, 1600);
  }

  /** Ends the feedback. */
  #rest() {
    clearTimeout(this.#resting);
    this.#busy = false;
    this.#feedback = "";
    setText(this.#buttonText, "Sync now");
  }

  /** Shows each warning once. @param {unknown[]} warnings */
  #warn(warnings) {
    const now = new Set(warnings.map(messageOf));
    for (const text of now) if (!this.#warned.has(text)) toast(text, { ms: 20_000, testid: "warning" });
    this.#warned = now;
  }

  #drawTime() {
    const time = this.#status?.lastSyncTime ?? null;
    setText(this.#lastSync, time === null ? "" : `Last sync ${since(time)}`);
    this.#lastSync.title = time === null ? "" : at(time);
  }

  /**
   * Only what matters is read aloud, and once: neither every change of a count, nor that things are as at the start.
   * @param {import("./store.js").StateOfThings} state
   * @param {string} text
   */
  #say(state, text) {
    const isNews = state === "sending" ? false : state !== this.#said && (this.#said !== "" || state !== "up-to-date");
    if (state !== "sending") this.#said = state;
    if (isNews) announce(text);
  }
}

/** @param {unknown} error */
export function messageOf(error) {
  const message = /** @type {{message?: unknown} | null} */ (error)?.message;
  return typeof message === "string" ? message : String(error);
}
