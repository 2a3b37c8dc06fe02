import { defineConfig } from 'vitest/config';

/** The product driven as a user drives it, in a real VS Code: one window at a time. */
export default defineConfig({
  test: {
    include: ['test/vscode/ui/**/*.test.mjs'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    maxWorkers: 1,
  },
});
