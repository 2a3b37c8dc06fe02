/** A file of the repository that is generated from sources in TypeScript: written when it differs, or found out of date. */
import { build } from 'esbuild';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { root } from './shell.mjs';

/** What an entry exports, freshly bundled. */
async function load(entry) {
  // A name for each: what has been loaded under one is not loaded again.
  const bundle = join(root, '.cache', `generate-${process.pid}-${basename(entry)}.cjs`);
  try {
    await build({
      entryPoints: [join(root, entry)],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      // As in esbuild.mjs: its CommonJS form calls `require` by another name, which no bundler follows.
      alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
      logLevel: 'warning',
      absWorkingDir: root,
    });
    return createRequire(import.meta.url)(bundle);
  } finally {
    rmSync(bundle, { force: true });
  }
}

function present(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/**
 * Writes the file when it differs; with `--check` among the arguments it fails instead. Paths are relative to the repository.
 *
 * @param script what brings it up to date, for the message
 * @param text what it is to hold, from what `entry` exports
 */
export async function generateFile({ target, entry, script, text }) {
  const file = join(root, target);
  const wanted = text(await load(entry));
  if (wanted === present(file)) {
    process.stdout.write(`${target} is up to date\n`);
  } else if (process.argv.includes('--check')) {
    process.stderr.write(`${target} is out of date: run node ${script}\n`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, wanted);
    process.stdout.write(`${target} written\n`);
  }
}
