// The connection, which opens the dashboard; what is to be decided; "Sync"; and the theme.

import { useConflictResolution, usePersistence } from "nightferry/react";
import { type Theme, theme, useAppDispatch, useAppSelector } from "./store";

const CONNECTION = { unknown: "Connecting…", online: "Online", "local-only": "Local only" };

/** The views that take the place of list and editor. */
export type Panel = "dashboard" | "decisions";

interface Props {
  panel: Panel | undefined;
  toggle: (panel: Panel) => void;
}

export function Header({ panel, toggle }: Props) {
  const dispatch = useAppDispatch();
  const chosen = useAppSelector((state) => state.theme);
  const { status, autoSyncStatus, syncNow } = usePersistence();
  const { conflicts, rejected } = useConflictResolution();
  const dashboard = panel === "dashboard";
  const toDecide = conflicts.length + rejected.length;
  // A conflict or a refusal is no failure: trying again would change nothing.
  const failed = status.syncStatus === "error" && toDecide === 0;
  const connection = status.flaskConnected ? "online" : status.error ? "local-only" : "unknown";
  const pending = autoSyncStatus.changeCounter;

  return (
    <header>
      <h1>Workspace</h1>
      <button
        type="button"
        className="badge"
        data-connection={connection}
        data-pending={pending}
        title={dashboard ? "Close the dashboard" : "Open the dashboard"}
        aria-expanded={dashboard}
        aria-controls="dashboard"
        onClick={() => toggle("dashboard")}
      >
        {CONNECTION[connection]}
        {pending > 0 && (
          <span className="pending">
            {pending} <span>to send</span>
          </span>
        )}
      </button>
      {(toDecide > 0 || panel === "decisions") && (
        <button
          type="button"
          className="decide"
          aria-expanded={panel === "decisions"}
          aria-controls="decisions"
          onClick={() => toggle("decisions")}
        >
          {toDecide} <span>to decide</span>
        </button>
      )}
      <button
        type="button"
        className="sync"
        aria-busy={status.syncStatus === "syncing"}
        title="Send now what the server does not have"
        onClick={syncNow}
      >
        {failed ? "Retry" : "Sync"}
      </button>
      <select
        aria-label="Theme"
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
