// The names of items for people.

/** Returns the name of an item for people; undefined where the default is to be taken. `item` is undefined where it is deleted. */
// biome-ignore lint/suspicious/noExplicitAny: items have whatever type the app gives them.
export type NameOf = (slice: string, item: any, id: string) => string | undefined;

/** The fields that are a name, the first of them first. */
const FIELDS = ["name", "title", "label", "path", "subject", "text"];
const LONGEST = 60;

/** Returns the app's name of an item, or else the first of its fields that is a name, or else its id. */
export function itemName(slice: string, item: unknown, id: string, nameOf?: NameOf): string {
  // The id of a slice that is one value says nothing.
  return nameOf?.(slice, item, id) ?? nameIn(item) ?? (id === "value" ? slice : id);
}

/** Returns the first field of a value that is a name. */
export function nameIn(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  for (const field of FIELDS) {
    const name = (value as Record<string, unknown>)[field];
    if (typeof name !== "string" || name.trim() === "") continue;
    return name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name;
  }
  return undefined;
}
