// The dashboard in a React app: the custom element, loaded when it is first shown.

import type { ReactElement, ReactNode } from "react";
import type { DashboardTexts } from "../dashboard/texts.js";
import type { NameOf } from "../names.js";
import { LazyElement, type LoadTexts, useProperties } from "./lazy_element.js";

export interface PersistenceDashboardProps {
  /** Shown while the dashboard is loading. */
  fallback?: ReactNode;
  /** The app's texts in the place of the English ones, by key, for all dashboards of the page. The same object in each render. */
  texts?: Partial<DashboardTexts> & LoadTexts;
  /** The items' names for people. */
  nameOf?: NameOf;
}

/** `<nightferry-dashboard>`: connection, metrics, auto-sync, manual operations and errors. Its code is loaded with its first use. */
export function PersistenceDashboard({ fallback = null, texts, nameOf }: PersistenceDashboardProps): ReactElement {
  const ref = useProperties({ texts, nameOf });
  return (
    <LazyElement
      tag="nightferry-dashboard"
      load={loadDashboard}
      what="The dashboard"
      texts={texts}
      fallback={fallback}
      props={{ ref }}
    />
  );
}

const loadDashboard = () => import("nightferry-dashboard");
