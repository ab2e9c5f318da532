// One refused change: the reason in the server's words, the user's version, and the ways on.

import { discardRejected, type NightferryError, type Rejected, retryRejected } from "nightferry-client";
import { itemName, type NameOf } from "../names.js";
import { make, setText } from "../nodes.js";
import { BadEdit, kindOf, leaves, parse, typed } from "./draft.js";
import type { Card } from "./list.js";
import type { Equal } from "./merge.js";
import { TEXT, when } from "./text.js";
import { labelText, partList, scrolled } from "./values.js";

export function refusalCard(
  refusal: Rejected<unknown>,
  prefix: string,
  say: (text: string) => void,
  nameOf?: NameOf,
): Card<unknown> {
  const { id, value, message, itemId, slice, at } = refusal;
  const name = itemName(slice, value, itemId, nameOf);
  const isDelete = refusal.op === "delete";
  const parts = leaves({ path: "", label: [], value });

  const title = make("h3", { id: `${prefix}-title`, tabindex: "-1" }, name);
  const story = make("p", { class: "story" });
  const reason = scrolled(make("blockquote", { "aria-label": TEXT.reason }, message), message);
  const news = make("p", { class: "news", role: "status" });
  const version = make("div", { class: "version" });
  const buttons = make("div", { class: "buttons" });
  const children: HTMLElement[] = [title, story, reason];
  if (!isDelete) children.push(make("p", { class: "story" }, TEXT.refusedKept), version);
  const node = make("article", { "aria-labelledby": title.id }, ...children, news, buttons);

  const button = (text: string, act: () => void, kind = "") => {
    const made = make("button", { type: "button", ...(kind && { class: kind }) }, text);
    made.addEventListener("click", act);
    return made;
  };
  /** Runs a decision; the list is told when it is done. */
  const decide = async (said: string, run: () => Promise<void>) => {
    setText(news, "");
    say(said);
    try {
      await run();
    } catch (error) {
      say("");
      setText(news, TEXT.failed((error as NightferryError).message));
    }
  };
  const discard = () => decide(TEXT.discarded(name), () => discardRejected(id));
  const retry = (mended?: unknown) => decide(TEXT.sentAgain(name), () => retryRejected(id, mended));

  function rest(focus?: "discard" | "mend"): void {
    version.replaceChildren(
      make(
        "details",
        { ...(parts.length <= 6 && { open: "" }) },
        make("summary", {}, TEXT.yourVersion),
        // An id is none of people's.
        partList(parts.filter(({ path }) => path !== "/id")),
      ),
    );
    const mend = button(TEXT.mend, edit, "first");
    const again = button(TEXT.retry, () => void retry(), isDelete ? "first" : "");
    const away = button(TEXT.discard, ask);
    buttons.replaceChildren(...(isDelete ? [again, away] : [mend, again, away]));
    if (focus) (focus === "mend" ? mend : away).focus();
  }

  /** The user's text would be lost: it is asked once more. */
  function ask(): void {
    const yes = button(TEXT.discardYes, () => void discard(), "danger");
    const no = button(TEXT.discardNo, () => rest("discard"));
    buttons.replaceChildren(make("span", { id: `${prefix}-sure` }, TEXT.discardSure), no, yes);
    no.setAttribute("aria-describedby", `${prefix}-sure`);
    no.focus();
  }

  function edit(): void {
    const form = make("form", { class: "mend" });
    const inputs = new Map<
      string,
      { input: HTMLInputElement | HTMLTextAreaElement; problem: HTMLElement; part: Equal }
    >();
    parts.forEach((part, at) => {
      const input = inputOf(part);
      input.id = `${prefix}-edit-${at}`;
      const problem = make("p", { class: "problem", id: `${input.id}-problem` });
      problem.hidden = true;
      inputs.set(part.path, { input, problem, part });
      form.append(make("label", { for: input.id }, labelText(part.label)), input, problem);
    });
    const submit = make("button", { type: "submit", class: "first" }, TEXT.retryMended);
    const cancel = button(TEXT.cancel, () => rest("mend"));
    form.append(make("div", { class: "buttons" }, submit, cancel));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      for (const { input, problem } of inputs.values()) {
        input.removeAttribute("aria-invalid");
        problem.hidden = true;
      }
      try {
        void retry(mended(value, (part) => inputs.get(part.path)?.input.value));
      } catch (error) {
        if (!(error instanceof BadEdit)) throw error;
        const wrong = inputs.get(error.path);
        if (!wrong) return;
        wrong.input.setAttribute("aria-invalid", "true");
        wrong.input.setAttribute("aria-describedby", wrong.problem.id);
        wrong.problem.textContent = error.message;
        wrong.problem.hidden = false;
        wrong.input.focus();
      }
    });
    version.replaceChildren(form);
    buttons.replaceChildren();
    // The item's own id is the first field of most, and stays.
    [...inputs.values()].find(({ part }) => part.path !== "/id")?.input.focus();
  }

  rest();
  return {
    node,
    take() {},
    tick(now) {
      setText(story, isDelete ? TEXT.refusedDelete(when(at, now)) : TEXT.refused(when(at, now)));
    },
  };
}

const sides = ({ path, value }: Equal) => ({ path, base: value, local: value, remote: value });

function inputOf(part: Equal): HTMLInputElement | HTMLTextAreaElement {
  const text = typed(part.value);
  const isLong = kindOf(sides(part)) === "json" || text.includes("\n") || text.length > 60;
  const input = isLong
    ? make("textarea", { rows: String(Math.min(12, text.split("\n").length + 1)), spellcheck: "false" })
    : make("input", { type: "text", autocomplete: "off" });
  input.value = text;
  // The change is of this item.
  if (part.path === "/id") input.readOnly = true;
  return input;
}

/**
 * The value with what was typed in its parts.
 * @throws BadEdit
 */
export function mended(value: unknown, textOf: (part: Equal) => string | undefined): unknown {
  const texts = new Map<string, unknown>();
  for (const part of leaves({ path: "", label: [], value })) {
    const text = textOf(part);
    if (text !== undefined && text !== typed(part.value)) texts.set(part.path, parse(sides(part), text));
  }
  return replaced(value, "", texts);
}

function replaced(value: unknown, path: string, texts: Map<string, unknown>): unknown {
  if (texts.has(path)) return texts.get(path);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const at = `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      return [key, replaced(inner, at, texts)];
    }),
  );
}
