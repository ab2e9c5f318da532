// What the Redux enhancer costs: an app's own work with Redux Toolkit, with and without it, in turns. Run by
// `cargo xtask bench --redux`. The worker is left out: what is posted to it is made and measured, and dropped.

import { configureStore, createEntityAdapter, createSlice } from "@reduxjs/toolkit";
import { actionText } from "../ts/action.js";
import type { Client } from "../ts/redux/binding.js";
import { enhancer } from "../ts/redux/enhancer.js";

const ITEMS = 10_000;
const EDITS = 200;
const rounds = Number(process.argv[2] ?? 3);

interface Item {
  id: string;
  name: string;
  size: number;
}

const adapter = createEntityAdapter<Item>();
const items = createSlice({
  name: "items",
  initialState: adapter.getInitialState(),
  reducers: { added: adapter.addOne, edited: adapter.updateOne },
});
const newItem = (n: number): Item => ({ id: `item-${n}`, name: `notes/${n}.txt`, size: n });
const turn = () => new Promise((done) => setImmediate(done));

let sent = 0;
let characters = 0;
const client: Client = {
  register: async () => {},
  send: (action, id) => {
    characters += actionText(action, { id }).length;
    sent += 1;
    return 1;
  },
  read: async () => ({ puts: [], deletes: [], n: 0, position: 0 }),
  follow: () => () => {},
};

function store(tracked: boolean) {
  return configureStore({
    reducer: { items: items.reducer },
    // They look through the whole state at each action, in development only.
    middleware: (get) => get({ immutableCheck: false, serializableCheck: false }),
    enhancers: (get) => (tracked ? get().concat(enhancer(client, { slices: { items: {} } })) : get()),
  });
}

/** Ms for a burst of new items in one turn, and for one edit of them, everything that follows from it included. */
async function measure(tracked: boolean): Promise<{ burst: number; edit: number }> {
  const { dispatch } = store(tracked);
  await turn();
  let began = performance.now();
  for (let n = 0; n < ITEMS; n += 1) dispatch(items.actions.added(newItem(n)));
  await turn();
  const burst = performance.now() - began;
  const edits: number[] = [];
  for (let at = 0; at < EDITS; at += 1) {
    await turn();
    began = performance.now();
    dispatch(items.actions.edited({ id: `item-${(at * 7_919) % ITEMS}`, changes: { size: ITEMS + at } }));
    await Promise.resolve();
    await Promise.resolve();
    edits.push(performance.now() - began);
  }
  return { burst, edit: median(edits) };
}

const median = (of: number[]) => of.sort((a, b) => a - b)[of.length >> 1] ?? 0;

const figures = {
  plain: { burst: [] as number[], edit: [] as number[] },
  tracked: { burst: [] as number[], edit: [] as number[] },
};
for (let round = 0; round < rounds; round += 1) {
  for (const tracked of round % 2 ? [true, false] : [false, true]) {
    const { burst, edit } = await measure(tracked);
    const side = tracked ? figures.tracked : figures.plain;
    side.burst.push(burst);
    side.edit.push(edit);
    console.log(
      `  round ${round + 1} of ${rounds}, ${tracked ? "with the enhancer" : "Redux Toolkit alone"}: ${burst.toFixed(0)} ms, ${edit.toFixed(2)} ms`,
    );
  }
}
if (sent !== rounds * (ITEMS + EDITS) || characters === 0) throw new Error(`${sent} operations were sent`);
const [plain, tracked] = [figures.plain, figures.tracked];
const row = (what: string, with_: number, alone: number, says: string) =>
  console.log(`${what.padEnd(44)}${with_.toFixed(2).padStart(12)}${alone.toFixed(2).padStart(12)}   ${says}`);
console.log(`\n${"what, in ms".padEnd(44)}${"enhancer".padStart(12)}${"alone".padStart(12)}`);
const [burst, burstAlone] = [median(tracked.burst), median(plain.burst)];
const [edit, editAlone] = [median(tracked.edit), median(plain.edit)];
row(
  `${ITEMS} new items in one turn`,
  burst,
  burstAlone,
  `adds ${((burst / burstAlone - 1) * 100).toFixed(1)} % (goal: under 5 %)`,
);
row(`one edit among ${ITEMS}`, edit, editAlone, `adds ${(edit / editAlone - 1).toFixed(2)} of an edit (goal: under 1)`);
