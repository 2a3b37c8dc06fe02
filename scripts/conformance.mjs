#!/usr/bin/env node
/**
 * `npm run conformance -- --kut DIR | --uboot PATH`: boots a user's test kernels or firmware; the arguments are those of
 * test/conformance/kut/main.ts.
 * `npm run conformance -- --qtest`: compares devices with QEMU's; the arguments are those of test/conformance/qtest/main.ts.
 */
import { main } from './lib/shell.mjs';
import { runTool } from './lib/tool.mjs';

await main(() => runTool('conformance.js', 'test/conformance/main.ts'));
