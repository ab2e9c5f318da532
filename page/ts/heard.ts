// What the worker tells, as last heard, and who listens.

import type { Change, ItemProgress, Status, SyncMetrics, WorkerError } from "./types.js";

/** An answer to `hydrate`: the stored items, and what is newer than the store and wins over them. */
export type Rows = {
  ids: string[];
  values: unknown[];
  puts: { id: string; value: unknown }[];
  deletes: string[];
};
export type Message =
  | { kind: "status"; status: Status }
  | { kind: "metrics"; metrics: SyncMetrics }
  | ({ kind: "changed"; slice: string } & Change<unknown>)
  | { kind: "pending"; slice: string; reset: boolean; changes: ItemProgress[] }
  | WorkerError;

let status: Status = {
  enabled: true,
  connection: "unknown",
  flaskConnected: false,
  syncStatus: "idle",
  error: null,
  lastSyncTime: null,
  pending: 0,
  conflicts: 0,
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
  lastOperationTime: 0,
  averageOperationTime: 0,
  operationTimes: [],
  oldestPendingAt: null,
  bySlice: {},
};
const metricsListeners = new Set<(metrics: SyncMetrics) => void>();
const statusListeners = new Set<(status: Status) => void>();
const errorListeners = new Set<(error: WorkerError) => void>();
const changeListeners = new Map<string, Set<(change: Change<never>) => void>>();
/** Those who listen to how far a slice's changes have come; the worker has to be asked for it. */
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

/** Calls `fn` with a slice's items that were changed elsewhere. Returns what ends it. */
export function subscribe<T>(slice: string, fn: (change: Change<T>) => void): () => void {
  return add(changeListeners, slice, fn as (change: Change<never>) => void);
}

/** Adds a listener of a slice; what ends it. */
export function add<F>(listeners: Map<string, Set<F>>, slice: string, fn: F): () => void {
  const set = listeners.get(slice) ?? new Set();
  listeners.set(slice, set);
  return listen(set, fn);
}

function listen<F>(set: Set<F>, fn: F): () => void {
  set.add(fn);
  return () => set.delete(fn);
}

/** Takes a message of the worker that answers nothing. */
export function hear(message: Message): void {
  switch (message.kind) {
    case "status":
      status = message.status;
      each(statusListeners, status);
      break;
    case "metrics":
      metrics = message.metrics;
      each(metricsListeners, metrics);
      break;
    case "changed": {
      const { slice, puts, deletes, origin } = message;
      each(changeListeners.get(slice), { puts, deletes, origin } as Change<never>);
      break;
    }
    case "pending":
      each(pendingListeners.get(message.slice), message.changes, message.reset);
      break;
    case "failed":
    case "warning":
      console.error(`Nightferry (${message.code}): ${message.message}`);
      each(errorListeners, message);
  }
}

/** A listener that throws stops neither the others nor the worker's messages. */
function each<A extends unknown[]>(listeners: Set<(...what: A) => void> | undefined, ...what: A): void {
  for (const fn of listeners ?? []) {
    try {
      fn(...what);
    } catch (error) {
      reportError(error);
    }
  }
}
