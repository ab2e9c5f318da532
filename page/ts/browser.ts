// The browser around a page's client: wasm, service worker, channels and events.

import * as wasm from "nightferry-wasm";
import { deviceName } from "./device.js";
import { failure } from "./failure.js";
import type { PageEvents, Platform, WorkerLink } from "./platform.js";

const page = typeof crypto === "undefined" ? "" : (crypto.randomUUID?.() ?? "");

export const browser: Platform = {
  page,
  load,
  connect,
  isHidden: () => document.visibilityState === "hidden",
  device: () => deviceName(navigator.userAgent),
  persist: () => void navigator.storage?.persist?.().catch(() => {}),
};

async function load(): Promise<typeof wasm> {
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
  return wasm;
}

async function connect(
  [workerUrl, api, name, user]: readonly [string, string, string, string?],
  events: PageEvents,
): Promise<WorkerLink> {
  const url = new URL(workerUrl, location.href);
  url.searchParams.set("name", name);
  url.searchParams.set("api", new URL(api, location.href).href.replace(/\/$/, ""));
  // A user's worker is another one: the browser puts it in the place of that of the user before.
  if (user !== undefined) url.searchParams.set("user", user);
  let registration = await registerWorker(url);
  let isClaiming = false;
  const access: WorkerLink = {
    post(text) {
      // The worker is looked up each time, because an update replaces it.
      const { active, waiting, installing } = registration;
      const worker = [active, waiting, installing].find((worker) => worker && worker.state !== "redundant");
      // The client's timer posts it again if there is none.
      if (worker) worker.postMessage(text);
      else if (!isClaiming) {
        isClaiming = true;
        access
          .claim()
          .then(events.adopted, (error) => console.warn("Nightferry could not register its worker again:", error))
          .finally(() => {
            isClaiming = false;
          });
      }
    },
    async claim() {
      registration = await registerWorker(url);
    },
    async update() {
      await registration.update();
      return Boolean(registration.installing ?? registration.waiting);
    },
  };
  // One for all pages of the user, and one for this page.
  for (const channel of [user === undefined ? name : `${name}~${user}`, `:${page}`])
    new BroadcastChannel(`nightferry:${channel}`).onmessage = ({ data }) => events.handleMessage(data);
  addEventListener("online", events.online);
  addEventListener("pagehide", events.hidden);
  document.addEventListener("visibilitychange", () => {
    if (browser.isHidden()) events.hidden();
    else events.shown(false);
  });
  addEventListener("pageshow", ({ persisted }) => persisted && events.shown(true));
  return access;
}

/** Registers the worker, and waits until it, or that of another user, is active. */
async function registerWorker(url: URL): Promise<ServiceWorkerRegistration> {
  let isForbidden = false;
  const note = ({ effectiveDirective }: SecurityPolicyViolationEvent) => {
    isForbidden ||= effectiveDirective === "worker-src";
  };
  document.addEventListener("securitypolicyviolation", note);
  try {
    const registration = await navigator.serviceWorker.register(url, { updateViaCache: "none" });
    if (registration.active?.scriptURL !== url.href) await activated(registration);
    return registration;
  } catch (reason) {
    throw await explained(url, reason as Error, () => isForbidden);
  } finally {
    document.removeEventListener("securitypolicyviolation", note);
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

/**
 * The error of a registration that failed. What the browser says is about many causes the same, so the script is looked at.
 * `isForbidden` says if a policy of the page has forbidden it, of which the browser tells later.
 */
async function explained(url: URL, reason: Error, isForbidden: () => boolean): Promise<Error> {
  let came = "";
  try {
    const script = await fetch(url, { cache: "no-store" });
    const type = script.headers.get("content-type") ?? "no content type";
    if (!script.ok || !type.includes("javascript")) came = `it is answered with status ${script.status} and ${type}`;
    else if (script.redirected) came = `it is redirected to ${script.url}, which browsers do not allow`;
    else if (isForbidden()) came = "a Content-Security-Policy of the page forbids it (add worker-src 'self')";
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
