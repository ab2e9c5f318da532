// The fields of a conflict, each as a group of radio buttons: mine, theirs, by hand; and how it was before.

import { make } from "../nodes.js";
import { type Draft, type Field, kindOf, typed } from "./draft.js";
import { TEXT } from "./text.js";
import { labelText, valueNode } from "./values.js";

/** A field's group. */
export interface FieldView {
  node: HTMLElement;
  /** Shows what is chosen, as after "All mine". */
  update(): void;
  /** Says what is wrong with what was typed; without a text, nothing is. */
  complain(problem: string): void;
  focus(): void;
}

/** The names of the columns, for eyes: each value says its column to those who hear it. */
export function columns(): HTMLElement {
  const names = [TEXT.field, TEXT.mine, TEXT.theirs, TEXT.before];
  return make("div", { class: "row head", "aria-hidden": "true" }, ...names.map((name) => make("span", {}, name)));
}

/** `prefix` makes ids and names that are the page's only ones; `changed` is called after each choice. */
export function fieldView(field: Field, draft: Draft, prefix: string, changed: () => void): FieldView {
  const { path, base, local, remote } = field;
  const label = field.isOrder ? TEXT.order(labelText(field.label.slice(-1))) : labelText(field.label);
  const name = make("div", { class: "label", id: `${prefix}-label` }, label);
  const radios = new Map<string, HTMLInputElement>();
  const choose = (side: "local" | "remote" | "edit") => {
    draft.choose(path, side === "edit" ? { side, text: edit.value } : { side });
    view.update();
    changed();
  };
  const radio = (side: "local" | "remote" | "edit", text: string, describedBy?: string) => {
    const input = make("input", { type: "radio", name: prefix, value: side, id: `${prefix}-${side}` });
    if (describedBy) input.setAttribute("aria-describedby", describedBy);
    input.addEventListener("change", () => choose(side));
    radios.set(side, input);
    return make("label", { class: "who", for: input.id }, input, make("span", {}, text));
  };
  const cell = (side: "local" | "remote", text: string, value: unknown, other: unknown) => {
    const shown = valueNode(value, other);
    shown.id = `${prefix}-${side}-value`;
    // A long value is read where one goes to it, not with each choice.
    const node = make(
      "div",
      { class: `cell ${side}` },
      radio(side, text, shown.tabIndex === 0 ? undefined : shown.id),
      shown,
    );
    if (shown.tabIndex === 0) shown.setAttribute("aria-label", `${label}, ${text}`);
    shown.addEventListener("click", () => {
      if (!getSelection()?.toString()) radios.get(side)?.click();
    });
    return node;
  };
  const former = make("div", { class: "cell before" }, make("span", { class: "who" }, TEXT.before), valueNode(base));
  former.querySelector("[tabindex]")?.setAttribute("aria-label", `${label}, ${TEXT.before}`);

  const kind = kindOf(field);
  const start = typed(local ?? remote ?? base);
  const edit =
    kind === "number"
      ? make("input", { type: "text", inputmode: "decimal", autocomplete: "off" })
      : make("textarea", { rows: String(Math.min(12, Math.max(2, start.split("\n").length))), spellcheck: "false" });
  edit.value = start;
  edit.id = `${prefix}-text`;
  edit.setAttribute("aria-label", TEXT.editLabel(label));
  edit.addEventListener("input", () => choose("edit"));
  const problem = make("p", { class: "problem", id: `${prefix}-problem` });
  const byHand = make("div", { class: "by-hand" }, edit, problem);

  const hand = make("div", { class: "cell hand" });
  if (!field.isOrder) hand.append(radio("edit", TEXT.edit));
  const node = make(
    "div",
    { class: "row field", role: "radiogroup", "aria-labelledby": name.id, "data-path": path },
    name,
    cell("local", TEXT.mine, local, base ?? remote),
    cell("remote", TEXT.theirs, remote, base ?? local),
    former,
    hand,
    byHand,
  );

  const view: FieldView = {
    node,
    update() {
      const choice = draft.choice(path);
      for (const [side, input] of radios) input.checked = side === choice?.side;
      node.dataset.choice = choice?.side ?? "";
      byHand.hidden = choice?.side !== "edit";
      if (choice?.side === "edit" && edit.value !== choice.text) edit.value = choice.text;
      view.complain("");
    },
    complain(text) {
      problem.textContent = text;
      problem.hidden = text === "";
      edit.toggleAttribute("aria-invalid", text !== "");
      if (text === "") edit.removeAttribute("aria-describedby");
      else edit.setAttribute("aria-describedby", problem.id);
      if (text !== "") edit.setAttribute("aria-invalid", "true");
    },
    focus() {
      const choice = draft.choice(path)?.side;
      if (choice === "edit") edit.focus();
      else radios.get(choice ?? "local")?.focus();
    },
  };
  view.update();
  return view;
}
