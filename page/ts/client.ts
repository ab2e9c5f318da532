// The page's API. Everything that takes time happens in the worker; here actions are checked, gathered for one
// microtask and posted.

import * as wasm from "nightferry-wasm";
import { actionText, type Beside } from "./action.js";
import { batch, postBatch } from "./batcher.js";
import { Deciders, withoutFunctions } from "./conflict_functions.js";
import { connect, type WorkerLink } from "./connect.js";
import { deviceName } from "./device.js";
import { failure } from "./failure.js";
import { inEffect, noteDispatched, takeProgress } from "./progress.js";
import { itemsOf } from "./rows.js";
import {
  add,
  CANNOT_START,
  conflictsListeners,
  each,
  follow,
  handleMessage,
  listen,
  type Message,
  pendingListeners,
  type Rows,
  rejectionsListeners,
  type SliceChange,
  subscribeErrors,
  tellError,
} from "./subscriptions.js";
import type {
  Action,
  AutoSyncConfig,
  Change,
  Conflict,
  ItemProgress,
  NightferryError,
  RegisterOptions,
  Registration,
  Rejected,
  Resolution,
  SliceConfig,
  UnsentFile,
} from "./types.js";
import { actionOf, type Imported, readFile } from "./unsent.js";
import { encode } from "./value.js";

export {
  type Describable,
  describeStatus,
  STATUS_TEXTS,
  type State,
  type StatusText,
  type StatusTexts,
} from "./status_text.js";
export {
  getStatus,
  getSyncMetrics,
  subscribeErrors,
  subscribeStatus,
  subscribeSyncMetrics,
} from "./subscriptions.js";
export type * from "./types.js";
export type { Imported } from "./unsent.js";

/** The sentence for an app that has read the items of a database that is gone. */
const NEW_DATABASE =
  "The browser has deleted this site's data, and there is a new database. What this page shows may be missing from it: reload the page, or dispatch again what is to be kept.";

/** A slice that could not be read again in peace is read again after so many ms. */
const REREAD_MS = 250;

declare const __NIGHTFERRY_BUILD__: string;

/** A page that is shown again looks for a newer worker at most so often, in ms. */
const UPDATE_MS = 60_000;

/** A call of `register`. */
interface Call {
  key: string;
  promise: Promise<Registration>;
  /** The worker did not answer in time, or could not start. It goes on being asked. */
  isLate?: boolean;
}

/** The latest call that has not failed, and the latest that has succeeded. */
let registering: Call | undefined;
let registered: Call | undefined;
/** How many calls have not asked the worker yet. Actions dispatched after such a call may be of its slices, and wait. */
let pendingRegistrations = 0;
/** The worker, the API and the database in use, as a key; undefined until the worker can be posted to. */
let connected: string | undefined;
let worker: WorkerLink | undefined;
let updatedAt = 0;
/** The user has signed out, and nobody has registered since. */
let hasSignedOut = false;
/** This page asked for it. */
let isSigningOut = false;
let getToken: RegisterOptions["getToken"];
/** The browser may be asked to keep the data. */
let mayPersist = true;

/**
 * Registers the worker and declares the slices. Call it early. Called again, as by a module that was loaded anew, it adds
 * slices, and of those that it names again it changes the settings; with the same options it returns the same promise.
 *
 * Each `user` has a database of their own. A page whose worker was replaced by that of another user takes it back by
 * calling this again.
 * @throws NightferryError `unsupported`, `insecure_context`, `wasm_unavailable`, `storage_blocked`, `client_failed`,
 * `worker_failed`, `no_worker`, `bridge_version`, `bad_config`, `storage`, `newer_schema`, `unreadable_database`, `wrong_user`,
 * `wrong_name`; the message says the next step.
 */
export function register(options: RegisterOptions): Promise<Registration> {
  deciders.take(options.slices ?? {});
  const key = JSON.stringify({ ...options, slices: withoutFunctions(options.slices ?? {}) });
  getToken = options.getToken ?? getToken;
  if (registering?.key === key && !registering.isLate && !(connected && wasm.is_elsewhere()))
    return registering.promise;
  const call: Call = { key, promise: start(options, registering, () => isRegistered(call)) };
  registering = call;
  call.promise.catch((error: NightferryError) => {
    // The worker goes on being asked, so what is dispatched is kept for it.
    call.isLate = isAboutWorker(error.code) && connected !== undefined;
    // A call that failed may be made again, and takes nothing from the others.
    if (registering === call && !call.isLate) registering = registered;
  });
  return call.promise;
}

