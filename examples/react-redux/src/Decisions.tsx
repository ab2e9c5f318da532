import { ConflictResolution, RefusedChanges, useConflictResolution } from "nightferry/react";

/** Shows conflicts and refusals in the place of list and editor: Nightferry's own elements, in the app's colours. */
export function Decisions({ close }: { close: () => void }) {
  const { conflicts, rejected } = useConflictResolution();
  return (
    <section className="dashboard" id="decisions" aria-label="Please decide">
      <div className="dashboard-head">
        <h2>Please decide</h2>
        <button type="button" className="icon" aria-label="Close the decisions" onClick={close}>
          ✕
        </button>
      </div>
      {conflicts.length + rejected.length === 0 && <p className="empty">There is nothing to decide.</p>}
      <ConflictResolution copyId={newId} fallback={<p className="empty">Opening…</p>} />
      <RefusedChanges />
    </section>
  );
}

const newId = () => crypto.randomUUID();
