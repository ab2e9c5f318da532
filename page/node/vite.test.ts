import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { type Bundle, type NightferryPluginOptions, plugin } from "./vite_plugin.js";

/** A package's folder with a worker. */
const folder = mkdtempSync(join(tmpdir(), "nightferry-"));
writeFileSync(join(folder, "sw.js"), "// the worker");
writeFileSync(join(folder, "sw.wasm"), "wasm");
const files = pathToFileURL(`${folder}/`);

interface Proxy {
  target: string;
  ws: boolean;
  configure(proxy: {
    on(event: "error", listener: (error: Error, request: unknown, answer: unknown) => void): void;
  }): void;
}

function proxies(options: NightferryPluginOptions): [RegExp, Proxy] {
  const { server } = plugin(options, files).config({ root: folder }) as { server: { proxy: Record<string, Proxy> } };
  const [[pattern, proxy], ...others] = Object.entries(server.proxy) as [[string, Proxy]];
  assert.equal(others.length, 0);
  return [new RegExp(pattern), proxy];
}

test("the API goes to Flask, the worker's files do not", () => {
  const [pattern, proxy] = proxies({ api: "http://127.0.0.1:7000" });
  for (const path of ["push", "pull", "pull?a=1", "health", "live"]) assert.match(`/nightferry/${path}`, pattern);
  for (const path of ["/nightferry/sw.js", "/nightferry/pushed", "/a/nightferry/push", "/nightferry/"]) {
    assert.doesNotMatch(path, pattern);
  }
  assert.equal(proxy.target, "http://127.0.0.1:7000");
  assert.ok(proxy.ws);
  assert.ok(!("changeOrigin" in proxy), "Flask compares the Origin with the Host");
  const [elsewhere] = proxies({ base: "/my.app/sync/" });
  assert.match("/my.app/sync/push", elsewhere);
  assert.doesNotMatch("/myxapp/sync/push", elsewhere);
});

test("where Flask does not answer, the page hears it in a sentence", () => {
  const [, proxy] = proxies({});
  let fail: (error: Error, request: unknown, answer: unknown) => void = () => assert.fail("nobody listens");
  proxy.configure({ on: (_event, listener) => (fail = listener) });
  const received: unknown[] = [];
  const answer = {
    headersSent: false,
    writeHead: (status: number) => received.push(status),
    end: (text: string) => received.push(JSON.parse(text)),
  };
  fail(new Error("ECONNREFUSED"), {}, answer);
  const message =
    "Flask does not answer at http://127.0.0.1:5000. Start it, or give nightferry() in vite.config its address.";
  assert.deepEqual(received, [502, { error: { code: "unreachable", message, retryable: true } }]);
  let ended = false;
  fail(new Error("ECONNREFUSED"), {}, { end: () => (ended = true) });
  assert.ok(ended, "a WebSocket is closed");
});

test("development serves the worker, and leaves all else to Vite", async () => {
  let handler: (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;
  plugin({}, files).configureServer({ middlewares: { use: (given) => (handler = given) } });
  const server = createServer((request, response) =>
    handler(request, response, (error) => {
      response.statusCode = error ? 500 : 404;
      response.end();
    }),
  );
  after(() => server.close());
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const get = (path: string, method = "GET") =>
    fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, { method });
  const script = await get("/nightferry/sw.js?name=nightferry");
  assert.equal(script.headers.get("Content-Type"), "text/javascript; charset=utf-8");
  assert.equal(script.headers.get("Cache-Control"), "no-cache");
  assert.equal(await script.text(), "// the worker");
  const wasm = await get("/nightferry/sw.wasm?build=1");
  assert.equal(wasm.headers.get("Content-Type"), "application/wasm");
  assert.equal(await wasm.text(), "wasm");
  assert.equal(await (await get("/nightferry/sw.js", "HEAD")).text(), "");
  for (const path of ["/", "/sw.js", "/nightferry/", "/nightferry/toString", "/nightferry/../package.json"]) {
    assert.equal((await get(path)).status, 404, path);
  }
});

test("a build gets the worker under its own name, below Vite's base", async () => {
  const emitted = async (options: NightferryPluginOptions, base: string, consumer?: string) => {
    const names: string[] = [];
    const made = plugin(options, files);
    made.configResolved({ base, server: { fs: { allow: [] } } });
    const bundle: Bundle = { emitFile: ({ fileName }) => names.push(fileName) };
    if (consumer) bundle.environment = { config: { consumer } };
    await made.generateBundle.call(bundle);
    return names;
  };
  assert.deepEqual(await emitted({}, "/"), ["nightferry/sw.js", "nightferry/sw.wasm"]);
  assert.deepEqual(await emitted({ base: "/app/nightferry" }, "/app/"), ["nightferry/sw.js", "nightferry/sw.wasm"]);
  assert.deepEqual(await emitted({}, "./", "client"), ["nightferry/sw.js", "nightferry/sw.wasm"]);
  assert.deepEqual(await emitted({}, "/", "server"), [], "a server has no worker");
});

test("a linked package may be served", () => {
  const allow = ["/app"];
  plugin({}, files).configResolved({ base: "/", server: { fs: { allow } } });
  assert.deepEqual(allow, ["/app", `${folder}/`]);
});
