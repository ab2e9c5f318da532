// The list of files: folders, filter, keyboard. Only the rows in sight are in the page, so thousands stay smooth.

import { button, icon, make, setIcon, setText, throttle } from "./dom.js";
import { count } from "./format.js";
import { extensionOf, folderOf, nameOf } from "./paths.js";
import { STATE_TEXT } from "./store.js";

/**
 * @typedef {import("./store.js").Item} Item
 * @typedef {import("./store.js").FileStore} FileStore
 *
 * @typedef {object} Folder
 * @property {string} path
 * @property {Map<string, Folder>} folders
 * @property {Item[]} files
 * @property {number} total files in it and below
 * @property {boolean} sorted
 *
 * @typedef {object} Row
 * @property {string} key
 * @property {string} name
 * @property {string} path
 * @property {number} level
 * @property {number} place among its siblings, from 1
 * @property {number} siblings
 * @property {Folder} [folder]
 * @property {Item} [file]
 *
 * @typedef {Partial<Record<"local" | "sending" | "conflict" | "rejected", number>>} Counts files by their state
 *
 * @typedef {object} TreeActions
 * @property {(id: string) => void} open
 * @property {(id: string) => void} rename
 * @property {(items: Item[], name: string) => void} remove
 */

const SPARE_ROWS = 12;
/** Of a folder's files, the state that matters most is shown. */
const ATTENTION = /** @type {const} */ (["conflict", "rejected", "sending", "local"]);
const FOLDER_TEXT = {
  local: "only on this device",
  sending: "on their way",
  conflict: "changed elsewhere, too",
  rejected: "refused by the server",
};
const { compare } = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const IMAGES = new Set(["png", "jpg", "jpeg", "gif", "webp", "avif", "bmp", "ico", "svg"]);

export class Tree {
  /** @type {Row[]} */
  #rows = [];
  #root = emptyFolder("");
  /** @type {Set<string>} */
  #collapsed = new Set();
  /** @type {string[]} */
  #words = [];
  /** How many files of a folder the server does not have as they are here. @type {Map<string, Counts>} */
  #unsent = new Map();
  /** @type {Map<string, HTMLElement>} */
  #elements = new Map();
  #active = "";
  #openId = "";
  #rowHeight = 30;
  #serial = 0;
  #frame = 0;
  #rebuild = throttle(() => this.#build(), 120);
  #recount = throttle(() => this.#countUnsent(), 120);

