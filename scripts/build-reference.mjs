/**
 * Writes media/reference/registers.md from the descriptions of the devices' registers.
 *
 *   node scripts/build-reference.mjs            writes it when it differs
 *   node scripts/build-reference.mjs --check    fails when it differs
 */
import { generateFile } from './lib/generated-file.mjs';

await generateFile({
  target: 'media/reference/registers.md',
  entry: 'src/machine/reference/markdown.ts',
  script: 'scripts/build-reference.mjs',
  text: ({ registerReference }) => registerReference(),
});
