// The three sides of an item laid side by side, part by part, as the worker's merge does it (src/rebase/): objects key by key,
// lists of elements with ids element by element, all else as one value.

import { isObject, same } from "../json.js";
import { nameIn } from "../names.js";

/** A value that may be absent: undefined is a side that is not there. */
export type Side = unknown;

type Fields = Record<string, unknown>;

/** A part of an item that the two sides have differently. */
export interface Difference {
  /** A JSON Pointer; an element of a list is `@` and its id. */
  path: string;
  /** The part's names for people, from the outside in. */
  label: string[];
  base: Side;
  local: Side;
  remote: Side;
  /** The side that changed it; with `both` nobody can tell what it should be. */
  changed: "local" | "remote" | "both";
  /** It is the order of a list: the sides are the elements in their orders. */
  isOrder?: true;
}

/** A part that both sides have alike. */
export interface Equal {
  path: string;
  label: string[];
  value: unknown;
}

/** Receives the parts, each with its outcome. */
export interface Visitor {
  /** The value of a part that differs; of an order the side whose order counts. */
  differs(difference: Difference): Side;
  equals?(equal: Equal): void;
}

/** The side that a merge takes: the one that changed, and this device's where both did. */
export const mergedSide = ({ changed }: Difference): "local" | "remote" => (changed === "remote" ? "remote" : "local");

/** The value that comes of the three sides when `visitor` decides where they differ. */
export function combine(base: Side, local: Side, remote: Side, visitor: Visitor): Side {
  return part({ path: "", label: [], base, local, remote }, visitor);
}

/** Merges without anybody's decision. Returns the value, and the paths that it cannot decide. */
export function merge(base: Side, local: Side, remote: Side): { value: Side; conflicts: string[] } {
  const conflicts: string[] = [];
  const value = combine(base, local, remote, {
    differs: (difference) => {
      if (difference.changed === "both") conflicts.push(difference.path);
      return difference[mergedSide(difference)];
    },
  });
  return { value, conflicts: conflicts.sort() };
}

type Sides = Omit<Difference, "changed">;

function part(sides: Sides, visitor: Visitor): Side {
  const { path, label, base, local, remote } = sides;
  if (same(local, remote)) {
    if (local !== undefined) visitor.equals?.({ path, label, value: local });
    return local;
  }
  if (isObject(local) && isObject(remote) && (base === undefined || isObject(base))) {
    return objects(sides, base ?? {}, local, remote, visitor);
  }
  const [before, here, there] = [base === undefined ? [] : base, local, remote].map(listOf);
  if (before && here && there) return lists(sides, before, here, there, visitor);
  return visitor.differs({ ...sides, changed: changedBy(base, local, remote) });
}

function changedBy(base: Side, local: Side, remote: Side): Difference["changed"] {
  if (same(base, local)) return "remote";
  return same(base, remote) ? "local" : "both";
}

function objects(sides: Sides, base: Fields, local: Fields, remote: Fields, visitor: Visitor): Fields {
  const merged: Fields = {};
  for (const key of new Set([...Object.keys(local), ...Object.keys(remote)])) {
    const value = part(
      {
        path: `${sides.path}/${escaped(key)}`,
        label: [...sides.label, key],
        base: own(base, key),
        local: own(local, key),
        remote: own(remote, key),
      },
      visitor,
    );
    if (value !== undefined) merged[key] = value;
  }
  return merged;
}

const own = (fields: Fields, key: string) => (Object.hasOwn(fields, key) ? fields[key] : undefined);
const escaped = (key: string) => key.replaceAll("~", "~0").replaceAll("/", "~1");

/** The elements of a list by their ids, in their order. */
type List = Map<string, Fields>;

/** The list that a value is: an array of objects, each with an id that no other has. */
function listOf(value: unknown): List | undefined {
  if (!Array.isArray(value)) return undefined;
  const list: List = new Map();
  for (const element of value) {
    const id = isObject(element) ? element.id : undefined;
    const text = typeof id === "string" || Number.isFinite(id) ? String(id) : "";
    if (text === "" || list.has(text)) return undefined;
    list.set(text, element);
  }
  return list;
}

function lists(sides: Sides, base: List, local: List, remote: List, visitor: Visitor): unknown[] {
  const { path, label } = sides;
  const kept: Map<string, unknown> = new Map();
  for (const id of new Set([...local.keys(), ...remote.keys()])) {
    const [before, here, there] = [base.get(id), local.get(id), remote.get(id)];
    const value = part(
      {
        path: `${path}/@${escaped(id)}`,
        label: [...label, nameIn(here ?? there) ?? id],
        base: before,
        local: here,
        remote: there,
      },
      visitor,
    );
    if (value !== undefined) kept.set(id, value);
  }
  const ids = [base, local, remote].map((list) => [...list.keys()]) as [string[], string[], string[]];
  const { frame, isContested } = frameOf(...ids);
  let order = frame;
  if (isContested) {
    const names = (list: List) => frame.map((id) => [id, list.get(id)] as const);
    const inOrder = (list: List) =>
      names(list)
        .sort(([one], [other]) => [...list.keys()].indexOf(one) - [...list.keys()].indexOf(other))
        .map(([id, element]) => nameIn(element) ?? id);
    const local_ = inOrder(local);
    const remote_ = inOrder(remote);
    const chosen = visitor.differs({
      ...sides,
      base: inOrder(base),
      local: local_,
      remote: remote_,
      changed: "both",
      isOrder: true,
    });
    if (same(chosen, remote_)) order = [...remote.keys()].filter((id) => frame.includes(id));
  }
  return ordered(order, ids[1], ids[2], kept).map((id) => kept.get(id));
}

/** The elements that all three lists have in the order of the side that moved some; of two that did, this device's. */
function frameOf(base: string[], local: string[], remote: string[]): { frame: string[]; isContested: boolean } {
  const all = [base, local, remote].map((ids) => new Set(ids));
  const [before, here, there] = [base, local, remote].map((ids) =>
    ids.filter((id) => all.every((others) => others.has(id))),
  ) as [string[], string[], string[]];
  if (same(here, there) || same(there, before)) return { frame: here, isContested: false };
  return same(here, before) ? { frame: there, isContested: false } : { frame: here, isContested: true };
}

/** Puts each element outside of the frame behind the one of the frame that it follows on its side. */
function ordered(frame: string[], local: string[], remote: string[], kept: Map<string, unknown>): string[] {
  const gapBehind = new Map(frame.map((id, at) => [id, at + 1]));
  const gapOf = new Map<string, number>();
  for (const side of [local, remote]) {
    let gap = 0;
    for (const id of side) {
      const behind = gapBehind.get(id);
      if (behind !== undefined) gap = behind;
      else if (kept.has(id)) gapOf.set(id, Math.max(gap, gapOf.get(id) ?? 0));
    }
  }
  const run = (side: string[], gap: number) => side.filter((id) => gapOf.get(id) === gap);
  const result: string[] = [];
  for (let gap = 0; gap <= frame.length; gap += 1) {
    const id = frame[gap - 1];
    if (id !== undefined && kept.has(id)) result.push(id);
    const [here, there] = [run(local, gap), run(remote, gap)];
    const [first, second] = isBehind(here, there) ? [there, here] : [here, there];
    result.push(...first, ...second.filter((other) => !first.includes(other)));
  }
  return result;
}

/** Returns true if a list of ids is larger than another, element by element. */
function isBehind(one: string[], other: string[]): boolean {
  for (const [at, id] of one.entries()) {
    const against = other[at];
    if (against === undefined) return true;
    if (id !== against) return id > against;
  }
  return false;
}
