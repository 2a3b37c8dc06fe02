/** The layer rules of eslint.config.mjs hold: an import that climbs fails the lint, one that goes down does not. */
import { ESLint } from 'eslint';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const eslint = new ESLint({ cwd: root });

/** Rules that a text breaks when it stands in a file of the project; the file's own text is left out. */
async function rulesBroken(file: string, text: string): Promise<string[]> {
  const [result] = await eslint.lintText(text, { filePath: join(root, file) });
  expect(result?.messages.filter((message) => message.fatal)).toEqual([]);
  return [...new Set((result?.messages ?? []).map((message) => message.ruleId ?? ''))].sort();
}

const imported = (from: string, name: string) =>
  `import type { ${name} } from '${from}';\nexport type X = ${name};\n`;

/** At its first file ESLint reads the types of the whole project, which takes a busy machine its time. */
beforeAll(() => rulesBroken('src/machine/bus.ts', ''), 300_000);

describe('arrows go down only', () => {
  it.each([
    ['src/machine/bus.ts', '../run/api', 'RunHandle'],
    ['src/machine/bus.ts', '../vmm/host', 'Host'],
    ['src/trace/model.ts', '../machine/bus', 'Bus'],
    ['src/protocol/run.ts', '../run/api', 'RunHandle'],
    ['src/run/api.ts', '../extension/names', 'Command'],
    ['src/debug/debuggee.ts', '../verbs/verb', 'Verb'],
    ['src/verbs/verb.ts', '../cli/host', 'CliHost'],
    ['webview/main.ts', '../src/run/api', 'RunHandle'],
    ['webview/main.ts', '../src/machine/bus', 'Bus'],
  ])('%s may not import %s', async (file, from, name) => {
    expect(await rulesBroken(file, imported(from, name))).toContain('boundaries/dependencies');
  });

  it.each([
    ['src/run/api.ts', '../machine/bus', 'Bus'],
    ['src/run/api.ts', '../trace/model', 'TraceMeta'],
    ['src/verbs/verb.ts', '../debug/debuggee', 'Debuggee'],
    ['src/cli/mcp.ts', '../verbs/verb', 'Verb'],
    ['src/machine/bus.ts', '../trace/tracer', 'Tracer'],
    ['webview/main.ts', '../src/protocol/viewport', 'Lane'],
  ])('%s may import %s', async (file, from, name) => {
    expect(await rulesBroken(file, imported(from, name))).not.toContain('boundaries/dependencies');
  });

  it('lets nobody but the extension import the editor', async () => {
    const text = imported('vscode', 'Uri');
    for (const file of ['src/machine/bus.ts', 'src/run/api.ts', 'src/trace/model.ts', 'webview/main.ts']) {
      expect(await rulesBroken(file, text), file).toContain('no-restricted-imports');
    }
    expect(await rulesBroken('src/extension/names.ts', text)).toEqual([]);
  });
});

describe('a run is a function of its scenario', () => {
  it.each([
    'Date.now()',
    'Math.random()',
    'performance.now()',
    'process.hrtime()',
    'setTimeout(() => undefined, 1)',
  ])('%s is refused in the machine', async (expression) => {
    const rules = await rulesBroken('src/machine/bus.ts', `export const x: unknown = ${expression};\n`);
    expect(rules.filter((rule) => rule.startsWith('no-restricted-'))).toHaveLength(1);
  });

  it('has no Node in the machine', async () => {
    expect(await rulesBroken('src/machine/bus.ts', imported('node:fs', 'Stats'))).toContain(
      'no-restricted-imports',
    );
  });
});

it('refuses any and markup from strings', async () => {
  expect(await rulesBroken('src/trace/model.ts', 'export let x: any;\n')).toContain(
    '@typescript-eslint/no-explicit-any',
  );
  const markup = "export const put = (to: Element) => {\n  to.innerHTML = 'x';\n};\n";
  expect(await rulesBroken('webview/main.ts', markup)).toContain('no-restricted-syntax');
});
