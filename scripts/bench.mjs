#!/usr/bin/env node
/** `npm run bench`: how fast the machine is; the arguments are those of test/perf/bench.ts. */
import { main } from './lib/shell.mjs';
import { runTool } from './lib/tool.mjs';

await main(() => runTool('bench.js', 'test/perf/bench.ts'));
