/** Texts that users read: the lists that translations go by are those of the sources, and translations fit them. */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const textsOf = (file: string): Record<string, string> =>
  JSON.parse(readFileSync(join(root, file), 'utf8')) as Record<string, string>;
const bundle = textsOf('l10n/bundle.l10n.json');
const nls = textsOf('package.nls.json');
const languages = readdirSync(join(root, 'l10n')).flatMap(
  (file) => /^bundle\.l10n\.([\w-]+)\.json$/.exec(file)?.[1] ?? [],
);

/** What a translation must leave as it is: placeholders, icons, links to commands, code. */
function fixedParts(text: string): string[] {
  return [...text.matchAll(/\{\d+\}|\$\([\w-]+\)|\(command:[\w.]+\)|`[^`]+`/g)].map(([part]) => part).sort();
}

describe('the texts of the extension', () => {
  it('are literals, and all of them stand in l10n/bundle.l10n.json', () => {
    const check = spawnSync(process.execPath, ['scripts/build-l10n.mjs', '--check'], { cwd: root });
    expect(check.status, String(check.stderr)).toBe(0);
    expect(Object.keys(bundle).length).toBeGreaterThan(100);
    expect(Object.entries(bundle).filter(([key, text]) => key !== text)).toEqual([]);
  });

  it('of the manifest are all there, and none is left over', () => {
    const manifest = readFileSync(join(root, 'package.json'), 'utf8');
    const named = new Set([...manifest.matchAll(/"%([\w.]+)%"/g)].map(([, key]) => key));
    expect([...named].filter((key) => nls[key] === undefined)).toEqual([]);
    expect(Object.keys(nls).filter((key) => !named.has(key))).toEqual([]);
  });

  it('are translated into one language at least', () => {
    expect(languages).not.toEqual([]);
  });

  it.each(languages)(
    'in %s say something in the place of a text that there is, with its placeholders',
    (language) => {
      for (const [file, originals] of [
        [`l10n/bundle.l10n.${language}.json`, bundle],
        [`package.nls.${language}.json`, nls],
      ] as const) {
        for (const [key, text] of Object.entries(textsOf(file))) {
          expect(originals[key], `${file}: ${key}`).toBeDefined();
          expect(text.trim(), `${file}: ${key}`).not.toBe('');
          expect(fixedParts(text), `${file}: ${key}`).toEqual(fixedParts(originals[key]));
        }
      }
    },
  );
});
