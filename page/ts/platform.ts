// What a client needs of its surroundings: a browser, or the tests.

import type { Message } from "./subscriptions.js";

/** A page's way to its worker. */
export interface WorkerLink {
  /** Posts a message to the worker. Where there is none it is registered anew, and `adopted` is called. */
  post(text: string): void;
  /** Registers the worker anew: it was unregistered, or that of another user is in its place. */
  claim(): Promise<void>;
  /** Looks for a newer worker. Resolves with true if there is one. */
  update(): Promise<boolean>;
}

/** What a page's surroundings tell it. */
export interface PageEvents {
  /** A message of the worker, to this page or to all. */
  handleMessage(message: Message): void;
  /** The worker was registered anew. */
  adopted(): void;
  /** The network is back. */
  online(): void;
  /** The page is hidden or closed, and may be gone the next moment. */
  hidden(): void;
  /** The page is shown again, after the browser had put it aside or not. */
  shown(wasPutAside: boolean): void;
}

export interface Platform {
  /** A random id for the page's lifetime. */
  readonly page: string;
  /**
   * Loads the wasm. Resolves with its module, which the package's types do not name.
   * @throws NightferryError `insecure_context`, `unsupported`, `wasm_unavailable`, `client_failed`.
   */
  load(): Promise<unknown>;
  /**
   * Registers the worker, and connects the page to it.
   * @throws NightferryError `storage_blocked`, `worker_failed`.
   */
  connect(
    addresses: readonly [workerUrl: string, api: string, name: string, user?: string],
    events: PageEvents,
  ): Promise<WorkerLink>;
  isHidden(): boolean;
  /** The name of the device, for people. */
  device(): string;
  /** Asks not to evict the site's data when the disk is full. */
  persist(): void;
}
