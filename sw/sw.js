// The worker's script. It adds every listener, because a browser drops events of listeners that are added after the script's
// first turn. It forwards each event to Rust and holds the event open until its work is done. The build puts wasm-bindgen's glue
// (`wasm_bindgen`) in front of it, gives __NIGHTFERRY_BUILD__ its value, and minifies it.
"use strict";

const WASM = new URL(`sw.wasm?build=${__NIGHTFERRY_BUILD__}`, self.location).href;
const CACHES = "nightferry-wasm-";
const CACHE = CACHES + __NIGHTFERRY_BUILD__;
const settings = new URL(self.location).searchParams;
const name = settings.get("name") ?? "nightferry";
const user = settings.get("user") ?? undefined;
const api = new URL(settings.get("api") ?? "/nightferry", location.href).href;

const state = {
  /** Resolves once this worker is the only one of its database. */
  lock: undefined,
  /** Resolves once the wasm is instantiated. */
  wasm: undefined,
  /** Resolves once the engine runs. It is cleared by a panic; the next event boots the engine again. */
  booted: undefined,
  /** Rejects at the next panic, through `fail`. That ends the events that the instance was working on. */
  panic: undefined,
  fail: undefined,
  /** True while this worker is being installed. */
  isInstalling: false,
  /** True once the browser has taken this worker out of service. */
  isRetired: false,
};

/**
 * Resolves when the browser has taken this worker out of service: another one has its place, or it was unregistered. It may
 * go on running for a while.
 */
const retired = new Promise((resolve) => {
  self.serviceWorker?.addEventListener("statechange", ({ target }) => {
    if (target.state !== "redundant") return;
    state.isRetired = true;
    resolve();
  });
});

/** Resolves once this worker is the only writer of its database. During an update, the former worker has to end first. */
function lock() {
  state.lock ??= new Promise((granted) => {
    const hold = async () => {
      granted();
      await retired;
      // Once the lock is let go, another worker may write. A start that is under way is ended first.
      await state.booted?.catch(() => {});
      await state.wasm?.then(wasm_bindgen.stop).catch(() => {});
    };
    navigator.locks.request(`nightferry:${name}`, hold);
  });
  return state.lock;
}

/** Stores a promise under `key` of the state. After a failure, the next call begins again. */
function once(key, begin) {
  state[key] ??= begin().catch((error) => {
    state[key] = undefined;
    throw error;
  });
  return state[key];
}

/** Fetches the wasm. */
async function fetchWasm() {
  const response = await fetch(WASM);
  if (!response.ok || response.redirected) throw new Error(`${WASM} was answered with status ${response.status}`);
  return response;
}

/** Puts the wasm into the cache. Where there is no room, the next start needs the server. */
async function keep(response) {
  try {
    await (await caches.open(CACHE)).put(WASM, response);
  } catch (error) {
    console.warn("Nightferry's worker could not keep its wasm:", error);
  }
}

/** Instantiates the wasm. It comes from the cache, so that the worker starts while the server is down. */
async function instantiate() {
  const cached = await caches.match(WASM).catch(() => undefined);
  if (cached) {
    try {
      return await wasm_bindgen({ module_or_path: cached });
    } catch (error) {
      console.warn("Nightferry's worker could not use the wasm that it has kept, and fetches it:", error);
    }
  }
  const response = await fetchWasm();
  const kept = response.clone();
  await wasm_bindgen({ module_or_path: response });
  // Kept again: something has deleted it, and the next start may be without the server.
  keep(kept);
}

/**
 * Called when the database failed and gave no reason. Resolves with false if nothing else can be written here either: then the
 * disk is full, which browsers do not say.
 */
self.__nightferry_has_room = async () => {
  const name = `${CACHES}probe`;
  try {
    await (await caches.open(name)).put("/probe", new Response("x".repeat(200_000)));
    return true;
  } catch {
    return false;
  } finally {
    await caches.delete(name).catch(() => {});
  }
};

