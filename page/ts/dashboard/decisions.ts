// The decisions that wait for somebody: the elements for conflicts and refusals, loaded once there are any.

import { make, setText } from "../nodes.js";
import type { View } from "./nodes.js";

export function decisions(): View {
  const problem = make("p", { class: "bad" });
  const node = make("div", { class: "decisions" }, problem);
  let isLoading = false;

  const load = async () => {
    isLoading = true;
    try {
      await import("nightferry-conflicts");
      node.append(make("nightferry-conflicts"), make("nightferry-refusals"));
      setText(problem, "");
    } catch (error) {
      isLoading = false;
      setText(
        problem,
        `What is to be decided cannot be shown: ${(error as Error).message}. It is kept; it is shown once the network is back.`,
      );
    }
  };
  return {
    node,
    update({ status: { conflicts, rejected } }) {
      if (!isLoading && conflicts + rejected > 0) void load();
    },
  };
}
