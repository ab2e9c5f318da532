// A clock that moves once a second, so that what is counted down is the same for all who read it meanwhile.

const SECOND_MS = 1_000;

let now = Date.now();
/** The deadline that was counted down to last: with another one, the time is taken anew. */
let deadline: number | null = null;
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function tick(): void {
  now = Date.now();
  for (const listener of listeners) listener();
}

export const secondsClock = {
  /** The time until `at` (epoch ms), in ms; null where there is no deadline. */
  until(at: number | null): number | null {
    const behind = Math.abs(Date.now() - now) >= SECOND_MS;
    if (at !== deadline || (behind && timer === undefined)) {
      now = Date.now();
      deadline = at;
    }
    return at === null ? null : Math.max(0, at - now);
  },

  /** Calls `fn` every second. Returns what ends it. */
  subscribe(fn: () => void): () => void {
    listeners.add(fn);
    timer ??= setInterval(tick, SECOND_MS);
    return () => {
      listeners.delete(fn);
      if (listeners.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
  },
};
