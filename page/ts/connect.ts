// From nothing to a page that can post to the worker.

import * as wasm from "nightferry-wasm";
import { failure } from "./failure.js";
import type { Message } from "./subscriptions.js";

/** A page's way to its worker. */
export interface WorkerLink {
  /** Registers the worker anew: it was unregistered, or that of another user is in its place. */
  claim(): Promise<void>;
  /** Looks for a newer worker. Resolves with true if there is one. */
  update(): Promise<boolean>;
}

/**
 * Loads the wasm, registers the worker and connects the page to it. `onMessage` receives every message of the worker, and
 * `deliver` those that answer no request.
 * @throws NightferryError `insecure_context`, `unsupported`, `wasm_unavailable`, `client_failed`, `storage_blocked`, `worker_failed`.
 */
export async function connect(
  [workerUrl, api, name, user]: readonly [string, string, string, string?],
  onMessage: (message: Message) => void,
  deliver: (message: Message) => void,
): Promise<WorkerLink> {
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
  if (typeof WebAssembly === "undefined") {
    throw failure(
      "wasm_unavailable",
      "WebAssembly is switched off in this browser, as by a lockdown mode or a policy. Allow it for this site, or use another browser.",
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
  let registration = await registerWorker(url);
  const access: WorkerLink = {
    async claim() {
      registration = await registerWorker(url);
      wasm.adopt(registration);
    },
    async update() {
      await registration.update();
      return Boolean(registration.installing ?? registration.waiting);
    },
  };
  const page = crypto.randomUUID();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const arm = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(wasm.tick, ms);
  };
  let isClaiming = false;
  const lost = async () => {
    if (isClaiming) return;
    isClaiming = true;
    // After a failure it is tried again, whenever the session posts.
    await access.claim().catch((error) => console.warn("Nightferry could not register its worker again:", error));
    isClaiming = false;
  };
  wasm.connect(registration, page, place, deliver, arm, lost);
  // One for all pages of the user, and one for this page.
  for (const channel of [place, `:${page}`])
    new BroadcastChannel(`nightferry:${channel}`).onmessage = ({ data }) => onMessage(data);
  return access;
}

/** Registers the worker, and waits until it, or that of another user, is active. */
async function registerWorker(url: URL): Promise<ServiceWorkerRegistration> {
  try {
    const registration = await navigator.serviceWorker.register(url, { updateViaCache: "none" });
    if (registration.active?.scriptURL !== url.href) await activated(registration);
    return registration;
  } catch (reason) {
    throw await explained(url, reason as Error);
  }
}

function activated(registration: ServiceWorkerRegistration): Promise<void> {
  const worker = registration.installing ?? registration.waiting;
  return new Promise((resolve, reject) => {
    const check = () => {
      if (worker?.state === "activated") resolve();
      else if (!worker || worker.state === "redundant") {
        // Another tab may have registered the worker of another user meanwhile, which says so itself.
        if (registration.active) resolve();
        else reject(new Error("it could not be installed; the browser's console says why"));
      }
    };
    worker?.addEventListener("statechange", check);
    check();
  });
}

/** The error of a registration that failed. What the browser says is about many causes the same, so the script is looked at. */
async function explained(url: URL, reason: Error): Promise<Error> {
  let came = "";
  try {
    const script = await fetch(url, { cache: "no-store" });
    const type = script.headers.get("content-type") ?? "no content type";
    if (!script.ok || !type.includes("javascript")) came = `it is answered with status ${script.status} and ${type}`;
    else if (reason.name === "SecurityError") {
      return failure(
        "storage_blocked",
        "The browser does not let this site keep data, so nothing can be saved on this device. Allow cookies and site data for this site in the browser's settings, and reload.",
      );
    }
  } catch (error) {
    came = `it cannot be loaded (${(error as Error).message})`;
  }
  return failure(
    "worker_failed",
    `The worker ${url.pathname} could not be registered: ${came || reason.message.replace(/\.$/, "")}. Open that address: it must be served as JavaScript from this origin.`,
  );
}
