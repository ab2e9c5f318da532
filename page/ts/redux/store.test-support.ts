// A store with one tracked slice, for tests.

import type { TestContext } from "node:test";
import { configureStore } from "@reduxjs/toolkit";
import type { StoreEnhancer } from "redux";
import { Device } from "../device.test-support.js";
import type { Client } from "./binding.js";
import { enhancer } from "./enhancer.js";
import type { NightferryOptions } from "./options.js";

export interface Item {
  id: number | string;
  [field: string]: unknown;
}

export const set = (payload: unknown) => ({ type: "set", payload });

/** A slice of which `set` makes anything. */
export const slice =
  (initial: unknown) =>
  (state: unknown = initial, action: { type: string; payload?: unknown }) =>
    action.type === "set" ? action.payload : state;

interface Opened {
  getState(): { list: never };
  dispatch(action: unknown): unknown;
  replaceReducer(reducer: never): void;
  subscribe(fn: () => void): () => void;
  nightferry: { ready: Promise<void> };
}

interface Opening {
  /** How `list` is tracked. */
  tracking?: object;
  /** More slices. */
  others?: NightferryOptions["slices"];
  /** The state of `list` that the store begins with. */
  preloaded?: unknown;
  client?: Client;
  /** An enhancer that stands inside. */
  inner?: StoreEnhancer;
}

/** A store with the slice `list`, whatever its reducer. */
export function open(
  device: Device,
  reducer: unknown,
  { tracking = {}, others = {}, preloaded, client, inner }: Opening = {},
) {
  const tab = device.tab();
  const options: NightferryOptions = { slices: { list: tracking, ...others } };
  const store = configureStore({
    reducer: (typeof reducer === "function" ? reducer : { list: slice(reducer) }) as never,
    middleware: (get) => get({ immutableCheck: false, serializableCheck: false }),
    ...(preloaded !== undefined && { preloadedState: { list: preloaded } as never }),
    enhancers: (get) => get().concat(enhancer(client ?? tab, options), ...((inner ? [inner] : []) as never[])),
  }) as unknown as Opened;
  return { tab, store, list: () => store.getState().list as unknown };
}

/** Returns a device on which the slice has these items. */
export function stored(...items: Item[]): Device {
  const device = new Device();
  for (const item of items) device.items("list").set(String(item.id), item);
  return device;
}

export const ids = (device: Device) => [...device.items("list").keys()];

/** Silences the console. Returns the calls of `console.error`. */
export function quiet(context: TestContext) {
  context.mock.method(console, "warn", () => {});
  return context.mock.method(console, "error", () => {});
}
