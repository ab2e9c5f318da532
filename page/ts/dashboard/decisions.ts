// The decisions that wait for somebody: the elements for conflicts and refusals, loaded once there are any.

import type { NameOf } from "../names.js";
import { make, setText } from "../nodes.js";
import type { View } from "./nodes.js";
import { TEXT } from "./texts.js";

export function decisions(nameOf: () => NameOf | undefined): View {
  const problem = make("p", { class: "bad" });
  const node = make("div", { class: "decisions" }, problem);
  let isLoading = false;

  const load = async () => {
    isLoading = true;
    try {
      await import("nightferry-conflicts");
      const lists = [make("nightferry-conflicts"), make("nightferry-refusals")];
      for (const list of lists) list.nameOf = nameOf();
      node.append(...lists);
      setText(problem, "");
    } catch (error) {
      isLoading = false;
      console.error("Nightferry: the elements for decisions could not be loaded:", error);
      setText(problem, TEXT.decisionsFailed);
    }
  };
  return {
    node,
    update({ status: { conflicts, rejected } }) {
      if (!isLoading && conflicts + rejected > 0) void load();
    },
  };
}
