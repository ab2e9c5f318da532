// `nightferry/vite`: what Vite needs to know of Nightferry.

import { type NightferryPlugin, type NightferryPluginOptions, plugin } from "./vite_plugin.js";

export type { NightferryPlugin, NightferryPluginOptions };

/**
 * Serves the worker's files in development, proxies the API to Flask, and puts the worker's files into the build.
 *
 * ```ts
 * export default defineConfig({ plugins: [react(), nightferry({ api: "http://127.0.0.1:5000" })] });
 * ```
 */
export function nightferry(options: NightferryPluginOptions = {}): NightferryPlugin {
  return plugin(options, new URL("./", import.meta.url));
}
