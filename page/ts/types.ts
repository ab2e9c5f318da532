// The public shapes.

/** A Redux-style action: `type` is `slice/verb`, such as `files/addItem`. */
export interface Action {
  type: string;
  payload?: unknown;
}

/** A slice's settings; every field optional. */
export interface SliceConfig {
  /** The IndexedDB object store; by default the slice's name. */
  storeName?: string;
  /** Whether its changes go to its store. While they do not, they are held beside it. Default true. */
  enabled?: boolean;
  /** Whether its changes go to the server. Default true. */
  syncToFlask?: boolean;
  /** How long an item must be quiet before it is committed, in ms. Default 300. */
  debounceMs?: number;
  /** The longest that an item that never falls quiet waits, in ms. Default 2,000. */
  maxWaitMs?: number;
  /** The most operations in a transaction. Default 10. */
  batchSize?: number;
  /** The slice is one value, not a collection. */
  single?: boolean;
}

export interface RegisterOptions {
  /** Where the worker's script is served. Default `/nightferry/sw.js`. */
  workerUrl?: string;
  /** Where the API is served. Default `/nightferry`. */
  api?: string;
  /** The name of the IndexedDB database. Default `nightferry`. */
  name?: string;
  slices: Record<string, SliceConfig>;
  autoSync?: AutoSyncConfig;
}

/** When the device syncs on its own, beyond the push that follows every commit; every field optional. */
export interface AutoSyncConfig {
  /** Default true. */
  enabled?: boolean;
  /** The time between two syncs, in ms. Default 30,000, at least 1,000. */
  intervalMs?: number;
  /** Sync after every commit, too. Default false. */
  syncOnChange?: boolean;
  /** When so many items wait to be committed, they are committed and sent at once. Default 50. */
  maxQueueSize?: number;
}

export interface AutoSyncStatus extends Required<AutoSyncConfig> {
  /** Items with a change that the server has not acknowledged. */
  changeCounter: number;
  /** When the next sync is due, in epoch ms; null while auto-sync is off. */
  nextSyncAt: number | null;
}

/** What came of operations of one kind. */
export interface OperationCount {
  successful: number;
  failed: number;
}

/** Every operation that ended, since the metrics were last reset. */
export interface SyncMetrics {
  totalOperations: number;
  successfulOperations: number;
  failedOperations: number;
  /** When the last operation ended, in epoch ms; 0 where there was none. */
  lastOperationTime: number;
  /** Of `operationTimes`, in ms. */
  averageOperationTime: number;
  /** How long the latest transactions and requests took, in ms; the last 100. */
  operationTimes: number[];
  /** When the oldest change was made that is not in its store or that the server has not acknowledged, in epoch ms. */
  oldestPendingAt: number | null;
  /** By slice: items written to their store (`put`), removed from it (`delete`), and changes sent to the server (`push`). */
  bySlice: Record<string, Record<"put" | "delete" | "push", OperationCount>>;
}

export interface Registration {
  /** The build of the worker that answered. */
  build: string;
}

/** The state of the whole, the same in every tab. */
export interface Status {
  /** Whether changes of any slice are persisted. */
  enabled: boolean;
  connection: "unknown" | "online" | "local-only";
  flaskConnected: boolean;
  syncStatus: "idle" | "syncing" | "success" | "error";
  /** What went wrong last and what to do next; null once it went right. */
  error: string | null;
  /** When the server last had everything, in epoch ms. */
  lastSyncTime: number | null;
  /** Items with a change that the server has not acknowledged. */
  pending: number;
  /** Items that were changed here and elsewhere; both sides are kept. */
  conflicts: number;
  /** While changes are being sent. */
  progress: { done: number; total: number } | null;
  autoSync: AutoSyncStatus;
}

/** Items of a slice that changed elsewhere: in another tab, on the server, or undone because the server refused. */
export interface Change<T> {
  puts: { id: string; value: T }[];
  deletes: string[];
  origin: "tab" | "server" | "rollback";
}

/** How far an item's latest change has come. */
export interface ItemProgress {
  id: string;
  state: "local" | "sending" | "synced";
}

/** What the worker could not take or do, such as an action that it does not know or a change that the server refused. */
export interface WorkerError {
  /** `failed` where the worker itself could not do its work, `warning` where one thing was refused and all else goes on. */
  kind: "warning" | "failed";
  code: string;
  /** What happened, and what to do next. */
  message: string;
}

/** An error of the API. `code` is for programs, `message` says what to do next. */
export interface NightferryError extends Error {
  code: string;
}
