// The page: opens the files, and connects the list, the editor, the import and the status with them.

import { Decide } from "./decide.js";
import { askPath } from "./dialog.js";
import { byId, setIcon, setText, throttle } from "./dom.js";
import { Editor } from "./editor.js";
import { bytes, count } from "./format.js";
import { fromDrop, fromInput, importFiles } from "./import.js";
import { announce, ErrorBanner, toast } from "./notices.js";
import { fromHash, nameOf, toHash } from "./paths.js";
import { messageOf, StatusView } from "./status.js";
import { FileStore, newId } from "./store.js";
import { Tree } from "./tree.js";

/**
 * @typedef {import("./store.js").Client} Client
 * @typedef {import("./store.js").Item} Item
 */

const CLIENT = "/nightferry/client.js";
const banner = new ErrorBanner();

keepShell();
try {
  await start(await load());
} catch (error) {
  refuse(error);
}

/** @returns {Promise<Client>} */
async function load() {
  try {
    return await import(CLIENT);
  } catch (error) {
    const next = "See whether the server runs and has Nightferry's browser files, then open this page again.";
    throw Object.assign(new Error(`${CLIENT} did not load. ${next}`, { cause: error }), { code: "client_missing" });
  }
}

/** @param {Client} client */
async function start(client) {
  const store = new FileStore(client);
  await store.open();
  const status = new StatusView(banner, client);
  const decide = run(store, status);
  client.subscribeStatus((now) => {
    status.show(now);
    decide.update(now);
  });
}

/**
 * @param {FileStore} store
 * @param {StatusView} status
 */
