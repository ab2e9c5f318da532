"use client";
// Nightferry for React 18 and 19, published as `nightferry/react`: hooks, toasts, the dashboard, conflicts and refusals, over the
// page's API.

export type { ConflictTexts } from "./conflicts/text.js";
export type { DashboardTexts } from "./dashboard/texts.js";
export type { NameOf } from "./names.js";
export {
  type ConflictDecisions,
  ConflictResolution,
  type ConflictResolutionProps,
  RefusedChanges,
  type RefusedChangesProps,
  useConflictResolution,
} from "./react/conflicts.js";
export { PersistenceDashboard, type PersistenceDashboardProps } from "./react/dashboard.js";
export { useItemState } from "./react/item_state.js";
export type { LoadTexts } from "./react/lazy_element.js";
export type { PersistenceAutoSync, PersistenceMetrics, PersistenceStatus } from "./react/parts.js";
export { type Persistence, usePersistence } from "./react/persistence.js";
export { TOAST_TEXTS, type ToastTexts } from "./react/toast_text.js";
export { PersistenceToasts, type PersistenceToastsProps } from "./react/toasts.js";
