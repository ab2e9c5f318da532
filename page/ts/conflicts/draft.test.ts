import { deepStrictEqual, strictEqual, throws } from "node:assert";
import { test } from "node:test";
import type { Conflict } from "../types.js";
import { BadEdit, Draft } from "./draft.js";
import { TEXT, when } from "./text.js";

const conflict = (more: Partial<Conflict<unknown>>): Conflict<unknown> => ({
  id: "notes/9/a",
  slice: "notes",
  itemId: "a",
  localAt: 1,
  remoteAt: 2,
  paths: [],
  ...more,
});
const trip = conflict({
  base: { id: "a", title: "Trip", size: 1, from: { city: "Rome", zip: 1 }, by: "bus" },
  local: { id: "a", title: "My trip", size: 1, from: { city: "Oslo", zip: 1 }, by: "car" },
  remote: { id: "a", title: "Our trip", size: 2, from: { city: "Bern", zip: 1 }, by: "bus" },
  paths: ["/from/city", "/title"],
});

test("what one side changed is taken, what both changed is not decided, and the rest is equal", () => {
  const draft = new Draft(trip);
  deepStrictEqual(
    draft.fields.map(({ path, isOpen }) => [path, isOpen, draft.choice(path)?.side]),
    [
      ["/title", true, undefined],
      ["/size", false, "remote"],
      ["/from/city", true, undefined],
      ["/by", false, "local"],
    ],
  );
  deepStrictEqual(
    draft.equal.map(({ path }) => path),
    ["/id", "/from/zip"],
  );
  strictEqual(draft.undecided.length, 2);
});

test("the chosen value has of each field what was chosen", () => {
  const draft = new Draft(trip);
  draft.choose("/title", { side: "edit", text: "The trip" });
  draft.choose("/from/city", { side: "remote" });
  deepStrictEqual(draft.resolution(), {
    choice: "value",
    value: { id: "a", title: "The trip", size: 2, from: { city: "Bern", zip: 1 }, by: "car" },
  });
  deepStrictEqual(draft.count(), { mine: 1, theirs: 2, byHand: 1 });
});

test("a side as a whole is that side, to the last field", () => {
  const draft = new Draft(trip);
  for (const side of ["local", "remote"] as const) {
    draft.chooseAll(side);
    deepStrictEqual([draft.side, draft.resolution(), draft.undecided], [side, { choice: side }, []]);
  }
});

test("what was chosen outlasts a newer change of another field", () => {
  const draft = new Draft(trip);
  draft.choose("/title", { side: "remote" });
  draft.choose("/from/city", { side: "edit", text: "Graz" });
  const remote = { ...(trip.remote as object), title: "Trip of all" };
  const newer = new Draft({ ...trip, id: "notes/10/a", remote });
  newer.takeOver(draft);
  deepStrictEqual([newer.choice("/title"), newer.choice("/from/city")], [undefined, { side: "edit", text: "Graz" }]);
});

test("what is typed is of the field's kind", () => {
  const draft = new Draft(
    conflict({
      base: { size: 1, on: false, tags: ["x"] },
      local: { size: 2, on: true, tags: ["a"] },
      remote: { size: 3, on: null, tags: ["b"] },
      paths: ["/size", "/on", "/tags"],
    }),
  );
  const type = (path: string, text: string) => draft.choose(path, { side: "edit", text });
  type("/size", " 2,5 ");
  type("/on", "true");
  type("/tags", '["a", "b"]');
  deepStrictEqual(draft.resolution().value, { size: 2.5, on: true, tags: ["a", "b"] });
  for (const [path, text] of [
    ["/size", "many"],
    ["/size", ""],
    ["/tags", "[a"],
  ] as const) {
    const before = draft.choice(path);
    type(path, text);
    throws(
      () => draft.resolution(),
      (error) => error instanceof BadEdit && error.path === path,
    );
    if (before) draft.choose(path, before);
  }
});

test("a single value and a deleted item are decided as a whole", () => {
  const theme = new Draft(conflict({ base: "light", local: "dark", remote: "blue", paths: [""] }));
  theme.choose("", { side: "edit", text: "green" });
  deepStrictEqual(theme.resolution(), { choice: "value", value: "green" });
  const gone = new Draft(conflict({ base: { id: "a" }, remote: { id: "a", title: "b" }, paths: [""] }));
  strictEqual(gone.isDeletion, true);
  gone.choose("", { side: "local" });
  deepStrictEqual(gone.resolution(), { choice: "local" });
});

test("with the strategy manual every changed field is to be looked at", () => {
  const draft = new Draft({ ...trip, paths: [""] });
  strictEqual(
    draft.fields.every(({ isOpen }) => isOpen),
    true,
  );
  strictEqual(draft.undecided.length, 2);
});

test("times and names are in words", () => {
  const now = 1_700_000_000_000;
  const ages = [0, 30_000, 180_000, 3_600_000, 30 * 3_600_000].map((ms) => when(now - ms, now));
  deepStrictEqual(ages, ["just now", "just now", "3 minutes ago", "1 hour ago", "yesterday"]);
  strictEqual(when(0, now), TEXT.at);
  strictEqual(TEXT.by({ user: "Ann", device: "Firefox on Windows" }), "Ann on Firefox on Windows");
  strictEqual(TEXT.by({ device: "Chrome" }), "Chrome");
  strictEqual(TEXT.by({ user: "anonymous", device: "Chrome" }), "Chrome");
});
