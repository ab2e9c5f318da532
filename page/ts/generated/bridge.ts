// Generated from page/src/types.rs by `UPDATE=1 cargo test -p nightferry-page`. Do not edit.
import type { Conflict, Item, ItemProgress, Origin, Rejected, Status, SyncMetrics, UnsentFile } from "./types.js";

/** The answer to `hydrate`: the stored items, and what is newer than the store and wins over them. */
export type Rows<V> = {
  request: number,
  slice: string,
  /** The records of all pages up to here are in it. */
  position: number,
  /** The bursts of this page up to here are in it. */
  n: number,
  /** So many stored items came in parts before. */
  first: number,
  /** The stored items, ids and values side by side. The worker adds them to what the engine writes. */
  ids?: Array<string>,
  values?: Array<V>,
  puts: Array<Item<V>>,
  deletes: Array<string>,
};

/** Items of a slice that changed, for a page that did not make the change. */
export type Changed<V> = {
  slice: string,
  /** The records of all pages up to here are in it. */
  position: number,
  /** The bursts of this page up to here are in it. */
  n: number,
  /** Other slices of the same records follow: the page has not applied them all yet. */
  more?: boolean,
  puts: Array<Item<V>>,
  deletes: Array<string>,
  origin: Origin,
};

/**
 * A message of the worker. `V` is an item's value: JSON text where a message is written, and what a page reads it as.
 *
 * A page may be older than the worker: a kind that it does not know reads as `Unknown`, a field that it does not know is
 * left out.
 */
export type FromWorker<V> =
  | { "kind": "hello" }
  | { "kind": "joined", position: number, }
  | { "kind": "registered", request: number, epoch: string, build: string, }
  | { "kind": "ack", n: number, }
  | { "kind": "expected", n: number, }
  | { "kind": "stale" }
  | { "kind": "done", request: number, }
  | { "kind": "checked", request: number, connected: boolean, }
  | { "kind": "folded", position: number, n: number, slices: Array<string>, }
  | { "kind": "metrics", metrics: SyncMetrics, }
  | { "kind": "failed", request: number | null, code: string, message: string, }
  | { "kind": "warning", code: string, message: string, 
/**
 * The slice that it is about, if it is about one.
 */
slice?: string, 
/**
 * The item of the slice that it is about, if it is about one.
 */
id?: string, }
  | { "kind": "status", unfinished: boolean, wakeIn?: number, status: Status, }
  | { "kind": "rowsPart", request: number, first: number, ids: Array<string>, values: Array<V>, }
  | { "kind": "rows" } & Rows<V>
  | { "kind": "changed" } & Changed<V>
  | { "kind": "pending", slice: string, reset: boolean, n?: number, changes: Array<ItemProgress>, }
  | { "kind": "rejected", request: number, rejected: Array<Rejected<V>>, }
  | { "kind": "rejections" }
  | { "kind": "conflicts", request: number, conflicts: Array<Conflict<V>>, }
  | { "kind": "conflictsChanged" }
  | { "kind": "unsent", request: number, file: UnsentFile<V>, }
  | { "kind": "token", number: number, }
  | { "kind": "signedOut", epoch: string, code: string, message: string, };
