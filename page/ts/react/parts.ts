// The values of `usePersistence`, in parts: each stays the same object for as long as its fields are the same.

import { getStatus, getSyncMetrics, type Status } from "nightferry-client";
import { secondsClock } from "./clock.js";

export interface PersistenceStatus {
  /** True if changes of any slice are persisted. */
  enabled: boolean;
  /** When the server last had everything, in epoch ms. */
  lastSyncTime: number | null;
  syncStatus: Status["syncStatus"];
  /** A sentence about what went wrong last and what to do next; null once it went right. */
  error: string | null;
  /** False, too, before the server's first answer: `connection` tells these apart. */
  flaskConnected: boolean;
  /** `unknown` before the server's first answer. */
  connection: Status["connection"];
  /** Items with a change that the server has not acknowledged, or that is not in its slice's store yet. */
  pending: number;
  /** Items that were changed here and elsewhere; both sides are kept. */
  conflicts: number;
  /** Changes that the server refused, and that nobody has retried or discarded. */
  rejected: number;
  /** How many changes are done, of how many, while they are sent or fetched. */
  progress: Status["progress"];
  /** The kind of `error`, for programs. */
  errorCode: Status["errorCode"];
}

export interface PersistenceMetrics {
  totalOperations: number;
  successfulOperations: number;
  failedOperations: number;
  /** When the last operation ended, in epoch ms; 0 where there was none. */
  lastOperationTime: number;
  /** In ms. */
  averageOperationTime: number;
}

export interface PersistenceAutoSync {
  enabled: boolean;
  /** When the server last had everything, in epoch ms; 0 where it never had. */
  lastSyncTime: number;
  /** Items with a change that the server has not acknowledged. */
  changeCounter: number;
  /** The time until the next sync, in ms, anew every second; null while auto-sync is off. */
  readonly nextSyncIn: number | null;
}

/** The parts that a component can depend on, each by itself. */
export interface Parts {
  status: PersistenceStatus;
  metrics: PersistenceMetrics;
  autoSync: Omit<PersistenceAutoSync, "nextSyncIn">;
  nextSyncIn: number | null;
}

/** The functions that read the parts. */
export type Source = { readonly [Part in keyof Parts]: () => Parts[Part] };

const BEFORE: Parts = {
  status: {
    enabled: true,
    lastSyncTime: null,
    syncStatus: "idle",
    error: null,
    flaskConnected: false,
    connection: "unknown",
    pending: 0,
    conflicts: 0,
    rejected: 0,
    progress: null,
    errorCode: null,
  },
  metrics: {
    totalOperations: 0,
    successfulOperations: 0,
    failedOperations: 0,
    lastOperationTime: 0,
    averageOperationTime: 0,
  },
  autoSync: { enabled: true, lastSyncTime: 0, changeCounter: 0 },
  nextSyncIn: null,
};

/** Reads the parts from the page's API. */
export const PRESENT: Source = {
  status: part(getStatus, fieldsOf(BEFORE.status)),
  metrics: part(getSyncMetrics, fieldsOf(BEFORE.metrics)),
  autoSync: part(getStatus, ({ lastSyncTime, autoSync: { enabled, changeCounter } }: Status) => ({
    enabled,
    lastSyncTime: lastSyncTime ?? 0,
    changeCounter,
  })),
  nextSyncIn: () => secondsClock.until(getStatus().autoSync.nextSyncAt),
};

/** The parts before the worker's first message. A server renders them, and the page repeats them when it hydrates that. */
export const SERVER: Source = {
  status: () => BEFORE.status,
  metrics: () => BEFORE.metrics,
  autoSync: () => BEFORE.autoSync,
  nextSyncIn: () => BEFORE.nextSyncIn,
};

/** Returns a function that keeps the fields of `like` and drops all others. */
function fieldsOf<P extends object>(like: P): (source: P) => P {
  const names = Object.keys(like) as (keyof P)[];
  return (source) => Object.fromEntries(names.map((name) => [name, source[name]])) as P;
}

/** Reads a part and converts it by `make`. The result is another object only if a field has changed. */
export function part<S, P extends object>(read: () => S, make: (source: S) => P): () => P {
  let source = read();
  let made = make(source);
  return () => {
    const latest = read();
    if (latest !== source) {
      source = latest;
      const fresh = make(latest);
      if ((Object.keys(fresh) as (keyof P)[]).some((field) => !same(fresh[field], made[field]))) made = fresh;
    }
    return made;
  };
}

/** Each message has objects of its own. */
function same(one: unknown, other: unknown): boolean {
  return one === other || (typeof one === "object" && JSON.stringify(one) === JSON.stringify(other));
}
