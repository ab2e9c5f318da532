// The form for auto-sync. The page's API checks the values and words the errors.

import { type AutoSyncConfig, configureAutoSync, type NightferryError } from "nightferry-client";
import { make, setText } from "../nodes.js";
import { type Model, section, type View } from "./nodes.js";
import { TEXT } from "./texts.js";

type Name = keyof AutoSyncConfig;

const FIELDS: { name: Name; number: boolean }[] = [
  { name: "enabled", number: false },
  { name: "syncOnChange", number: false },
  { name: "intervalMs", number: true },
  { name: "maxQueueSize", number: true },
];

export function autoSyncForm(): View {
  const inputs = new Map<Name, HTMLInputElement>();
  const rows = FIELDS.map(({ name, number }) => {
    const kind: Record<string, string> = number
      ? { type: "number", inputmode: "numeric", step: "any" }
      : { type: "checkbox" };
    const input = make("input", { ...kind, id: name, name, "aria-describedby": `${name}-hint result` });
    inputs.set(name, input);
    const text = make("label", { for: name }, TEXT[name]);
    const hint = TEXT[`${name}Hint`];
    return make("div", { class: number ? "field" : "check" }, input, text, make("small", { id: `${name}-hint` }, hint));
  });
  const save = make("button", { type: "submit", class: "first" }, TEXT.save);
  const undo = make("button", { type: "reset" }, TEXT.undo);
  const result = make("p", { class: "result", role: "status", id: "result" });
  const form = make("form", {}, ...rows, make("div", { class: "buttons" }, save, undo), result);
  // The API explains what is invalid; the browser would only not submit the form.
  form.noValidate = true;
  /** The settings in force. */
  let inForce: Required<AutoSyncConfig> | undefined;

  const say = (state: string, text: string) => {
    result.dataset.state = state;
    setText(result, text);
    for (const [name, input] of inputs) {
      input.ariaInvalid = String(state === "failed" && text.includes(name));
    }
  };
  const show = (name: Name) => {
    const input = inputs.get(name);
    const value = inForce?.[name];
    if (typeof value === "boolean") (input as HTMLInputElement).checked = value;
    else if (value !== undefined) (input as HTMLInputElement).value = String(value);
  };
  /** Returns the settings that were changed in the form. A field that holds no number counts as changed. */
  const edited = (): AutoSyncConfig => {
    const config: Record<string, unknown> = {};
    for (const { name, number } of FIELDS) {
      const input = inputs.get(name) as HTMLInputElement;
      const value = number ? input.valueAsNumber : input.checked;
      if (value !== inForce?.[name]) config[name] = value;
    }
    return config;
  };
  const mark = () => {
    const changed = Object.keys(edited()).length > 0;
    save.ariaDisabled = undo.ariaDisabled = String(!changed);
  };

  form.addEventListener("input", mark);
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const { name } of FIELDS) show(name);
    say("", "");
    mark();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const config = edited();
    if (save.ariaBusy === "true" || Object.keys(config).length === 0) return;
    const empty = FIELDS.find(({ name }) => Number.isNaN(config[name]));
    if (empty) {
      say("failed", TEXT.needsNumber(`“${TEXT[empty.name]}” (${empty.name})`));
      return;
    }
    save.ariaBusy = "true";
    say("busy", TEXT.saving);
    try {
      await configureAutoSync(config);
      say("done", TEXT.savedSettings);
    } catch (error) {
      say("failed", (error as NightferryError).message);
    } finally {
      save.ariaBusy = "false";
      mark();
    }
  });

  const node = section("auto-sync", TEXT.autoSync, form);
  return {
    node,
    update({ status: { autoSync } }: Model) {
      const before = inForce;
      inForce = autoSync;
      // Fields that are being edited stay; the others follow the settings of other tabs.
      for (const { name, number } of FIELDS) {
        const input = inputs.get(name) as HTMLInputElement;
        const shown = number ? input.valueAsNumber : input.checked;
        if (before === undefined || (autoSync[name] !== before[name] && shown === before[name])) show(name);
      }
      mark();
    },
  };
}
