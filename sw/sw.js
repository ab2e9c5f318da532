// The worker's script: every listener in the first turn, each event forwarded to Rust and held open for its work. The build
"use strict"; // puts wasm-bindgen's glue (`wasm_bindgen`) in front of it and gives __NIGHTFERRY_BUILD__ its value.
const WASM = new URL(`sw.wasm?build=${__NIGHTFERRY_BUILD__}`, self.location).href;
const CACHE = `nightferry-wasm-${__NIGHTFERRY_BUILD__}`;
const settings = new URL(self.location).searchParams;
const name = settings.get("name") ?? "nightferry";
let lock, wasm, booted, fail, panicked, installing = false;

// One writer: another worker of this database, as during an update, finishes first.
const alone = () => (lock ??= new Promise((granted) =>
  void navigator.locks.request(`nightferry:${name}`, () => new Promise(() => granted()))));
// wasm comes from the cache, so that the worker starts while the server is down. A panic costs the instance: the next
// event boots a fresh one. Any call makes that, but hands it pointers into the old one: so a call that has none, at once.
const load = async () => wasm_bindgen({ module_or_path: (await caches.match(WASM)) ?? (await fetch(WASM)) });
const loaded = () => (wasm ??= load().catch((error) => { wasm = undefined; throw error; }));
const boot = () => alone().then(loaded).then(() => wasm_bindgen.boot(name, settings.get("api") ?? "/nightferry"));
const ready = () => (booted ??= boot().catch((error) => { booted = undefined; throw error; }));
const watch = () => { panicked = new Promise((_, reject) => { fail = reject; }); panicked.catch(() => {}); };
watch();
self.__nightferry_panic = (message) => { booted = undefined; wasm_bindgen.start(); fail(new Error(message)); watch(); };
// An update takes over once no event is held, so this one lets go of them; what it began, the update finishes. (A
// worker that is being installed hears of itself first.)
const replaced = new Promise((go) => self.registration.addEventListener("updatefound", () =>
  self.registration.installing?.addEventListener("statechange", ({ target }) => target.state === "installed" && !installing && go())));
const report = (error) => console.error("Nightferry's worker failed and starts afresh; nothing acknowledged is lost.", error);
const perform = (work) => Promise.race([ready().then(work), panicked, replaced]);

self.addEventListener("install", (event) => {
  installing = true;
  event.waitUntil(Promise.all([caches.open(CACHE).then((cache) => cache.add(WASM)), self.skipWaiting()]));
});
self.addEventListener("activate", (event) => {
  installing = false;
  self.registration.periodicSync?.register("nightferry", { minInterval: 43_200_000 }).catch(() => {}); // Installed apps only.
  const isOld = (key) => key.startsWith("nightferry-wasm-") && key !== CACHE;
  event.waitUntil(caches.keys().then((keys) => Promise.all(keys.filter(isOld).map((key) => caches.delete(key)))));
});
self.addEventListener("message", (event) => event.waitUntil(perform(() => wasm_bindgen.hear(event.data)).catch(report)));
for (const kind of ["sync", "periodicsync"]) // A failure has the browser wake the worker again later.
  self.addEventListener(kind, (event) => event.waitUntil(perform(() => wasm_bindgen.wake())));
