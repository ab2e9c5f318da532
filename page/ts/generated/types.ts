// Generated from page/src/types.rs by `UPDATE=1 cargo test -p nightferry-page`. Do not edit.
import type { ConflictFunction } from "../types.js";

/** A slice's settings; every field optional. */
export type SliceConfig = {
  /** The IndexedDB object store; by default the slice's name. */
  storeName?: string,
  /** True if its changes go to its store. While they do not, they are held beside it. Default true. */
  enabled?: boolean,
  /** True if its changes go to the server. Default true. */
  syncToFlask?: boolean,
  /** How long an item must be quiet before it is committed, in ms. Default 300. */
  debounceMs?: number,
  /** The longest that an item that never falls quiet waits, in ms. Default 2,000. */
  maxWaitMs?: number,
  /** The most operations in a transaction. Default 10. */
  batchSize?: number,
  /** The slice is one value, not a collection: its item has the id `value` once there is one, `set…` and `save…` replace it, and nothing removes it. */
  single?: boolean,
  /** The rule for an item that was changed here and elsewhere, if the changes cannot be merged. Default `merge`: both
   * sides are kept as a conflict until someone resolves it. */
  conflict?: ConflictStrategy | ConflictFunction,
  /** The rule for a change that the server refuses. Default `rollback`. */
  refused?: RefusedPolicy,
};

/** The rule for the paths that both sides of an item changed. */
export type ConflictStrategy = "merge" | "local" | "remote" | "newest" | "manual";

/** The rule for a change that the server refuses. Either way it is kept in the list of refused changes. */
export type RefusedPolicy = "rollback" | "keep";

/** When the device syncs on its own, beyond the push that follows every commit; every field optional. */
export type AutoSyncConfig = {
  /** Default true. */
  enabled?: boolean,
  /** The time between two syncs, in ms. Default 30,000, at least 1,000. */
  intervalMs?: number,
  /** Sync after every commit, too. Default false. */
  syncOnChange?: boolean,
  /** When so many items wait to be committed, they are committed and sent at once. Default 50. */
  maxQueueSize?: number,
};

/** The options of `register`; all but the slices are optional. */
export type RegisterOptions = {
  /** The path of the worker's script. Default `/nightferry/sw.js`. */
  workerUrl?: string,
  /** The path of the API. Default `/nightferry`. */
  api?: string,
  /** The name of the IndexedDB database. Default `nightferry`. */
  name?: string,
  /** The id of the user who is signed in, as `Principal.user` has it on the server. Each user of a browser has a database of
   * their own. After a change of user, reload the page. Default none: the device belongs to whom it syncs as first. */
  user?: string,
  slices: Record<string, SliceConfig>,
  autoSync?: AutoSyncConfig,
  /** The device's name for people, shown beside its changes. Default the browser and the system, such as `Firefox on Windows`. */
  deviceName?: string,
};

/** The result of `register`. */
export type Registration = {
  /** The build of the worker that answered. */
  build: string,
};

/** The result of the last attempt to reach the server. */
export type Connection = "online" | "local-only" | "unknown";

/** The kind of what went wrong last, for programs. */
export type ErrorCode = "unreachable" | "busy" | "server_error" | "unauthenticated" | "wrong_principal" | "not_nightferry" | "declined" | "too_large" | "rebuilding" | "slow" | "deferred" | "conflict" | "rejected" | "storage_full" | "storage" | "unreadable" | "wrong_user" | "wrong_name" | "no_worker" | "other";

/** The state of the last sync. */
export type SyncStatus = "syncing" | "success" | "error" | "idle";

/** How many changes the server has acknowledged, of how many. */
export type SyncProgress = {
  done: number,
  total: number,
};

/** Auto-sync's settings in force, and where it stands. */
export type AutoSyncStatus = {
  enabled: boolean,
  /** The time between two syncs, in ms. */
  intervalMs: number,
  /** True if it syncs after every commit, too. */
  syncOnChange: boolean,
  /** When so many items wait to be committed, they are committed and sent at once. */
  maxQueueSize: number,
  /** Items with a change that the server has not acknowledged, of slices that go there. */
  changeCounter: number,
  /** When the next sync is due, in epoch ms; nothing while auto-sync is off. */
  nextSyncAt: number | null,
};

/** The state of the whole, the same in every tab. Posted when it changes, at most five times a second. */
export type Status = {
  /** True if changes of any slice are persisted. */
  enabled: boolean,
  connection: Connection,
  /** True if the connection is `online`. */
  flaskConnected: boolean,
  syncStatus: SyncStatus,
  /** A sentence about what went wrong last and what to do next; null once it went right. */
  error: string | null,
  /** The kind of that, for programs; null where `error` is. */
  errorCode: ErrorCode | null,
  /** When the server last had everything, in epoch ms. */
  lastSyncTime: number | null,
  /** Items with a change that the server has not acknowledged, or that is not in its slice's store yet. */
  pending: number,
  /** Items that were changed here and elsewhere; both sides are kept. */
  conflicts: number,
  /** Changes that the server refused, and that nobody has retried or discarded. */
  rejected: number,
  /** Other users of this browser with changes that wait on this device until they sign in again. */
  othersWaiting: number,
  /** While changes are being sent. */
  progress: SyncProgress | null,
  autoSync: AutoSyncStatus,
};

/** The results of operations of one kind. */
export type OperationCount = {
  successful: number,
  failed: number,
};

/** The results of changes that were sent to the server. */
export type PushCount = {
  /** The server has them. */
  successful: number,
  /** They came to no answer, and are sent again. */
  failed: number,
  /** The server refused them. */
  rejected: number,
  /** The server had something newer: it was merged, or is in conflict. */
  conflicts: number,
};

