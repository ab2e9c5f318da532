// The state of the store and its items, as React hooks.

import { type ItemProgress, subscribePending } from "nightferry";
import { useEffect, useState } from "react";
import type { Kind } from "./kinds";
import { store } from "./store";

/** True once the stored items are in the store; a message if Nightferry cannot run. */
export function useReady(): { phase: "opening" | "ready" | "refused"; problem?: string } {
  const [ready, setReady] = useState<ReturnType<typeof useReady>>({ phase: "opening" });
  useEffect(() => {
    store.nightferry.ready.then(
      () => setReady({ phase: "ready" }),
      (error: Error) => setReady({ phase: "refused", problem: error.message }),
    );
  }, []);
  return ready;
}

export type Progress = ItemProgress["state"];

export const PROGRESS: Record<Progress, string> = {
  local: "Only on this device",
  sending: "On its way",
  synced: "On the server",
  conflict: "Changed elsewhere, too",
  rejected: "Refused by the server",
};

/** How far an item of this kind has come. What was `made` just now is local until Nightferry names it. */
export function useProgress(kind: Kind): { progressOf: (id: string) => Progress; made: (id: string) => void } {
  const [unsent, setUnsent] = useState<ReadonlyMap<string, Progress>>(new Map());
  useEffect(
    () =>
      subscribePending(kind, (changes, reset) =>
        setUnsent((before) => {
          const now = new Map(reset ? [] : before);
          for (const { id, state } of changes) {
            if (state === "synced") now.delete(id);
            else now.set(id, state);
          }
          return now;
        }),
      ),
    [kind],
  );
  return {
    progressOf: (id) => unsent.get(id) ?? "synced",
    made: (id) => setUnsent((before) => new Map(before).set(id, "local")),
  };
}
