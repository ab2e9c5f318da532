"use client";
// Nightferry for React 18 and 19, published as `nightferry/react`: a hook, toasts and the dashboard, over the page's API.

export { PersistenceDashboard, type PersistenceDashboardProps } from "./react/dashboard.js";
export type { PersistenceAutoSync, PersistenceMetrics, PersistenceStatus } from "./react/parts.js";
export { type Persistence, usePersistence } from "./react/persistence.js";
export { PersistenceToasts, type PersistenceToastsProps } from "./react/toasts.js";