  /**
   * @param {HTMLElement} element
   * @param {HTMLElement} noMatch
   * @param {FileStore} store
   * @param {TreeActions} actions
   */
  constructor(element, noMatch, store, actions) {
    this.element = element;
    this.noMatch = noMatch;
    this.store = store;
    this.actions = actions;
    this.space = make("div", "tree-space");
    this.space.setAttribute("role", "none");
    element.append(this.space);

    element.addEventListener("scroll", () => this.#draw(), { passive: true });
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("focus", () => this.#draw());
    this.space.addEventListener("click", (event) => this.#click(event));
    new ResizeObserver(() => this.#measure()).observe(element);

    store.listen((change) => {
      if (change.structure) this.#rebuild();
      else if (change.states) this.#recount();
    });
  }

  /** Shows only what has all these words in its path. @param {string} text */
  filter(text) {
    this.#words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.#build();
    this.element.scrollTop = 0;
  }

  get anyExpanded() {
    return [...allFolders(this.#root)].some((folder) => !this.#collapsed.has(folder.path));
  }

  foldAll(collapse = true) {
    this.#collapsed = new Set(collapse ? [...allFolders(this.#root)].map((folder) => folder.path) : []);
    this.#flatten();
  }

  /** Marks the open file, and brings it in sight. @param {string} id */
  show(id) {
    this.#openId = id;
    const item = this.store.get(id);
    if (!item) return this.#draw();
    let hidden = false;
    for (let folder = folderOf(item.path); folder; folder = folderOf(folder)) {
      hidden = this.#collapsed.delete(folder) || hidden;
    }
    this.#active = `f:${id}`;
    if (hidden || !this.#rows.some((row) => row.key === this.#active)) this.#build();
    this.#reveal(this.#rows.findIndex((row) => row.key === this.#active));
    this.#draw();
  }

  /** Returns the folder of a new file: that of the active entry. */
  get folder() {
    const row = this.#rows.find((row) => row.key === this.#active);
    return row?.folder ? row.path : row ? folderOf(row.path) : "";
  }

  focus() {
    this.element.focus({ preventScroll: true });
  }

  // From items to rows.

  #build() {
    this.#root = emptyFolder("");
    const words = this.#words;
    for (const item of this.store.all()) {
      if (words.length) {
        const path = item.path.toLowerCase();
        if (!words.every((word) => path.includes(word))) continue;
      }
      let folder = this.#root;
      folder.total++;
      let slash = item.path.indexOf("/");
      for (let from = 0; slash >= 0; from = slash + 1, slash = item.path.indexOf("/", from)) {
        const name = item.path.slice(from, slash);
        let next = folder.folders.get(name);
        if (!next) {
          next = emptyFolder(item.path.slice(0, slash));
          folder.folders.set(name, next);
        }
        folder = next;
        folder.total++;
      }
      folder.files.push(item);
    }
    this.noMatch.hidden = !words.length || this.#root.total > 0;
    setText(this.noMatch, `No file matches “${words.join(" ")}”.`);
    this.#countUnsent(false);
    this.#flatten();
  }

  #flatten() {
    /** @type {Row[]} */
    const rows = [];
    const filtering = this.#words.length > 0;
    /**
     * @param {Folder} folder
     * @param {number} level
     */
    const walk = (folder, level) => {
      if (!folder.sorted) {
        folder.folders = new Map([...folder.folders].sort(([a], [b]) => compare(a, b)));
        folder.files.sort((a, b) => compare(nameOf(a.path), nameOf(b.path)));
        folder.sorted = true;
      }
      const siblings = folder.folders.size + folder.files.length;
      let place = 0;
      for (const [name, inner] of folder.folders) {
        rows.push({ key: `d:${inner.path}`, name, path: inner.path, level, place: ++place, siblings, folder: inner });
        if (filtering || !this.#collapsed.has(inner.path)) walk(inner, level + 1);
      }
      for (const file of folder.files) {
        const { id, path } = file;
        rows.push({ key: `f:${id}`, name: nameOf(path), path, level, place: ++place, siblings, file });
      }
    };
    walk(this.#root, 1);
    this.#rows = rows;
    this.space.style.height = `${rows.length * this.#rowHeight}px`;
    this.#draw();
  }

  #countUnsent(draw = true) {
    this.#unsent.clear();
    /** How many files are in each state. @type {Counts} */
    const all = {};
    for (const [id, state] of this.store.unsent) {
      const item = this.store.get(id);
      if (!item) continue;
      all[state] = (all[state] ?? 0) + 1;
      for (let folder = folderOf(item.path); folder; folder = folderOf(folder)) {
        let counts = this.#unsent.get(folder);
        if (!counts) {
          counts = {};
          this.#unsent.set(folder, counts);
        }
        counts[state] = (counts[state] ?? 0) + 1;
      }
    }
    const { dataset } = this.element;
    dataset.total = String(this.store.count);
    dataset.local = String(all.local ?? 0);
    dataset.sending = String(all.sending ?? 0);
    if (draw) this.#draw();
  }

  // From rows to what is in sight.

  #measure() {
    const height = Number.parseFloat(getComputedStyle(this.element).getPropertyValue("--row"));
    if (height && height !== this.#rowHeight) {
      this.#rowHeight = height;
      this.space.style.height = `${this.#rows.length * height}px`;
    }
    this.#draw();
  }

  #draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#drawNow();
    });
  }

  #drawNow() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / this.#rowHeight) - SPARE_ROWS);
    const last = Math.min(this.#rows.length, Math.ceil((scrollTop + clientHeight) / this.#rowHeight) + SPARE_ROWS);

    /** @type {Map<string, HTMLElement>} */
    const kept = new Map();
    for (let i = first; i < last; i++) {
      const row = this.#rows[i];
      const element = this.#elements.get(row.key) ?? this.#make(row);
      this.#elements.delete(row.key);
      kept.set(row.key, element);
      this.#update(element, row, i);
    }
    for (const element of this.#elements.values()) element.remove();
    this.#elements = kept;

    let next = this.space.firstElementChild;
    for (const element of kept.values()) {
      if (element === next) next = next.nextElementSibling;
      else this.space.insertBefore(element, next);
    }
    const active = kept.get(this.#active);
    if (active) this.element.setAttribute("aria-activedescendant", active.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  /** @param {Row} row */
  #make(row) {
    const element = make("div", row.folder ? "row-item is-folder" : "row-item");
    element.id = `row-${++this.#serial}`;
    element.setAttribute("role", "treeitem");
    element.dataset.key = row.key;
    element.dataset.testid = row.folder ? "folder-row" : "file-row";
    element.append(
      row.folder ? icon("chevron", "icon chevron") : make("span", "chevron"),
      icon(row.folder ? "folder" : "file", "icon kind"),
      make("span", "row-name"),
    );
    if (row.folder) {
      element.append(make("span", "row-count"));
      const remove = button("", () => this.#removeFolder(element.dataset.path ?? ""), "button bare row-delete");
      remove.tabIndex = -1;
      remove.append(icon("delete"));
      element.append(remove);
    }
    element.append(icon("unknown", "icon state"));
    return element;
  }

  /**
   * @param {HTMLElement} element
   * @param {Row} row
   * @param {number} index
   */
  #update(element, row, index) {
    const state = row.folder ? this.#folderState(row.folder) : this.store.stateOf(row.file?.id ?? "");
    const top = `translateY(${index * this.#rowHeight}px)`;
    if (element.style.transform !== top) element.style.transform = top;
    const level = String(row.level);
    if (element.getAttribute("aria-level") !== level) {
      element.setAttribute("aria-level", level);
      element.style.setProperty("--level", String(Math.min(row.level, 12)));
    }
    set(element, "aria-posinset", String(row.place));
    set(element, "aria-setsize", String(row.siblings));
    setText(/** @type {Element} */ (element.querySelector(".row-name")), row.name);
    if (element.dataset.path !== row.path) {
      element.dataset.path = row.path;
      element.title = row.path;
      element.querySelector(".row-delete")?.setAttribute("aria-label", `Delete folder ${row.path}`);
      element.querySelector(".row-delete")?.setAttribute("title", "Delete this folder");
    }
    if (element.dataset.state !== state) {
      element.dataset.state = state;
      const mark = /** @type {SVGElement} */ (element.querySelector(".state"));
      mark.dataset.state = state;
      setIcon(mark, state);
    }
    element.classList.toggle("is-active", row.key === this.#active);

    let label = `${row.name}, `;
    if (row.folder) {
      const expanded = this.#words.length > 0 || !this.#collapsed.has(row.path);
      set(element, "aria-expanded", String(expanded));
      const counts = Object.entries(this.#unsent.get(row.path) ?? {});
      const unsent = counts.reduce((sum, [, files]) => sum + files, 0);
      // The row's name says it in words.
      set(
        /** @type {Element} */ (element.querySelector(".row-count")),
        "data-count",
        String(unsent || row.folder.total),
      );
      const parts = [count(row.folder.total, "file")];
      for (const [of, files] of counts) parts.push(`${files} ${FOLDER_TEXT[/** @type {keyof Counts} */ (of)]}`);
      if (!unsent) parts.push(STATE_TEXT[state].toLowerCase());
      label += parts.join(", ");
      set(element, "data-count", String(row.folder.total));
    } else {
      set(element, "aria-selected", String(row.file?.id === this.#openId));
      setIcon(element.querySelector(".kind"), kindOf(row));
      label += STATE_TEXT[state];
    }
    set(element, "aria-label", label);
  }

  /** @param {Folder} folder */
  #folderState(folder) {
    const counts = this.#unsent.get(folder.path) ?? {};
    return ATTENTION.find((state) => counts[state]) ?? this.store.stateOf("");
  }

  // Input of people.

  /** @param {MouseEvent} event */
  #click(event) {
    const target = /** @type {Element} */ (event.target);
    if (target.closest("button")) return;
    const key = /** @type {HTMLElement | null} */ (target.closest(".row-item"))?.dataset.key;
    const row = this.#rows.find((row) => row.key === key);
    if (!row) return;
    this.#active = row.key;
    if (row.folder) this.#toggle(row);
    else if (row.file) this.actions.open(row.file.id);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.element) return;
    const rows = this.#rows;
    const at = rows.findIndex((row) => row.key === this.#active);
    const row = rows[at];
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#rowHeight) - 1);
    const to = (/** @type {number} */ index) => this.#activate(Math.max(0, Math.min(rows.length - 1, index)));

    if (event.key === "ArrowDown") to(at + 1);
    else if (event.key === "ArrowUp") to(at < 0 ? 0 : at - 1);
    else if (event.key === "Home") to(0);
    else if (event.key === "End") to(rows.length - 1);
    else if (event.key === "PageDown") to(at + page);
    else if (event.key === "PageUp") to(at - page);
    else if (!row) return;
    else if (event.key === "ArrowRight") {
      if (row.folder && this.#collapsed.has(row.path)) this.#toggle(row);
      else if (row.folder) to(at + 1);
    } else if (event.key === "ArrowLeft") {
      if (row.folder && !this.#collapsed.has(row.path)) this.#toggle(row);
      else if (row.level > 1) to(rows.findLastIndex((other, index) => index < at && other.level < row.level));
    } else if (event.key === "Enter" || event.key === " ") {
      if (row.folder) this.#toggle(row);
      else if (row.file) this.actions.open(row.file.id);
    } else if (event.key === "F2" && row.file) this.actions.rename(row.file.id);
    else if (event.key === "Delete") {
      to(at + 1 < rows.length ? at + 1 : at - 1);
      if (row.folder) this.#removeFolder(row.path);
      else if (row.file) this.actions.remove([row.file], row.name);
    } else return;
    event.preventDefault();
  }

  /** @param {Row} row */
  #toggle(row) {
    if (!this.#collapsed.delete(row.path)) this.#collapsed.add(row.path);
    this.#flatten();
  }

  /** Removes the files of a folder that are listed: with a filter, only those that match. @param {string} path */
  #removeFolder(path) {
    const inside = [...this.store.all()].filter((item) => item.path.startsWith(`${path}/`));
    const words = this.#words;
    const items = inside.filter((item) => words.every((word) => item.path.toLowerCase().includes(word)));
    if (items.length) this.actions.remove(items, `${path}/ (${count(items.length, "file")})`);
  }

  /** @param {number} index */
  #activate(index) {
    const row = this.#rows[index];
    if (!row) return;
    this.#active = row.key;
    this.#reveal(index);
    this.#draw();
  }

  /** @param {number} index */
  #reveal(index) {
    if (index < 0) return;
    const top = index * this.#rowHeight;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.#rowHeight > scrollTop + clientHeight)
      this.element.scrollTop = top + this.#rowHeight - clientHeight;
  }
}

/** @param {string} path @returns {Folder} */
function emptyFolder(path) {
  return { path, folders: new Map(), files: [], total: 0, sorted: false };
}

/** @param {Folder} folder @returns {Generator<Folder>} */
function* allFolders(folder) {
  for (const inner of folder.folders.values()) {
    yield inner;
    yield* allFolders(inner);
  }
}

/** @param {Row} row */
function kindOf(row) {
  if (IMAGES.has(extensionOf(row.path))) return "image";
  return row.file?.encoding === "base64" ? "binary" : "file";
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
