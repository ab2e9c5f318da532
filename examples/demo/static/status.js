// The header and the bar at the bottom: is there a connection, what waits, what went wrong, and "Sync now".

import { byId, setIcon, setText } from "./dom.js";
import { at, count, since } from "./format.js";
import { announce, toast } from "./notices.js";

/**
 * @typedef {import("./store.js").Status} Status
 * @typedef {import("./notices.js").ErrorBanner} ErrorBanner
 */

const CONNECTION = {
  unknown: { text: "Connecting…", icon: "unknown" },
  online: { text: "Online", icon: "online" },
  "local-only": { text: "Local only", icon: "local" },
};
const FEEDBACK = {
  Synced: "Synced.",
  "To decide": "Synced, but for what is to be decided.",
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
  /** The button's present function; a phone has no room for it on the button. */
  #feedback = "";

  /**
   * @param {ErrorBanner} banner
   * @param {() => Promise<unknown>} sync
   */
  constructor(banner, sync) {
    this.banner = banner;
    this.sync = sync;
    this.#button.addEventListener("click", () => void this.syncNow());
    setInterval(() => this.#drawTime(), 5000);
  }

  /** @param {Status} status */
  show(status) {
    this.#status = status;
    const { connection, pending, progress, syncStatus } = status;
    const error = failureOf(status);
    const known = CONNECTION[connection] ?? CONNECTION.unknown;

    this.#connection.dataset.connection = connection;
    setText(this.#connectionText, known.text);
    setIcon(this.#connection.querySelector("svg"), known.icon);

    this.#pending.dataset.count = String(pending);
    setText(this.#pending, pending ? `${count(pending, "change")} to send` : "");

    this.#button.disabled = this.#busy || !status.enabled;
    this.#button.classList.toggle("is-busy", this.#busy || syncStatus === "syncing");

    const long = progress !== null && progress.total >= LONG_SYNC;
    this.#progress.hidden = !long;
    if (long) {
      this.#progress.max = progress.total;
      this.#progress.value = progress.done;
    }

    setText(this.#detail, this.#feedback || describe(status));
    this.#bar.dataset.tone = error && connection !== "local-only" ? "error" : connection;
    this.#drawTime();

    // Without a connection an error is nothing to act on: the bar says what happens. With one, it is.
    if (error && connection !== "local-only") {
      this.banner.show("The last sync did not work", `${error} ${nextStep(status)}`);
    } else this.banner.clear();

    this.#say(status, known.text);
    this.#warn(status.warnings ?? []);
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
      await this.sync();
      const status = this.#status;
      if (status?.connection === "local-only") result = "No answer";
      else if (status && failureOf(status)) result = "Not synced";
      else if (status && toDecide(status)) result = "To decide";
    } catch (error) {
      if (/** @type {{code?: string}} */ (error).code === "unreachable") result = "No answer";
      else {
        result = "Not synced";
        this.banner.show("Sync now did not work", `${messageOf(error)} ${nextStep(this.#status)}`);
      }
    }
    setText(this.#buttonText, result);
    this.#feedback = FEEDBACK[result];
    setText(this.#detail, this.#feedback);
    announce(this.#feedback);
    setTimeout(() => {
      this.#busy = false;
      this.#feedback = "";
      setText(this.#buttonText, "Sync now");
      if (this.#status) this.show(this.#status);
    }, 1600);
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
   * Only what matters is read aloud, and once: not every change of a count.
   * @param {Status} status
   * @param {string} text
   */
  #say({ connection, error }, text) {
    const key = `${connection} ${error ?? ""}`;
    if (key === this.#said) return;
    const first = this.#said === "";
    this.#said = key;
    if (!first || connection === "local-only") {
      announce(connection === "local-only" ? `${text}. Changes are kept on this device.` : text);
    }
  }
}

/** @param {Status} status */
function describe(status) {
  const { enabled, connection, pending, progress, syncStatus } = status;
  const error = failureOf(status);
  if (!enabled) return "Keeping files is switched off.";
  if (connection === "local-only") {
    const kept = pending ? `${count(pending, "change")} ${pending === 1 ? "is" : "are"}` : "changes are";
    return `The server does not answer. Go on working: ${kept} kept on this device and sent once it is back.`;
  }
  if (progress && progress.total >= LONG_SYNC)
    return `Syncing ${progress.done.toLocaleString("en")} of ${progress.total.toLocaleString("en")}…`;
  if (connection === "unknown") return "Looking for the server… Changes are kept on this device.";
  if (error) return `The last sync did not work: ${error}`;
  if (pending && syncStatus === "syncing") return `Sending ${count(pending, "change")}…`;
  const waiting = toDecide(status);
  if (pending) return `${count(pending, "change")} kept here, about to be sent. ${waiting}`.trim();
  return waiting || "Everything is on the server.";
}

/**
 * Returns the sentence about decisions that wait; null if none do.
 * @param {Status} status
 */
function toDecide({ conflicts, rejected }) {
  const parts = [];
  if (conflicts) parts.push(`${count(conflicts, "file")} ${conflicts === 1 ? "was" : "were"} changed elsewhere, too`);
  if (rejected) parts.push(`the server refused ${count(rejected, "change")}`);
  const text = parts.join(", and ");
  return text && `${text[0].toUpperCase()}${text.slice(1)}: kept here, and not sent until you decide.`;
}

/**
 * Returns the sentence about changes that cannot be sent for now. Once only decisions are left, the sentence is about
 * them, and nothing is tried again.
 * @param {Status} status
 */
function failureOf(status) {
  return status.pending === 0 && toDecide(status) ? null : status.error;
}

/** @param {Status | null} status */
function nextStep(status) {
  const pending = status?.pending ?? 0;
  const kept = pending
    ? `${count(pending, "change")} ${pending === 1 ? "stays" : "stay"} on this device; `
    : "Nothing is lost; ";
  return `${kept}it is tried again by itself, or at once with “Sync now”.`;
}

/** @param {unknown} error */
export function messageOf(error) {
  const message = /** @type {{message?: unknown} | null} */ (error)?.message;
  return typeof message === "string" ? message : String(error);
}