function isRegistered(call: Call): void {
  registered = call;
  const isAnew = hasSignedOut || call.isLate;
  hasSignedOut = false;
  each(rejectionsListeners);
  each(conflictsListeners);
  // Something was to be read, and could not.
  if (isAnew) readAgain();
}

const isAboutWorker = (code: string) =>
  CANNOT_START.includes(code) || code === "no_worker" || code === "bridge_version";

/** Registers one call after the other, so that each fails for its own mistakes alone. */
async function start(options: RegisterOptions, before: Call | undefined, isDone: () => void): Promise<Registration> {
  pendingRegistrations += 1;
  let asked: Promise<Registration>;
  try {
    await before?.promise.catch(() => {});
    const { workerUrl = "/nightferry/sw.js", api = "/nightferry", name = "nightferry" } = options;
    const user = options.user ?? undefined;
    if (user === "" || name.includes("~")) {
      throw failure(
        "bad_config",
        "register() takes no empty user, and no ~ in the name. Leave out user where nobody is signed in.",
      );
    }
    const place = JSON.stringify([workerUrl, api, name, user]);
    if (!connected) {
      worker = await connect([workerUrl, api, name, user], onMessage, deliver);
      listenToBrowser();
      // The browser looks for a newer worker when a page navigates into its scope, where no page is.
      lookForUpdate();
    }
    connected ??= place;
    if (connected !== place) {
      throw failure(
        "bad_config",
        "register() was called before with another workerUrl, api, name or user. Reload the page.",
      );
    }
    if (wasm.is_elsewhere()) await worker?.claim();
    mayPersist &&= options.persistStorage ?? true;
    if (getToken) wasm.give_tokens();
    for (const slice of pendingListeners.keys()) wasm.watch(slice);
    const slices = encode(withoutFunctions(options.slices ?? {}), "slices");
    const autoSync = encode(options.autoSync ?? {}, "autoSync");
    let end: (() => void) | undefined;
    asked = answer<Registration>((resolve, reject) => {
      end = subscribeErrors((error) => {
        // A worker of another version of the messages may have a successor.
        if (error.code === "bridge_version") newerWorker().then((isThere) => isThere || reject(error));
        else if (isAboutWorker(error.code)) reject(error);
      });
      const granted = (registration: Registration) => {
        resolve(registration);
        isDone();
        if (registration.build !== __NIGHTFERRY_BUILD__) lookForUpdate();
      };
      wasm.register(slices, autoSync, options.deviceName ?? deviceName(navigator.userAgent), granted, reject);
    }).finally(() => end?.());
  } finally {
    pendingRegistrations -= 1;
    post();
  }
  return asked;
}

/** Looks for a newer worker, of which the browser puts one in the place of the present one by itself. */
function lookForUpdate(): void {
  if (Date.now() < updatedAt + UPDATE_MS) return;
  updatedAt = Date.now();
  // Without the server there is none.
  newerWorker();
}

const newerWorker = (): Promise<boolean> => worker?.update().catch(() => false) ?? Promise.resolve(false);

function listenToBrowser(): void {
  addEventListener("online", () => wasm.tell("online"));
  // The page may be gone the next moment, and its worker soon after.
  addEventListener("pagehide", onPageHide);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") onPageHide();
    else lookForUpdate();
  });
  // A page that the browser had put aside has heard nothing meanwhile. It reads again before it sends anything.
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    readAgain();
    wasm.tell("ping");
  });
}

/** Handles a message of the worker, to this page or to all. */
function onMessage(message: Message): void {
  // Actions that were dispatched earlier did not see this change: a burst says which changes the page had applied.
  if (message.kind === "changed" || message.kind === "rows") post();
  // Actions that were dispatched before the user signed out are dropped with the session, and do not wait for the next user.
  if (message.kind === "signedOut") postBatch();
  wasm.handle_message(message);
}

/** Handles a message that answers no request. */
function deliver(message: Message): void {
  // Of another database the page has read nothing.
  if (message.kind === "registered") {
    const knew = [...tracked.values()].some(({ ids }) => ids.size > 0);
    forgetItems();
    // A store that is bound gives its items back by itself.
    if (knew) handleMessage({ kind: "warning", v: message.v, code: "new_database", message: NEW_DATABASE });
  }
  if (message.kind === "signedOut") {
    registering = registered = undefined;
    hasSignedOut = true;
    const { code, message: text } = message;
    if (!isSigningOut) tellError({ kind: "failed", code, message: text });
  }
  if (message.kind === "token") giveToken(message.number);
  if (message.kind === "status" && message.status.pending > 0) askToPersist();
  if (message.kind === "pending") takeProgress(message.slice, message.changes, message.reset, message.n);
  else if (message.kind === "folded") inEffect(message.n);
  handleMessage(message);
  if (message.kind === "signedOut") forgetItems();
}

