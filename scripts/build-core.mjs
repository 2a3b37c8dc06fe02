/**
 * Compiles the vCPU core (`src/machine/x86/core`, AssemblyScript) to `dist/cpu-core.wasm`, after writing the part of it that
 * follows from the table of operations.
 * Does nothing when the result is newer than every source. `--force` compiles anyway.
 */
import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { generateCore } from './lib/generate-core.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = join(root, 'src/machine/x86/core');
const target = join(root, 'dist/cpu-core.wasm');

function modified(path) {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

await generateCore(root);
const newest = Math.max(
  modified(fileURLToPath(import.meta.url)),
  ...readdirSync(source, { recursive: true }).map((name) => modified(join(source, name))),
);
if (modified(target) < newest || process.argv.includes('--force')) {
  mkdirSync(dirname(target), { recursive: true });
  // Written beside and renamed, so that a reader never sees half a module.
  const partial = `${target}.${process.pid}`;
  const text = process.argv.includes('--text') ? ['--textFile', `${target}.wat`] : [];
  const { error, stderr } = await asc.main(
    [join(source, 'index.ts'), '--config', join(source, 'asconfig.json'), '--outFile', partial, ...text],
    { stdout: process.stdout },
  );
  if (error) {
    console.error(`build-core: ${error.message}\n${stderr.toString()}`);
    process.exit(1);
  }
  renameSync(partial, target);
}
