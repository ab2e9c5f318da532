// Conflicts and refusals in a React app: the custom elements, loaded when they are first shown, and a hook for an interface of
// the app's own.

import {
  type Conflict,
  discardRejected,
  type Rejected,
  type Resolution,
  resolveConflict,
  retryRejected,
  subscribeConflicts,
  subscribeRejected,
} from "nightferry-client";
import { type ReactElement, type ReactNode, useSyncExternalStore } from "react";
import type { ConflictTexts } from "../conflicts/text.js";
import type { NameOf } from "../names.js";
import { LazyElement, type LoadTexts, useProperties } from "./lazy_element.js";

export interface ConflictResolutionProps {
  /** Shows only conflicts of this slice. */
  slice?: string;
  /** Shows only the conflict of this item. */
  item?: string;
  /** The item's name for people. By default the first of its fields `name`, `title`, `label`, `path`, `subject`, `text`, or its id. */
  nameOf?: NameOf;
  /** The app's texts in the place of the English ones, by key, for all such lists of the page. The same object in each render. */
  texts?: Partial<ConflictTexts> & LoadTexts;
  /** The id of a copy, for "Keep both". By default `<id>-copy`. */
  copyId?: (conflict: Conflict<unknown>) => string;
  /** Shown while the element is loading. */
  fallback?: ReactNode;
}

/**
 * `<nightferry-conflicts>`: the items that were changed here and elsewhere, field by field, and the way to decide. Without any
 * it takes no room. Its code is loaded with its first use.
 */
export function ConflictResolution(props: ConflictResolutionProps): ReactElement {
  const { slice, item, nameOf, copyId, texts, fallback = null } = props;
  const setNames = useProperties({ nameOf, copyId, texts });
  return (
    <LazyElement
      tag="nightferry-conflicts"
      load={loadConflicts}
      what="The list of conflicts"
      texts={texts}
      fallback={fallback}
      props={{ ref: setNames, slice, item }}
    />
  );
}

export interface RefusedChangesProps extends Omit<ConflictResolutionProps, "copyId"> {}

/** `<nightferry-refusals>`: the changes that the server refused, with the reason: edit and retry, or discard. */
export function RefusedChanges(props: RefusedChangesProps): ReactElement {
  const { slice, item, nameOf, texts, fallback = null } = props;
  const setNames = useProperties({ nameOf, texts });
  return (
    <LazyElement
      tag="nightferry-refusals"
      load={loadConflicts}
      what="The list of refused changes"
      texts={texts}
      fallback={fallback}
      props={{ ref: setNames, slice, item }}
    />
  );
}

const loadConflicts = () => import("nightferry-conflicts");

/** The decisions that wait for somebody, and the functions to decide. The functions are the same in every render. */
export interface ConflictDecisions extends Decisions {
  readonly conflicts: readonly Conflict<unknown>[];
  /** The changes that the server refused. */
  readonly rejected: readonly Rejected<unknown>[];
}

interface Decisions {
  /** Resolves a conflict on every device, as `resolveConflict`. */
  resolve(this: void, id: string, choice: Resolution, value?: unknown): Promise<void>;
  /** Makes a refused change once more, with `value` or as it was. */
  retry(this: void, id: string, value?: unknown): Promise<void>;
  /** Forgets a refused change. */
  discard(this: void, id: string): Promise<void>;
}

const decisions: Decisions = { resolve: resolveConflict, retry: retryRejected, discard: discardRejected };

/** The conflicts and refusals of the whole, for an interface of the app's own. */
export function useConflictResolution(): ConflictDecisions {
  const conflicts = useSyncExternalStore(conflictList.subscribe, conflictList.present, noConflicts);
  const rejected = useSyncExternalStore(rejectedList.subscribe, rejectedList.present, noRejected);
  return { conflicts, rejected, ...decisions };
}

const NONE: readonly never[] = [];
const noConflicts = (): readonly Conflict<unknown>[] => NONE;
const noRejected = (): readonly Rejected<unknown>[] => NONE;

/** A list of the page's API, asked for once for all components that show it. */
function sharedList<T>(listen: (fn: (list: readonly T[]) => void) => () => void) {
  let list: readonly T[] = NONE;
  let end: (() => void) | undefined;
  const components = new Set<() => void>();
  return {
    present: () => list,
    subscribe(changed: () => void): () => void {
      components.add(changed);
      end ??= listen((latest) => {
        list = latest;
        for (const component of components) component();
      });
      return () => {
        components.delete(changed);
        if (components.size > 0) return;
        end?.();
        end = undefined;
      };
    },
  };
}

const conflictList = sharedList<Conflict<unknown>>(subscribeConflicts);
const rejectedList = sharedList<Rejected<unknown>>(subscribeRejected);
