// The dashboard in a React app: the custom element, loaded when it is first shown.

import { createElement, type ReactElement, type ReactNode, useEffect, useState } from "react";

export interface PersistenceDashboardProps {
  /** Shown while the dashboard is loading. */
  fallback?: ReactNode;
}

/** `<nightferry-dashboard>`: connection, metrics, auto-sync, manual operations and errors. Its code is loaded with its first use. */
export function PersistenceDashboard({ fallback = null }: PersistenceDashboardProps): ReactElement {
  const [loaded, setLoaded] = useState(false);
  const [failure, setFailure] = useState<string>();
  const [attempt, setAttempt] = useState(1);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt is what runs it again
  useEffect(() => {
    let shown = true;
    import("nightferry-dashboard").then(
      () => shown && setLoaded(true),
      (reason: unknown) => shown && setFailure(reason instanceof Error ? reason.message : String(reason)),
    );
    return () => {
      shown = false;
    };
  }, [attempt]);

  if (loaded) return createElement("nightferry-dashboard");
  if (failure === undefined) return <>{fallback}</>;
  const again = () => {
    setFailure(undefined);
    setAttempt(attempt + 1);
  };
  return (
    <div role="alert">
      <p>
        Nightferry’s dashboard could not be loaded: {failure}. Your changes are not affected. Try again when the network
        is back, or reload the page.
      </p>
      <button type="button" onClick={again}>
        Try again
      </button>
    </div>
  );
}
