#!/usr/bin/env node
/** `npm run oracle -- [N]`: about N tests (100000) of every encoding against the processor this runs on. */
import { main, root, run } from './lib/shell.mjs';
import { join } from 'node:path';

await main(() => {
  const tests = process.argv[2] ?? '100000';
  return run(
    process.execPath,
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', 'test/conformance/instruction-oracle.test.ts'],
    { env: { ...process.env, TRAPLINE_ORACLE_TESTS: tests } },
  );
});
