// The connection, which opens the dashboard; "Sync"; and the theme.

import { usePersistence } from "nightferry/react";
import { type Theme, theme, useAppDispatch, useAppSelector } from "./store";

const CONNECTION = { unknown: "Connecting…", online: "Online", "local-only": "Local only" };

interface Props {
  dashboard: boolean;
  toggleDashboard: () => void;
}

export function Header({ dashboard, toggleDashboard }: Props) {
  const dispatch = useAppDispatch();
  const chosen = useAppSelector((state) => state.theme);
  const { status, autoSyncStatus, syncNow } = usePersistence();
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
        onClick={toggleDashboard}
      >
        {CONNECTION[connection]}
        {pending > 0 && (
          <span className="pending">
            {pending} <span>to send</span>
          </span>
        )}
      </button>
      <button
        type="button"
        className="sync"
        aria-busy={status.syncStatus === "syncing"}
        title="Send now what the server does not have"
        onClick={syncNow}
      >
        {status.syncStatus === "error" ? "Retry" : "Sync"}
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
