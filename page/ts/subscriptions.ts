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

/** A change; the last action of this page, and the last record of all pages, that are in it. */
export type SliceChange = Change<unknown> & { n: number; position: number };

type Listeners<A extends unknown[]> = Set<(...what: A) => void>;
/** Listeners by slice. */
type BySlice<A extends unknown[]> = Map<string, Listeners<A>>;

const STATUS: Status = {
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
const METRICS: SyncMetrics = {
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
/** What a page was told last, and those who listen. */
export class Subscriptions {
  status = STATUS;
  metrics = METRICS;
  readonly onStatus: Listeners<[Status]> = new Set();
  readonly onMetrics: Listeners<[SyncMetrics]> = new Set();
  readonly onError: Listeners<[WorkerError]> = new Set();
  /** Called when the list of refused changes is another one, or may be. */
  readonly onRejections: Listeners<[]> = new Set();
  /** Called when the list of conflicts is another one, or may be. */
  readonly onConflicts: Listeners<[]> = new Set();
  /** Those who are told of a slice: changes made elsewhere, and without any, that own ones were taken; or why to read it again. */
  readonly onSlice: BySlice<[SliceChange | ResyncReason]> = new Map();
  /** The listeners to the progress of a slice's changes, which the worker has to be asked for. */
  readonly onPending: BySlice<[ItemProgress[], boolean]> = new Map();

  /** Takes a message of the worker that answers nothing. `actions`: so many of the page's actions are in it. */
  deliver(message: Message, actions: number): void {
    switch (message.kind) {
      case "status":
        logError(message.status, this.status);
        this.status = message.status;
        each(this.onStatus, this.status);
        break;
      case "metrics":
        this.metrics = message.metrics;
        each(this.onMetrics, this.metrics);
        break;
      case "changed":
        each(this.onSlice.get(message.slice), { ...message, n: actions });
        break;
      case "folded":
        for (const slice of message.slices)
          each(this.onSlice.get(slice), { ...message, n: actions, puts: [], deletes: [], origin: "tab" });
        break;
      case "rejections":
        each(this.onRejections);
        break;
      case "conflictsChanged":
        each(this.onConflicts);
        break;
      case "failed":
      case "warning":
        this.tellError(message);
        break;
      case "signedOut":
        this.tellError({ kind: "failed", code: message.code, message: message.message });
    }
  }

  /** What is known of all slices is not to be built on. */
  resync(reason: ResyncReason): void {
    for (const listeners of this.onSlice.values()) each(listeners, reason);
  }

  /** The lists of refusals and conflicts may be others. */
  tellLists(): void {
    each(this.onRejections);
    each(this.onConflicts);
  }

  /** Until the page's own worker is back, none says how things stand. */
  noStatus(code: string, error: string): void {
    const errorCode = (code.startsWith("wrong_") ? code : "no_worker") as ErrorCode;
    this.status = { ...this.status, connection: "unknown", flaskConnected: false, error, errorCode };
    each(this.onStatus, this.status);
  }

  /** Tells those who listen for errors. */
  tellError(error: WorkerError): void {
    console.error(`Nightferry (${error.code}): ${error.message}`);
    each(this.onError, error);
  }
}

/** Logs the sentence for developers, once for each kind of error. Of conflicts and refusals, messages of their own say it. */
function logError({ error, errorCode }: Status, before: Status): void {
  if (errorCode === null || errorCode === before.errorCode || ["conflict", "rejected"].includes(errorCode)) return;
  console.warn(`Nightferry (${errorCode}): ${error}`);
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
