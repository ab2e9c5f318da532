// The notes of one person. Nightferry keeps each change on this device and carries it to the server.

import {
  dispatch,
  hydrate,
  register,
  subscribe,
  subscribeErrors,
  subscribePending,
  subscribeStatus,
  syncNow,
} from "/nightferry/client.js";
import { isReachable } from "./server.js";
import { prepareSignOut } from "./sign-out.js";

const STATES = {
  local: "Only here",
  sending: "On its way",
  synced: "On the server",
  conflict: "Changed elsewhere, too",
  rejected: "Refused by the server",
};
const CONNECTIONS = { unknown: "Connecting…", online: "Online", "local-only": "Local only" };

const list = document.querySelector("#notes");
const form = document.querySelector("#add");
/** The rows of the page, by the note's id. */
const rows = new Map();
/** The notes that the server does not have as they are here, with their states. */
const unsent = new Map();

/** Opens the notes of a user: whose id and name, how requests prove it, where and how they sign in and out. */
export async function openNotes({ user, name, getToken, database, signInPage, endSession }) {
  const showSignIn = () => location.replace(`${signInPage}#signed-out`);
  document.querySelector("#who").textContent = `Signed in as ${name}`;
  followStatus();
  prepareSignOut({ endSession, showSignIn, showAll, showNotice });
  subscribe("notes", apply);
  // Signed out in another tab.
  subscribeErrors(({ code }) => code === "signed_out" && showSignIn());
  // What "Back" brings again may be of somebody who has signed out since.
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
  try {
    await register({ user, getToken, name: database, slices: { notes: {} } });
    await showAll();
    document.body.dataset.phase = "ready";
    showWhetherEmpty();
    // Whoever opens the page has signed in: no wait of a session that was over is waited for.
    syncNow().catch(() => {}); // The status says what is wrong.
  } catch (error) {
    document.body.dataset.phase = "refused";
    showProblem(error.message);
  }
}

// Shows the notes.

async function showAll() {
  const notes = (await hydrate("notes")).sort((a, b) => a.value.addedAt - b.value.addedAt);
  const ids = new Set(notes.map(({ id }) => id));
  apply({ puts: notes, deletes: [...rows.keys()].filter((id) => !ids.has(id)) });
}

function apply({ puts, deletes }) {
  for (const { value } of puts) put(value);
  for (const id of deletes) remove(id);
}

function put({ id, text }) {
  let row = rows.get(id);
  if (!row) {
    row = document.querySelector("#note").content.firstElementChild.cloneNode(true);
    row.dataset.id = id;
    rows.set(id, row);
    list.prepend(row);
    showState(id);
  }
  const field = row.querySelector(".text");
  // Nobody's typing is overwritten by another tab.
  if (field !== document.activeElement) field.value = text;
  showWhetherEmpty();
}

function remove(id) {
  rows.get(id)?.remove();
  rows.delete(id);
  showWhetherEmpty();
}

function showState(id) {
  const row = rows.get(id);
  if (!row) return;
  row.dataset.state = unsent.get(id) ?? "synced";
  row.querySelector(".state").textContent = STATES[row.dataset.state];
}

function showWhetherEmpty() {
  document.querySelector("#empty").hidden = rows.size > 0 || document.body.dataset.phase !== "ready";
}

/** Shows what is wrong until the status says otherwise. */
function showProblem(text) {
  document.querySelector("#problem").textContent = text;
}

/** Shows the answer to what the user asked for. */
function showNotice(text) {
  document.querySelector("#notice").textContent = text;
}

// Changes by people: the page shows them, and dispatches them to Nightferry.

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const note = { id: crypto.randomUUID(), text: form.text.value.trim(), addedAt: Date.now() };
  if (!note.text) return;
  dispatch({ type: "notes/addItem", payload: note });
  unsent.set(note.id, "local");
  put(note);
  form.reset();
});

list.addEventListener("input", ({ target }) => {
  const { id } = target.closest("li").dataset;
  dispatch({ type: "notes/updateItem", payload: { id, text: target.value } });
});

list.addEventListener("click", ({ target }) => {
  if (!target.matches(".delete")) return;
  const { id } = target.closest("li").dataset;
  dispatch({ type: "notes/removeItem", payload: id });
  remove(id);
  form.text.focus();
});

document.querySelector("#sign-in").addEventListener("click", async (event) => {
  event.preventDefault();
  if (await isReachable()) location.assign(event.target.href);
  else showNotice("Signing in needs the network, and the server cannot be reached. Your notes stay on this device.");
});

// Messages of Nightferry.

function followStatus() {
  subscribePending("notes", (changes, reset) => {
    if (reset) unsent.clear();
    for (const { id, state } of changes) {
      if (state === "synced") unsent.delete(id);
      else unsent.set(id, state);
    }
    for (const id of reset ? rows.keys() : changes.map((change) => change.id)) showState(id);
  });
  subscribeStatus(({ connection, error, errorCode, pending, othersWaiting }) => {
    const badge = document.querySelector("#connection");
    badge.dataset.connection = connection;
    badge.textContent = pending ? `${CONNECTIONS[connection]} · ${pending} to send` : CONNECTIONS[connection];
    const isOver = errorCode === "unauthenticated";
    document.querySelector("#session-over").hidden = !isOver;
    showProblem(isOver ? "" : (error ?? ""));
    document.querySelector("#others").textContent = othersText(othersWaiting);
  });
}

function othersText(count) {
  if (!count) return "";
  const whose = count === 1 ? "Somebody else's changes" : `Changes of ${count} other people`;
  return `${whose} wait on this device. They are sent when ${count === 1 ? "that person signs" : "these people sign"} in here again.`;
}
