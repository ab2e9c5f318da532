import { PersistenceDashboard } from "nightferry/react";

// Its code is loaded when it is first shown, or now: it is wanted most when nothing can be loaded.
import("nightferry/dashboard").catch(console.warn);

/** Nightferry's dashboard, in the place of list and editor. */
export function Dashboard({ close }: { close: () => void }) {
  return (
    <section className="dashboard" id="dashboard" aria-label="Sync dashboard">
      <div className="dashboard-head">
        <h2>Dashboard</h2>
        <button type="button" className="icon" aria-label="Close the dashboard" onClick={close}>
          ✕
        </button>
      </div>
      <PersistenceDashboard fallback={<p className="empty">Opening…</p>} />
    </section>
  );
}
