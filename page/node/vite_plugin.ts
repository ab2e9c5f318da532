// The Vite plugin. Vite's own types are not imported, so that the package works without Vite; those here are what it
// uses of them.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface NightferryPluginOptions {
  /** The address of Flask in development. Default `http://127.0.0.1:5000`. */
  api?: string;
  /** The path of the worker's files and of the API, as the browser sees it. Default `/nightferry`. */
  base?: string;
}

/** A plugin for Vite 6 or later. */
export interface NightferryPlugin {
  name: string;
  config(config: { root?: string }): object;
  configResolved(config: ResolvedConfig): void;
  configureServer(server: DevServer): void;
  generateBundle(this: Bundle): Promise<void>;
}

export interface ResolvedConfig {
  base: string;
  server: { fs: { allow: string[] } };
}

export interface DevServer {
  middlewares: { use(handler: (request: Request, response: Response, next: Next) => void): unknown };
}

export interface Bundle {
  emitFile(file: { type: "asset"; fileName: string; source: Uint8Array }): unknown;
  environment?: { config: { consumer?: string } };
}

interface Request {
  url?: string | undefined;
  method?: string | undefined;
}

interface Response {
  setHeader(name: string, value: string): unknown;
  end(content?: Uint8Array): unknown;
}

type Next = (error?: unknown) => void;

/** The second argument of the proxy's `error` event: a request's response, or a WebSocket. */
interface Failed {
  headersSent?: boolean;
  writeHead?(status: number, headers: Record<string, string>): unknown;
  end(text?: string): unknown;
}

interface Proxy {
  on(event: "error", listener: (error: Error, request: unknown, answer: Failed) => void): unknown;
}

const WORKER_FILES: Record<string, string> = {
  "sw.js": "text/javascript; charset=utf-8",
  "sw.wasm": "application/wasm",
};

const API = ["push", "pull", "health", "live"];

/** The packages that the package's modules import from the app. */
const PEERS = ["react", "react-dom", "redux", "@reduxjs/toolkit"];

/** Of these, what Vite must bundle for development, because it is CommonJS. */
const COMMONJS_PEERS = ["react", "react/jsx-runtime", "react-dom"];

/** `files` is the folder of the package's files. */
export function plugin(options: NightferryPluginOptions, files: URL): NightferryPlugin {
  const api = options.api ?? "http://127.0.0.1:5000";
  const base = `/${(options.base ?? "/nightferry").replace(/^\/+|\/+$/g, "")}`;
  let viteBase = "/";

  return {
    name: "nightferry",

    config({ root }) {
      return {
        // client.js finds client.wasm beside itself, so it must stay where it is.
        optimizeDeps: { exclude: ["nightferry"], include: installed(COMMONJS_PEERS, root) },
        // A package that npm linked from another folder must find the app's own React.
        resolve: { dedupe: PEERS },
        // `vite preview` takes this, too.
        server: { proxy: { [apiPattern(base)]: proxyTo(api) } },
      };
    },

    configResolved(config) {
      viteBase = config.base;
      config.server.fs.allow.push(fileURLToPath(files));
    },

    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = request.url?.split("?", 1)[0] ?? "";
        const name = path.slice(base.length + 1);
        const type = Object.hasOwn(WORKER_FILES, name) && WORKER_FILES[name];
        if (path !== `${base}/${name}` || !type) return next();
        readFile(new URL(name, files)).then((content) => {
          response.setHeader("Content-Type", type);
          response.setHeader("Cache-Control", "no-cache");
          response.end(request.method === "HEAD" ? undefined : content);
        }, next);
      });
    },

    async generateBundle() {
      if (this.environment?.config.consumer === "server") return;
      for (const name of Object.keys(WORKER_FILES)) {
        const source = await readFile(new URL(name, files));
        this.emitFile({ type: "asset", fileName: `${folder(base, viteBase)}/${name}`, source });
      }
    },
  };
}

/** A key of Vite's proxy table: the API's paths, and nothing beside them. */
function apiPattern(base: string): string {
  return `^${base.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}/(${API.join("|")})(\\?|$)`;
}

/** The `Host` stays the browser's: Flask compares it with the `Origin`. */
function proxyTo(api: string) {
  return {
    target: api,
    ws: true,
    configure(proxy: Proxy) {
      proxy.on("error", (_error, _request, answer) => {
        const message = `Flask does not answer at ${api}. Start it, or give nightferry() in vite.config its address.`;
        const error = { error: { code: "unreachable", message, retryable: true } };
        // Vite's own answer, a bare 500, would mean that Flask could not take the change.
        if (answer.headersSent === false) answer.writeHead?.(502, { "Content-Type": "application/json" });
        answer.end(answer.writeHead && JSON.stringify(error));
      });
    },
  };
}

/** The folder of the worker's files in the build, so that they are served under `base`. */
function folder(base: string, viteBase: string): string {
  return base.startsWith(viteBase) ? base.slice(viteBase.length) : base.slice(1);
}

function installed(names: string[], root = process.cwd()): string[] {
  const app = createRequire(join(root, "package.json"));
  return names.filter((name) => {
    try {
      return app.resolve(name);
    } catch {
      return false;
    }
  });
}
