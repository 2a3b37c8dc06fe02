#!/usr/bin/env node
/** `npm run fuzz -- --runs N`: random bytes as code; the arguments are those of test/conformance/cpu-fuzz/main.ts. */
import { main } from './lib/shell.mjs';
import { runTool } from './lib/tool.mjs';

await main(() => runTool('fuzz.js', 'test/conformance/cpu-fuzz/main.ts'));
