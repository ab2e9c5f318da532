import { dispatch, getStatus, hydrate, register, subscribe, subscribeStatus } from "nightferry";
import { type FormEvent, StrictMode, useEffect, useState, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";

type Note = { id: string; text: string };

const registered = register({ slices: { notes: {} } });

function App() {
  const [notes, setNotes] = useState<Note[]>([]);
  const [phase, setPhase] = useState("opening");
  const status = useSyncExternalStore(subscribeStatus, getStatus);

  useEffect(() => {
    let shown = true;
    registered
      .then(() => hydrate<Note>("notes"))
      .then((items) => {
        if (!shown) return;
        setNotes(items.map(({ value }) => value));
        setPhase("ready");
      });
    const end = subscribe<Note>("notes", ({ puts, deletes }) => {
      const gone = new Set([...deletes, ...puts.map(({ id }) => id)]);
      setNotes((notes) => [...notes.filter(({ id }) => !gone.has(id)), ...puts.map(({ value }) => value)]);
    });
    return () => {
      shown = false;
      end();
    };
  }, []);

  const add = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const input = event.currentTarget.elements.namedItem("text") as HTMLInputElement;
    const note = dispatch({ type: "notes/addItem", payload: { id: crypto.randomUUID(), text: input.value } }).payload;
    setNotes((notes) => [...notes, note]);
    input.value = "";
  };

  return (
    <main data-phase={phase} data-connection={status.connection} data-pending={status.pending}>
      <output>{status.error}</output>
      <form onSubmit={add}>
        <input name="text" aria-label="New note" />
        <button type="submit">Add</button>
      </form>
      <ul>
        {notes.map(({ id, text }) => (
          <li key={id}>{text}</li>
        ))}
      </ul>
    </main>
  );
}

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