/** A slice's operations that ended, by kind. */
export type SliceMetrics = {
  /** Items written to their store. */
  put: OperationCount,
  /** Items removed from it. */
  delete: OperationCount,
  /** Changes sent to the server. */
  push: PushCount,
  /** Changes of others that came from the server. */
  pull: OperationCount,
};

/** Every operation that ended, since the metrics were last reset. */
export type SyncMetrics = {
  totalOperations: number,
  successfulOperations: number,
  failedOperations: number,
  /** Changes that the server refused. */
  rejectedOperations: number,
  /** Changes that met something newer at the server. */
  conflictOperations: number,
  /** When the last operation ended, in epoch ms; 0 where there was none. */
  lastOperationTime: number,
  /** The mean of those times, in ms. */
  averageOperationTime: number,
  /** How long the latest transactions and requests took, in ms; the last 100. */
  operationTimes: Array<number>,
  /** When the oldest change was made that is not in its store or that the server has not acknowledged, in epoch ms. */
  oldestPendingAt: number | null,
  bySlice: Record<string, SliceMetrics>,
};

/** An item and its id. */
export type Item<T> = {
  id: string,
  value: T,
};

/** The origin of a change that is posted to pages. */
export type Origin = "server" | "rollback" | "tab";

/** Items of a slice that changed elsewhere: in another tab, on the server, or undone because the server refused. */
export type Change<T> = {
  puts: Array<Item<T>>,
  deletes: Array<string>,
  origin: Origin,
};

/** How far a change has come. */
export type ProgressState = "sending" | "synced" | "conflict" | "rejected" | "local";

/** How far an item's latest change has come. */
export type ItemProgress = {
  id: string,
  state: ProgressState,
};

/** The operation of a refused change. */
export type RejectedOp = "delete" | "put";

/** A change that the server refused: it was undone, and is kept here with the reason until someone retries or discards it. */
export type Rejected<T> = {
  /** Names the refusal, for `retryRejected` and `discardRejected`. */
  id: string,
  slice: string,
  itemId: string,
  op: RejectedOp,
  /** The value that the item was to have; absent if it was to be deleted. */
  value?: T,
  /** For programs. */
  code: string,
  /** Why, in the server's words. */
  message: string,
  /** When the change was made, in epoch ms. */
  at: number,
};

/** The writer of the server's side, in names for people. */
export type By = {
  user?: string,
  device?: string,
};

/** An item that was changed here and elsewhere, so that nobody but a person can tell what it should be. A side that is not
 * there is the absence of the item: it was deleted, or did not exist. */
export type Conflict<T> = {
  /** Names the conflict, for `resolveConflict`. It is another one after each edit and each newer value of the server. */
  id: string,
  slice: string,
  itemId: string,
  /** The value that both sides began with. */
  base?: T,
  /** This device's side. */
  local?: T,
  /** The server's side. */
  remote?: T,
  /** When this device's side was edited last, in epoch ms. */
  localAt: number,
  /** When the server's side was edited last, in epoch ms; 0 where that is not known. */
  remoteAt: number,
  /** The writer of the server's side. */
  by?: By,
  /** The parts that both sides changed, as JSON Pointers (RFC 6901) in which `@` and its id name an element of a list. The
   * empty path is the whole item. */
  paths: Array<string>,
};

/** The changes that only this device has. */
export type UnsentFile<T> = {
  /** The format, 1. */
  nightferry: number,
  /** Whose they are, as the server's `authenticate` says (`tenant/user`); null where the server was never reached. */
  principal: string | null,
  /** Whose they are, as a page or else the server has named the user; null where neither has. */
  user: string | null,
  /** The name of the device. */
  device: string | null,
  /** When the file was made, in epoch ms. */
  at: number,
  /** The items, ordered by slice and id. */
  items: Array<UnsentItem<T>>,
};

/** The state of an item that only this device has as it is. */
export type UnsentState = "sending" | "conflict" | "rejected" | "held" | "open";

/** An item with a change that only this device has. A side that is not there is the absence of the item. */
export type UnsentItem<T> = {
  slice: string,
  id: string,
  state: UnsentState,
  /** The server's version that `base` is of; null where the server is not known to have the item. */
  version: number | null,
  /** The server's value that the change was made on. */
  base?: T,
  /** The item as it is here; absent if it was deleted. */
  local?: T,
  /** The other side of a conflict. */
  remote?: T,
  /** The changes of the item that the server refused, oldest first. */
  refused: Array<RefusedChange<T>>,
  /** When the item was edited last, in epoch ms. */
  at: number,
};

/** A change that the server refused. */
export type RefusedChange<T> = {
  /** The value that the item was to have; absent if it was to be deleted. */
  value?: T,
  /** The value that it was a change of; absent if there was none. */
  base?: T,
  /** For programs. */
  code: string,
  /** Why, in the server's words. */
  message: string,
  /** When the change was made, in epoch ms. */
  at: number,
};

/** How far an error reaches. */
export type ErrorKind = "warning" | "failed";

/** An error that the worker reports by itself, such as an action that it does not know or a change that the server refused. */
export type WorkerError = {
  /** `failed` where the worker itself could not do its work, `warning` where one thing was refused and all else goes on. */
  kind: ErrorKind,
  /** For programs. */
  code: string,
  /** A sentence that says what happened, and what to do next. */
  message: string,
  /** The slice that it is about, if it is about one. */
  slice?: string,
  /** The item of the slice that it is about, if it is about one. */
  id?: string,
};
