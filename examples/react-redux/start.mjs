// `npm start`: Flask and Vite together. When one of them ends, so does the other.

import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createConnection } from "node:net";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const flaskPort = process.env.FLASK_PORT ?? "5000";

/** The first Python that has flask-nightferry: the one that is named, this folder's, the repository's, the system's. */
function findPython() {
  const named = process.env.NIGHTFERRY_PYTHON;
  const folders = [here("./.venv"), here("../../target/nightferry/venv")];
  const inFolders = folders.flatMap((folder) => [`${folder}/bin/python`, `${folder}/Scripts/python.exe`]);
  const candidates = named ? [named] : [...inFolders.filter(existsSync), "python3", "python"];
  const found = candidates.find((python) => spawnSync(python, ["-c", "import flask_nightferry"]).status === 0);
  if (found) return found;
  fail(`No Python with flask-nightferry was found (looked at ${candidates.join(", ")}).
Run \`cargo xtask build\` in the root of the repository, which makes one,
or name another Python: NIGHTFERRY_PYTHON=/path/to/python npm start`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Whether something listens on a port of this machine. */
function isTaken(port) {
  return new Promise((resolve) => {
    const connection = createConnection(Number(port), "127.0.0.1");
    connection.on("connect", () => {
      connection.end();
      resolve(true);
    });
    connection.on("error", () => resolve(false));
  });
}

if (!existsSync(here("./node_modules/vite"))) fail("Vite is not installed. Run `npm install` here first.");
if (!existsSync(here("./node_modules/nightferry/client.js"))) {
  fail(
    "Nightferry's npm package is not built. Run `cargo xtask build` in the root of the repository, then `npm install` here.",
  );
}
if (await isTaken(flaskPort)) {
  fail(`Port ${flaskPort} is taken, so Flask cannot start. Choose another one: FLASK_PORT=5050 npm start`);
}

const options = { cwd: here("."), stdio: "inherit" };
const children = [
  spawn(findPython(), ["-m", "flask", "--app", "app", "run", "--port", flaskPort], options),
  spawn(process.execPath, ["node_modules/vite/bin/vite.js"], options),
];
process.on("exit", () => {
  for (const child of children) child.kill();
});
for (const child of children) child.on("exit", (code) => process.exit(code ?? 0));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(0));
