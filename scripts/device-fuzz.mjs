#!/usr/bin/env node
/** A hostile guest at every device, which `npm run soak` has as a part; the arguments are those of test/conformance/device-fuzz/main.ts. */
import { main } from './lib/shell.mjs';
import { runTool } from './lib/tool.mjs';

await main(() => runTool('device-fuzz.js', 'test/conformance/device-fuzz/main.ts'));
