/** The help tells of every verb, and what it shows as an example can be typed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../src/cli/arguments';
import { runCli } from '../../../src/cli/cli';
import { VERBS, type Verb, type VerbName } from '../../../src/cli/verbs';
import { root } from '../../support/runs';
import { FakeHost } from './fake-host';

const NAMES = Object.keys(VERBS) as VerbName[];

async function printed(...args: string[]): Promise<string> {
  const host = new FakeHost();
  expect(await runCli(args, host)).toBe(0);
  expect(host.stderr).toBe('');
  return host.stdout;
}

describe('trapline help', () => {
  it('lists every verb, with all its options', async () => {
    const text = await printed('help');
    for (const name of NAMES) {
      expect(text).toMatch(new RegExp(`^  trapline ${name}\\b`, 'm'));
      for (const option of Object.keys(VERBS[name].options)) expect(text).toContain(`--${option}`);
    }
  });

  it.each(NAMES)('of %s has its options and an example', async (name) => {
    const text = await printed('help', name);
    expect(text).toBe(await printed(name, '--help'));
    const verb: Verb = VERBS[name];
    for (const { says } of Object.values(verb.options)) expect(text.replace(/\s+/g, ' ')).toContain(says);
    expect(verb.examples.length).toBeGreaterThan(0);
    for (const [command] of verb.examples) expect(text).toContain(`  ${command}\n`);
  });

  it('has no line that a terminal would have to break, and none with blanks at its end', async () => {
    for (const text of [
      await printed('help'),
      ...(await Promise.all(NAMES.map((name) => printed('help', name)))),
    ])
      for (const line of text.split('\n')) {
        expect(line).toBe(line.trimEnd());
        if (!line.includes('trapline ')) expect(line.length).toBeLessThanOrEqual(110);
      }
  });

  it.each(NAMES.flatMap((name) => VERBS[name].examples.map(([command]) => [name, command] as const)))(
    'the example of %s is understood, and its scenarios are samples: %s',
    (name, command) => {
      const [program, ...args] = command.split(' ');
      expect(program).toBe('trapline');
      expect(parseCommandLine(args)).toMatchObject({ name });
      for (const file of args.filter((each) => each.endsWith('.trapline.json')))
        expect(existsSync(join(root, 'media/workspace', file)), file).toBe(true);
    },
  );

  it('of a verb that there is not says which comes near', async () => {
    const host = new FakeHost();
    expect(await runCli(['help', 'stast'], host)).toBe(2);
    expect(host.stderr).toContain('Did you mean "stats"?');
    expect(await runCli(['help', 'run', 'stats'], host)).toBe(2);
  });
});
