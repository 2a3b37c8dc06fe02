import { defineConfig } from 'vitest/config';

/** Tiers that need no editor. The editor and webview tiers have their own runners (`scripts/test.mjs`). */
export default defineConfig({
  test: {
    include: ['test/{unit,property,golden,dap,conformance}/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
