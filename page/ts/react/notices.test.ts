import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_NOTICES, type NoticeEvent, takeNotice } from "./notices.js";

const status = (id: string | null, text = id ?? ""): NoticeEvent => ({
  kind: "status",
  says: id === null ? null : { id, title: "Paused", text },
  over: "It goes on.",
});
const worker = (text: string): NoticeEvent => ({ kind: "worker", text });
const after = (...events: NoticeEvent[]) => events.reduce(takeNotice, NO_NOTICES).list;
const texts = (...events: NoticeEvent[]) => after(...events).map(({ text }) => text);

test("what the status says is one toast: another one takes its place, and its end is said", () => {
  assert.deepEqual(texts(status("a")), ["a"]);
  assert.deepEqual(texts(status("a"), status("b")), ["b"]);
  const [over, ...more] = after(status("a"), status(null));
  assert.deepEqual([over?.kind, over?.text, more], ["over", "It goes on.", []]);
  assert.deepEqual(after(status(null)), []);
});

test("the same with other words, such as another count, is the same toast", () => {
  const [first] = after(status("a", "1 change"));
  const [second, ...more] = after(status("a", "1 change"), status("a", "2 changes"));
  assert.deepEqual([second?.key, second?.text, more], [first?.key, "2 changes", []]);
});

test("with a new failure, nothing is over any more", () => {
  assert.deepEqual(texts(status("a"), status(null), status("b")), ["b"]);
  assert.deepEqual(texts(status("a"), status(null), worker("c")), ["c"]);
});

test("what is about a decision goes once it is made, and nothing else does", () => {
  const about = { list: "refusals", slice: "files", itemId: "a" } as const;
  const refused: NoticeEvent = { kind: "worker", text: "refused", about };
  const waiting = (list: "conflicts" | "refusals", ...ids: string[]): NoticeEvent => ({
    kind: "waiting",
    list,
    decisions: ids.map((itemId) => ({ slice: "files", itemId })),
  });
  assert.deepEqual(texts(worker("a"), refused, waiting("refusals", "a", "b"), waiting("conflicts")), ["a", "refused"]);
  assert.deepEqual(texts(worker("a"), refused, waiting("refusals", "b")), ["a"]);
});

test("what was dismissed does not come back, and its end is not said", () => {
  const [toast] = after(status("a"));
  assert.ok(toast);
  const dismissed: NoticeEvent = { kind: "dismiss", key: toast.key };
  assert.deepEqual(after(status("a"), dismissed), []);
  assert.deepEqual(after(status("a"), dismissed, status("a", "with another count")), []);
  assert.deepEqual(after(status("a"), dismissed, status(null)), []);
  assert.deepEqual(after(status("a"), worker("b"), { kind: "dismiss" }), []);
});

test("what the worker said stays until it is dismissed, and is counted", () => {
  assert.deepEqual(texts(worker("a"), worker("b"), status("c"), status(null)).slice(0, 2), ["a", "b"]);
  assert.deepEqual(
    after(worker("a"), worker("a")).map(({ times }) => times),
    [2],
  );
});

test("the same status twice changes nothing", () => {
  const once = takeNotice(NO_NOTICES, status("a"));
  assert.equal(takeNotice(once, status("a")), once);
});
