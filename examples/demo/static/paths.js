// Paths: "folder/folder/name", without a slash in front.

/** @param {string} path */
export function nameOf(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** @param {string} path */
export function folderOf(path) {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** @param {string} path */
export function extensionOf(path) {
  const name = nameOf(path);
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
}

/**
 * Converts typed text to a path, or says what is wrong with it.
 * @param {string} typed
 * @returns {{path: string, problem?: undefined} | {path?: undefined, problem: string}}
 */
export function readPath(typed) {
  const path = typed.trim().replace(/^\/+/, "");
  if (!path) return { problem: "Type a name. A slash makes folders: notes/today.md" };
  if (path.endsWith("/")) return { problem: "A name is missing after the last slash." };
  const parts = path.split("/");
  if (parts.some((part) => !part.trim())) return { problem: "A folder between two slashes has no name." };
  if (parts.some((part) => part === "." || part === "..")) return { problem: "“.” and “..” cannot be names." };
  return { path };
}

/** @param {string} path */
export function toHash(path) {
  return `#/${path.split("/").map(encodeURIComponent).join("/")}`;
}

/** @param {string} hash */
export function fromHash(hash) {
  if (!hash.startsWith("#/")) return "";
  try {
    return hash.slice(2).split("/").map(decodeURIComponent).join("/");
  } catch {
    return "";
  }
}
