// `<nightferry-conflicts>` and `<nightferry-refusals>`: what somebody has to decide, and the way to do it. Clients of the page's
// API like any other; no framework. Published as `nightferry/conflicts`.

import { type Conflict, type Rejected, subscribeConflicts, subscribeRejected } from "nightferry-client";
import { type ConflictNames, conflictCard } from "./conflicts/conflict.js";
import { ListElement, type ListOptions } from "./conflicts/list.js";
import { refusalCard } from "./conflicts/refusal.js";
import { type ConflictTexts, TEXT } from "./conflicts/text.js";
import type { NameOf } from "./names.js";

export type { ConflictNames, ConflictTexts, NameOf };

/**
 * The items that were changed here and elsewhere, each with its fields: mine, theirs, before. The choices are committed
 * by "Save". Without such items, the element takes no room. Attributes: `slice` and `item` show only these.
 */
export class NightferryConflicts extends ListElement<Conflict<unknown>> implements ConflictNames {
  // Declared alone: what a page has set before the element's code is loaded stays.
  declare copyId?: ConflictNames["copyId"];

  protected readonly options: ListOptions<Conflict<unknown>> = {
    heading: () => TEXT.conflicts,
    none: () => TEXT.noMore,
    subscribe: subscribeConflicts,
    keyOf: ({ slice, itemId }) => JSON.stringify([slice, itemId]),
    card: (conflict, prefix, say) => conflictCard(conflict, prefix, say, this),
  };
}

/** The changes that the server refused, each with the reason: edit and retry, or discard. Attributes as of the conflicts. */
export class NightferryRefusals extends ListElement<Rejected<unknown>> {
  protected readonly options: ListOptions<Rejected<unknown>> = {
    heading: () => TEXT.refusals,
    none: () => TEXT.noMoreRefused,
    subscribe: subscribeRejected,
    keyOf: ({ id }) => id,
    card: (refusal, prefix, say) => refusalCard(refusal, prefix, say, this.nameOf),
  };
}

declare global {
  interface HTMLElementTagNameMap {
    "nightferry-conflicts": NightferryConflicts;
    "nightferry-refusals": NightferryRefusals;
  }
}

const elements = { "nightferry-conflicts": NightferryConflicts, "nightferry-refusals": NightferryRefusals };
for (const [name, element] of Object.entries(elements)) {
  if (globalThis.customElements && !customElements.get(name)) customElements.define(name, element);
}
