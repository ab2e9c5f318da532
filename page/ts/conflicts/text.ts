// All that the elements say, by key. An app replaces any of it: `element.texts = {save: "Sichern"}`.

import type { By } from "../types.js";

/** The texts in use, of all such elements of the page. */
export const TEXT = {
  /** The language of times, as a BCP 47 tag. */
  locale: "en",
  justNow: "just now",
  mine: "Mine",
  theirs: "Theirs",
  before: "Before",
  field: "Field",
  edit: "Edit by hand",
  editLabel: (field: string) => `${field}, by hand`,
  entire: "The whole",
  order: (list: string) => (list === "" ? "Order" : `${list}: order`),
  absent: "not there",
  deleted: "deleted",
  emptyText: "empty",
  sameLines: (lines: number) => `… ${lines} lines that are the same …`,

  conflicts: "Changed here and elsewhere",
  story: (here: string, who: string, there: string) => `You changed it ${here}. ${who} changed it ${there}.`,
  storyDeletedHere: (here: string, who: string, there: string) => `You deleted it ${here}. ${who} changed it ${there}.`,
  storyDeletedThere: (here: string, who: string, there: string) =>
    `You changed it ${here}. ${who} deleted it ${there}.`,
  kept: "Both versions are kept. Nothing more of it is sent until you decide.",
  at: "at an unknown time",
  on: (date: string) => `on ${date}`,
  somebody: "Another device",
  by: ({ user, device }: By) => {
    // Without a sign-in everybody has this name.
    const name = user === "anonymous" ? undefined : user;
    return name && device ? `${name} on ${device}` : (name ?? device ?? "Another device");
  },
  allMine: "All mine",
  allTheirs: "All theirs",
  allAtOnce: "All fields at once",
  keepBoth: "Keep both",
  keepDeleted: "Delete it everywhere",
  keepMine: "Keep my version",
  keepTheirs: "Keep their version",
  whatBecomes: "What becomes of it?",
  changesOf: (who: string) => `What ${who} changed`,
  myChanges: "What you changed",
  nothingElse: "It was made anew, or its former version is not known.",
  oneSided: (fields: number) =>
    fields === 1
      ? "1 field was changed on one side only: that change is kept"
      : `${fields} fields were changed on one side only: those changes are kept`,
  equal: (fields: number) =>
    fields === 1 ? "1 field is the same on both sides" : `${fields} fields are the same on both sides`,
  copy: "Keep my version as a copy, too",
  undecided: (open: number, all: number) =>
    `${open} of ${all} ${all === 1 ? "field" : "fields"} ${open === 1 ? "is" : "are"} not decided.`,
  undecidedWhole: "It is not decided yet.",
  willBe: {
    local: "Save keeps your version. Their changes are dropped.",
    remote: "Save takes their version. Your changes are dropped.",
    mixed: (mine: number, theirs: number, byHand: number) =>
      `Save takes ${[
        mine > 0 && `${mine} ${mine === 1 ? "field" : "fields"} of yours`,
        theirs > 0 && `${theirs} of theirs`,
        byHand > 0 && `${byHand} by hand`,
      ]
        .filter(Boolean)
        .join(", ")}.`,
    copy: "Save takes their version. Yours stays as a copy.",
    deleted: "Save deletes it everywhere.",
  },
  save: "Save",
  saving: "Saving …",
  changedMeanwhile: "It was changed meanwhile. Your choices are kept where they still fit: look again, then save.",
  resolved: (name: string) => `“${name}” is resolved.`,
  noMore: "Nothing is in conflict any more.",
  failed: (reason: string) => `It could not be saved: ${reason} Nothing is lost; try again.`,
  notANumber: "This needs a number.",
  notJson: (reason: string) => `This is not JSON: ${reason}`,

  refusals: "Refused by the server",
  refused: (when: string) => `The server refused a change that you made ${when}:`,
  refusedDelete: (when: string) => `You deleted it ${when}. The server refused that:`,
  refusedKept: "Your version is kept here until you decide.",
  yourVersion: "Your version",
  reason: "The server’s reason",
  mend: "Edit and retry",
  retry: "Try again",
  retryMended: "Send it",
  cancel: "Cancel",
  discard: "Discard",
  discardSure: "Discard your version for good?",
  discardYes: "Yes, discard it",
  discardNo: "No, keep it",
  sentAgain: (name: string) => `“${name}” goes to the server again. Should it be refused again, it comes back here.`,
  discarded: (name: string) => `Your version of “${name}” is discarded.`,
  noMoreRefused: "Nothing is refused any more.",
};

export type ConflictTexts = typeof TEXT;

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** How long ago something was, such as "3 minutes ago"; both in epoch ms, 0 where that is not known. */
export function when(at: number, now: number): string {
  if (at === 0) return TEXT.at;
  for (const [unit, ms] of UNITS) {
    const ago = Math.floor((now - at) / ms);
    if (ago >= 30 && unit === "day") return TEXT.on(new Date(at).toLocaleDateString(TEXT.locale));
    if (ago >= 1) return new Intl.RelativeTimeFormat(TEXT.locale, { numeric: "auto" }).format(-ago, unit);
  }
  return TEXT.justNow;
}
