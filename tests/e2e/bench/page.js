// The page of the benchmark: an app that holds its items in a map, reads them when it opens, and keeps its changes with
// Nightferry or with the reference. Everything but `side` is the same code. The address says which: `?nightferry&files`.

const [name, slice] = location.search.slice(1).split("&");
const { open } = await import(`./${name}-side.js`);
const side = await open(slice);
const opened = performance.now();
const items = new Map((await side.all()).map((item) => [item.id, item]));
const loaded = performance.now();

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const idOf = (n) => `item-${String(n).padStart(5, "0")}`;
const words = "calm sea twelve knots a ferry leaves the harbour at night and arrives before anyone is up ".repeat(4);

/** About 300 bytes as JSON. */
function newItem(n) {
  const content = words.slice(n % 80, (n % 80) + 190);
  return {
    id: idOf(n),
    path: `notes/${n % 97}/${n}.txt`,
    content,
    size: content.length,
    modifiedAt: 1_790_000_000_000 + n,
  };
}

function update(n, count) {
  const changed = { id: idOf(n), content: `${count} ${words.slice(0, 190)}`, modifiedAt: 1_790_000_000_000 + count };
  const item = { ...items.get(changed.id), ...changed };
  items.set(item.id, item);
  side.update(item, changed);
}

/** Makes the items that a burst is to add, before anything is measured. */
let made = [];
function prepare(count) {
  made = Array.from({ length: count }, (_, n) => newItem(n));
  if (JSON.stringify(made).length > 7 * 1024 * 1024)
    throw new Error("this is more than one burst of Nightferry carries");
}

/** Adds them in one go. How long until they are durable, and until they are in their object store. */
async function burst() {
  const began = performance.now();
  const took = async (promise) => {
    await promise;
    return performance.now() - began;
  };
  for (const item of made) {
    items.set(item.id, item);
    side.add(item);
  }
  const [durable, stored] = await Promise.all([took(side.durable()), took(side.stored())]);
  return { durable, stored };
}

/** Writes the same items one after the other, each in a transaction of its own. How long until all are durable. */
async function oneByOne() {
  const began = performance.now();
  for (const item of made) await side.putAlone(item);
  return performance.now() - began;
}

/** Changes the same few items again and again: bursts every `everyMs`, then quiet until all has gone to the store by itself. */
async function hotKeys({ keys, updates, bursts, everyMs }) {
  const began = performance.now();
  let count = 0;
  for (let at = 0; at < bursts; at++) {
    await sleep(began + at * everyMs - performance.now());
    while (count < ((at + 1) * updates) / bursts) update(count % keys, ++count);
  }
  await sleep(1_000);
  await side.stored();
}

/** Changes one item after the other at 60 a second, all over the collection, then waits until all is in the store. */
async function edit(updates) {
  const began = performance.now();
  for (let at = 0; at < updates; at++) {
    await sleep(began + (at * 1_000) / 60 - performance.now());
    update((at * 7_919) % items.size, at);
  }
  await sleep(1_000);
  await side.stored();
}

/** Changes every item, and says how long it takes from asking for it until the server has all. */
async function sync() {
  await side.hold();
  for (let n = 0; n < items.size; n++) update(n, 1_000_000 + n);
  await sleep(1_000);
  const began = performance.now();
  await side.synced();
  return performance.now() - began;
}

/** What the side has stored is what the page holds. */
async function check() {
  const stored = new Map((await side.all()).map((item) => [item.id, item]));
  const text = (item) => JSON.stringify(item, Object.keys(item ?? {}).sort());
  for (const [id, item] of items) {
    if (text(stored.get(id)) !== text(item)) throw new Error(`${id} is ${text(stored.get(id))} and not ${text(item)}`);
  }
  if (stored.size !== items.size) throw new Error(`${stored.size} items are stored and not ${items.size}`);
  return stored.size;
}

window.app = { side, opened, loaded, prepare, burst, oneByOne, sync, hotKeys, edit, check };
