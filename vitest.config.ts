import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Tiers that need no editor. The editor and webview tiers have their own runners (`scripts/test.mjs`). */
export default defineConfig({
  resolve: {
    // Fixed seeds, or those of `npm run soak`, whatever a test asks for.
    alias: [
      { find: /^fast-check$/, replacement: resolve(import.meta.dirname, 'test/support/fast-check.ts') },
    ],
  },
  test: {
    include: ['test/{unit,property,golden,dap,conformance}/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
