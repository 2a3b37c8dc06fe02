/** Tools for developers that are bundled as the product is, and then run. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildIsCurrent } from './freshness.mjs';
import { checkNode, ensureDependencies } from './setup.mjs';
import { Failure, root, run } from './shell.mjs';

/**
 * Builds what is out of date and runs a bundle with this process's arguments. Standard output is the tool's alone.
 * @param bundle file name in dist/
 * @param source what it is made of, for the message when it is missing
 * @returns the tool's exit code
 */
export async function runTool(bundle, source) {
  checkNode();
  await ensureDependencies();
  // The tool itself is no source of the product, so its bundle is made every time.
  const scope = buildIsCurrent() ? ['--bundles'] : [];
  const built = await run(process.execPath, ['esbuild.mjs', ...scope], { stdio: ['ignore', 2, 'inherit'] });
  if (built !== 0) throw new Failure('The build failed.');
  if (!existsSync(join(root, 'dist', bundle))) throw new Failure(`${source} is missing.`);
  return run(process.execPath, [join('dist', bundle), ...process.argv.slice(2)]);
}
