// The state of things in five words, made from a status: what everything that shows the state says.

import type { ErrorCode, Status } from "./types.js";

/**
 * The state of things. `saved`: the changes are on this device and go to the server by themselves. `paused`: nothing is sent until
 * somebody does something. `needs-you`: there are conflicts or refused changes to decide on.
 */
export type State = "up-to-date" | "sending" | "saved" | "paused" | "needs-you";

/** The part of a status that its words are made of: `getStatus()` has it, and `status` of `usePersistence()`. */
export type Describable = Pick<
  Status,
  "enabled" | "connection" | "pending" | "conflicts" | "rejected" | "progress" | "errorCode"
> &
  Partial<Pick<Status, "othersWaiting">>;

/** A state in words. */
export interface StatusText {
  state: State;
  /** A word or two, such as `Sending 3`. */
  text: string;
  /** What is safe, and what to do: one or two short sentences. */
  detail: string;
}

const changes = (n: number) => (n === 1 ? "1 change is" : `${n.toLocaleString()} changes are`);

/** All that `describeStatus` says, by key. An error's text has its code as its key. */
export const STATUS_TEXTS = {
  upToDate: "Up to date",
  /** Before the server's first answer, with nothing to send. */
  connecting: "Connecting",
  receiving: "Receiving",
  sending: (pending: number) => `Sending ${pending.toLocaleString()}`,
  saved: "Saved on this device",
  paused: "Paused",
  needsYou: (decisions: number) => `Needs you (${decisions.toLocaleString()})`,

  allSent: "The server has everything.",
  /** So many items have changes that the server does not have. */
  kept: (pending: number) => `${changes(pending)} kept on this device.`,
  done: (done: number, total: number) => `${done.toLocaleString()} of ${total.toLocaleString()} are done.`,
  asking: "The server is asked for news.",
  byItself: "You can go on working: sending goes on by itself.",
  othersWaiting: (users: number) =>
    users === 1
      ? "Another user’s changes wait here until that user signs in."
      : `The changes of ${users.toLocaleString()} other users wait here until they sign in.`,
  conflicts: (items: number) =>
    items === 1
      ? "1 item was changed here and elsewhere; both versions are kept."
      : `${items.toLocaleString()} items were changed here and elsewhere; both versions are kept.`,
  refusals: (refused: number) =>
    `The server refused ${refused === 1 ? "1 change" : `${refused.toLocaleString()} changes`}; your version is kept.`,
  decide: "Please decide.",
  off: "Saving is switched off. What you change now is kept aside until it is on again.",

  slow: "The connection is slow.",
  rebuilding: "The server’s data is read again.",
  too_large: "One change is too large for the server, and waits. All others go on.",
  deferred: "The server cannot take one change now, and it waits. All others go on.",
  unauthenticated: "Sign in again, and sending goes on.",
  wrong_principal: "Somebody else is signed in. Sign in as yourself, and sending goes on.",
  not_nightferry:
    "Something else answers in the server’s place. Sign in to this network if it asks for that; else tell the operator.",
  declined: "The server declines to take changes. Please tell its operator.",
  other: "The server does not take changes now. Please tell its operator.",
  storage_full: "There is no room left on this device. Make some room, and leave this page open until then.",
  storage: "This device cannot save now. Leave this page open: it is tried again.",
  wrong_user:
    "Another user is signed in in this browser. What you change now is on this page only: leave it open until you are signed in again.",
  wrong_name: "Another part of this site is in use. What you change now is on this page only: leave it open.",
  no_worker: "This page cannot save now. Leave it open: it is tried again.",
} as const;

/** The same keys, with the app's texts. */
export type StatusTexts = {
  [Key in keyof typeof STATUS_TEXTS]: (typeof STATUS_TEXTS)[Key] extends (...of: infer Of) => string
    ? (...of: Of) => string
    : string;
};

/** Somebody has to do something for sending to go on; the changes are on this device. */
const PAUSED: readonly ErrorCode[] = ["unauthenticated", "wrong_principal", "not_nightferry", "declined", "other"];

/** The same, and what is changed now may be on the page only. */
const UNSAVED: readonly ErrorCode[] = ["storage_full", "storage", "wrong_user", "wrong_name", "no_worker"];

/** These hinder nothing from being sent, or are told by the counts of conflicts and refusals. */
const HARMLESS: readonly ErrorCode[] = ["conflict", "rejected", "unreadable", "rebuilding", "slow"];

/**
 * Says a status in words for users: one of five states, a text of a word or two, and a detail that says what is safe and what
 * to do. `texts` takes the place of the English ones, key by key (`STATUS_TEXTS`).
 */
export function describeStatus(status: Describable, texts: Partial<StatusTexts> = {}): StatusText {
  const say: StatusTexts = { ...STATUS_TEXTS, ...texts };
  const { connection, pending, conflicts, rejected, progress, errorCode: code, othersWaiting = 0 } = status;
  const kept = pending > 0 && say.kept(pending);
  const why = code !== null && code in STATUS_TEXTS && say[code as keyof StatusTexts & ErrorCode];
  const made = (state: State, text: string, ...detail: (string | false)[]): StatusText => ({
    state,
    text,
    detail: detail.filter(Boolean).join(" "),
  });

  if (code !== null && UNSAVED.includes(code)) return made("paused", say.paused, why);
  if (code !== null && PAUSED.includes(code)) return made("paused", say.paused, kept, why);
  if (!status.enabled) return made("paused", say.paused, say.off);
  if (conflicts + rejected > 0) {
    const what = [conflicts > 0 && say.conflicts(conflicts), rejected > 0 && say.refusals(rejected), say.decide];
    return made("needs-you", say.needsYou(conflicts + rejected), ...what);
  }
  // The first failure says little: the second one is an answer.
  const isWaiting = connection === "online" && code !== null && !HARMLESS.includes(code);
  if (connection === "local-only" || isWaiting) return made("saved", say.saved, kept, why || say.byItself);
  // Of one there is no part.
  const done = progress !== null && progress.total > 1 && say.done(progress.done, progress.total);
  if (pending > 0) return made("sending", say.sending(pending), kept, done, why);
  if (connection === "unknown") return made("sending", say.connecting, say.asking);
  if (progress) return made("sending", say.receiving, done, why);
  return made("up-to-date", say.upToDate, say.allSent, othersWaiting > 0 && say.othersWaiting(othersWaiting));
}
