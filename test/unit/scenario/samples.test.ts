/** The sample workspace: every scenario is valid, its drivers exist, and every driver has a scenario. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../../src/scenario/load';

const workspace = resolve(import.meta.dirname, '../../../media/workspace');
const files = readdirSync(join(workspace, 'scenarios')).map((name) => join(workspace, 'scenarios', name));

function sourcesOf(file: string): string[] {
  const loaded = loadScenario(readFileSync(file, 'utf8'), file);
  expect(loaded.problems).toEqual([]);
  if (!loaded.ok) return [];
  const named = loaded.scenario.vms.flatMap(({ guest }) => {
    if ('sources' in guest) return guest.sources;
    return 'kernel' in guest ? [guest.kernel] : [];
  });
  return named.map((path) => resolve(dirname(file), path));
}

describe.each(files.map((file) => [basename(file), file]))('%s', (name, file) => {
  it('is valid, and its sources exist', () => {
    expect(name).toMatch(/\.trapline\.json$/);
    expect(sourcesOf(file).filter((source) => !existsSync(source))).toEqual([]);
  });

  it('teaches: has a title, a text and something to expect', () => {
    const loaded = loadScenario(readFileSync(file, 'utf8'), file);
    if (!loaded.ok) throw new Error('not valid');
    const { title, about, expect: expectations } = loaded.scenario;
    expect(title).not.toBe(name.replace('.trapline.json', ''));
    expect(about.length).toBeGreaterThan(100);
    expect(Object.keys(expectations)).not.toEqual([]);
  });

  it('gives its drivers only macros that they have', () => {
    const loaded = loadScenario(readFileSync(file, 'utf8'), file);
    if (!loaded.ok) throw new Error('not valid');
    for (const { guest } of loaded.scenario.vms) {
      if (!('sources' in guest)) continue;
      const text = sourcesOf(file)
        .map((source) => readFileSync(source, 'utf8'))
        .join('\n');
      for (const macro of Object.keys(guest.defines)) expect(text).toContain(`#ifndef ${macro}\n`);
    }
  });
});

it('every driver has a scenario', () => {
  const used = new Set(files.flatMap(sourcesOf));
  const drivers = readdirSync(join(workspace, 'drivers')).filter((name) => /\.[cS]$/.test(name));
  expect(drivers.filter((name) => !used.has(join(workspace, 'drivers', name)))).toEqual([]);
});

it('the README tells of every scenario', () => {
  const readme = readFileSync(join(workspace, 'README.md'), 'utf8');
  for (const file of files) expect(readme).toContain(`| \`${basename(file, '.trapline.json')}\``);
});
