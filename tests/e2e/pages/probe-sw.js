// A service worker that answers which of the things that Nightferry uses its browser has.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("message", (event) => {
  const { ports } = event;
  event.waitUntil(probe().then((answer) => ports[0].postMessage(answer)));
});

async function probe() {
  return {
    "Web Locks in workers": (await navigator.locks?.request("probe", () => true)) ?? false,
    "BroadcastChannel in workers": "BroadcastChannel" in self,
    "WebSocket in workers": "WebSocket" in self,
    "gzip by CompressionStream": zips(),
    "list of databases": Array.isArray(await indexedDB.databases?.()),
    "IndexedDB that waits for the disk, where asked to": (await durability()) === "strict",
    "Background Sync": Boolean(registration.sync),
    "Periodic Background Sync": Boolean(registration.periodicSync),
    "names of an update's state in the worker": Boolean(self.serviceWorker),
  };
}

function zips() {
  try {
    return Boolean(new CompressionStream("gzip"));
  } catch {
    return false;
  }
}

async function durability() {
  const opening = indexedDB.open("probe");
  opening.onupgradeneeded = () => opening.result.createObjectStore("rows");
  const db = await new Promise((done, failed) => {
    opening.onsuccess = () => done(opening.result);
    opening.onerror = () => failed(opening.error);
  });
  const { durability } = db.transaction("rows", "readwrite", { durability: "strict" });
  db.close();
  return durability;
}
