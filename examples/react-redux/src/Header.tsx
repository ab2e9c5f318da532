// The state, which opens the dashboard; "Decide", where something waits for that; "Sync"; and the theme.

import { describeStatus } from "nightferry";
import { useConflictResolution, usePersistence } from "nightferry/react";
import { type Theme, theme, useAppDispatch, useAppSelector } from "./store";

/** The views that take the place of list and editor. */
export type Panel = "dashboard" | "decisions";

interface Props {
  panel: Panel | undefined;
  toggle: (panel: Panel) => void;
}

export function Header({ panel, toggle }: Props) {
  const dispatch = useAppDispatch();
  const chosen = useAppSelector((state) => state.theme);
  const { status, syncNow } = usePersistence();
  const { conflicts, rejected } = useConflictResolution();
  const dashboard = panel === "dashboard";
  const toDecide = conflicts.length + rejected.length;
  const { state, text, detail } = describeStatus(status);

  return (
    <header>
      <h1>Workspace</h1>
      <button
        type="button"
        className="badge"
        data-state={state}
        data-connection={status.connection}
        data-pending={status.pending}
        title={detail}
        aria-expanded={dashboard}
        aria-controls="dashboard"
        onClick={() => toggle("dashboard")}
      >
        {text}
      </button>
      {(toDecide > 0 || panel === "decisions") && (
        <button
          type="button"
          className="decide"
          aria-expanded={panel === "decisions"}
          aria-controls="decisions"
          onClick={() => toggle("decisions")}
        >
          Decide
        </button>
      )}
      <button
        type="button"
        className="sync"
        aria-busy={status.syncStatus === "syncing"}
        title="Send now what the server does not have"
        onClick={syncNow}
      >
        {state === "saved" || state === "paused" ? "Retry" : "Sync"}
      </button>
      <select
        aria-label="Theme"
        title="Theme"
        className="theme"
        value={chosen}
        onChange={(event) => dispatch(theme.actions.chosen(event.target.value as Theme))}
      >
        <option value="system">System</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </header>
  );
}
