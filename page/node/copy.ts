// `npx nightferry copy`: the browser's files, for those who serve them without Vite.

import { copyFile, mkdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const USAGE = `Usage: nightferry copy FOLDER

Copies the files that browsers load into FOLDER, such as public/nightferry:
the worker (sw.js, sw.wasm), and the page's modules for pages without a bundler.`;

/** The files that the page loads, and those of the worker. */
const FILES = ["sw.js", "sw.wasm", "client.js", "client.wasm", "dashboard.js", "conflicts.js"];

/** Something that the caller can put right. */
export class Refusal extends Error {}

/** Does what the arguments say, from the package's folder `files`; answers what to print. */
export async function run(words: string[], files: URL): Promise<string> {
  const [command, target, ...rest] = words;
  if (command === undefined || command === "--help" || command === "-h") return USAGE;
  if (command !== "copy") throw new Refusal(`There is no command "${command}".\n\n${USAGE}`);
  if (target === undefined || target.startsWith("-") || rest.length > 0) {
    throw new Refusal(`"nightferry copy" takes one folder.\n\n${USAGE}`);
  }
  const folder = resolve(target);
  try {
    await prepare(folder);
    for (const name of FILES) await copyFile(fileURLToPath(new URL(name, files)), join(folder, name));
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(
      `${folder} cannot be written (${(error as Error).message}). Name another folder, or see to its rights.`,
    );
  }
  return `Copied ${FILES.join(", ")}
to ${folder}

Next: that folder must be served as /nightferry/ on the page's own origin, sw.wasm and client.wasm as application/wasm.
Open /nightferry/sw.js in the browser to see that it is. Where your server has it at another address, give that address
to register({ workerUrl: "/other/sw.js" }).
A bundle that contains Nightferry's client needs client.wasm beside itself, unless your bundler understands
new URL("client.wasm", import.meta.url), as webpack and Vite do.
Copy again after each update of the package: page and worker belong together.`;
}

/** The folder, made where its parent is one. */
async function prepare(folder: string): Promise<void> {
  const is = await kind(folder);
  if (is === "folder") return;
  if (is === "file") throw new Refusal(`${folder} is a file, not a folder. Name another one; nothing was copied.`);
  const parent = dirname(folder);
  if ((await kind(parent)) !== "folder") {
    throw new Refusal(
      `${parent} is no folder, so ${basename(folder)} cannot be made in it. Run this in your app's folder, or make it first; nothing was copied.`,
    );
  }
  await mkdir(folder);
}

async function kind(path: string): Promise<"folder" | "file" | "nothing"> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch {
    return "nothing";
  }
}
