/**
 * Writes media/schemas/trapline.schema.json from the scenario's definition.
 *
 *   node scripts/build-schema.mjs            writes it when it differs
 *   node scripts/build-schema.mjs --check    fails when it differs
 */
import { build } from 'esbuild';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const target = join(root, 'media/schemas/trapline.schema.json');
const bundle = join(root, '.cache', `schema-${process.pid}.cjs`);

/** The schema as text, freshly generated. */
async function generate() {
  try {
    await build({
      entryPoints: [join(root, 'src/scenario/json-schema.ts')],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      logLevel: 'warning',
      absWorkingDir: root,
    });
    const { publishedJsonSchema } = createRequire(import.meta.url)(bundle);
    return `${JSON.stringify(publishedJsonSchema(), null, 2)}\n`;
  } finally {
    rmSync(bundle, { force: true });
  }
}

function present() {
  try {
    return readFileSync(target, 'utf8');
  } catch {
    return '';
  }
}

const text = await generate();
if (text === present()) {
  process.stdout.write('media/schemas/trapline.schema.json is up to date\n');
} else if (process.argv.includes('--check')) {
  process.stderr.write(
    'media/schemas/trapline.schema.json is out of date: run node scripts/build-schema.mjs\n',
  );
  process.exitCode = 1;
} else {
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
  process.stdout.write('media/schemas/trapline.schema.json written\n');
}
