// `<nightferry-dashboard>`: what Nightferry does, and what keeps it from doing it. A client of the page's API like any
// other; no framework. Published as `nightferry/dashboard`.

import {
  checkFlaskConnection,
  getStatus,
  getSyncMetrics,
  type NightferryError,
  subscribeStatus,
  subscribeSyncMetrics,
} from "nightferry-client";
import { autoSyncForm } from "./dashboard/auto_sync.js";
import { connection } from "./dashboard/connection.js";
import { decisions } from "./dashboard/decisions.js";
import { errors } from "./dashboard/errors.js";
import { logChanged } from "./dashboard/log.js";
import { metrics } from "./dashboard/metrics.js";
import type { Start, View } from "./dashboard/nodes.js";
import { operations } from "./dashboard/operations.js";
import { STYLE } from "./dashboard/style.js";
import { type DashboardTexts, TEXT } from "./dashboard/texts.js";
import type { NameOf } from "./names.js";
import { takeOwn } from "./nodes.js";
import { adopt } from "./theme.js";

export type { DashboardTexts, NameOf };

/** Times are shown relative to now. */
const TICK_MS = 1_000;

/** The base class. Without a document, as when a server renders, it is an empty class that is never instantiated. */
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

export class NightferryDashboard extends Base {
  private views: View[] = [];
  private ends: (() => void)[] = [];
  private start: Start = "asked";
  private frame: number | undefined;
  /** The items' names for people, in what is to be decided. */
  declare nameOf?: NameOf;

  /** The app's texts in the place of the English ones, by key, for all dashboards of the page. */
  get texts(): Partial<DashboardTexts> {
    return TEXT;
  }

  set texts(texts: Partial<DashboardTexts>) {
    Object.assign(TEXT, texts);
    if (!this.shadowRoot) return;
    this.build(this.shadowRoot);
    this.later();
  }

  connectedCallback(): void {
    takeOwn(this, "texts");
    if (!this.shadowRoot) {
      const root = this.attachShadow({ mode: "open" });
      adopt(root, STYLE);
      this.build(root);
    }
    this.start = "asked";
    const ends = [subscribeStatus(this.onStatus), subscribeSyncMetrics(this.later), logChanged(this.later)];
    const timer = setInterval(this.later, TICK_MS);
    this.ends = [...ends, () => clearInterval(timer), () => cancelAnimationFrame(this.frame ?? 0)];
    this.update();
    this.ask();
  }

  disconnectedCallback(): void {
    for (const end of this.ends) end();
    this.ends = [];
    this.frame = undefined;
  }

  private build(root: ShadowRoot): void {
    const [head, toDecide] = [connection(), decisions(() => this.nameOf)];
    const sections = [head, operations(() => this.ask()), metrics(), autoSyncForm(), errors()];
    const main = document.createElement("div");
    main.className = "dashboard";
    main.append(...sections.map(({ node }) => node));
    head.node.append(toDecide.node);
    this.views = [...sections, toDecide];
    root.replaceChildren(main);
  }

  /** Learns whether the page has started Nightferry: the connection is asked for, which fails where it has not. */
  private ask(): void {
    checkFlaskConnection().then(
      () => this.started("running"),
      (error: NightferryError) => this.started(error),
    );
  }

  private started(start: Start): void {
    this.start = start;
    this.later();
  }

  /** The first call tells what was known before; each one after that came from the worker, which so has started. */
  private onStatus = (): void => {
    if (this.ends.length > 0) this.start = "running";
    this.later();
  };

  /** Once a frame is soon enough. */
  private later = (): void => {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.update();
    });
  };

  private update(): void {
    const model = { start: this.start, status: getStatus(), metrics: getSyncMetrics(), now: Date.now() };
    for (const view of this.views) view.update(model);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "nightferry-dashboard": NightferryDashboard;
  }
}

if (globalThis.customElements && !customElements.get("nightferry-dashboard")) {
  customElements.define("nightferry-dashboard", NightferryDashboard);
}
