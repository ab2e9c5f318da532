// The notes of whoever has the refresh token, a cookie that no script can read. It buys access tokens, which are kept in
// memory alone.

import { subscribeStatus } from "/nightferry/client.js";
import { openNotes } from "./notes.js";
import { post } from "./server.js";

/** A token is renewed so many ms before it ends. */
const MARGIN_MS = 30_000;

/** The access token of this page's user, until when it is used (by `performance.now()`), and whose it is. */
let access;

/** Gets a new access token; nothing where nobody is signed in. Rejects without the network. */
async function renew() {
  const asked = performance.now();
  const response = await post("/api/token");
  if (response.status === 401) return undefined;
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  const { seconds, ...token } = await response.json();
  return { ...token, until: asked + seconds * 1000 - MARGIN_MS };
}

/** Gives Nightferry the token. Should somebody else have signed in meanwhile, theirs is not for this page's notes. */
async function getToken() {
  if (!access || performance.now() > access.until) access = await renew();
  return access?.user === user ? access.token : null;
}

// The server has refused the token before its time.
subscribeStatus(({ errorCode }) => {
  if (errorCode === "unauthenticated") access = undefined;
});

/** Ends the session, unless it is over or somebody else's by now. Rejects without the network. */
async function endSession() {
  const now = await renew();
  if (now?.user !== user) return;
  const { ok } = await post("/api/sign-out");
  if (!ok) throw new Error("The server did not end the session.");
}

try {
  access = await renew();
} catch {
  document.querySelector("#notice").textContent =
    "The server cannot be reached, so your notes cannot be opened. They stay on this device. Open this page again once you are online.";
  document.body.dataset.phase = "refused";
  throw new Error("The notes cannot be opened without the server.");
}
const { user, name } = access ?? {};
// A database that was synced by tokens goes on with them, so this page's has a name of its own.
if (user) openNotes({ user, name, getToken, database: "notes-by-token", signInPage: "/token/sign-in", endSession });
else location.replace("/token/sign-in");
