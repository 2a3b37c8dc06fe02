/** Entry of the tests that run inside VS Code's extension host. */
import type Mocha from 'mocha';
import { writeFileSync } from 'node:fs';

/** One line for each test file; a test checks that none is missing. */
const FILES = [
  () => import('./activation.test'),
  () => import('./run.test'),
  () => import('./problems.test'),
  () => import('./home.test'),
  () => import('./agents.test'),
  () => import('./source.test'),
];

/** Called by VS Code; a rejection is a failed run. */
export async function run(): Promise<void> {
  const { default: MochaRunner } = await import('mocha');
  const { TRAPLINE_GREP: grep, TRAPLINE_COUNTS: countsFile } = process.env;
  const mocha = new MochaRunner({
    ui: 'bdd',
    color: false,
    timeout: 60_000,
    ...(grep !== undefined && { grep }),
  });
  mocha.suite.emit('pre-require', globalThis, '', mocha);
  for (const load of FILES) await load();

  const counts = { passed: 0, failed: 0, skipped: [] as { name: string; why: string }[] };
  await new Promise<void>((settle) => {
    const runner = mocha.run(() => settle());
    runner.on('pass', () => (counts.passed += 1));
    runner.on('fail', () => (counts.failed += 1));
    runner.on('pending', (test: Mocha.Test) =>
      counts.skipped.push({ name: test.fullTitle(), why: reasonOf(test) }),
    );
  });
  if (countsFile !== undefined) writeFileSync(countsFile, JSON.stringify(counts));
  if (counts.failed > 0) throw new Error(`${counts.failed} of the editor tests failed.`);
}

/** A skipped test carries its reason in brackets at the end of its title. */
function reasonOf(test: Mocha.Test): string {
  return /\[(.+)\]$/.exec(test.title)?.[1] ?? '';
}
