/** Writes the sources of the core that follow from the tables of operations (`src/machine/x86/operations`). */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

function current(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** @param root the project's directory. A file that is as it should be keeps its time stamp. */
export async function generateCore(root) {
  const x86 = join(root, 'src/machine/x86');
  const { outputFiles } = await build({
    entryPoints: [join(x86, 'operations/interpreter.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    logLevel: 'error',
  });
  const code = Buffer.from(outputFiles[0].contents).toString('base64');
  const { generatedSources } = await import(`data:text/javascript;base64,${code}`);
  const frame = (name) => readFileSync(join(x86, 'core/run', name), 'utf8');
  for (const [name, text] of Object.entries(generatedSources(frame))) {
    const path = join(x86, 'core/generated', name);
    if (current(path) === text) continue;
    mkdirSync(dirname(path), { recursive: true });
    // Written beside and renamed: another build of the core may be reading.
    const partial = `${path}.${process.pid}`;
    writeFileSync(partial, text);
    renameSync(partial, path);
  }
}
