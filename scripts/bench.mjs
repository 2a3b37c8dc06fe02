#!/usr/bin/env node
/** `npm run bench`: bundles test/perf/bench.ts as the product is bundled and runs it with the arguments given. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildIsCurrent } from './lib/freshness.mjs';
import { checkNode, ensureDependencies } from './lib/setup.mjs';
import { Failure, main, root, run } from './lib/shell.mjs';

await main(async () => {
  checkNode();
  await ensureDependencies();
  // The bench itself is no source of the product, so its bundle is made every time.
  const scope = buildIsCurrent() ? ['--bundles'] : [];
  if ((await run(process.execPath, ['esbuild.mjs', ...scope])) !== 0) throw new Failure('The build failed.');
  if (!existsSync(join(root, 'dist', 'bench.js'))) throw new Failure('test/perf/bench.ts is missing.');
  return run(process.execPath, ['dist/bench.js', ...process.argv.slice(2)]);
});