/** Has everything read again that follows a slice or a list: the page may have missed something. */
function readAgain(): void {
  handleMessage({ kind: "joined", v: 1, position: 0 });
}

/** The page knows no items any more. */
function forgetItems(): void {
  for (const of of tracked.values()) {
    of.ids.clear();
    of.isRead = false;
  }
}

async function giveToken(number: number): Promise<void> {
  let token: string | null | undefined;
  try {
    token = await getToken?.();
  } catch (error) {
    console.error("Nightferry: getToken failed, so requests wait until it gives a token:", error);
  }
  wasm.token(number, token ?? undefined);
}

/** Asks the browser not to evict what is unsent when the disk is full. */
function askToPersist(): void {
  if (!mayPersist) return;
  mayPersist = false;
  navigator.storage?.persist?.().catch(() => {});
}

function onPageHide(): void {
  post(true);
  wasm.tell("hidden");
}

/** Sends a request. Resolves with the worker's answer. */
function answer<T>(
  ask: (resolve: (answer: T) => void, reject: (error: { code: string; message: string }) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => ask(resolve, ({ code, message }) => reject(failure(code, message))));
}

/**
 * Takes an action and forgets about it: it is durable within milliseconds, whatever happens to the page.
 * @returns the action.
 * @throws TypeError for what cannot be an action, naming the path. Errors that only the worker can find, such as a slice that
 * was not registered or an unknown verb, come later, to `subscribeErrors` and the console.
 */
export function dispatch<A extends { type: string }>(action: A): A {
  const type = String((action as Action | null | undefined)?.type);
  const slash = type.lastIndexOf("/");
  const of = tracked.get(type.slice(0, slash));
  if (of) dispatchTracked(of, type.slice(slash + 1), action);
  else enqueue(action);
  return action;
}

/** Takes an action on a slice of which the page knows items: it knows others then. */
function dispatchTracked(of: TrackedIds, verb: string, action: Action): void {
  const { payload } = action;
  const items = Array.isArray(payload) ? payload : [payload];
  if (verb.startsWith("set")) {
    const now = new Set(items.map(idOf).filter((id) => id !== undefined));
    // Of a slice that was not read, the others are not known: all that there is goes.
    enqueue(action, { left: of.isRead ? [...of.ids].filter((id) => !now.has(id)) : undefined });
    of.ids = now;
  } else {
    enqueue(action);
    if (verb === "clearItems") of.ids.clear();
    else if (verb !== "removeItem" && !verb.startsWith("delete")) know(of, items);
    else of.ids.delete(typeof payload === "object" ? (idOf(payload) ?? "") : String(payload));
  }
  of.changes += 1;
}

/** Takes an action about the item `id` if its payload does not name it; the number of the burst with which it goes. */
function send(action: Action, id?: string, upsert?: unknown): number {
  return enqueue(action, { id, upsert });
}

/** Dispatches an action. Returns the number of the burst with which it goes. */
function enqueue(action: Action, beside?: Beside): number {
  checkRegistered("dispatch");
  const n = batch(actionText(action, beside), post);
  noteDispatched(action, beside, n);
  return n;
}

/** Posts the actions that wait. They wait for calls of `register`, unless the page is about to go. */
function post(leaving = false): void {
  if (connected && (pendingRegistrations === 0 || leaving)) postBatch();
}

function checkRegistered(what: string): NonNullable<typeof registering> {
  if (!registering) {
    throw hasSignedOut
      ? failure("signed_out", `${what}: the user has signed out in this browser. Sign in, and call register() again.`)
      : failure("not_registered", `${what}: call register({slices}) first.`);
  }
  return registering;
}

/** The slice, the item and the settings that a request is about; most have none. */
interface Subject {
  slice?: string;
  id?: string;
  settings?: string;
  signal?: AbortSignal;
}

async function ask(kind: string, { slice, id, settings, signal }: Subject = {}): Promise<unknown> {
  // A call of `register` that comes meanwhile holds back what was dispatched, which is to go first.
  let call: Call;
  do {
    call = checkRegistered(kind);
    await call.promise.catch((error) => {
      if (!registered) throw error;
    });
  } while (call !== registering);
  post();
  return answer((resolve, reject) => {
    const request = wasm.request(kind, slice, id, settings, resolve, reject);
    signal?.addEventListener("abort", () => wasm.forget(request));
  });
}

