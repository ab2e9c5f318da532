// How many operations there were, how they ended and how long they took.

import type { OperationCount, PushCount, SyncMetrics } from "nightferry-client";
import { make, setText } from "../nodes.js";
import { chart } from "./chart.js";
import { section, type View } from "./nodes.js";
import { ago, duration } from "./text.js";
import { TEXT } from "./texts.js";

const KINDS = { put: "written", delete: "removed", push: "sent" } as const;

export function metrics(): View {
  const tiles = make("dl", { class: "tiles" });
  const tile = (name: string) => {
    const value = make("dd");
    tiles.append(make("div", {}, make("dt", {}, name), value));
    return value;
  };
  const total = tile(TEXT.allOperations);
  const rate = tile(TEXT.successRate);
  const failed = tile(TEXT.failures);
  const refused = tile(TEXT.refused);
  const average = tile(TEXT.averageTime);
  const last = make("p", { class: "quiet" });
  const times = chart();
  const slices = table();
  const node = section("metrics", TEXT.operations, tiles, times.node, slices.node, last);
  let drawn: SyncMetrics | undefined;

  return {
    node,
    update({ metrics, now }) {
      const at = metrics.lastOperationTime;
      setText(last, at === 0 ? TEXT.noOperation : TEXT.lastOperation(ago(at, now)));
      if (metrics === drawn) return;
      drawn = metrics;
      const { totalOperations, successfulOperations, failedOperations, rejectedOperations } = metrics;
      setText(total, totalOperations.toLocaleString());
      setText(rate, totalOperations === 0 ? "–" : percent(successfulOperations / totalOperations));
      setText(failed, failedOperations.toLocaleString());
      failed.classList.toggle("bad", failedOperations > 0);
      setText(refused, rejectedOperations.toLocaleString());
      refused.classList.toggle("bad", rejectedOperations > 0);
      setText(average, totalOperations === 0 ? "–" : duration(metrics.averageOperationTime));
      times.update(metrics.operationTimes);
      slices.update(metrics.bySlice);
    },
  };
}

/** Never 100 % while something did not succeed. */
function percent(share: number): string {
  return `${(Math.floor(share * 1_000) / 10).toLocaleString()}\u00a0%`;
}

/** Lists the counts of changes that ended without success. */
function others(counts?: OperationCount | PushCount): [number, (n: string) => string][] {
  if (!counts) return [];
  const { failed, rejected, conflicts } = { rejected: 0, conflicts: 0, ...counts };
  return [
    [failed, TEXT.ofFailed],
    [rejected, TEXT.ofRefused],
    [conflicts, TEXT.ofConflicts],
  ];
}

/** By slice and kind. */
function table() {
  const body = make("tbody");
  const head = make("tr", {}, make("th", { scope: "col" }, TEXT.slice));
  for (const name of Object.values(KINDS)) head.append(make("th", { scope: "col" }, TEXT[name]));
  const node = make("table", {}, make("caption", {}, TEXT.bySlice), make("thead", {}, head), body);
  return {
    node,
    update(bySlice: SyncMetrics["bySlice"]) {
      const names = Object.keys(bySlice).sort();
      node.hidden = names.length === 0;
      body.replaceChildren(
        ...names.map((name) => {
          const row = make("tr", {}, make("th", { scope: "row" }, name));
          for (const kind of Object.keys(KINDS) as (keyof typeof KINDS)[]) {
            const counts = bySlice[name]?.[kind];
            const cell = make("td", {}, (counts?.successful ?? 0).toLocaleString());
            for (const [number, text] of others(counts)) {
              if (number > 0) cell.append(" ", make("span", { class: "bad" }, text(number.toLocaleString())));
            }
            row.append(cell);
          }
          return row;
        }),
      );
    },
  };
}
