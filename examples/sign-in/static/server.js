// Requests to the app's own routes.

/** Posts JSON. Rejects where nothing answers. */
export function post(path, body = {}) {
  return fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

/** Returns true if the server answers now. */
export function isReachable() {
  return fetch("/nightferry/health", { cache: "no-store" }).then(
    ({ ok }) => ok,
    () => false,
  );
}
