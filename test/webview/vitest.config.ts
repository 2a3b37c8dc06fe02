import { defineConfig } from 'vitest/config';

/** The built page in a browser; one file at a time, since each starts its own. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
