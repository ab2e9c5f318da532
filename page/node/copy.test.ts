import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Refusal, run } from "./copy.js";

const NAMES = ["client.js", "client.wasm", "conflicts.js", "dashboard.js", "sw.js", "sw.wasm"];

function fresh() {
  const folder = mkdtempSync(join(tmpdir(), "nightferry-"));
  for (const name of NAMES) writeFileSync(join(folder, name), name);
  return { files: pathToFileURL(`${folder}/`), app: mkdtempSync(join(tmpdir(), "nightferry-app-")) };
}

test("the files are copied, and it is said where to and what comes next", async () => {
  const { files, app } = fresh();
  const target = join(app, "nightferry");
  const said = await run(["copy", target], files);
  assert.deepEqual(readdirSync(target).sort(), NAMES);
  for (const name of NAMES) assert.equal(readFileSync(join(target, name), "utf8"), name);
  for (const part of [target, "sw.wasm", "/nightferry/sw.js"]) assert.ok(said.includes(part), part);
  // And once more over the old ones.
  writeFileSync(join(target, "sw.js"), "old");
  await run(["copy", target], files);
  assert.equal(readFileSync(join(target, "sw.js"), "utf8"), "sw.js");
});

test("what is no folder is refused, and stays as it is", async () => {
  const { files, app } = fresh();
  const file = join(app, "file");
  writeFileSync(file, "mine");
  await assert.rejects(run(["copy", file], files), /is a file, not a folder/);
  assert.equal(readFileSync(file, "utf8"), "mine");
  await assert.rejects(run(["copy", join(app, "missing", "nightferry")], files), /missing is no folder/);
  await assert.rejects(run(["copy", join(file, "nightferry")], files), /file is no folder/);
  assert.ok(!existsSync(join(app, "missing")));
});

test("other words are answered with the usage", async () => {
  const { files } = fresh();
  assert.match(await run([], files), /^Usage: nightferry copy FOLDER/);
  for (const words of [["paste"], ["copy"], ["copy", "a", "b"], ["copy", "--force"]]) {
    await assert.rejects(run(words, files), (error) => error instanceof Refusal && error.message.includes("Usage"));
  }
});
