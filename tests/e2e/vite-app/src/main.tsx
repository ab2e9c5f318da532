import { getStatus, subscribeStatus } from "nightferry";
import { type FormEvent, StrictMode, useEffect, useState, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { Provider, useDispatch, useSelector } from "react-redux";
import { notes, store } from "./store";

function App() {
  const { ids, entities } = useSelector((state: ReturnType<typeof store.getState>) => state.notes);
  const dispatch = useDispatch();
  const [phase, setPhase] = useState("opening");
  const status = useSyncExternalStore(subscribeStatus, getStatus);

  useEffect(() => {
    store.nightferry.ready.then(() => setPhase("ready"));
  }, []);

  const add = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const input = event.currentTarget.elements.namedItem("text") as HTMLInputElement;
    dispatch(notes.actions.added({ id: crypto.randomUUID(), text: input.value }));
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
        {ids.map((id) => (
          <li key={id}>
            <span>{entities[id].text}</span>
            <button
              type="button"
              className="edit"
              onClick={() => dispatch(notes.actions.edited({ id, changes: { text: `${entities[id].text}!` } }))}
            >
              Edit
            </button>
            <button type="button" className="remove" onClick={() => dispatch(notes.actions.removed(id))}>
              Remove
            </button>
          </li>
        ))}
      </ul>
    </main>
  );
}

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <Provider store={store}>
      <App />
    </Provider>
  </StrictMode>,
);
