// From nothing to a page that can post to the worker.

import * as wasm from "nightferry-wasm";
import { failure } from "./failure.js";
import type { Message } from "./subscriptions.js";

/**
 * Loads the wasm, registers the worker and connects the page to it. `onMessage` receives every message of the worker, and
 * `deliver` those that answer no request.
 * @throws NightferryError `insecure_context`, `unsupported`, `client_failed`, `worker_failed`.
 */
export async function connect(
  [workerUrl, api, name, user]: readonly [string, string, string, string?],
  onMessage: (message: Message) => void,
  deliver: (message: Message) => void,
): Promise<void> {
  if (!isSecureContext) {
    throw failure(
      "insecure_context",
      "Browsers run service workers on https:// and on localhost only. Serve the page over HTTPS, or open it as http://localhost.",
    );
  }
  if (!("serviceWorker" in navigator)) {
    throw failure(
      "unsupported",
      "Service workers are missing or switched off here, as in some private windows. Use a current browser and a normal window.",
    );
  }
  const url = new URL(workerUrl, location.href);
  url.searchParams.set("name", name);
  url.searchParams.set("api", new URL(api, location.href).href.replace(/\/$/, ""));
  // A user's worker is another one: the browser puts it in the place of that of the user before.
  if (user !== undefined) url.searchParams.set("user", user);
  const place = user === undefined ? name : `${name}~${user}`;
  try {
    const file = await fetch(new URL("client.wasm", import.meta.url));
    const { instance, module } = await WebAssembly.instantiate(await file.arrayBuffer(), wasm.imports());
    wasm.begin(instance, module);
  } catch (reason) {
    throw failure(
      "client_failed",
      `Nightferry's client.wasm could not be loaded: ${(reason as Error).message}. It must be served beside client.js; a Content-Security-Policy must allow script-src 'wasm-unsafe-eval'.`,
    );
  }
  try {
    const registration = await navigator.serviceWorker.register(url, { updateViaCache: "none" });
    if (registration.active?.scriptURL !== url.href) await activated(registration.installing ?? registration.waiting);
    const page = crypto.randomUUID();
    let timer: ReturnType<typeof setTimeout> | undefined;
    wasm.connect(registration, page, place, deliver, (ms: number) => {
      clearTimeout(timer);
      timer = setTimeout(wasm.tick, ms);
    });
    // One for all pages of the user, and one for this page.
    for (const channel of [place, `:${page}`])
      new BroadcastChannel(`nightferry:${channel}`).onmessage = ({ data }) => onMessage(data);
  } catch (reason) {
    throw failure(
      "worker_failed",
      `The worker ${url.pathname} could not be registered: ${(reason as Error).message}. Open that address: it must be served as JavaScript from this origin.`,
    );
  }
}

function activated(worker: ServiceWorker | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const check = () => {
      if (worker?.state === "activated") resolve();
      else if (!worker || worker.state === "redundant") {
        reject(new Error("it could not be installed; the browser's console says why"));
      }
    };
    worker?.addEventListener("statechange", check);
    check();
  });
}
