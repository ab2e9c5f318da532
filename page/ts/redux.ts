// Nightferry for Redux: one store enhancer, and no reducer is edited.

import * as client from "nightferry-client";
import type { StoreEnhancer } from "redux";
import type { NightferryOptions } from "./redux/binding.js";
import { enhancer, type NightferryStore } from "./redux/enhancer.js";
import { mirror } from "./redux/sync.js";

export { clearSlice, type NightferryOptions, type TrackedSliceConfig, withoutTracking } from "./redux/binding.js";
export type { NightferryStore } from "./redux/enhancer.js";
export {
  checkFlaskConnection,
  configureAutoSync,
  configurePersistence,
  disablePersistence,
  discardRejected,
  enablePersistence,
  flushPersistence,
  resetSyncMetrics,
  resolveConflict,
  retryRejected,
  type SyncState,
  synced,
  syncFromFlaskBulk,
  syncNow,
  syncReducer,
  syncToFlaskBulk,
} from "./redux/sync.js";

/**
 * Persists the slices that are named, whatever their reducers and actions are called: each is compared by reference once
 * a microtask, and its changes are sent, field by field. Changes made elsewhere are put into the store.
 *
 * `configureStore({reducer, enhancers: (get) => get().concat(nightferryEnhancer({slices: {files: {}}}))})`
 */
export function nightferryEnhancer(options: NightferryOptions): StoreEnhancer<NightferryStore> {
  return enhancer(typeof window === "undefined" ? undefined : client.internal, options, mirror);
}
