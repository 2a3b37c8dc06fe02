/**
 * Writes media/reference/registers.md from the descriptions of the devices' registers, and media/reference/queries.md from the tables
 * of the query language.
 *
 *   node scripts/build-reference.mjs            writes what differs
 *   node scripts/build-reference.mjs --check    fails when one differs
 */
import { generateFile } from './lib/generated-file.mjs';

await generateFile({
  target: 'media/reference/registers.md',
  entry: 'src/machine/reference/markdown.ts',
  script: 'scripts/build-reference.mjs',
  text: ({ registerReference }) => registerReference(),
});
await generateFile({
  target: 'media/reference/queries.md',
  entry: 'src/trace/query/query-reference.ts',
  script: 'scripts/build-reference.mjs',
  text: ({ queryReference }) => queryReference(),
});
