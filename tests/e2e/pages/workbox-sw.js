// An app's own service worker, made with Workbox, for the scope `/`: it keeps the page's files. What it hears and what
// passes through it is recorded.

import { clientsClaim } from "workbox-core";
import { cleanupOutdatedCaches, precacheAndRoute } from "workbox-precaching";
import { registerRoute } from "workbox-routing";
import { CacheFirst } from "workbox-strategies";

self.__WB_DISABLE_DEV_LOGS = true;
/** The messages that this worker got, and the paths that pages asked for through it. */
self.messages = [];
self.passed = [];

// The first listener: Workbox's own ones come after.
self.addEventListener("fetch", ({ request }) => void self.passed.push(new URL(request.url).pathname));
self.addEventListener("message", (event) => {
  self.messages.push(event.data);
  event.source?.postMessage({ app: "answer", to: event.data });
});

// A build would put its list here, with a revision for each file.
const revision = new URL(self.location).searchParams.get("v");
const page = ["/__test__/bundled/workbox/", "/__test__/bundled/workbox/page.js"];
const client = ["/nightferry/client.js", "/nightferry/client.wasm"];
precacheAndRoute([...page, ...client].map((url) => ({ url, revision })));
registerRoute(({ url }) => url.pathname === "/static/icon.svg", new CacheFirst({ cacheName: "app-assets" }));
cleanupOutdatedCaches();
self.skipWaiting();
clientsClaim();