async function boot() {
  await lock();
  await once("wasm", instantiate);
  if (state.isRetired) throw new Error("another worker has taken the place of this one");
  await wasm_bindgen.boot(name, user, api, __NIGHTFERRY_BUILD__, settings.has("trace"));
}

function expectPanic() {
  state.panic = new Promise((_, reject) => {
    state.fail = reject;
  });
  // A panic may happen while no event waits.
  state.panic.catch(() => {});
}

/**
 * Called by the panic hook. A panic ends the instance, not the worker. A new instance is created at once: any call would create
 * it, but a call with strings would pass pointers into the memory of the old instance.
 */
self.__nightferry_panic = (message) => {
  state.booted = undefined;
  wasm_bindgen.start();
  state.fail(new Error(message));
  expectPanic();
};
expectPanic();

/** Resolves when an update waits for this worker to end its events. The update finishes the work that this worker began. */
let replace;
const replaced = new Promise((resolve) => {
  replace = resolve;
});

const watch = (worker) =>
  worker?.addEventListener("statechange", ({ target }) => {
    // A worker that is being installed receives this event for itself first.
    if (target.state === "installed" && !state.isInstalling) replace();
  });

/** Looks for a worker that waits already: the event that it is installed may have come before anyone listened. */
function lookForSuccessor() {
  if (self.serviceWorker?.state === "activated" && self.registration.waiting) replace();
}

self.registration.addEventListener("updatefound", () => {
  watch(self.registration.installing);
  lookForSuccessor();
});
// A stopped worker may be woken while its successor is being installed.
if (self.serviceWorker?.state === "activated") watch(self.registration.installing);

/** Runs the engine on an event, until the work is done, the engine panics, or an update takes over. */
function perform(work) {
  lookForSuccessor();
  return Promise.race([once("booted", boot).then(work), state.panic, replaced, retired]);
}

function report(error) {
  console.error("Nightferry's worker failed and starts afresh; nothing acknowledged is lost.", error);
}

/** Tells the page that has posted a message that the worker cannot start. The page keeps what it has, and tries again. */
function tellPage(data, error) {
  if (state.wasm) return;
  const { v, page } = JSON.parse(data);
  const message = `Nightferry's worker cannot start: ${error.message}. What was changed in this tab is kept in it and goes on being tried. If you are offline, connect to the network once; keep this tab open until then.`;
  const channel = new BroadcastChannel(`nightferry::${page}`);
  channel.postMessage({ v, kind: "failed", request: null, code: "worker_failed", message });
  channel.close();
}

async function deleteOldCaches() {
  const isOld = (key) => key.startsWith(CACHES) && key !== CACHE;
  await Promise.all((await caches.keys()).filter(isOld).map((key) => caches.delete(key)));
}

// Caches the wasm, and takes over without waiting for pages to close.
self.addEventListener("install", (event) => {
  state.isInstalling = true;
  event.waitUntil(Promise.all([fetchWasm().then(keep), self.skipWaiting()]));
});

// Deletes the wasm of former builds, and asks for periodic syncs, which browsers grant to installed apps.
self.addEventListener("activate", (event) => {
  state.isInstalling = false;
  self.registration.periodicSync?.register("nightferry", { minInterval: 43_200_000 }).catch(() => {});
  event.waitUntil(deleteOldCaches());
});

// Handles a message of a page. After a failure, the page sends it again.
self.addEventListener("message", (event) => {
  const failed = (error) => {
    report(error);
    tellPage(event.data, error);
  };
  event.waitUntil(perform(() => wasm_bindgen.handle_message(event.data)).catch(failed));
});

// Handles a Background Sync. After a failure, the browser repeats it later.
self.addEventListener("sync", (event) => {
  event.waitUntil(perform(() => wasm_bindgen.background_sync()));
});

// Handles a periodic sync of an installed app in the same way.
self.addEventListener("periodicsync", (event) => {
  event.waitUntil(perform(() => wasm_bindgen.background_sync()));
});