/** Resolves when everything dispatched before it is committed in IndexedDB; rejects if that failed (it is kept and tried again). */
export async function flushPersistence(): Promise<void> {
  await ask("flush");
}

/**
 * Sends everything now; resolves when the server has all that may be sent (items in conflict may not). Changes that could
 * not be sent are kept and tried again.
 * @throws NightferryError `unreachable` where nothing answered, `sync_failed`, `storage`.
 */
export async function syncNow(): Promise<void> {
  await ask("sync");
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
  await ask(rebuild ? "rebuild" : "pull");
}

/**
 * Takes everything that this device has of the user's away from it, in all tabs. What is at the server stays there. Call `register`
 * again for whoever signs in next.
 * @throws NightferryError `unsent` while something is on this device only, unless it is to be discarded: nothing was deleted.
 * `storage`.
 */
export async function signOut({ discard = false }: { discard?: boolean } = {}): Promise<void> {
  isSigningOut = true;
  try {
    await ask(discard ? "signOutAndDiscard" : "signOut");
  } finally {
    isSigningOut = false;
  }
}

/** The changes that only this device has, as a file (JSON, see `UnsentFile`) that a person can keep and load by `importUnsent`. */
export async function exportUnsent(): Promise<Blob> {
  return new Blob([JSON.stringify(await unsentFile(), null, 1)], { type: "application/json" });
}

const unsentFile = async () => ((await ask("export")) as { file: UnsentFile<unknown> }).file;

/**
 * Makes the changes of a file of `exportUnsent` here, each on top of what others have changed since, as if this page had made them.
 * Loaded twice, a file changes nothing more. Resolves when that is committed in IndexedDB.
 * @throws NightferryError `bad_file`, and `wrong_user` for a file of somebody else: nothing was changed. `unknown_slice`, `storage`.
 */
export async function importUnsent(file: Blob): Promise<Imported> {
  const { principal, user, items } = readFile(await file.text());
  const own = await unsentFile();
  // A file that names nobody was made before anyone signed in. Anyone may load it.
  if ((user ?? null) !== null && (user !== own.user || (principal && own.principal && principal !== own.principal))) {
    throw failure(
      "wrong_user",
      "This file has the changes of another user. Nothing was changed. Sign in as them, and load it again.",
    );
  }
  const done: Imported = { imported: 0, skipped: [] };
  for (const slice of new Set(items.map((item) => item.slice))) {
    const here = new Map((await readSlice(slice)).map(({ id, value }) => [id, value]));
    for (const item of items.filter((item) => item.slice === slice)) {
      const action = actionOf(item, here.get(item.id));
      if (action === "changed") done.skipped.push({ slice, id: item.id });
      else if (action) {
        enqueue(...action);
        done.imported += 1;
      }
    }
  }
  await flushPersistence();
  // Nobody tells a page what it did itself.
  readAgain();
  return done;
}

/** Asks the server now whether it is there. */
export async function checkFlaskConnection(): Promise<boolean> {
  return ((await ask("check")) as { connected: boolean }).connected;
}

/**
 * Changes a slice's settings at once, in every tab, and for as long as the browser keeps its data; they win over
 * `register`.
 * @throws NightferryError `bad_config`, `storage`; nothing is changed then.
 */
export async function configurePersistence(slice: string, config: SliceConfig): Promise<void> {
  deciders.take({ [slice]: config });
  await ask("configure", { slice, settings: encode(withoutFunctions({ config }).config, "config") });
}

/** Enables a slice. Changes that were made while it was disabled are persisted now. */
export const enablePersistence = (slice: string): Promise<void> => configurePersistence(slice, { enabled: true });

/** From now on changes of the slice are held beside its store, until it is enabled again. */
export const disablePersistence = (slice: string): Promise<void> => configurePersistence(slice, { enabled: false });

/** Changes when the device syncs on its own, as `configurePersistence` changes a slice. */
export async function configureAutoSync(config: AutoSyncConfig): Promise<void> {
  await ask("configure", { settings: encode(config, "config") });
}

/**
 * A slice's items, all of one moment, what was dispatched before included. Later changes follow by `subscribe`; what
 * that told before is in them.
 */
