/**
 * Writes media/schemas/trapline.schema.json from the scenario's definition.
 *
 *   node scripts/build-schema.mjs            writes it when it differs
 *   node scripts/build-schema.mjs --check    fails when it differs
 */
import { generateFile } from './lib/generated-file.mjs';

await generateFile({
  target: 'media/schemas/trapline.schema.json',
  entry: 'src/scenario/json-schema.ts',
  script: 'scripts/build-schema.mjs',
  text: ({ publishedJsonSchema }) => `${JSON.stringify(publishedJsonSchema(), null, 2)}\n`,
});
