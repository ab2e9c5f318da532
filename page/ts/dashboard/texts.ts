// All that the dashboard says, by key. An app replaces any of it: `element.texts = {syncNow: "Jetzt senden"}`.

import { STATUS_TEXTS, type StatusTexts } from "nightferry-client";

export interface DashboardTexts extends StatusTexts {
  /** Of the head, before the page has started Nightferry, and where it cannot. */
  notStarted: string;
  cannotStart: string;
  sync: string;
  progress: string;
  waiting: string;
  oldestChange: string;
  inConflict: string;
  refused: string;
  lastSync: string;
  nextSync: string;
  never: string;
  autoSyncIsOff: string;
  now: string;
  in: (duration: string) => string;
  justNow: string;
  ago: (duration: string) => string;
  decisionsFailed: string;

  byHand: string;
  syncNow: string;
  syncNowHint: string;
  synced: string;
  flush: string;
  flushHint: string;
  flushed: string;
  check: string;
  checkHint: string;
  answers: string;
  noAnswer: string;
  resetMetrics: string;
  resetMetricsHint: string;
  reset: string;
  /** An operation is under way, or has ended with this result, or has failed. */
  busy: (operation: string) => string;
  result: (text: string, duration: string, time: string) => string;
  failed: (operation: string, reason: string) => string;

  operations: string;
  allOperations: string;
  successRate: string;
  failures: string;
  averageTime: string;
  noOperation: string;
  lastOperation: (ago: string) => string;
  bySlice: string;
  slice: string;
  written: string;
  removed: string;
  sent: string;
  ofFailed: (n: string) => string;
  ofRefused: (n: string) => string;
  ofConflicts: (n: string) => string;
  oneTime: (duration: string) => string;
  times: (n: number, half: string, most: string, slowest: string) => string;

  autoSync: string;
  enabled: string;
  enabledHint: string;
  syncOnChange: string;
  syncOnChangeHint: string;
  intervalMs: string;
  intervalMsHint: string;
  maxQueueSize: string;
  maxQueueSizeHint: string;
  save: string;
  undo: string;
  saving: string;
  savedSettings: string;
  needsNumber: (field: string) => string;

  errors: string;
  noErrors: string;
  since: (time: string) => string;
  timesSince: (times: number, time: string) => string;
  overAfter: (duration: string) => string;
}

/** The texts in use, of all dashboards of the page. */
export const TEXT: DashboardTexts = {
  ...STATUS_TEXTS,
  notStarted: "This page has not begun to save. What you change is on this page only.",
  cannotStart: "This page cannot save. What you change is on this page only; the error below says why.",
  sync: "Sync",
  progress: "Sync progress",
  waiting: "Waiting",
  oldestChange: "Oldest change",
  inConflict: "In conflict",
  refused: "Refused",
  lastSync: "Last sync",
  nextSync: "Next sync",
  never: "never",
  autoSyncIsOff: "off",
  now: "now",
  in: (duration) => `in ${duration}`,
  justNow: "just now",
  ago: (duration) => `${duration} ago`,
  decisionsFailed: "What is to be decided cannot be shown now. It is kept, and shown once the network is back.",

  byHand: "By hand",
  syncNow: "Sync now",
  syncNowHint: "Sends everything that waits",
  synced: "Synced: the server has everything that may be sent.",
  flush: "Save now",
  flushHint: "Writes all changes to this device at once, also those that wait for a pause in the typing",
  flushed: "Saved: every change so far is in this device’s storage.",
  check: "Check connection",
  checkHint: "Asks the server whether it is there",
  answers: "The server answers.",
  noAnswer: "The server does not answer. Is it running, and is the network up?",
  resetMetrics: "Reset counts",
  resetMetricsHint: "Counts from zero again, in every tab",
  reset: "Everything counts from zero again.",
  busy: (operation) => `${operation} …`,
  result: (text, duration, time) => `${text} (${duration}, at ${time})`,
  failed: (operation, reason) => `${operation} failed. ${reason}`,

  operations: "Writes and requests",
  allOperations: "All",
  successRate: "Successful",
  failures: "Failed",
  averageTime: "Average time",
  noOperation: "Nothing was written or sent yet.",
  lastOperation: (ago) => `The last one ended ${ago}.`,
  bySlice: "By collection",
  slice: "Collection",
  written: "Written",
  removed: "Removed",
  sent: "Sent",
  ofFailed: (n) => `${n} failed`,
  ofRefused: (n) => `${n} refused`,
  ofConflicts: (n) => `${n} in conflict`,
  oneTime: (duration) => `The last one took ${duration}`,
  times: (n, half, most, slowest) =>
    `The last ${n}: half of them took up to ${half}, 95\u00a0% up to ${most}, the slowest ${slowest}`,

  autoSync: "Automatic sync",
  enabled: "Sync by itself",
  enabledHint: "When this is off, only the app and “Sync now” send.",
  syncOnChange: "Sync after every change, too",
  syncOnChangeHint: "As soon as the change is saved.",
  intervalMs: "Milliseconds between two syncs",
  intervalMsHint: "At least 1,000, which is a second.",
  maxQueueSize: "Most items that wait",
  maxQueueSizeHint: "When so many wait, all are sent at once.",
  save: "Save",
  undo: "Undo",
  saving: "Saving …",
  savedSettings: "Saved, for every tab and for the next time.",
  needsNumber: (field) => `${field} needs a number. Nothing was changed.`,

  errors: "Errors",
  noErrors: "No error since this page was opened.",
  since: (time) => `Since ${time}`,
  timesSince: (times, time) => `${times} times since ${time}`,
  overAfter: (duration) => `over after ${duration}`,
};