function run(store, status) {
  const decide = new Decide((shown) => draw(shown || editor.item ? "file" : "list"));
  const editor = new Editor(store, () => decide.show(true));
  const tree = new Tree(byId("tree", HTMLElement), byId("no-match", HTMLElement), store, {
    open: (id) => open(id),
    rename: (id) => void rename(id),
    remove: (items, name) => remove(items, name),
  });
  const filter = byId("filter", HTMLInputElement);

  // The open file, and its place in the address.

  /**
   * @param {string} id
   * @param {{history?: boolean, focus?: boolean}} [options]
   */
  function open(id, { history: remember = true, focus = true } = {}) {
    const item = store.get(id);
    if (!item) return;
    const another = editor.item?.id !== id;
    decide.show(false);
    editor.open(id);
    tree.show(id);
    draw("file");
    if (remember && another) history.pushState({ id }, "", toHash(item.path));
    // On a phone the keyboard comes up when one asks for it.
    if (focus && matchMedia("(pointer: fine)").matches) editor.focus();
    else if (focus) byId("file-name", HTMLElement).focus();
  }

  function close({ history: remember = true } = {}) {
    editor.close();
    tree.show("");
    draw("list");
    if (remember && location.hash) history.pushState(null, "", location.pathname);
  }

  function followAddress() {
    const path = fromHash(location.hash);
    const named = store.get(history.state?.id ?? "");
    const item = named?.path === path ? named : store.find(path);
    if (item) open(item.id, { history: false, focus: false });
    else {
      close({ history: false });
      if (path) toast(`There is no file ${path} here.`);
    }
  }

  /** @param {"list" | "file"} [view] */
  function draw(view) {
    const empty = store.count === 0;
    if (view) document.body.dataset.view = view;
    document.body.dataset.phase = empty && !editor.item ? "empty" : "ready";
    byId("file", HTMLElement).hidden = !editor.item || decide.isShown;
    byId("welcome", HTMLElement).hidden = !empty || Boolean(editor.item) || decide.isShown;
    byId("choose", HTMLElement).hidden = empty || Boolean(editor.item) || decide.isShown;
    setText(byId("summary", HTMLElement), empty ? "" : `${count(store.count, "file")}  ·  ${bytes(store.size)}`);
    document.title = editor.item ? `${nameOf(editor.item.path)} – Nightferry Files` : "Nightferry Files";
  }

  // The operations on files.

  /**
   * @param {string} path
   * @param {string} [own] the id of the file that is renamed
   */
  function taken(path, own) {
    const there = store.find(path);
    return there && there.id !== own ? `There is a file ${path} already.` : "";
  }

  async function create() {
    const folder = tree.folder;
    const path = await askPath({
      title: "New file",
      path: free(folder ? `${folder}/untitled.md` : "untitled.md"),
      confirm: "Create",
      check: (path) => taken(path),
    });
    if (path === null) return;
    const item = { id: newId(), path, content: "", size: 0, modifiedAt: Date.now() };
    attempt(`${path} could not be created`, () => {
      store.add(item);
      filter.value = "";
      tree.filter("");
      open(item.id);
      editor.focus();
    });
  }

  /** @param {string} path */
  function free(path) {
    const dot = path.lastIndexOf(".");
    let tried = path;
    for (let n = 2; store.find(tried); n++) tried = `${path.slice(0, dot)}-${n}${path.slice(dot)}`;
    return tried;
  }

  /** @param {string} id */
  async function rename(id) {
    const item = store.get(id);
    if (!item) return;
    const path = await askPath({
      title: "Rename or move",
      path: item.path,
      confirm: "Rename",
      check: (path) => taken(path, id),
    });
    if (path === null || path === item.path) return;
    attempt(`${item.path} could not be renamed`, () => {
      store.update(id, { path, modifiedAt: Date.now() });
      announce(`Renamed to ${path}.`);
    });
  }

  /**
   * @param {Item[]} items
   * @param {string} name
   */
  function remove(items, name) {
    const wasOpen = editor.item?.id ?? "";
    const hadFocus = document.activeElement;
    attempt(`${name} could not be deleted`, () => {
      store.removeAll(items);
      if (items.some((item) => item.id === wasOpen)) close();
      if (hadFocus !== tree.element) (store.count ? tree : byId("welcome-new", HTMLElement)).focus();
      toast(`Deleted ${name}.`, {
        testid: "undo",
        ms: 20_000,
        action: {
          label: "Undo",
          run: () =>
            attempt(`${name} could not be brought back`, () => {
              store.addAll(items.filter((item) => !store.get(item.id)));
              if (items.some((item) => item.id === wasOpen) && !editor.item) open(wasOpen);
              else tree.focus();
              announce(`${name} is back.`);
            }),
        },
      });
    });
  }

  /** Files that were said to be refused, until they are not any more. @type {Set<string>} */
  const refused = new Set();
  function sayRefused() {
    for (const id of refused) if (store.stateOf(id) !== "rejected") refused.delete(id);
    const fresh = [...store.unsent].flatMap(([id, state]) => (state === "rejected" && !refused.has(id) ? [id] : []));
    if (fresh.length === 0) return;
    for (const id of fresh) refused.add(id);
    // The open file says it itself.
    if (fresh.every((id) => id === editor.item?.id)) return;
    const [path] = fresh.map((id) => store.get(id)?.path).filter(Boolean);
    const what =
      fresh.length === 1 ? `your change of ${path ?? "a file"}` : `changes of ${count(fresh.length, "file")}`;
    toast(`The server refused ${what}. Your version is kept here, and is not sent until you decide.`, {
      ms: 20_000,
      action: { label: "Decide", run: () => decide.show(true) },
    });
  }

  /**
   * @param {string} problem
   * @param {() => void} change
   */
  function attempt(problem, change) {
    try {
      change();
    } catch (error) {
      toast(`${problem}: ${messageOf(error)}`, { ms: 20_000 });
    }
  }

  function ifOpen(/** @type {(item: Item) => void} */ act) {
    if (editor.item) act(editor.item);
  }

  // Buttons and keys.

  /**
   * @param {string} id
   * @param {() => void} act
   */
  function on(id, act) {
    const element = byId(id, HTMLButtonElement);
    element.disabled = false;
    element.addEventListener("click", act);
  }
  const folderInput = byId("import-input", HTMLInputElement);
  const filesInput = byId("files-input", HTMLInputElement);
  const skip = byId("import-skip", HTMLInputElement);
  on("new-file", () => void create());
  on("welcome-new", () => void create());
  on("import-folder", () => folderInput.click());
  on("welcome-import", () => folderInput.click());
  on("import-files", () => filesInput.click());
  on("back", () => {
    close();
    tree.focus();
  });
  on("rename", () => ifOpen((item) => void rename(item.id)));
  on("delete", () => ifOpen((item) => remove([item], nameOf(item.path))));
  on("download", () => editor.download());
  on("fold", () => {
    tree.foldAll(tree.anyExpanded);
    drawFold();
  });
  function drawFold() {
    const fold = byId("fold", HTMLElement);
    const label = tree.anyExpanded ? "Collapse all folders" : "Expand all folders";
    setIcon(fold.querySelector("svg"), tree.anyExpanded ? "fold" : "unfold");
    fold.title = label;
    fold.setAttribute("aria-label", label);
  }
  for (const input of [folderInput, filesInput]) {
    input.addEventListener("change", () => {
      const finds = fromInput(input.files ?? [], skip.checked);
      input.value = ""; // so that the same folder can be chosen again
      void importFiles(store, finds);
    });
  }
  filter.addEventListener(
    "input",
    throttle(() => tree.filter(filter.value), 60),
  );
  filter.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") tree.focus();
    else if (event.key !== "Escape") return;
    event.preventDefault();
    if (event.key === "Escape") {
      filter.value = "";
      tree.filter("");
    }
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
      event.preventDefault(); // every change is kept as it is made; what is left to do is to send it
      void status.syncNow();
    } else if (event.key === "/" && !typing && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      filter.focus();
    }
  });
  acceptDrops((data) => void importFiles(store, fromDrop(data, skip.checked)));

  const drawSoon = throttle(() => draw(), 100);
  store.listen((change) => {
    if (change.structure || change.ids.size) drawSoon();
    if (change.states) sayRefused();
    const item = editor.item;
    if (
      item &&
      change.structure &&
      change.ids.has(item.id) &&
      store.get(item.id) &&
      fromHash(location.hash) !== item.path
    ) {
      history.replaceState({ id: item.id }, "", toHash(item.path));
      tree.show(item.id);
    }
  });
  window.addEventListener("popstate", followAddress);
  tree.filter("");
  draw();
  followAddress();
  return decide;
}

