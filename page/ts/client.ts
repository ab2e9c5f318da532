// The page's API: one client, of this browser's page, and what it does as functions. Everything that takes time happens in the
// worker; here actions are checked, gathered for one microtask and posted.

import { browser } from "./browser.js";
import { withoutFunctions } from "./conflict_functions.js";
import { Client } from "./page_client.js";
import { listen } from "./subscriptions.js";
import type {
  AutoSyncConfig,
  Change,
  Conflict,
  ItemProgress,
  RegisterOptions,
  Registration,
  Rejected,
  Resolution,
  SliceConfig,
  Status,
  SyncMetrics,
  WorkerError,
} from "./types.js";
import type { Imported } from "./unsent.js";
import { encode } from "./value.js";

export {
  type Describable,
  describeStatus,
  STATUS_TEXTS,
  type State,
  type StatusText,
  type StatusTexts,
} from "./status_text.js";
export type * from "./types.js";
export type { Imported } from "./unsent.js";
export { Client };

/** The client of this page, for Nightferry's own modules. @internal */
export const client = new Client(browser);

const { subscriptions } = client;

/**
 * Registers the worker and declares the slices. Call it early. Called again, as by a module that was loaded anew, it adds
 * slices, and of those that it names again it changes the settings; with the same options it returns the same promise.
 *
 * Each `user` has a database of their own. A page whose worker was replaced by that of another user takes it back by
 * calling this again.
 * @throws NightferryError `unsupported`, `insecure_context`, `wasm_unavailable`, `storage_blocked`, `client_failed`,
 * `worker_failed`, `no_worker`, `bridge_version`, `database_blocked`, `bad_config`, `storage`, `newer_schema`,
 * `unreadable_database`, `wrong_user`, `wrong_name`; the message says the next step.
 */
export function register(options: RegisterOptions): Promise<Registration> {
  return client.register(options);
}

/**
 * Takes an action and forgets about it: it is durable within milliseconds, whatever happens to the page.
 * @returns the action.
 * @throws TypeError for what cannot be an action, naming the path. Errors that only the worker can find, such as a slice that
 * was not registered or an unknown verb, come later, to `subscribeErrors` and the console.
 */
export function dispatch<A extends { type: string }>(action: A): A {
  client.dispatch(action);
  return action;
}

/** Resolves when everything dispatched before it is committed in IndexedDB; rejects if that failed (it is kept and tried again). */
export async function flushPersistence(): Promise<void> {
  await client.ask("flush");
}

/**
 * Sends everything now; resolves when the server has all that may be sent (items in conflict may not). Changes that could
 * not be sent are kept and tried again.
 * @throws NightferryError `unreachable` where nothing answered, `sync_failed`, `storage`.
 */
export async function syncNow(): Promise<void> {
  await client.ask("sync");
}

/** The same as `syncNow`: a change is sent once, and only what the server has not acknowledged is. */
export const syncToFlaskBulk = syncNow;

/**
 * Brings the changes of others now; resolves when they are here. Changes that this device has not sent are kept.
 *
 * With `rebuild`, everything is pulled from its beginning, and what the server does not have any more goes, but for
 * unsent changes. A device does that by itself where it has to.
 * @throws NightferryError `unreachable` where nothing answered, `sync_failed`, `storage`.
 */
export async function syncFromFlaskBulk({ rebuild = false }: { rebuild?: boolean } = {}): Promise<void> {
  await client.ask(rebuild ? "rebuild" : "pull");
}

/**
 * Takes everything that this device has of the user's away from it, in all tabs. What is at the server stays there. Call `register`
 * again for whoever signs in next.
 * @throws NightferryError `unsent` while something is on this device only, unless it is to be discarded: nothing was deleted.
 * `storage`.
 */
export async function signOut({ discard = false }: { discard?: boolean } = {}): Promise<void> {
  await client.ask(discard ? "signOutAndDiscard" : "signOut");
}

/** The changes that only this device has, as a file (JSON, see `UnsentFile`) that a person can keep and load by `importUnsent`. */
export async function exportUnsent(): Promise<Blob> {
  return new Blob([JSON.stringify(await client.unsentFile(), null, 1)], { type: "application/json" });
}

/**
 * Makes the changes of a file of `exportUnsent` here, each on top of what others have changed since, as if this page had made them.
 * Loaded twice, a file changes nothing more. Resolves when that is committed in IndexedDB.
 * @throws NightferryError `bad_file`, and `wrong_user` for a file of somebody else: nothing was changed. `unknown_slice`, `storage`.
 */
export async function importUnsent(file: Blob): Promise<Imported> {
  return client.importUnsent(await file.text());
}

/** Asks the server now whether it is there. */
export async function checkFlaskConnection(): Promise<boolean> {
  return (await client.ask<{ connected: boolean }>("check")).connected;
}

/**
 * Changes a slice's settings at once, in every tab, and for as long as the browser keeps its data; they win over
 * `register`.
 * @throws NightferryError `bad_config`, `storage`; nothing is changed then.
 */
export async function configurePersistence(slice: string, config: SliceConfig): Promise<void> {
  client.takeFunctions({ [slice]: config });
  await client.ask("configure", { slice, settings: encode(withoutFunctions({ config }).config, "config") });
}

/** Enables a slice. Changes that were made while it was disabled are persisted now. */
export const enablePersistence = (slice: string): Promise<void> => configurePersistence(slice, { enabled: true });

/** From now on changes of the slice are held beside its store, until it is enabled again. */
export const disablePersistence = (slice: string): Promise<void> => configurePersistence(slice, { enabled: false });

