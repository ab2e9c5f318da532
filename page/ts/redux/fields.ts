// The fields of items: in which two versions differ, and an item with some of its fields changed.

type Fields = Record<string, unknown>;

/** A plain object; of another window's, too. */
export function isObject(value: unknown): value is Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Returns true if a slice's state can hold items. */
export const isCollection = (state: unknown): state is object => Array.isArray(state) || isObject(state);

/** Returns true for equal values, of which arrays and plain objects are compared by what they hold. */
export function isEqual(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (!isCollection(one) || !isCollection(other) || Array.isArray(one) !== Array.isArray(other)) return false;
  const names = Object.keys(one) as never[];
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && isEqual(one[name], other[name]))
  );
}

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
