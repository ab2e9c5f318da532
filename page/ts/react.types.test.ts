// `usePersistence` returns the shape that apps are written against. There is nothing to run: TypeScript checks it.

import type { ErrorCode } from "nightferry-client";
import type { Persistence, usePersistence } from "./react.js";

/** The hook's documented shape. */
interface Documented {
  status: {
    enabled: boolean;
    lastSyncTime: number | null;
    syncStatus: "idle" | "syncing" | "success" | "error";
    error: string | null;
    flaskConnected: boolean;
  };
  metrics: {
    totalOperations: number;
    successfulOperations: number;
    failedOperations: number;
    lastOperationTime: number;
    averageOperationTime: number;
  };
  autoSyncStatus: {
    enabled: boolean;
    lastSyncTime: number;
    changeCounter: number;
    nextSyncIn: number | null;
  };
  flush: () => Promise<void>;
  // biome-ignore lint/suspicious/noExplicitAny: documented so
  configure: (sliceName: string, config: any) => void;
  enable: (sliceName: string) => void;
  disable: (sliceName: string) => void;
  resetMetrics: () => void;
  // biome-ignore lint/suspicious/noExplicitAny: documented so
  configureAutoSync: (config: any) => void;
  syncNow: () => Promise<void>;
}

/** The rest of the status, beside what is documented. */
interface Rest {
  connection: "online" | "local-only" | "unknown";
  pending: number;
  conflicts: number;
  rejected: number;
  progress: { done: number; total: number } | null;
  errorCode: ErrorCode | null;
}

type Returned = ReturnType<typeof usePersistence>;
type Equal<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
type Holds<Condition extends true> = Condition;
/** Without `readonly`, which says only that components do not write. */
type Plain<T> = { -readonly [Field in keyof T]: T[Field] };

type Same<Name extends keyof Documented> = Equal<Plain<Returned[Name]>, Documented[Name]>;
type Takes<Name extends keyof Documented> = Documented[Name] extends (...taken: infer Taken) => infer Result
  ? Returned[Name] extends (...taken: Taken) => unknown
    ? Equal<ReturnType<Extract<Returned[Name], (...taken: never[]) => unknown>>, Result>
    : false
  : false;

export type Checks = [
  Holds<Equal<Returned, Persistence>>,
  Holds<Returned extends Documented ? true : false>,
  Holds<Equal<keyof Returned, keyof Documented>>,
  Holds<Equal<Pick<Returned["status"], keyof Documented["status"]>, Documented["status"]>>,
  Holds<Equal<Omit<Returned["status"], keyof Documented["status"]>, Omit<Rest, never>>>,
  Holds<{ status: Documented["status"] & Rest } & Omit<Documented, "status"> extends Returned ? true : false>,
  Holds<Same<"metrics">>,
  Holds<Same<"autoSyncStatus">>,
  Holds<Takes<"flush">>,
  Holds<Takes<"configure">>,
  Holds<Takes<"enable">>,
  Holds<Takes<"disable">>,
  Holds<Takes<"resetMetrics">>,
  Holds<Takes<"configureAutoSync">>,
  Holds<Takes<"syncNow">>,
  // The parameters of each function.
  Holds<Equal<Parameters<Returned["flush"]>, []>>,
  Holds<Equal<Parameters<Returned["enable"]>, [sliceName: string]>>,
  Holds<Equal<Parameters<Returned["disable"]>, [sliceName: string]>>,
  Holds<Equal<Parameters<Returned["configure"]>[0], string>>,
];
