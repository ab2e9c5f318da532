// The reference, behind the calls that the page makes of either side.

import { WriteBehind } from "./reference.js";
import { Sender } from "./reference-sender.js";

export async function open(slice) {
  const [items, sender] = await Promise.all([WriteBehind.open("reference", slice), Sender.open()]);
  const put = (item) => {
    items.put(item);
    sender.put(item);
  };
  return {
    add: put,
    update: put,
    /** It sends when it is told to. */
    hold: async () => {},
    /** The server has it all. */
    synced: () => sender.send(),
    /** It is durable when its transaction is complete, so it need not wait until it is quiet. */
    durable: () => items.flush(),
    stored: () => items.flush(),
    putAlone: (item) => items.putAlone(item),
    all: () => items.all(),
  };
}
