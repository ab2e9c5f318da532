// The connection, "Sync", and the theme.

import { syncNow } from "nightferry/redux";
import { useState } from "react";
import { type Theme, theme, useAppDispatch, useAppSelector } from "./store";
import { useStatus } from "./sync";

const CONNECTION = { unknown: "Connecting…", online: "Online", "local-only": "Local only" };

export function Header() {
  const dispatch = useAppDispatch();
  const chosen = useAppSelector((state) => state.theme);
  const { connection, pending } = useStatus();
  const [syncing, setSyncing] = useState(false);

  const sync = async () => {
    setSyncing(true);
    try {
      await dispatch(syncNow());
    } catch (error) {
      // The status says it, too, and the page shows that.
      console.warn(error);
    }
    setSyncing(false);
  };

  return (
    <header>
      <h1>Workspace</h1>
      <output className="badge" data-connection={connection} data-pending={pending}>
        {CONNECTION[connection]}
        {pending > 0 && <span className="pending">{pending} to send</span>}
      </output>
      <button
        type="button"
        className="sync"
        disabled={syncing}
        title="Send now what the server does not have"
        onClick={sync}
      >
        Sync
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
