// The options of the enhancer, typed by the store's state where the app names it.

import type { RegisterOptions, SliceConfig } from "../types.js";
import type { Place } from "./place.js";

// biome-ignore lint/suspicious/noExplicitAny: items have whatever type the app gives them.
type Item = any;

/** How the store holds a slice, besides the settings of `register`. */
export interface TrackedSliceConfig<Select extends string = string> extends SliceConfig {
  /**
   * The path from the store's state to the items, where they are not the slice's whole state: `"todos.items"`, or
   * `"todos.present"` with redux-undo. By default the slice's name.
   */
  select?: Select;
  /** An item's id; by default its field `id`. */
  selectId?: (item: Item) => string | number;
  /** The order in which an entity adapter or an array keeps its items, where it has one. */
  sortComparer?: (a: Item, b: Item) => number;
}

/**
 * The options of `register`; a slice may say how the store holds it. With the type of the store's state, only slices that
 * the store has can be named.
 */
// biome-ignore lint/suspicious/noExplicitAny: without the state's type any slice may be named.
export interface NightferryOptions<State = any> extends Omit<RegisterOptions, "slices"> {
  slices: TrackedSlices<State>;
}

/** Slices by name: the state's own keys, and with `select` also the keys of what is nested in it. */
export type TrackedSlices<State> = string extends keyof State
  ? Record<string, TrackedSliceConfig>
  : { [Name in Keys<State>]?: TrackedSliceConfig<Paths<State>> } & {
      [Name in Exclude<NestedKeys<State>, Keys<State>>]?: TrackedSliceConfig<Paths<State>> & { select: Paths<State> };
    };

/** The keys of an object that has some of its own: not those of an array, nor of a map by id. */
type Keys<T> = T extends readonly unknown[]
  ? never
  : T extends object
    ? string extends keyof T
      ? never
      : number extends keyof T
        ? never
        : keyof T & string
    : never;

type NestedKeys<T> = { [Key in Keys<T>]: Keys<T[Key & keyof T]> }[Keys<T>];

/** The paths to what an object holds, up to four keys deep. */
type Paths<T, Depth extends unknown[] = []> = Depth["length"] extends 4
  ? never
  : {
      [Key in Keys<T>]: Key | `${Key}.${Paths<T[Key & keyof T], [...Depth, unknown]>}`;
    }[Keys<T>];

/** Where the store has each slice. */
export function placesOf(slices: Record<string, TrackedSliceConfig>): ReadonlyMap<string, Place> {
  return new Map(
    Object.entries(slices).map(([name, tracking]) => {
      const path = (tracking.select ?? name).split(".");
      return [name, { path, tracking }];
    }),
  );
}
