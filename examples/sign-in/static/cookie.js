// The notes of whoever has the session cookie. The server has written into the page who that is.

import { openNotes } from "./notes.js";

const { user, name } = document.body.dataset;

/** Ends the session, unless it is over or somebody else's by now. Rejects without the network. */
async function endSession() {
  const session = await (await fetch("/session")).json();
  if (session.user !== user) return;
  const { ok } = await fetch("/sign-out", { method: "POST", headers: { "X-CSRFToken": session.csrf } });
  if (!ok) throw new Error("The server did not end the session.");
}

openNotes({ user, name, signInPage: "/sign-in", endSession });
