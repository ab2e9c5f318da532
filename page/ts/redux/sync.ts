// The sync in Redux's terms: a reducer with its state, and thunks.

import * as client from "nightferry-client";
import type { UnknownAction } from "redux";
import type { Status, SyncMetrics } from "../types.js";
import { type Binding, listenFor } from "./binding.js";

/** The state of `syncReducer`. */
export interface SyncState {
  status: Status;
  metrics: SyncMetrics;
}

const SYNC = "nightferry/sync";
let mounted = false;

/** A reducer with the sync's status and metrics, for apps that want them in their store. `usePersistence()` needs none. */
export function syncReducer(
  state: SyncState = { status: client.getStatus(), metrics: client.getSyncMetrics() },
  action: UnknownAction,
): SyncState {
  mounted = true;
  return action.type === SYNC ? { ...state, ...(action.change as Partial<SyncState>) } : state;
}

/** Keeps `syncReducer`'s state current, where the binding's store has it. */
export function mirror(binding: Binding): void {
  listenFor(binding, client.subscribeStatus, (binding, status) => tell(binding, { status }));
  listenFor(binding, client.subscribeSyncMetrics, (binding, metrics) => tell(binding, { metrics }));
}

function tell({ store }: Binding, change: Partial<SyncState>): void {
  if (mounted) store.dispatch({ type: SYNC, change });
}

/** A thunk of one of the client's functions: `await dispatch(syncNow())`. */
const thunk =
  <A extends unknown[], T>(fn: (...args: A) => T) =>
  (...args: A) =>
  (): T =>
    fn(...args);

export const flushPersistence = thunk(client.flushPersistence);
export const syncNow = thunk(client.syncNow);
export const syncToFlaskBulk = thunk(client.syncToFlaskBulk);
export const syncFromFlaskBulk = thunk(client.syncFromFlaskBulk);
export const checkFlaskConnection = thunk(client.checkFlaskConnection);
export const configurePersistence = thunk(client.configurePersistence);
export const enablePersistence = thunk(client.enablePersistence);
export const disablePersistence = thunk(client.disablePersistence);
export const configureAutoSync = thunk(client.configureAutoSync);
export const resetSyncMetrics = thunk(client.resetSyncMetrics);
export const resolveConflict = thunk(client.resolveConflict);
export const retryRejected = thunk(client.retryRejected);
export const discardRejected = thunk(client.discardRejected);
export const synced = thunk(client.synced);
