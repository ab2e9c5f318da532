import assert from "node:assert/strict";
import { test } from "node:test";
import { getStatus, getSyncMetrics, type Status } from "nightferry-client";
import { describe, share, topOf } from "./dashboard/chart.js";
import type { Start } from "./dashboard/nodes.js";
import { ago, duration, summary } from "./dashboard/text.js";
import { NightferryDashboard } from "./dashboard.js";

const words = (start: Start, status: Partial<Status>) =>
  summary({ start, status: { ...getStatus(), ...status }, metrics: getSyncMetrics(), now: 0 });
const plain = (text: string) => text.replaceAll("\u00a0", " ");

test("the module is imported where there is no document", () => {
  assert.equal(typeof globalThis.HTMLElement, "undefined");
  assert.equal(typeof NightferryDashboard, "function");
});

test("f68: the head says the five words, and why the page cannot save where it cannot", () => {
  const failure = (code: string) => Object.assign(new Error("Open that address."), { code });
  const online: Partial<Status> = { connection: "online", flaskConnected: true };
  const cases: [Start, Partial<Status>, string, RegExp][] = [
    ["asked", {}, "Connecting", /asked/],
    [failure("not_registered"), {}, "Paused", /not begun to save/],
    [failure("worker_failed"), {}, "Paused", /cannot save/],
    ["running", { connection: "local-only", pending: 2 }, "Saved on this device", /2 changes/],
    ["running", { ...online }, "Up to date", /The server has everything/],
    ["running", { ...online, pending: 1 }, "Sending 1", /kept/],
    ["running", { ...online, rejected: 1, error: "It was refused." }, "Needs you (1)", /refused 1 change;/],
  ];
  for (const [start, status, text, detail] of cases) {
    const said = words(start, status);
    assert.equal(said.text, text);
    assert.match(said.detail, detail);
  }
});

test("durations and times", () => {
  const cases = [0, 0.4, 12.4, 1_000, 1_240, 12_400, 180_000, 3 * 3_600_000];
  const said = ["0 ms", "<1 ms", "12 ms", "1 s", "1.2 s", "12 s", "3 min", "3 h"];
  assert.deepEqual(
    cases.map((ms) => plain(duration(ms))),
    said,
  );
  assert.equal(ago(1_000, 1_900), "just now");
  assert.equal(plain(ago(1_000, 4_900)), "3 s ago");
});

test("the chart's scale holds every duration, and shows the short ones beside the long", () => {
  assert.equal(topOf([3, 40]), 100);
  assert.equal(topOf([3, 10_000]), 10_000);
  assert.equal(topOf([3, 250_000]), 250_000);
  assert.equal(share(10_000, 10_000), 1);
  assert.ok(share(10, 10_000) > 0.2);
  assert.equal(share(-1, 100), 0);
});

test("the chart's words", () => {
  assert.equal(plain(describe([7])), "The last one took 7 ms");
  const hundred = Array.from({ length: 100 }, (_, n) => n + 1);
  assert.match(plain(describe(hundred)), /^The last 100: half .* up to 50 ms, 95 % up to 95 ms, the slowest 100 ms$/);
});
