#!/usr/bin/env node
// The package's command.

import { Refusal, run } from "./copy.js";

try {
  console.log(await run(process.argv.slice(2), new URL("./", import.meta.url)));
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
