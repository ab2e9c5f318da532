// The worker's script: every listener in the first turn, each event forwarded to Rust and held open for its work. The
// build puts wasm-bindgen's glue (`wasm_bindgen`) in front of it and gives __NIGHTFERRY_BUILD__ its value.
"use strict";
const WASM = new URL(`sw.wasm?build=${__NIGHTFERRY_BUILD__}`, self.location).href;
const CACHE = `nightferry-wasm-${__NIGHTFERRY_BUILD__}`;
const settings = new URL(self.location).searchParams;
const name = settings.get("name") ?? "nightferry";

// One writer: another worker of this database, as during an update, finishes first.
let lock;
const alone = () => (lock ??= new Promise((granted) => {
  navigator.locks.request(`nightferry:${name}`, () => new Promise(() => granted()));
}));

// wasm comes from the cache, so that the worker starts while the server is down.
let wasm;
const start = async () => wasm_bindgen({ module_or_path: (await caches.match(WASM)) ?? (await fetch(WASM)) });
const ready = () => (wasm ??= start().catch((error) => { wasm = undefined; throw error; }));

// A panic settles the events of the instance that died; the next event gets a fresh one, which reads the database.
let fail;
let panicked;
const watch = () => { panicked = new Promise((_, reject) => { fail = reject; }); panicked.catch(() => {}); };
watch();
self.__nightferry_panic = (message) => { fail(new Error(message)); watch(); };

const hold = (event, work) => event.waitUntil(Promise.race([alone().then(ready).then(work), panicked]).catch(
  (error) => { console.error("Nightferry's worker failed and starts afresh; nothing acknowledged is lost.", error); }));
const wake = (event) => hold(event, () => wasm_bindgen.wake(name, settings.get("api") ?? "/nightferry"));

self.addEventListener("install", (event) =>
  event.waitUntil(Promise.all([caches.open(CACHE).then((cache) => cache.add(WASM)), self.skipWaiting()])));
self.addEventListener("activate", (event) => {
  const old = (keys) => keys.filter((key) => key.startsWith("nightferry-wasm-") && key !== CACHE);
  event.waitUntil(caches.keys().then((keys) => Promise.all(old(keys).map((key) => caches.delete(key)))));
});
self.addEventListener("message", (event) =>
  hold(event, () => wasm_bindgen.hear(name, settings.get("api") ?? "/nightferry", event.data)));
self.addEventListener("sync", wake);
self.addEventListener("periodicsync", wake);
