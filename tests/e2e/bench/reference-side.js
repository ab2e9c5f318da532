// The reference, behind the calls that the page makes of either side.

import { WriteBehind } from "./reference.js";

export async function open(slice) {
  const items = await WriteBehind.open("reference", slice);
  return {
    add: (item) => items.put(item),
    update: (item) => items.put(item),
    /** It is durable when its transaction is complete, so it need not wait until it is quiet. */
    durable: () => items.flush(),
    stored: () => items.flush(),
    all: () => items.all(),
  };
}
