import assert from "node:assert/strict";
import { test } from "node:test";
import { itemName } from "./names.js";

test("f68: an item is called as the app calls it, or by a field that is a name, or by its id", () => {
  const app = (slice: string, item: { room: string } | undefined) => item && `${slice}: ${item.room}`;
  assert.equal(itemName("beds", { room: "12" }, "b1", app), "beds: 12");
  assert.equal(itemName("beds", undefined, "b1", app), "b1");
  assert.equal(itemName("notes", { text: "Milk", title: "Shopping" }, "n1"), "Shopping");
  assert.equal(itemName("notes", { name: " ", text: "Milk" }, "n1"), "Milk");
  assert.equal(itemName("notes", { text: "x".repeat(90) }, "n1").length, 60);
  assert.equal(itemName("notes", ["Milk"], "n1"), "n1");
  assert.equal(itemName("theme", "dark", "value"), "theme");
});
