// The dashboard in a React app: the custom element, loaded when it is first shown.

import type { ReactElement, ReactNode } from "react";
import { LazyElement } from "./lazy_element.js";

export interface PersistenceDashboardProps {
  /** Shown while the dashboard is loading. */
  fallback?: ReactNode;
}

/** `<nightferry-dashboard>`: connection, metrics, auto-sync, manual operations and errors. Its code is loaded with its first use. */
export function PersistenceDashboard({ fallback = null }: PersistenceDashboardProps): ReactElement {
  return (
    <LazyElement tag="nightferry-dashboard" load={loadDashboard} what="Nightferry’s dashboard" fallback={fallback} />
  );
}

const loadDashboard = () => import("nightferry-dashboard");