export async function hydrate<T>(slice: string): Promise<{ id: string; value: T }[]> {
  const items = await readSlice(slice);
  const of = trackedIdsOf(slice);
  know(of, items);
  of.isRead = true;
  return items as { id: string; value: T }[];
}

const requestRows = async (slice: string) => (await ask("hydrate", { slice })) as Rows;

async function read(slice: string): Promise<Omit<SliceChange, "origin">> {
  const rows = await requestRows(slice);
  return { puts: itemsOf(rows, [rows]), deletes: [], n: rows.n, position: rows.position };
}

/** The worker reads a store while it takes what others do, and may tell of that before it answers. */
async function readSlice(slice: string) {
  let changesDuringRead: SliceChange[] = [];
  const end = follow(slice, (update) => {
    if (typeof update !== "string") changesDuringRead.push(update);
    // Another database has nothing of what was told.
    else if (update !== "joined") changesDuringRead = [];
  });
  const rows = await requestRows(slice).finally(end);
  const since = changesDuringRead.filter((update) => update.position > rows.position);
  return itemsOf(rows, [rows, ...since]);
}

/** Of a slice that was read or is listened to: the ids of items that the page was told of or made, and how often it changed them. */
interface TrackedIds {
  ids: Set<string>;
  changes: number;
  /** All of them were read, of this database. */
  isRead: boolean;
}

const tracked = new Map<string, TrackedIds>();

function trackedIdsOf(slice: string): TrackedIds {
  const of = tracked.get(slice) ?? { ids: new Set(), changes: 0, isRead: false };
  tracked.set(slice, of);
  return of;
}

function idOf(item: unknown): string | undefined {
  const id = (item as { id: unknown } | null | undefined)?.id;
  return id === undefined ? undefined : String(id);
}

function know({ ids }: TrackedIds, items: unknown[]): void {
  for (const item of items) {
    const id = idOf(item);
    if (id !== undefined) ids.add(id);
  }
}

/**
 * Calls `fn` with a slice's items that were changed elsewhere. Should the page have missed some, while no worker knew of
 * it, `fn` hears of all items that there are and of those that are gone. Of a database that the browser has deleted nothing is
 * told to be gone; `subscribeErrors` is told `new_database` then. Returns what ends it.
 */
export function subscribe<T>(slice: string, fn: (change: Change<T>) => void): () => void {
  const of = trackedIdsOf(slice);
  let listens = true;
  const tell = (update: Change<unknown>) => {
    know(of, update.puts);
    if (listens && (update.puts[0] || update.deletes[0])) fn(update as Change<T>);
  };
  const end = follow(slice, (update) => {
    if (update === "joined") catchUp(slice, of, tell).catch(reportError);
    else if (update === "signedOut") {
      const deletes = [...of.ids];
      of.ids.clear();
      of.isRead = false;
      tell({ puts: [], deletes, origin: "tab" });
    }
    // Another database lacks what the page shows, which is no reason to take it away.
    else if (update !== "registered") {
      for (const id of update.deletes) of.ids.delete(id);
      tell(update);
    }
  });
  return () => {
    listens = false;
    end();
  };
}

async function catchUp(slice: string, of: TrackedIds, tell: (change: Change<unknown>) => void): Promise<void> {
  const before = of.changes;
  const puts = await readSlice(slice);
  // Changes that were dispatched during the read are newer than its result.
  if (before !== of.changes) {
    setTimeout(() => catchUp(slice, of, tell).catch(reportError), REREAD_MS);
    return;
  }
  const gone = new Set(of.ids);
  for (const { id } of puts) gone.delete(id);
  of.isRead = true;
  tell({ puts, deletes: [...gone], origin: "tab" });
}

/** The changes that the server refused: each was undone, and is kept with the reason until it is retried or discarded. */
export async function getRejected(): Promise<Rejected<unknown>[]> {
  return ((await ask("rejected")) as { rejected: Rejected<unknown>[] }).rejected;
}

/**
 * Makes a refused change once more, over what was changed since: with `value`, or as it was. Resolves when that is committed
 * in IndexedDB; the server may refuse it again. A refusal that is not there any more is told to `subscribeErrors`.
 * @throws TypeError for a value that cannot be kept, naming the path; NightferryError as `flushPersistence`.
 */
export async function retryRejected(id: string, value?: unknown): Promise<void> {
  enqueue({ type: "@retryRejected", payload: value }, { id });
  await flushPersistence();
}

/** Forgets a refused change. Resolves when that is committed in IndexedDB. */
export async function discardRejected(id: string): Promise<void> {
  enqueue({ type: "@discardRejected" }, { id });
  await flushPersistence();
}

