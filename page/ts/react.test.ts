import assert from "node:assert/strict";
import { test } from "node:test";
import { getStatus, getSyncMetrics } from "nightferry-client";
import { createElement } from "react";
import { renderToString } from "react-dom/server.edge";
import { PRESENT, part, SERVER } from "./react/parts.js";
import {
  ConflictResolution,
  PersistenceDashboard,
  PersistenceToasts,
  RefusedChanges,
  useConflictResolution,
  useItemState,
  usePersistence,
} from "./react.js";

test("a server renders what is so before a worker was heard, and needs no window", () => {
  assert.equal(typeof globalThis.window, "undefined");
  function All() {
    // Spread, everything is read.
    const { flush: _, ...seen } = usePersistence();
    return createElement("pre", null, JSON.stringify(seen));
  }
  const html = renderToString(createElement(All));
  assert.deepEqual(JSON.parse(html.replaceAll("&quot;", '"').replace(/<\/?pre>/g, "")), {
    status: {
      enabled: true,
      lastSyncTime: null,
      syncStatus: "idle",
      error: null,
      flaskConnected: false,
      connection: "unknown",
      pending: 0,
      conflicts: 0,
      rejected: 0,
      progress: null,
      errorCode: null,
    },
    metrics: {
      totalOperations: 0,
      successfulOperations: 0,
      failedOperations: 0,
      lastOperationTime: 0,
      averageOperationTime: 0,
    },
    autoSyncStatus: { enabled: true, lastSyncTime: 0, changeCounter: 0, nextSyncIn: null },
  });
});

test("what a server renders is what the client says before it heard anything", () => {
  for (const part of ["status", "metrics", "autoSync", "nextSyncIn"] as const) {
    assert.deepEqual(PRESENT[part](), SERVER[part](), part);
  }
  assert.equal(PRESENT.status(), PRESENT.status(), "the same object while nothing has changed");
  assert.equal(getStatus().autoSync.nextSyncAt, null);
  assert.equal(getSyncMetrics().totalOperations, 0);
});

test("a part is the same object for as long as its fields are equal, those of objects included", () => {
  let source = { progress: { done: 1, total: 2 } as object | null, pending: 1, other: 0 };
  const read = part(
    () => source,
    ({ progress, pending }) => ({ progress, pending }),
  );
  const first = read();
  source = { ...source, progress: { done: 1, total: 2 }, other: 1 };
  assert.equal(read(), first);
  source = { ...source, progress: { done: 2, total: 2 } };
  const second = read();
  assert.notEqual(second, first);
  source = { ...source, progress: null };
  assert.notEqual(read(), second);
});

test("toasts and dashboard render on a server, empty", () => {
  const toasts = renderToString(createElement(PersistenceToasts));
  assert.match(toasts, /role="alert"/);
  assert.match(toasts, /role="status"/);
  assert.doesNotMatch(toasts, /class="nightferry-toast"/);
  const fallback = createElement("p", null, "Loading");
  assert.equal(renderToString(createElement(PersistenceDashboard, { fallback })), "<p>Loading</p>");
});

test("conflicts and refusals render on a server, with nothing to decide", () => {
  const fallback = createElement("p", null, "Loading");
  for (const element of [ConflictResolution, RefusedChanges]) {
    assert.equal(renderToString(createElement(element, { fallback, slice: "files" })), "<p>Loading</p>");
  }
  function Decisions() {
    const { conflicts, rejected, ...functions } = useConflictResolution();
    const state = useItemState("files", 7);
    return createElement(
      "pre",
      null,
      JSON.stringify([conflicts, rejected, Object.keys(functions), state ?? "unknown"]),
    );
  }
  const html = renderToString(createElement(Decisions));
  assert.equal(html.replaceAll("&quot;", '"'), '<pre>[[],[],["resolve","retry","discard"],"unknown"]</pre>');
});
