// A list of notes. The page works the same with the server up, slow or gone.
import { dispatch, hydrate, register, subscribe } from "/nightferry/client.js";

const list = document.querySelector("#notes");
const rows = new Map();

function show({ puts, deletes }) {
  for (const { id, value } of puts) {
    const row = rows.get(id) ?? list.appendChild(document.createElement("li"));
    row.textContent = value.text;
    rows.set(id, row);
  }
  for (const id of deletes) {
    rows.get(id)?.remove();
    rows.delete(id);
  }
}

document.querySelector("#add").addEventListener("submit", (event) => {
  event.preventDefault();
  const note = { id: crypto.randomUUID(), text: event.target.text.value };
  dispatch({ type: "notes/addItem", payload: note });
  show({ puts: [{ id: note.id, value: note }], deletes: [] });
  event.target.reset();
});

// The id that `authenticate` gives on the server: each user of this browser has items of their own.
const { user } = document.body.dataset;
register({ user, slices: { notes: {} } }).catch((error) => console.error(error.code, error.message));
subscribe("notes", show);
show({ puts: await hydrate("notes"), deletes: [] });