/** Calls `fn` with the changes that the server refused, and again whenever the list is another one. Returns what ends it. */
export function subscribeRejected(fn: (rejected: Rejected<unknown>[]) => void): () => void {
  return subscribeList(rejectionsListeners, getRejected, fn);
}

/**
 * The items that were changed here and elsewhere in a way that cannot be merged. Both sides of each are kept, and nothing of
 * the item is sent, until somebody decides.
 */
export async function getConflicts(): Promise<Conflict<unknown>[]> {
  return ((await ask("conflicts")) as { conflicts: Conflict<unknown>[] }).conflicts;
}

/**
 * Resolves a conflict, here and on every device: as it is here (`local`), as the server has it (`remote`), both merged with
 * this device's where both changed the same (`merge`), or the given `value`. Resolves when that is committed in IndexedDB. If
 * the conflict is another one by now, nothing changes, which is told to `subscribeErrors` as `conflict_changed`.
 * @throws TypeError for a value that cannot be kept, naming the path; NightferryError as `flushPersistence`.
 */
export async function resolveConflict(id: string, choice: Resolution, value?: unknown): Promise<void> {
  const isValue = choice === "value";
  if (isValue && value === undefined) {
    throw new TypeError(
      'resolveConflict(id, "value", value) needs the value; "remote" and "local" may delete an item.',
    );
  }
  enqueue({ type: "@resolveConflict", payload: isValue ? value : undefined }, { id, choice });
  await flushPersistence();
}

/** Calls `fn` with the items in conflict, and again whenever the list is another one. Returns what ends it. */
export function subscribeConflicts(fn: (conflicts: Conflict<unknown>[]) => void): () => void {
  return subscribeList(conflictsListeners, getConflicts, fn);
}

/** Calls `fn` with the list that `get` asks for, now and whenever `listeners` are called. Returns what ends it. */
function subscribeList<T>(listeners: Set<() => void>, get: () => Promise<T>, fn: (list: T) => void): () => void {
  let asked = 0;
  const ask = () => {
    // Before `register` is called there is nothing to tell.
    if (!registering) return;
    asked += 1;
    const turn = asked;
    get().then(
      // It may have ended meanwhile, or have asked again.
      (list) => turn === asked && fn(list),
      (error) => registered && reportError(error),
    );
  };
  const end = listen(listeners, ask);
  ask();
  return () => {
    asked += 1;
    end();
  };
}

/** The conflict functions of slices. */
const deciders = new Deciders({ getConflicts, resolveConflict, subscribeConflicts });

/**
 * Resolves when the server has every change of the slice, or of its item `id`, that was made before the call, here or in
 * another tab. A `signal` that is aborted ends the waiting.
 * @throws NightferryError `conflict` and `rejected` where somebody has to decide first, with the reason; `not_synced` where
 * changes of the slice do not go to the server; `unknown_slice`; what the signal was aborted with.
 */
export async function synced(slice: string, id?: string, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
  signal?.throwIfAborted();
  const asked = ask("synced", { slice, ...(id === undefined ? {} : { id: String(id) }), ...(signal && { signal }) });
  await (signal ? Promise.race([asked, aborted(signal)]) : asked);
}

/** Rejects when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

/**
 * Puts an item that no code of the app makes, such as the copy of a side of a conflict: this page's stores and listeners are
 * told as of another tab's.
 */
function put(slice: string, item: { id: unknown }): void {
  dispatch({ type: `${slice}/addItem`, payload: item });
  const puts = [{ id: String(item.id), value: item }];
  // No reading that is under way has it.
  const position = Number.POSITIVE_INFINITY;
  handleMessage({ v: 1, kind: "changed", slice, puts, deletes: [], origin: "tab", n: 0, position });
}

/** Functions that Nightferry's own modules need beyond the API. @internal */
export const internal = { register, send, read, follow, put };

/** Counts from zero again, in every tab. */
export function resetSyncMetrics(): void {
  if (connected) wasm.tell("resetMetrics");
}

/**
 * Calls `fn` with how far a slice's changes have come. Items that this page has just dispatched are `local`. With
 * `reset`, the list names every item that the server does not have; otherwise only items that changed. Returns the function
 * that ends the subscription.
 */
export function subscribePending(slice: string, fn: (changes: ItemProgress[], reset: boolean) => void): () => void {
  const end = add(pendingListeners, slice, fn);
  if (connected) wasm.watch(slice);
  return end;
}
