// A list of notes. Nightferry keeps each change on this device and carries it to the server.

import {
  describeStatus,
  dispatch,
  hydrate,
  register,
  subscribe,
  subscribePending,
  subscribeStatus,
  syncNow,
} from "/nightferry/client.js";

const STATES = {
  local: "Only on this device",
  sending: "On its way",
  synced: "On the server",
  conflict: "Changed elsewhere, too",
  rejected: "Refused by the server",
};

const list = document.querySelector("#notes");
const form = document.querySelector("#add");
const sync = document.querySelector("#sync");
/** The notes of the page and their rows, by the note's id. */
const notes = new Map();
const rows = new Map();
/** The notes that the server does not have as they are here, with their states. */
const unsent = new Map();
/** The notes that were deleted here and can be brought back, the latest last. */
const deleted = [];

// Shows the notes, the newest first.

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

sync.addEventListener("click", async () => {
  sync.disabled = true;
  // A sync that fails is told by the status, too.
  await syncNow().catch(console.error);
  sync.disabled = false;
});

// Messages of Nightferry.

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
  // Where all is well, or on its way, there is nothing to say; what waits for a decision has its own place.
  const line = document.querySelector("#detail");
  line.dataset.state = state;
  const said = state === "saved" || state === "paused" ? detail : "";
  // What is the same is not read aloud again.
  if (line.textContent !== said) line.textContent = said;
});

const apply = ({ puts, deletes }) => {
  for (const { value } of puts) put(value);
  for (const id of deletes) remove(id);
};
subscribe("notes", apply);

try {
  await register({ slices: { notes: {} } });
  apply({ puts: await hydrate("notes"), deletes: [] });
  document.body.dataset.phase = "ready";
  showWhetherEmpty();
} catch (error) {
  document.body.dataset.phase = "refused";
  document.querySelector("#reason").textContent = error.message;
  document.querySelector("#problem").hidden = false;
}
