#!/usr/bin/env node
/**
 * Writes the tools of language models into package.json, from the definitions of the verbs.
 *
 *   node scripts/build-tools.mjs            writes them when they differ
 *   node scripts/build-tools.mjs --check    fails when they differ
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateFile } from './lib/generated-file.mjs';
import { root } from './lib/shell.mjs';

const TARGET = 'package.json';
const PREFIX = 'trapline_';

/** A verb as the editor wants it. Texts for people stand in package.nls.json. */
function toolOf({ name, says, inputSchema }) {
  const reference = name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
  return {
    name: PREFIX + name,
    displayName: `%tool.${name}%`,
    userDescription: `%tool.${name}%`,
    modelDescription: says,
    tags: ['trapline', 'virtualization', 'debugging'],
    canBeReferencedInPrompt: true,
    toolReferenceName: `trapline${reference[0].toUpperCase()}${reference.slice(1)}`,
    icon: 'media/icons/activity.svg',
    inputSchema,
  };
}

await generateFile({
  target: TARGET,
  entry: 'src/verbs/table.ts',
  script: 'scripts/build-tools.mjs',
  text: ({ VERBS }) => {
    const manifest = JSON.parse(readFileSync(join(root, TARGET), 'utf8'));
    manifest.contributes.languageModelTools = VERBS.map(toolOf);
    return `${JSON.stringify(manifest, null, 2)}\n`;
  },
});
