// The application's own service worker. It keeps the page's files, so that the page opens with the server down, and does
// nothing else: changes are kept and sent by Nightferry's worker, which lives beside this one in its own scope.
//
// The server puts one line in front of this file: `const SHELL = {version, files}`. The copy is always one whole version.
// A page that came from the network takes all its files from there; one that came from the copy takes all from the copy.

/* global SHELL */

const PREFIX = "shell-";
const CACHE = PREFIX + SHELL.version;
const FILES = new Set(SHELL.files);
const TIMEOUT_MS = 1500;

/** Pages that were opened from the copy. @type {Set<string>} */
const fromCopy = new Set();

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(CACHE);
      // "no-cache" asks the server whether what the browser has is still right: all or nothing.
      await cache.addAll(SHELL.files.map((file) => new Request(file, { cache: "no-cache" })));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) {
        if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
      }
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin || !FILES.has(url.pathname)) return;
  event.respondWith(request.mode === "navigate" ? openPage(event) : part(event, url.pathname));
});

async function openPage(event) {
  try {
    return await fetchSoon(event.request);
  } catch (error) {
    const copy = await copyOf(new URL(event.request.url).pathname);
    if (!copy) throw error;
    fromCopy.add(event.resultingClientId);
    return copy;
  }
}

async function part(event, path) {
  if (fromCopy.has(event.clientId)) {
    const copy = await copyOf(path);
    if (copy) return copy;
  }
  try {
    return await fetchSoon(event.request);
  } catch (error) {
    const copy = await copyOf(path);
    if (copy) return copy;
    throw error;
  }
}

async function copyOf(path) {
  const cache = await caches.open(CACHE);
  return cache.match(path, { ignoreVary: true });
}

/** The network's answer, unless it fails (a proxy's 502 too) or takes too long. */
async function fetchSoon(request) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
  try {
    const response = await fetch(request, { signal: stop.signal });
    if (response.status >= 500) throw new Error(`The server answered ${response.status}.`);
    return response;
  } finally {
    clearTimeout(timer);
  }
}
