// A React app on Nightferry: what its components see, how often each renders, and which are there, for the tests.

import * as nf from "nightferry-client";
import { describeStatus, getStatus } from "nightferry-client";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import {
  ConflictResolution,
  PersistenceDashboard,
  PersistenceToasts,
  RefusedChanges,
  useConflictResolution,
  useItemState,
  usePersistence,
} from "../../../page/ts/react.tsx";

/** By component: how often it was rendered and what it saw last. */
const seen = {};

function note(name, value) {
  seen[name] = { renders: (seen[name]?.renders ?? 0) + 1, value };
  return null;
}

/** Each of them reads something else. */
const READERS = {
  status: (persistence) => persistence.status,
  metrics: (persistence) => persistence.metrics,
  autoSync: ({ autoSyncStatus: { enabled, lastSyncTime, changeCounter } }) => ({
    enabled,
    lastSyncTime,
    changeCounter,
  }),
  countdown: (persistence) => persistence.autoSyncStatus.nextSyncIn,
  nothing: ({ flush }) => typeof flush,
  all: (persistence) => ({ ...persistence }),
};

function Reader({ name }) {
  return note(name, READERS[name](usePersistence()));
}

/** Reads more, once it is told to: what it was not rendered for before. */
function Late() {
  const [wide, setWide] = useState(false);
  const persistence = usePersistence();
  app.widen = () => setWide(true);
  return note("late", wide ? { status: persistence.status, metrics: persistence.metrics } : {});
}

function Functions() {
  app.persistence = usePersistence();
  return note("functions", null);
}

function Decisions() {
  const { conflicts, rejected, resolve } = useConflictResolution();
  app.resolve = resolve;
  return note("decisions", { conflicts, rejected });
}

/** The state in words, as an app shows it. */
function State() {
  const { text, detail } = describeStatus(usePersistence().status);
  return (
    <p id="state">
      {text}: {detail}
    </p>
  );
}

const GERMAN = { upToDate: "Aktuell", syncNow: "Jetzt senden", operations: "Vorgänge" };

/** Notes every state that it is rendered with. */
function ItemState({ id }) {
  const state = useItemState("files", id);
  app.states[id] = [...(app.states[id] ?? []), state ?? null];
  return note(`state_${id}`, state);
}

const PARTS = {
  readers: () => Object.keys(READERS).map((name) => <Reader key={name} name={name} />),
  late: () => <Late />,
  functions: () => <Functions />,
  toasts: () => <PersistenceToasts limit={3} nameOf={(slice, item) => item?.title && `${slice}: ${item.title}`} />,
  dashboard: () => <PersistenceDashboard fallback={<p id="loading">Loading</p>} />,
  conflicts: () => <ConflictResolution slice="files" nameOf={(_slice, _item, id) => `File ${id}`} />,
  refusals: () => <RefusedChanges />,
  state: () => <State />,
  translated: () => <PersistenceDashboard texts={GERMAN} />,
  decisions: () => <Decisions />,
  states: () => ["a", "b"].map((id) => <ItemState key={id} id={id} />),
};

function App({ strict }) {
  const [parts, setParts] = useState([]);
  app.show = setParts;
  const shown = parts.map((name) => <section key={name}>{PARTS[name]()}</section>);
  return strict ? <StrictMode>{shown}</StrictMode> : shown;
}

const app = { seen, getStatus, states: {} };
window.nf = nf;
window.app = app;
const strict = new URLSearchParams(location.search).has("strict");
createRoot(document.getElementById("root")).render(<App strict={strict} />);
