// One conflict: what happened, the fields, and what saving would make of it.

import { type Conflict, client, type NightferryError, resolveConflict } from "nightferry-client";
import { isObject } from "../json.js";
import { itemName, type NameOf } from "../names.js";
import { make, setText } from "../nodes.js";
import { BadEdit, Draft } from "./draft.js";
import { columns, type FieldView, fieldView } from "./fields.js";
import type { Card } from "./list.js";
import { combine, mergedSide } from "./merge.js";
import { TEXT, when } from "./text.js";
import { labelText, partList, valueNode } from "./values.js";

/** The names that an app gives its items. */
export interface ConflictNames {
  /** The item's name for people. By default the first of its fields `name`, `title`, `label`, `path`, `subject`, `text`, or its id. */
  nameOf?: NameOf | undefined;
  /** The id of a copy. By default `<id>-copy`, where the item has its id in its field `id`. */
  copyId?: ((conflict: Conflict<unknown>) => string) | undefined;
}

export function conflictCard(
  first: Conflict<unknown>,
  prefix: string,
  say: (text: string) => void,
  names: ConflictNames,
): Card<Conflict<unknown>> {
  let conflict = first;
  let draft = new Draft(conflict);
  let fields = new Map<string, FieldView>();
  let isSaving = false;
  /** The id of the copy, as the app made it. */
  let ownCopyId: string | undefined;

  const title = make("h3", { id: `${prefix}-title`, tabindex: "-1" });
  const story = make("p", { class: "story" });
  const news = make("p", { class: "news", role: "status" });
  const body = make("div", { class: "body" });
  const copy = make("input", { type: "checkbox", id: `${prefix}-copy` });
  const copyText = make("span", {}, TEXT.copy);
  const copyLabel = make("label", { class: "copy", for: copy.id }, copy, copyText);
  const outcome = make("p", { class: "outcome", role: "status" });
  const save = make("button", { type: "button", class: "first", id: `${prefix}-save` }, TEXT.save);
  const all = make("div", { class: "buttons all", role: "group", "aria-label": TEXT.allAtOnce });
  const button = (text: string, act: () => void) => {
    const node = make("button", { type: "button" }, text);
    node.addEventListener("click", act);
    all.append(node);
    return node;
  };
  const chooseAll = (side: "local" | "remote", isCopied: boolean) => {
    draft.chooseAll(side);
    copy.checked = isCopied;
    for (const field of fields.values()) field.update();
    update();
  };
  button(TEXT.allMine, () => chooseAll("local", false));
  button(TEXT.allTheirs, () => chooseAll("remote", false));
  const both = button(TEXT.keepBoth, () => chooseAll("remote", true));
  copy.addEventListener("change", () => update());
  save.addEventListener("click", () => void commit());
  const end = make("div", { class: "end" }, copyLabel, outcome, save);
  const node = make("article", { "aria-labelledby": title.id }, title, story, news, all, body, end);

  const who = () => (conflict.by ? TEXT.by(conflict.by) : TEXT.somebody);
  const name = () =>
    itemName(conflict.slice, conflict.local ?? conflict.remote ?? conflict.base, conflict.itemId, names.nameOf);

  /** The copy of this device's side, or nothing where it has no id of its own that could be another. */
  const copied = (): { id: string } | undefined => {
    const { local, itemId } = conflict;
    if (!isObject(local) || String(local.id) !== itemId) return undefined;
    ownCopyId ??= names.copyId?.(conflict);
    return { ...local, id: ownCopyId ?? `${itemId}-copy` };
  };

  function build(): void {
    const parts = draft.isDeletion ? deletion() : table();
    body.replaceChildren(...parts);
    all.hidden = draft.isDeletion;
    const made = copied();
    both.hidden = copyLabel.hidden = draft.isDeletion || !made;
    update();
  }

  function table(): HTMLElement[] {
    fields = new Map();
    const view = (field: Draft["fields"][number]) => {
      const made = fieldView(field, draft, `${prefix}-${draft.fields.indexOf(field)}`, update);
      fields.set(field.path, made);
      return made.node;
    };
    const open = draft.fields.filter(({ isOpen }) => isOpen).map(view);
    const oneSided = draft.fields.filter(({ isOpen }) => !isOpen).map(view);
    const parts: HTMLElement[] = [make("div", { class: "fields" }, columns(), ...open)];
    const folded = (text: string, ...inner: HTMLElement[]) =>
      make("details", {}, make("summary", {}, text), make("div", { class: "fields" }, ...inner));
    if (oneSided.length > 0) parts.push(folded(TEXT.oneSided(oneSided.length), columns(), ...oneSided));
    // An id is none of people's.
    const equal = draft.equal.filter(({ path }) => path !== "/id");
    if (equal.length > 0) parts.push(folded(TEXT.equal(equal.length), partList(equal)));
    return parts;
  }

  /** Deleted on one side, and changed on the other: what was changed there, and two ways out. */
  function deletion(): HTMLElement[] {
    fields = new Map();
    const { base, local, remote } = conflict;
    const kept = local ?? remote;
    const options: [side: "local" | "remote", text: string][] =
      local === undefined
        ? [["local", TEXT.keepDeleted], ["remote", TEXT.keepTheirs]] // biome-ignore format: one line
        : [["remote", TEXT.keepDeleted], ["local", TEXT.keepMine]]; // biome-ignore format: one line
    const legend = make("div", { class: "label", id: `${prefix}-whole` }, TEXT.whatBecomes);
    const group = make("div", { class: "ways", role: "radiogroup", "aria-labelledby": legend.id }, legend);
    for (const [side, text] of options) {
      const input = make("input", { type: "radio", name: prefix, value: side, id: `${prefix}-${side}` });
      input.checked = draft.choice("")?.side === side;
      input.addEventListener("change", () => {
        draft.choose("", { side });
        update();
      });
      group.append(make("label", { for: input.id, class: "who" }, input, make("span", {}, text)));
    }
    fields.set("", {
      node: group,
      update() {},
      complain() {},
      focus: () => group.querySelector("input")?.focus(),
    });
    return [group, make("h4", {}, local === undefined ? TEXT.changesOf(who()) : TEXT.myChanges), changes(base, kept)];
  }

  function update(): void {
    const open = draft.undecided.length;
    const { willBe } = TEXT;
    const { mine, theirs, byHand } = draft.count();
    let text = willBe.mixed(mine, theirs, byHand);
    const isOne = draft.isDeletion || draft.fields.length === 1;
    if (open > 0) text = isOne ? TEXT.undecidedWhole : TEXT.undecided(open, draft.fields.length);
    else if (draft.side && conflict[draft.side] === undefined) text = willBe.deleted;
    else if (draft.side === "remote" && copy.checked) text = willBe.copy;
    else if (draft.side) text = willBe[draft.side];
    setText(outcome, text);
  }

  async function commit(): Promise<void> {
    if (isSaving) return;
    const [open] = draft.undecided;
    if (open) {
      fields.get(open.path)?.focus();
      return;
    }
    isSaving = true;
    save.ariaBusy = "true";
    setText(save, TEXT.saving);
    setText(news, "");
    const { id } = conflict;
    try {
      const { choice, value } = draft.resolution();
      const made = copy.checked && !copyLabel.hidden ? copied() : undefined;
      if (made) client.put(conflict.slice, made);
      say(TEXT.resolved(name()));
      await resolveConflict(id, choice, value);
    } catch (error) {
      say("");
      if (error instanceof BadEdit) {
        const field = fields.get(error.path);
        field?.complain(error.message);
        field?.focus();
      } else setText(news, TEXT.failed((error as NightferryError).message));
    } finally {
      isSaving = false;
      save.ariaBusy = "false";
      setText(save, TEXT.save);
    }
  }

  build();
  return {
    node,
    take(newer) {
      if (newer.id === conflict.id) return;
      conflict = newer;
      const earlier = draft;
      draft = new Draft(conflict);
      draft.takeOver(earlier);
      build();
      say("");
      setText(news, TEXT.changedMeanwhile);
    },
    tick(now) {
      setText(title, name());
      const { local, remote, localAt, remoteAt } = conflict;
      const words =
        local === undefined ? TEXT.storyDeletedHere : remote === undefined ? TEXT.storyDeletedThere : TEXT.story;
      setText(story, `${words(when(localAt, now), who(), when(remoteAt, now))} ${TEXT.kept}`);
    },
  };
}

/** Lists the fields that a side changed, each with its value before and now. */
function changes(base: unknown, now: unknown): HTMLElement {
  if (base === undefined || !isObject(now)) {
    return make("div", {}, make("p", { class: "quiet" }, TEXT.nothingElse), partList([{ label: [], value: now }]));
  }
  const list = make("dl", { class: "parts" });
  combine(base, now, base, {
    differs(difference) {
      const { label, local, base: before } = difference;
      const values = make("dd", {}, valueNode(before), make("span", { class: "to" }, " → "), valueNode(local, before));
      list.append(make("div", {}, make("dt", {}, labelText(label)), values));
      return difference[mergedSide(difference)];
    },
  });
  return list;
}
