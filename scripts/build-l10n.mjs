#!/usr/bin/env node
/**
 * Writes `l10n/bundle.l10n.json`, the list of the extension's texts that translations go by. The texts stand in the sources; a
 * test says when the list is not theirs any more.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { l10nKeys } from './lib/l10n-keys.mjs';
import { Failure, main, root, say } from './lib/shell.mjs';

await main(async () => {
  const { keys, dynamic } = l10nKeys();
  if (dynamic.length > 0)
    throw new Failure(`A text that is translated has to be a literal: ${dynamic.join(', ')}.`);
  const file = join(root, 'l10n', 'bundle.l10n.json');
  const text = JSON.stringify(Object.fromEntries(keys.map((key) => [key, key])));
  writeFileSync(file, await format(text, { ...(await resolveConfig(file)), filepath: file }));
  say(`${keys.length} texts in l10n/bundle.l10n.json`);
});
