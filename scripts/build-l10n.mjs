#!/usr/bin/env node
/**
 * Writes `l10n/bundle.l10n.json`, the list of the extension's texts that translations go by. The texts stand in the sources.
 *
 *   node scripts/build-l10n.mjs            writes it when it differs
 *   node scripts/build-l10n.mjs --check    fails when it differs
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { l10nKeys } from './lib/l10n-keys.mjs';
import { Failure, main, root, say } from './lib/shell.mjs';

await main(async () => {
  const { keys, dynamic } = l10nKeys();
  if (dynamic.length > 0)
    throw new Failure(`A text that is translated has to be a literal: ${dynamic.join(', ')}.`);
  const file = join(root, 'l10n', 'bundle.l10n.json');
  const list = JSON.stringify(Object.fromEntries(keys.map((key) => [key, key])));
  const text = await format(list, { ...(await resolveConfig(file)), filepath: file });
  if (existsSync(file) && readFileSync(file, 'utf8') === text)
    return say('l10n/bundle.l10n.json is up to date');
  if (process.argv.includes('--check'))
    throw new Failure('l10n/bundle.l10n.json is out of date: run node scripts/build-l10n.mjs');
  writeFileSync(file, text);
  say(`${keys.length} texts in l10n/bundle.l10n.json`);
});
