// The worker's latest messages, and their listeners.

import type * as bridge from "./generated/bridge.js";
import type { Change, ErrorCode, ItemProgress, Status, SyncMetrics, WorkerError } from "./types.js";

/** An answer to `hydrate`: the stored items, and what is newer than the store and wins over them. */
export type Rows = Required<bridge.Rows<unknown>>;

/** `v` is the bridge's version. generated/messages.ts has an example of each as the worker writes it. */
export type Message = { v: number } & bridge.FromWorker<unknown>;

/**
 * Why what a page knows of a slice is not to be built on: something may have been missed since the worker has started; the
 * page is registered for another database, which has nothing that the page knows; or the user has signed out, and nothing
 * is theirs any more. In the first two cases the slice is to be read again.
 */
export type ResyncReason = "joined" | "registered" | "signedOut";

/** A change; the last burst of this page, and the last record of all pages, that are in it. */
export type SliceChange = Change<unknown> & { n: number; position: number };

/** The codes of a worker that cannot start at all. */
export const CANNOT_START = ["newer_schema", "unreadable_database", "worker_failed"];

/** The codes after which nobody tells the status. */
const NO_STATUS = [...CANNOT_START, "wrong_user", "wrong_name", "no_worker"];

let status: Status = {
  enabled: true,
  connection: "unknown",
  flaskConnected: false,
  syncStatus: "idle",
  error: null,
  errorCode: null,
  lastSyncTime: null,
  pending: 0,
  conflicts: 0,
  rejected: 0,
  othersWaiting: 0,
  progress: null,
  autoSync: {
    enabled: true,
    intervalMs: 30_000,
    syncOnChange: false,
    maxQueueSize: 50,
    changeCounter: 0,
    nextSyncAt: null,
  },
};
let metrics: SyncMetrics = {
  totalOperations: 0,
  successfulOperations: 0,
  failedOperations: 0,
  rejectedOperations: 0,
  conflictOperations: 0,
  lastOperationTime: 0,
  averageOperationTime: 0,
  operationTimes: [],
  oldestPendingAt: null,
  bySlice: {},
};
const metricsListeners = new Set<(metrics: SyncMetrics) => void>();
const statusListeners = new Set<(status: Status) => void>();
const errorListeners = new Set<(error: WorkerError) => void>();
/** Called when the list of refused changes is another one, or may be. */
export const rejectionsListeners = new Set<() => void>();
/** Called when the list of conflicts is another one, or may be. */
export const conflictsListeners = new Set<() => void>();
const followers = new Map<string, Set<(update: SliceChange | ResyncReason) => void>>();
/** The listeners to the progress of a slice's changes, which the worker has to be asked for. */
export const pendingListeners = new Map<string, Set<(changes: ItemProgress[], reset: boolean) => void>>();

/** The state of the whole, as last heard. */
export function getStatus(): Status {
  return status;
}

/** Calls `fn` with every new status, the present one first. Returns what ends it. */
export function subscribeStatus(fn: (status: Status) => void): () => void {
  fn(status);
  return listen(statusListeners, fn);
}

/** The metrics of the whole, as last heard. */
export function getSyncMetrics(): SyncMetrics {
  return metrics;
}

/** Calls `fn` with the metrics whenever they change, the present ones first. Returns what ends it. */
export function subscribeSyncMetrics(fn: (metrics: SyncMetrics) => void): () => void {
  fn(metrics);
  return listen(metricsListeners, fn);
}

/** Calls `fn` with what the worker could not take or do, which the console says, too. Returns what ends it. */
export function subscribeErrors(fn: (error: WorkerError) => void): () => void {
  return listen(errorListeners, fn);
}

/**
 * Calls `fn` with what is told of a slice: changes made elsewhere, and without any, that own ones were taken; or why to
 * read the slice again.
 */
export function follow(slice: string, fn: (update: SliceChange | ResyncReason) => void): () => void {
  return add(followers, slice, fn);
}

/** Adds a listener of a slice. Returns the function that removes the listener. */
export function add<F>(listeners: Map<string, Set<F>>, slice: string, fn: F): () => void {
  const set = listeners.get(slice) ?? new Set();
  listeners.set(slice, set);
  return listen(set, fn);
}

/** Adds a listener. Returns the function that removes the listener. */
export function listen<F>(set: Set<F>, fn: F): () => void {
  set.add(fn);
  return () => set.delete(fn);
}

/** Takes a message of the worker that answers nothing. */
export function handleMessage(message: Message): void {
  switch (message.kind) {
    case "status":
      logError(message.status, status);
      status = message.status;
      each(statusListeners, status);
      break;
    case "metrics":
      metrics = message.metrics;
      each(metricsListeners, metrics);
      break;
    case "changed":
      each(followers.get(message.slice), message);
      break;
    case "folded":
      for (const slice of message.slices)
        each(followers.get(slice), { ...message, puts: [], deletes: [], origin: "tab" });
      break;
    case "joined":
    case "registered":
      for (const slice of followers.values()) each(slice, message.kind);
      each(rejectionsListeners);
      each(conflictsListeners);
      break;
    case "rejections":
      each(rejectionsListeners);
      break;
    case "conflictsChanged":
      each(conflictsListeners);
      break;
    case "signedOut":
      for (const slice of followers.values()) each(slice, message.kind);
      each(rejectionsListeners);
      each(conflictsListeners);
      break;
    case "failed":
    case "warning":
      // Until the page's own worker is back, none says how things stand.
      if (NO_STATUS.includes(message.code)) {
        const errorCode = (message.code.startsWith("wrong_") ? message.code : "no_worker") as ErrorCode;
        status = { ...status, connection: "unknown", flaskConnected: false, error: message.message, errorCode };
        each(statusListeners, status);
      }
      tellError(message);
  }
}

/** Tells those who listen for errors. */
export function tellError(error: WorkerError): void {
  console.error(`Nightferry (${error.code}): ${error.message}`);
  each(errorListeners, error);
}

/** Logs the sentence for developers, once for each kind of error. Of conflicts and refusals, messages of their own say it. */
function logError({ error, errorCode }: Status, before: Status): void {
  if (errorCode === null || errorCode === before.errorCode || ["conflict", "rejected"].includes(errorCode)) return;
  console.warn(`Nightferry (${errorCode}): ${error}`);
}

/** Calls each listener. One that throws stops neither the others nor the worker's messages. */
export function each<A extends unknown[]>(listeners: Set<(...what: A) => void> | undefined, ...what: A): void {
  for (const fn of listeners ?? []) {
    try {
      fn(...what);
    } catch (error) {
      reportError(error);
    }
  }
}