/** @param {(data: DataTransfer) => void} drop */
function acceptDrops(drop) {
  const cover = byId("drop", HTMLElement);
  const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  let depth = 0;
  document.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth++;
    cover.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth = Math.max(0, depth - 1);
    cover.hidden = depth === 0;
  });
  document.addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    depth = 0;
    cover.hidden = true;
    if (!hasFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    drop(event.dataTransfer);
  });
}

/** The application's own worker, which lets the page open with the server down. Nightferry's has its own scope. */
function keepShell() {
  navigator.serviceWorker?.register("/shell-sw.js", { scope: "/" }).catch((error) => {
    console.warn("The page will not open without the server:", error);
  });
}

/** Without Nightferry nothing could be kept: say so, and offer nothing. @param {unknown} error */
function refuse(error) {
  const code = /** @type {{code?: string}} */ (error)?.code ?? "failed";
  const titles = /** @type {Record<string, string>} */ ({
    unsupported: "This browser cannot keep files",
    insecure_context: "This address cannot keep files",
  });
  console.error(error);
  document.body.dataset.phase = "refused";
  byId("connection", HTMLElement).dataset.connection = "none";
  setText(byId("connection-text", HTMLElement), "Paused");
  setIcon(document.querySelector("#connection svg"), "rejected");
  setText(byId("sync-detail", HTMLElement), "");
  const next = "Open this page again. If that does not help, tell whoever runs this site.";
  const text = `Nothing can be saved or sent now. What was saved before is still on this device. ${next}`;
  banner.show(titles[code] ?? "The files could not be opened", text, `${messageOf(error)} (${code})`);
}
