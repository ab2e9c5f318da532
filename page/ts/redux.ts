// Nightferry for Redux: one store enhancer, and no reducer is edited.

import * as client from "nightferry-client";
import type { StoreEnhancer } from "redux";
import { enhancer, type NightferryStore } from "./redux/enhancer.js";
import type { NightferryOptions } from "./redux/options.js";
import { mirror } from "./redux/sync.js";

export { withoutTracking } from "./redux/binding.js";
export type { NightferryStore } from "./redux/enhancer.js";
export type { NightferryOptions, TrackedSliceConfig, TrackedSlices } from "./redux/options.js";
export { clearSlice } from "./redux/reducer.js";
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
 *
 * With the type of the store's state, `nightferryEnhancer<RootState>(…)`, a slice that the store does not have is a type error.
 */
// biome-ignore lint/suspicious/noExplicitAny: without the state's type any slice may be named.
export function nightferryEnhancer<State = any>(options: NightferryOptions<State>): StoreEnhancer<NightferryStore> {
  return enhancer(typeof window === "undefined" ? undefined : client.client, options, mirror);
}
