// The fields of items: in which two versions differ, and an item with some of its fields changed.

type Fields = Record<string, unknown>;

/** A plain object; of another window's, too. */
export function isObject(value: unknown): value is Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Returns true for equal values, of which arrays and plain objects are compared by what they hold. */
export function isEqual(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  const [of, those] = [parts(one), parts(other)];
  if (!of || !those || Array.isArray(one) !== Array.isArray(other)) return false;
  const names = Object.keys(of);
  return (
    names.length === Object.keys(those).length &&
    names.every((name) => Object.hasOwn(those, name) && isEqual(of[name], those[name]))
  );
}

const parts = (value: unknown): Fields | undefined =>
  Array.isArray(value) ? (value as never) : isObject(value) ? value : undefined;

/** Returns the fields of `item` that differ from those of `former`. Fields that are gone are undefined. */
export function changedFields(former: Fields, item: Fields): Fields {
  const fields: Fields = {};
  for (const name in item) if (item[name] !== former[name]) fields[name] = item[name];
  for (const name in former) {
    const left = Object.hasOwn(item, name) ? item[name] : undefined;
    if (former[name] !== undefined && left === undefined) fields[name] = undefined;
  }
  return fields;
}

/** Returns the item with the fields set. Fields that are undefined are removed. */
export function withFields(item: Fields, fields: Fields): Fields {
  const changed = { ...item, ...fields };
  for (const name in fields) if (changed[name] === undefined) delete changed[name];
  return changed;
}
