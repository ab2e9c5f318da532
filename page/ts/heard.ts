// What the worker tells, as last heard, and who listens.

import type { Change, ItemProgress, Status, SyncMetrics } from "./types.js";

/** An answer to `hydrate`: the stored items, and what is newer than the store and wins over them. */
export type Rows = {
  ids: string[];
  values: unknown[];
  puts: { id: string; value: unknown }[];
  deletes: string[];
  n: number;
  position: number;
};
export type Message =
  | { kind: "status"; status: Status }
  | { kind: "metrics"; metrics: SyncMetrics }
  | ({ kind: "changed"; slice: string } & Told)
  | { kind: "folded"; slices: string[]; n: number; position: number }
  | { kind: "joined" }
  | { kind: "pending"; slice: string; reset: boolean; changes: ItemProgress[] }
  | { kind: "warning" | "failed"; code: string; message: string };

/** A change, and the last burst of this page and the last position that are in it. */
type Told = Change<unknown> & { n: number; position: number };

/** What the worker says when it cannot start at all. */
const CANNOT_START = new Set(["newer_schema", "unreadable_database", "worker_failed"]);

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
/** Ends the registration under way, if the worker cannot even start. */
let refuse: ((code: string, message: string) => void) | undefined;
const metricsListeners = new Set<(metrics: SyncMetrics) => void>();
const statusListeners = new Set<(status: Status) => void>();
const followers = new Map<string, Set<(told: Told | undefined) => void>>();
/** Those who listen to how far a slice's changes have come; the worker has to be asked for it. */
export const pendingListeners = new Map<string, Set<(changes: ItemProgress[], reset: boolean) => void>>();

/** `fn` is called if the worker says that it cannot start at all. */
export function whenRefused(fn: (code: string, message: string) => void): void {
  refuse = fn;
}

/** The state of the whole, as last heard. */
export function getStatus(): Status {
  return status;
}

/** Calls `fn` with every new status, the present one first. Returns what ends it. */
export function subscribeStatus(fn: (status: Status) => void): () => void {
  return listen(statusListeners, fn, status);
}

/** The metrics of the whole, as last heard. */
export function getSyncMetrics(): SyncMetrics {
  return metrics;
}

/** Calls `fn` with the metrics whenever they change, the present ones first. Returns what ends it. */
export function subscribeSyncMetrics(fn: (metrics: SyncMetrics) => void): () => void {
  return listen(metricsListeners, fn, metrics);
}

/** Calls `fn` with a slice's items that were changed elsewhere. Returns what ends it. */
export function subscribe<T>(slice: string, fn: (change: Change<T>) => void): () => void {
  return follow(slice, (told) => {
    if (told?.puts[0] || told?.deletes[0]) fn(told as Change<T>);
  });
}

/**
 * Calls `fn` with what is told of a slice: changes made elsewhere, and without any, that own ones were taken. With
 * nothing at all where something may have been missed: read the slice again.
 */
export function follow(slice: string, fn: (told: Told | undefined) => void): () => void {
  return add(followers, slice, fn);
}

/** Adds a listener of a slice; what ends it. */
export function add<F>(listeners: Map<string, Set<F>>, slice: string, fn: F): () => void {
  const set = listeners.get(slice) ?? new Set();
  listeners.set(slice, set.add(fn));
  return () => set.delete(fn);
}

function listen<T>(set: Set<(value: T) => void>, fn: (value: T) => void, value: T): () => void {
  set.add(fn);
  fn(value);
  return () => set.delete(fn);
}

/** Takes a message of the worker that answers nothing. */
export function hear(message: Message): void {
  switch (message.kind) {
    case "status":
      status = message.status;
      each(statusListeners, (fn) => fn(status));
      return;
    case "metrics":
      metrics = message.metrics;
      each(metricsListeners, (fn) => fn(metrics));
      return;
    case "changed":
      each(followers.get(message.slice), (fn) => fn(message));
      return;
    case "folded":
      for (const slice of message.slices)
        each(followers.get(slice), (fn) => fn({ ...message, puts: [], deletes: [], origin: "tab" }));
      return;
    case "joined":
      for (const slice of followers.keys()) each(followers.get(slice), (fn) => fn(undefined));
      return;
    case "pending":
      each(pendingListeners.get(message.slice), (fn) => fn(message.changes, message.reset));
      return;
    case "failed":
      if (CANNOT_START.has(message.code)) refuse?.(message.code, message.message);
      console.error(`Nightferry (${message.code}): ${message.message}`);
      return;
    case "warning":
      console.error(`Nightferry (${message.code}): ${message.message}`);
  }
}

/** A listener that throws stops neither the others nor the worker's messages. */
function each<F>(listeners: Set<F> | undefined, call: (fn: F) => void): void {
  for (const fn of listeners ?? []) {
    try {
      call(fn);
    } catch (error) {
      reportError(error);
    }
  }
}
