// Bringing files in: a chosen folder, chosen files, or whatever is dropped on the page.

import { fromBytes, LIMIT_TEXT, surelyTooLarge, tooLarge } from "./content.js";
import { bytes, count } from "./format.js";
import { progressCard } from "./notices.js";
import { messageOf } from "./status.js";
import { newId } from "./store.js";

/**
 * @typedef {import("./store.js").Item} Item
 * @typedef {import("./store.js").FileStore} FileStore
 *
 * @typedef {ReturnType<typeof import("./notices.js").progressCard>} ProgressCard
 *
 * @typedef {object} Found one file to bring in
 * @property {string} path
 * @property {() => Promise<File>} read
 *
 * @typedef {object} Finds
 * @property {Found[]} files
 * @property {Map<string, number | null>} skipped folders that were left out, with how many files when that is known
 * @property {string[]} failed what could not even be listed
 */

const SKIP = new Set([".git", "node_modules", "target"]);
const CHUNK_ITEMS = 200;
const CHUNK_BYTES = 1024 * 1024;
const READERS = 16;

/**
 * From a file input: with a folder chosen, each file knows its path below it.
 * @param {Iterable<File>} list
 * @param {boolean} skip
 * @returns {Finds}
 */
export function fromInput(list, skip) {
  /** @type {Finds} */
  const finds = { files: [], skipped: new Map(), failed: [] };
  for (const file of list) {
    const path = file.webkitRelativePath || file.name;
    const left = skip ? skippedFolder(path) : "";
    if (left) finds.skipped.set(left, (finds.skipped.get(left) ?? 0) + 1);
    else finds.files.push({ path, read: async () => file });
  }
  return finds;
}

/**
 * From a drop. The entries must be taken before the event ends, so this is called in it.
 * @param {DataTransfer} data
 * @param {boolean} skip
 * @returns {Promise<Finds>}
 */
export function fromDrop(data, skip) {
  /** @type {Finds} */
  const finds = { files: [], skipped: new Map(), failed: [] };
  const entries = [];
  for (const item of data.items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.();
    const file = entry ? null : item.getAsFile();
    if (entry) entries.push(entry);
    else if (file) finds.files.push({ path: file.name, read: async () => file });
  }
  return Promise.all(entries.map((entry) => walk(entry, skip, finds))).then(() => finds);
}

/**
 * @param {FileSystemEntry} entry
 * @param {boolean} skip
 * @param {Finds} finds
 */
async function walk(entry, skip, finds) {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const file = /** @type {FileSystemFileEntry} */ (entry);
    finds.files.push({ path, read: () => new Promise((resolve, reject) => file.file(resolve, reject)) });
    return;
  }
  if (skip && SKIP.has(entry.name)) {
    finds.skipped.set(path, null);
    return;
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  try {
    // A reader hands out at most a hundred entries at a time.
    for (;;) {
      /** @type {FileSystemEntry[]} */
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) break;
      for (const inner of some) await walk(inner, skip, finds);
    }
  } catch (error) {
    finds.failed.push(`${path}: the folder could not be read (${messageOf(error)})`);
  }
}

/** @param {string} path */
function skippedFolder(path) {
  const parts = path.split("/");
  const at = parts.findIndex((part, index) => index < parts.length - 1 && SKIP.has(part));
  return at < 0 ? "" : parts.slice(0, at + 1).join("/");
}

/**
 * Brings the files in. A path that exists already keeps its id: the file is updated.
 * @param {FileStore} store
 * @param {Finds | Promise<Finds>} finding
 */
