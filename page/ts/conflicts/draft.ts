// The choices that somebody has made in a conflict, and their result. Nothing here is committed.

import { isObject, same } from "../json.js";
import type { Conflict, Resolution } from "../types.js";
import { combine, type Difference, type Equal, mergedSide } from "./merge.js";
import { TEXT } from "./text.js";

/** A field that the two sides have differently. */
export interface Field extends Difference {
  /** Nobody but a person can tell what it should be. */
  isOpen: boolean;
}

/** A field's new value: that of a side, or the text that was typed. */
export type Choice = { side: "local" | "remote" } | { side: "edit"; text: string };

/** A typed text that is no value of its field. */
export class BadEdit extends Error {
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

export class Draft {
  readonly conflict: Conflict<unknown>;
  readonly fields: readonly Field[];
  readonly equal: readonly Equal[];
  readonly #choices = new Map<string, Choice>();

  constructor(conflict: Conflict<unknown>) {
    this.conflict = conflict;
    const { base, local, remote, paths } = conflict;
    const covered = (path: string) => paths.some((open) => path === open || path.startsWith(`${open}/`));
    const fields: Field[] = [];
    const equal: Equal[] = [];
    combine(base, local, remote, {
      differs: (difference) => {
        const isOpen = difference.changed === "both" || covered(difference.path);
        fields.push({ ...difference, isOpen });
        return difference[mergedSide(difference)];
      },
      equals: (part) => equal.push(...leaves(part)),
    });
    this.fields = fields;
    this.equal = equal;
    for (const field of fields) if (field.changed !== "both") this.choose(field.path, { side: field.changed });
  }

  /** One side deleted the item. */
  get isDeletion(): boolean {
    return this.conflict.local === undefined || this.conflict.remote === undefined;
  }

  choice(path: string): Choice | undefined {
    return this.#choices.get(path);
  }

  choose(path: string, choice: Choice): void {
    this.#choices.set(path, choice);
  }

  chooseAll(side: "local" | "remote"): void {
    for (const { path } of this.fields) this.choose(path, { side });
  }

  /** Takes over what was chosen of an earlier form of the conflict, where a field's sides are the same still. */
  takeOver(earlier: Draft): void {
    for (const field of this.fields) {
      const before = earlier.fields.find(({ path }) => path === field.path);
      const choice = earlier.choice(field.path);
      if (before && choice && same(before.local, field.local) && same(before.remote, field.remote)) {
        this.choose(field.path, choice);
      }
    }
  }

  /** The fields that nobody has decided yet. */
  get undecided(): Field[] {
    return this.fields.filter(({ path }) => !this.#choices.has(path));
  }

  /** The side that every field is taken of, if it is one. */
  get side(): "local" | "remote" | undefined {
    const sides = new Set(this.fields.map(({ path }) => this.choice(path)?.side));
    const [side] = sides;
    return sides.size === 1 && (side === "local" || side === "remote") ? side : undefined;
  }

  /** How many fields are taken of each side. */
  count(): { mine: number; theirs: number; byHand: number } {
    const sides = this.fields.map(({ path }) => this.choice(path)?.side);
    const of = (wanted: string) => sides.filter((side) => side === wanted).length;
    return { mine: of("local"), theirs: of("remote"), byHand: of("edit") };
  }

  /**
   * Returns the result of the choices, for `resolveConflict`. All must be decided.
   * @throws BadEdit
   */
  resolution(): { choice: Resolution; value?: unknown } {
    // As a whole, a side has its own order of lists, too.
    if (this.side) return { choice: this.side };
    const { base, local, remote } = this.conflict;
    const value = combine(base, local, remote, { differs: (difference) => this.#valueOf(difference) });
    return { choice: "value", value };
  }

  #valueOf(difference: Difference): unknown {
    const choice = this.choice(difference.path) ?? { side: mergedSide(difference) };
    return choice.side === "edit" ? parse(difference, choice.text) : difference[choice.side];
  }
}

/** How a field is typed: as text, as a number, or else as JSON. */
export function kindOf({ local, remote, base }: Pick<Difference, "base" | "local" | "remote">) {
  const types = [local, remote, base].filter((side) => side !== undefined).map((side) => typeof side);
  if (types.includes("string")) return "text";
  return types.every((type) => type === "number") ? "number" : "json";
}

/** A field's value as it is typed. */
export function typed(value: unknown): string {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value, null, 2);
}

/**
 * The value of a typed text.
 * @throws BadEdit
 */
export function parse(field: Pick<Difference, "path" | "base" | "local" | "remote">, text: string): unknown {
  const kind = kindOf(field);
  if (kind === "text") return text;
  if (kind === "number") {
    const number = Number(text.trim().replace(",", "."));
    if (text.trim() === "" || !Number.isFinite(number)) throw new BadEdit(field.path, TEXT.notANumber);
    return number;
  }
  try {
    return JSON.parse(text);
  } catch (reason) {
    throw new BadEdit(field.path, TEXT.notJson((reason as Error).message));
  }
}

/** The parts of a value that are shown by themselves. */
export function leaves({ path, label, value }: Equal): Equal[] {
  if (!isObject(value) || Object.keys(value).length === 0) return [{ path, label, value }];
  return Object.entries(value).flatMap(([key, inner]) =>
    leaves({
      path: `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`,
      label: [...label, key],
      value: inner,
    }),
  );
}
