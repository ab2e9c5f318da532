// The worker's script: it has every listener, because a browser drops the events of listeners that are added after the script's
// first turn. Each event is forwarded to Rust and held open until its work is done. The build puts wasm-bindgen's glue
// (`wasm_bindgen`) in front of it, gives __NIGHTFERRY_BUILD__ its value, and minifies it.
"use strict";

const WASM = new URL(`sw.wasm?build=${__NIGHTFERRY_BUILD__}`, self.location).href;
const CACHES = "nightferry-wasm-";
const CACHE = CACHES + __NIGHTFERRY_BUILD__;
const settings = new URL(self.location).searchParams;
const name = settings.get("name") ?? "nightferry";
const api = settings.get("api") ?? "/nightferry";

const state = {
  /** Resolves once this worker is the only one of its database. */
  lock: undefined,
  /** Resolves once the wasm is instantiated. */
  wasm: undefined,
  /** Resolves once the engine runs. A panic ends that: the next event boots it anew. */
  booted: undefined,
  /** Rejects at the next panic, by calling `fail`: the events that the instance was working on end. */
  panic: undefined,
  fail: undefined,
  /** This very worker is being installed. */
  isInstalling: false,
};

/** Waits until another worker of this database, as during an update, has finished: there is one writer. */
function lock() {
  state.lock ??= new Promise((granted) => {
    const forEver = () => new Promise(() => granted());
    navigator.locks.request(`nightferry:${name}`, forEver);
  });
  return state.lock;
}

/** Remembers a promise under `key` of the state; one that failed is tried again the next time. */
function once(key, begin) {
  state[key] ??= begin().catch((error) => {
    state[key] = undefined;
    throw error;
  });
  return state[key];
}

/** Instantiates the wasm. It comes from the cache, so that the worker starts while the server is down. */
async function instantiate() {
  await wasm_bindgen({ module_or_path: (await caches.match(WASM)) ?? (await fetch(WASM)) });
}

async function boot() {
  await lock();
  await once("wasm", instantiate);
  await wasm_bindgen.boot(name, api, settings.has("trace"));
}

function expectPanic() {
  state.panic = new Promise((_, reject) => {
    state.fail = reject;
  });
  // It may come while no event waits.
  state.panic.catch(() => {});
}

/**
 * Called by the hook of a panic, which costs the instance and not the worker. A fresh one is made at once: any call would make
 * it, but a call with strings would hand it pointers into the memory of the old one.
 */
self.__nightferry_panic = (message) => {
  state.booted = undefined;
  wasm_bindgen.start();
  state.fail(new Error(message));
  expectPanic();
};
expectPanic();

/** Resolves when an update waits for this worker to let go of its events. What this one began, the update finishes. */
const replaced = new Promise((resolve) => {
  self.registration.addEventListener("updatefound", () => {
    self.registration.installing?.addEventListener("statechange", ({ target }) => {
      // A worker that is being installed hears of itself first.
      if (target.state === "installed" && !state.isInstalling) resolve();
    });
  });
});

/** Has the engine work on an event, until that is done, the engine panics, or an update takes over. */
function perform(work) {
  return Promise.race([once("booted", boot).then(work), state.panic, replaced]);
}

function report(error) {
  console.error("Nightferry's worker failed and starts afresh; nothing acknowledged is lost.", error);
}

async function deleteOldCaches() {
  const isOld = (key) => key.startsWith(CACHES) && key !== CACHE;
  await Promise.all((await caches.keys()).filter(isOld).map((key) => caches.delete(key)));
}

// Installed: the wasm is kept, and the worker takes over without waiting for pages to close.
self.addEventListener("install", (event) => {
  state.isInstalling = true;
  const keepWasm = async () => (await caches.open(CACHE)).add(WASM);
  event.waitUntil(Promise.all([keepWasm(), self.skipWaiting()]));
});

// Took over: the wasm of former builds goes. Installed apps are woken now and then.
self.addEventListener("activate", (event) => {
  state.isInstalling = false;
  self.registration.periodicSync?.register("nightferry", { minInterval: 43_200_000 }).catch(() => {});
  event.waitUntil(deleteOldCaches());
});

// A page said something. It hears by itself where that failed, and says it again.
self.addEventListener("message", (event) => {
  event.waitUntil(perform(() => wasm_bindgen.handle_message(event.data)).catch(report));
});

// The browser woke the worker (Background Sync). A failure has it wake the worker again later.
self.addEventListener("sync", (event) => {
  event.waitUntil(perform(() => wasm_bindgen.background_sync()));
});

// The same, now and then, for installed apps.
self.addEventListener("periodicsync", (event) => {
  event.waitUntil(perform(() => wasm_bindgen.background_sync()));
});
