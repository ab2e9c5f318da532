// A page with a Workbox worker of its own (`workbox-sw.js`) beside Nightferry's. The tests drive `window.app`.

import * as nf from "nightferry-client";

const messages = [];
const problems = [];
navigator.serviceWorker.addEventListener("message", ({ data }) => messages.push(data));
nf.subscribeErrors((error) => problems.push(error));

/** Registers the app's own worker, and waits until it has the page. */
async function own(version) {
  const script = `/__test__/bundled/workbox-sw/page.js?v=${version}`;
  await navigator.serviceWorker.register(script, { scope: "/", type: "module" });
  const controlled = () => navigator.serviceWorker.controller?.scriptURL.endsWith(script);
  while (!controlled()) {
    await new Promise((next) => navigator.serviceWorker.addEventListener("controllerchange", next, { once: true }));
  }
}

window.app = {
  nf,
  own,
  /** What this page's `message` listener got, and what Nightferry said was wrong. */
  messages,
  problems,
  tell: (message) => navigator.serviceWorker.controller.postMessage(message),
  /** Past the browser's own cache. */
  asset: async () => (await fetch("/static/icon.svg", { cache: "no-store" })).text(),
};