/** Changes when the device syncs on its own, as `configurePersistence` changes a slice. */
export async function configureAutoSync(config: AutoSyncConfig): Promise<void> {
  await client.ask("configure", { settings: encode(config, "config") });
}

/**
 * A slice's items, all of one moment, what was dispatched before included. Later changes follow by `subscribe`; what
 * that told before is in them.
 */
export async function hydrate<T>(slice: string): Promise<{ id: string; value: T }[]> {
  return (await client.hydrate(slice)) as { id: string; value: T }[];
}

/**
 * Calls `fn` with a slice's items that were changed elsewhere. Should the page have missed some, while no worker knew of
 * it, `fn` hears of all items that there are and of those that are gone. Of a database that the browser has deleted nothing is
 * told to be gone; `subscribeErrors` is told `new_database` then. Returns what ends it.
 */
export function subscribe<T>(slice: string, fn: (change: Change<T>) => void): () => void {
  return client.subscribe(slice, fn as (change: Change<unknown>) => void);
}

/** The changes that the server refused: each was undone, and is kept with the reason until it is retried or discarded. */
export async function getRejected(): Promise<Rejected<unknown>[]> {
  return (await client.ask<{ rejected: Rejected<unknown>[] }>("rejected")).rejected;
}

/**
 * Makes a refused change once more, over what was changed since: with `value`, or as it was. Resolves when that is committed
 * in IndexedDB; the server may refuse it again. A refusal that is not there any more is told to `subscribeErrors`.
 * @throws TypeError for a value that cannot be kept, naming the path; NightferryError as `flushPersistence`.
 */
export async function retryRejected(id: string, value?: unknown): Promise<void> {
  client.enqueue({ type: "@retryRejected", payload: value }, { id });
  await client.ask("flush");
}

/** Forgets a refused change. Resolves when that is committed in IndexedDB. */
export async function discardRejected(id: string): Promise<void> {
  client.enqueue({ type: "@discardRejected" }, { id });
  await client.ask("flush");
}

/** Calls `fn` with the changes that the server refused, and again whenever the list is another one. Returns what ends it. */
export function subscribeRejected(fn: (rejected: Rejected<unknown>[]) => void): () => void {
  return client.subscribeList(subscriptions.onRejections, getRejected, fn);
}

/**
 * The items that were changed here and elsewhere in a way that cannot be merged. Both sides of each are kept, and nothing of
 * the item is sent, until somebody decides.
 */
export function getConflicts(): Promise<Conflict<unknown>[]> {
  return client.getConflicts();
}

/**
 * Resolves a conflict, here and on every device: as it is here (`local`), as the server has it (`remote`), both merged with
 * this device's where both changed the same (`merge`), or the given `value`. Resolves when that is committed in IndexedDB. If
 * the conflict is another one by now, nothing changes, which is told to `subscribeErrors` as `conflict_changed`.
 * @throws TypeError for a value that cannot be kept, naming the path; NightferryError as `flushPersistence`.
 */
export function resolveConflict(id: string, choice: Resolution, value?: unknown): Promise<void> {
  return client.resolveConflict(id, choice, value);
}

/** Calls `fn` with the items in conflict, and again whenever the list is another one. Returns what ends it. */
export function subscribeConflicts(fn: (conflicts: Conflict<unknown>[]) => void): () => void {
  return client.subscribeConflicts(fn);
}

/**
 * Resolves when the server has every change of the slice, or of its item `id`, that was made before the call, here or in
 * another tab. A `signal` that is aborted ends the waiting.
 * @throws NightferryError `conflict` and `rejected` where somebody has to decide first, with the reason; `not_synced` where
 * changes of the slice do not go to the server; `unknown_slice`; what the signal was aborted with.
 */
export async function synced(slice: string, id?: string, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
  signal?.throwIfAborted();
  const subject = { slice, ...(id === undefined ? {} : { id: String(id) }), ...(signal && { signal }) };
  const asked = client.ask("synced", subject);
  await (signal ? Promise.race([asked, aborted(signal)]) : asked);
}

/** Rejects when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

/**
 * Calls `fn` with how far a slice's changes have come. Items that this page has just dispatched are `local`. With
 * `reset`, the list names every item that the server does not have; otherwise only items that changed. Returns the function
 * that ends the subscription.
 */
export function subscribePending(slice: string, fn: (changes: ItemProgress[], reset: boolean) => void): () => void {
  return client.subscribePending(slice, fn);
}

/** Counts from zero again, in every tab. */
export function resetSyncMetrics(): void {
  client.tell("resetMetrics");
}

/** The state of the whole, as last heard. */
export function getStatus(): Status {
  return subscriptions.status;
}

/** Calls `fn` with every new status, the present one first. Returns what ends it. */
export function subscribeStatus(fn: (status: Status) => void): () => void {
  fn(subscriptions.status);
  return listen(subscriptions.onStatus, fn);
}

/** The metrics of the whole, as last heard. */
export function getSyncMetrics(): SyncMetrics {
  return subscriptions.metrics;
}

/** Calls `fn` with the metrics whenever they change, the present ones first. Returns what ends it. */
export function subscribeSyncMetrics(fn: (metrics: SyncMetrics) => void): () => void {
  fn(subscriptions.metrics);
  return listen(subscriptions.onMetrics, fn);
}

/** Calls `fn` with what the worker could not take or do, which the console says, too. Returns what ends it. */
export function subscribeErrors(fn: (error: WorkerError) => void): () => void {
  return listen(subscriptions.onError, fn);
}
