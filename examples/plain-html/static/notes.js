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
  local: "Only here",
  sending: "On its way",
  synced: "On the server",
  conflict: "Changed elsewhere, too",
  rejected: "Refused by the server",
};

const list = document.querySelector("#notes");
const form = document.querySelector("#add");
const sync = document.querySelector("#sync");
/** The rows of the page, by the note's id. */
const rows = new Map();
/** The notes that the server does not have as they are here, with their states. */
const unsent = new Map();

// Shows the notes.

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

function showProblem(text) {
  const problem = document.querySelector("#problem");
  problem.textContent = text;
  problem.hidden = !text;
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
  badge.title = detail;
  showProblem(state === "paused" ? detail : "");
});

const apply = ({ puts, deletes }) => {
  for (const { value } of puts) put(value);
  for (const id of deletes) remove(id);
};
subscribe("notes", apply);

try {
  await register({ slices: { notes: {} } });
  const notes = (await hydrate("notes")).map(({ value }) => value);
  apply({ puts: notes.sort((a, b) => a.addedAt - b.addedAt).map((value) => ({ value })), deletes: [] });
  document.body.dataset.phase = "ready";
  showWhetherEmpty();
} catch (error) {
  document.body.dataset.phase = "refused";
  showProblem(error.message);
}
