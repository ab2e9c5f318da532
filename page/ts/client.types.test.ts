// The page's API has the shape that apps are written against. There is nothing to run: TypeScript checks it.

import type * as client from "./client.js";

type Equal<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
type Holds<Condition extends true> = Condition;
type Takes<Fn extends (...taken: never[]) => unknown, Taken extends unknown[], Returned> = [
  Equal<Parameters<Fn>, Taken>,
  Equal<ReturnType<Fn>, Returned>,
] extends [true, true]
  ? true
  : false;

interface File {
  id: string;
  name: string;
}
type Renamed = { type: "files/updateItem"; payload: { id: string; name: string } };
type Ends = () => void;
type Change = { puts: { id: string; value: File }[]; deletes: string[]; origin: "tab" | "server" | "rollback" };
type Slice = {
  storeName?: string;
  enabled?: boolean;
  syncToFlask?: boolean;
  debounceMs?: number;
  maxWaitMs?: number;
  batchSize?: number;
  single?: boolean;
  conflict?: "merge" | "local" | "remote" | "newest" | "manual" | client.ConflictFunction;
  refused?: "rollback" | "keep";
};
type Conflict = {
  id: string;
  slice: string;
  itemId: string;
  base?: unknown;
  local?: unknown;
  remote?: unknown;
  localAt: number;
  remoteAt: number;
  by?: { user?: string; device?: string };
  paths: string[];
};
type Rejected = {
  id: string;
  slice: string;
  itemId: string;
  op: "delete" | "put";
  value?: unknown;
  code: string;
  message: string;
  at: number;
};
type AutoSync = { enabled?: boolean; intervalMs?: number; syncOnChange?: boolean; maxQueueSize?: number };

declare const nf: typeof client;
const dispatched = () => nf.dispatch({ type: "files/updateItem", payload: { id: "1", name: "a" } } as Renamed);
const hydrated = () => nf.hydrate<File>("files");
const subscribed = (fn: (change: Change) => void) => nf.subscribe<File>("files", fn);

export type Checks = [
  Holds<Equal<client.SliceConfig, Slice>>,
  Holds<Equal<client.AutoSyncConfig, AutoSync>>,
  Holds<
    Equal<
      client.RegisterOptions,
      {
        workerUrl?: string;
        api?: string;
        name?: string;
        user?: string;
        getToken?: () => string | null | undefined | Promise<string | null | undefined>;
        persistStorage?: boolean;
        slices: Record<string, Slice>;
        autoSync?: AutoSync;
        deviceName?: string;
      }
    >
  >,
  Holds<Takes<typeof client.register, [options: client.RegisterOptions], Promise<{ build: string }>>>,
  // An action comes back as what it was.
  Holds<Equal<ReturnType<typeof dispatched>, Renamed>>,
  Holds<Equal<ReturnType<typeof hydrated>, Promise<{ id: string; value: File }[]>>>,
  Holds<Equal<client.Change<File>, Change>>,
  Holds<Equal<ReturnType<typeof subscribed>, Ends>>,
  Holds<Takes<typeof client.getStatus, [], client.Status>>,
  Holds<Takes<typeof client.subscribeStatus, [fn: (status: client.Status) => void], Ends>>,
  Holds<Takes<typeof client.getSyncMetrics, [], client.SyncMetrics>>,
  Holds<Takes<typeof client.subscribeSyncMetrics, [fn: (metrics: client.SyncMetrics) => void], Ends>>,
  Holds<Takes<typeof client.resetSyncMetrics, [], void>>,
  Holds<Takes<typeof client.subscribeErrors, [fn: (error: client.WorkerError) => void], Ends>>,
  Holds<
    Takes<
      typeof client.subscribePending,
      [slice: string, fn: (changes: client.ItemProgress[], reset: boolean) => void],
      Ends
    >
  >,
  Holds<Takes<typeof client.getRejected, [], Promise<client.Rejected<unknown>[]>>>,
  Holds<Equal<client.Rejected<unknown>, Rejected>>,
  Holds<Takes<typeof client.retryRejected, [id: string, value?: unknown], Promise<void>>>,
  Holds<Takes<typeof client.discardRejected, [id: string], Promise<void>>>,
  Holds<Takes<typeof client.subscribeRejected, [fn: (rejected: client.Rejected<unknown>[]) => void], Ends>>,
  Holds<Takes<typeof client.getConflicts, [], Promise<client.Conflict<unknown>[]>>>,
  Holds<Equal<client.Conflict<unknown>, Conflict>>,
  Holds<
    Takes<
      typeof client.resolveConflict,
      [id: string, choice: "local" | "remote" | "merge" | "value", value?: unknown],
      Promise<void>
    >
  >,
  Holds<Takes<typeof client.subscribeConflicts, [fn: (conflicts: client.Conflict<unknown>[]) => void], Ends>>,
  Holds<Takes<typeof client.synced, [slice: string, id?: string, options?: { signal?: AbortSignal }], Promise<void>>>,
  Holds<Equal<client.ProgressState, "local" | "sending" | "synced" | "conflict" | "rejected">>,
  Holds<Takes<typeof client.flushPersistence, [], Promise<void>>>,
  Holds<Takes<typeof client.syncNow, [], Promise<void>>>,
  Holds<Takes<typeof client.syncToFlaskBulk, [], Promise<void>>>,
  Holds<Takes<typeof client.checkFlaskConnection, [], Promise<boolean>>>,
  Holds<Takes<typeof client.configurePersistence, [slice: string, config: Slice], Promise<void>>>,
  Holds<Takes<typeof client.enablePersistence, [slice: string], Promise<void>>>,
  Holds<Takes<typeof client.disablePersistence, [slice: string], Promise<void>>>,
  Holds<Takes<typeof client.configureAutoSync, [config: AutoSync], Promise<void>>>,
];

// TypeScript rejects values that cannot be an action.
export const refused = () => {
  // @ts-expect-error a type is missing
  nf.dispatch({ payload: 1 });
  // @ts-expect-error the slices are missing
  nf.register({});
  // @ts-expect-error there is no such setting
  nf.configurePersistence("files", { debounce: 1 });
};
