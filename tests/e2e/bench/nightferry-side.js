// Nightferry, behind the calls that the page makes of either side.

import * as nf from "/nightferry/client.js";

/** The page's number of the last burst that the worker said is durable. */
let acknowledged = 0;
const waiting = [];

// The worker tells the page what is durable on a channel, where the client hears it. To hear it, too, without another
// copy of every message, this listens on the client's own channels.
globalThis.BroadcastChannel = class extends BroadcastChannel {
  constructor(name) {
    super(name);
    this.addEventListener("message", ({ data }) => {
      if (data.kind !== "ack") return;
      acknowledged = Math.max(acknowledged, data.n);
      for (const { beyond, done } of waiting) if (acknowledged > beyond) done();
    });
  }
};

export async function open(slice) {
  await nf.register({ slices: { files: {}, local: { syncToFlask: false } } });
  return {
    add: (payload) => nf.dispatch({ type: `${slice}/addItem`, payload }),
    update: (_, changed) => nf.dispatch({ type: `${slice}/updateItem`, payload: changed }),
    /** Called in the turn of the dispatches, which are one burst together: once the next one is acknowledged. */
    durable: () => new Promise((done) => waiting.push({ beyond: acknowledged, done })),
    stored: () => nf.flushPersistence(),
    all: async () => (await nf.hydrate(slice)).map(({ value }) => value),
    /** Nothing is written or sent until it is asked for; nor does a full queue end that. */
    hold: async () => {
      await nf.configureAutoSync({ maxQueueSize: 1_000_000 });
      await nf.configurePersistence(slice, { debounceMs: 600_000, maxWaitMs: 600_000 });
    },
    /** The server has it all. */
    synced: () => nf.syncNow(),
  };
}
