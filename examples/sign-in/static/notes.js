// The notes of one person. Nightferry keeps each change on this device and carries it to the server.

import {
  describeStatus,
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
  local: "Only on this device",
  sending: "On its way",
  synced: "On the server",
  conflict: "Changed elsewhere, too",
  rejected: "Refused by the server",
};

const list = document.querySelector("#notes");
const form = document.querySelector("#add");
/** The notes of the page and their rows, by the note's id. */
const notes = new Map();
const rows = new Map();
/** The notes that the server does not have as they are here, with their states. */
const unsent = new Map();
/** The notes that were deleted here and can be brought back, the latest last. */
const deleted = [];

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
    document.querySelector("#reason").textContent = error.message;
    document.querySelector("#problem").hidden = false;
  }
}

// Shows the notes, the newest first.

async function showAll() {
  const stored = await hydrate("notes");
  const ids = new Set(stored.map(({ id }) => id));
  apply({ puts: stored, deletes: [...rows.keys()].filter((id) => !ids.has(id)) });
}

function apply({ puts, deletes }) {
  for (const { value } of puts) put(value);
  for (const id of deletes) remove(id);
}

function put(note) {
  const { id, text } = note;
  notes.set(id, note);
  const row = rows.get(id) ?? addRow(note);
  const field = row.querySelector(".text");
  // Nobody's typing is overwritten by another tab.
  if (field !== document.activeElement) field.value = text;
  row.querySelector(".delete").ariaLabel = `Delete ${nameOf(note)}`;
  showWhetherEmpty();
}

function addRow({ id, addedAt }) {
  const row = document.querySelector("#note").content.firstElementChild.cloneNode(true);
  row.dataset.id = id;
  const [field, state] = [row.querySelector(".text"), row.querySelector(".state")];
  state.id = `state-${id}`;
  field.setAttribute("aria-describedby", state.id);
  const older = [...list.children].find((other) => notes.get(other.dataset.id).addedAt < addedAt);
  list.insertBefore(row, older ?? null);
  rows.set(id, row);
  showState(id);
  return row;
}

/** Returns the beginning of a note, in quotation marks. */
function nameOf({ text }) {
  return `“${text.length > 40 ? `${text.slice(0, 39)}…` : text}”`;
}

function remove(id) {
  rows.get(id)?.remove();
  rows.delete(id);
  notes.delete(id);
  showWhetherEmpty();
}

function showUndo() {
  const last = deleted.at(-1);
  document.querySelector("#undo").hidden = !last;
  document.querySelector("#undo-text").textContent = last ? `${nameOf(last)} is deleted.` : "";
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
  put({ ...notes.get(id), text: target.value });
});

list.addEventListener("click", ({ target }) => {
  if (!target.matches(".delete")) return;
  const { id } = target.closest("li").dataset;
  dispatch({ type: "notes/removeItem", payload: id });
  deleted.push(notes.get(id));
  remove(id);
  showUndo();
  document.querySelector("#undo-button").focus();
});

document.querySelector("#undo-button").addEventListener("click", () => {
  const note = deleted.pop();
  dispatch({ type: "notes/addItem", payload: note });
  unsent.set(note.id, "local");
  put(note);
  showUndo();
  rows.get(note.id).querySelector(".delete").focus();
});

document.querySelector("#undo-close").addEventListener("click", () => {
  deleted.length = 0;
  showUndo();
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
  subscribeStatus((status) => {
    const { state, text, detail } = describeStatus(status);
    const badge = document.querySelector("#connection");
    badge.dataset.connection = status.connection;
    badge.dataset.state = state;
    badge.textContent = text;
    // The page says this one itself, with the way to sign in.
    const isOver = status.errorCode === "unauthenticated";
    document.querySelector("#session-over").hidden = !isOver;
    // Where all is well, or on its way, there is nothing to say; what waits for a decision has its own place.
    const line = document.querySelector("#detail");
    line.dataset.state = state;
    const said = !isOver && (state === "saved" || state === "paused") ? detail : "";
    // What is the same is not read aloud again.
    if (line.textContent !== said) line.textContent = said;
    document.querySelector("#others").textContent = othersText(status.othersWaiting);
  });
}

function othersText(count) {
  if (!count) return "";
  const whose = count === 1 ? "Somebody else's changes" : `Changes of ${count} other people`;
  return `${whose} wait on this device. They are sent when ${count === 1 ? "that person signs" : "these people sign"} in here again.`;
}