export async function importFiles(store, finding) {
  let cancelled = false;
  const card = progressCard("Importing", () => (cancelled = true));
  card.progress(0, 1, "Looking for files…");
  const { files, skipped, failed } = await finding;

  const result = { added: 0, updated: 0, unchanged: 0 };
  /** @type {Item[]} */
  let chunk = [];
  let chunkBytes = 0;
  /** The paths of the chunk: a second file of one path must find the first. @type {Set<string>} */
  let chunkPaths = new Set();

  const hand = async () => {
    const items = chunk;
    [chunk, chunkBytes, chunkPaths] = [[], 0, new Set()];
    try {
      store.addAll(items);
      result.added += items.length;
    } catch {
      // One that cannot be taken keeps no other out, and is named.
      for (const item of items) {
        try {
          store.add(item);
          result.added++;
        } catch (error) {
          failed.push(`${item.path}: ${messageOf(error)}`);
        }
      }
    }
    await nextTurn();
  };

  let done = 0;
  let drawn = 0;
  for await (const { path, file, read, error } of readAhead(files, () => cancelled)) {
    done++;
    if (performance.now() - drawn > 100) {
      card.progress(done, files.length, `${done.toLocaleString("en")} of ${count(files.length, "file")}`);
      drawn = performance.now();
    }
    if (error !== undefined) {
      failed.push(`${path}: it could not be read (${messageOf(error)})`);
      continue;
    }
    if (!read) {
      failed.push(`${path}: ${bytes(file.size)} is more than a file may have (${LIMIT_TEXT})`);
      continue;
    }
    if (chunkPaths.has(path)) await hand();
    const there = store.find(path);
    const content = fromBytes(read);
    const fields = { path, ...content, size: read.length, modifiedAt: file.lastModified || Date.now() };
    if (tooLarge({ id: there?.id ?? newId(), ...fields })) {
      failed.push(`${path}: ${bytes(file.size)} is more than a file may have (${LIMIT_TEXT} as it is stored)`);
    } else if (there && there.content === content.content && there.encoding === content.encoding) {
      result.unchanged++;
    } else if (there) {
      try {
        store.update(there.id, { ...fields, encoding: content.encoding });
        result.updated++;
      } catch (error) {
        failed.push(`${path}: ${messageOf(error)}`);
      }
      if (result.updated % CHUNK_ITEMS === 0) await nextTurn();
    } else {
      chunk.push({ id: newId(), ...fields });
      chunkPaths.add(path);
      chunkBytes += content.content.length;
      if (chunk.length >= CHUNK_ITEMS || chunkBytes >= CHUNK_BYTES) await hand();
    }
  }
  await hand();
  finish(card, { ...result, failed, skipped, left: files.length - done });
}

/**
 * @param {ProgressCard} card
 * @param {{added: number, updated: number, unchanged: number, failed: string[], skipped: Map<string, number | null>, left: number}} result
 */
function finish(card, { added, updated, unchanged, failed, skipped, left }) {
  let title = `${count(added, "file")} imported`;
  if (!added && updated) title = `${count(updated, "file")} updated`;
  else if (!added) title = left ? "Import cancelled" : "Nothing new to import";
  const words = [];
  if (added && updated) words.push(`${count(updated, "file")} updated.`);
  if (unchanged) words.push(`${count(unchanged, "file")} already here and the same.`);
  if (left) words.push(`Cancelled: ${count(left, "file")} not imported.`);
  const lists = [];
  if (failed.length)
    lists.push({ title: `${count(failed.length, "file")} not imported`, lines: failed, important: true });
  if (skipped.size) {
    let known = 0;
    const lines = [...skipped].map(([folder, files]) => {
      known += files ?? 0;
      return files === null ? folder : `${folder} (${count(files, "file")})`;
    });
    const inside = known ? `, ${count(known, "file")}` : "";
    lists.push({ title: `Skipped ${count(skipped.size, "folder")}${inside}`, lines });
  }
  if (!added && !updated && !unchanged && !lists.length && !left) words.push("There is no file in it.");
  card.finish(title, words.join(" "), lists);
}

/**
 * Reads several files at once, and hands them on in their order.
 * @param {Found[]} files
 * @param {() => boolean} cancelled
 */
async function* readAhead(files, cancelled) {
  /** @type {Promise<{path: string, file: File, read: Uint8Array | null, error?: unknown}>[]} */
  const ahead = [];
  for (let next = 0; (next < files.length && !cancelled()) || ahead.length; ) {
    while (ahead.length < READERS && next < files.length && !cancelled()) ahead.push(readOne(files[next++]));
    const one = ahead.shift();
    if (one) yield await one;
  }
}

/** @param {Found} found */
async function readOne({ path, read }) {
  try {
    const file = await read();
    const bytes = surelyTooLarge(file.size) ? null : new Uint8Array(await file.arrayBuffer());
    return { path, file, read: bytes };
  } catch (error) {
    return { path, file: new File([], path), read: null, error };
  }
}

/** Lets the page draw and answer. */
function nextTurn() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
