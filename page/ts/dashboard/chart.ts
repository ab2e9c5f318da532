// The durations of the latest operations as bars. Their height is on a logarithmic scale: a request that took seconds
// leaves those of milliseconds visible.

import { draw, make, setText } from "../nodes.js";
import { duration } from "./text.js";
import { TEXT } from "./texts.js";

/** The most bars, as many as the metrics keep durations, and the fewest that there is room for. */
const MOST = 100;
const FEWEST = 40;
const WIDTH = 400;
const HEIGHT = 88;
/** Lines across, in ms; the last one is the least top of the scale. */
const LINES = [1, 10, 100, 1_000, 10_000, 100_000];

/** Returns the place of a duration in the chart, from 0 (nothing) to 1 (`top`). */
export function share(ms: number, top: number): number {
  return Math.min(1, Math.log10(1 + Math.max(0, ms)) / Math.log10(1 + top));
}

/** The top of the scale: the first line that no duration is above, but at least 100 ms. */
export function topOf(times: readonly number[]): number {
  const slowest = Math.max(0, ...times);
  return LINES.find((line) => line >= 100 && line >= slowest) ?? slowest;
}

export function chart() {
  const picture = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  const scale = make("div", { class: "scale", "aria-hidden": "true" });
  const caption = make("figcaption");
  const node = make("figure", {}, caption, make("div", { class: "plot" }, picture, scale));
  return {
    node,
    update(times: readonly number[]) {
      node.hidden = times.length === 0;
      const words = describe(times);
      setText(caption, words);
      picture.setAttribute("aria-label", words);
      const top = topOf(times);
      const lines = LINES.filter((line) => line >= 10 && line <= top);
      const y = (ms: number) => HEIGHT - share(ms, top) * (HEIGHT - 2);
      const room = Math.min(MOST, Math.max(FEWEST, times.length));
      const width = WIDTH / room;
      picture.replaceChildren(
        ...lines.map((line) => draw("line", { x1: 0, x2: WIDTH, y1: y(line), y2: y(line) })),
        ...times.slice(-room).map((ms, at, { length }) => {
          // The latest is at the right.
          const x = (room - length + at) * width;
          const height = Math.max(1.5, HEIGHT - y(ms));
          const bar = { x: x + 0.4, y: HEIGHT - height, width: width - 0.8, height };
          return draw("rect", bar, draw("title", {}, duration(ms)));
        }),
      );
      scale.replaceChildren(
        ...lines.map((line) => {
          const label = make("span", {}, duration(line));
          label.style.insetBlockStart = `${(y(line) / HEIGHT) * 100}%`;
          return label;
        }),
      );
    },
  };
}

/** Describes the picture in words. */
export function describe(times: readonly number[]): string {
  const sorted = [...times].sort((one, other) => one - other);
  const at = (part: number) => duration(sorted[Math.ceil(sorted.length * part) - 1] ?? 0);
  if (times.length === 1) return TEXT.oneTime(at(1));
  return TEXT.times(times.length, at(0.5), at(0.95), at(1));
}
