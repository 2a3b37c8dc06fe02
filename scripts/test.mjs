#!/usr/bin/env node
/**
 * `npm test`: sets up what it needs, runs every tier, and closes with one line `N passed, N failed, N skipped`.
 *
 *   node scripts/test.mjs [--only unit,editor]
 *
 * Needs Node.js and npm; as root on Debian it installs the rest (compiler, Chromium, ripgrep), else it names the command.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildIsCurrent } from './lib/freshness.mjs';
import { checkNode, ensureDependencies } from './lib/setup.mjs';
import { Failure, main, root, run, say } from './lib/shell.mjs';
import { ensurePrograms } from './lib/system-packages.mjs';
import { prepareServer } from './vscode-server.mjs';

const bin = (name) => join(root, 'node_modules', '.bin', name);
const results = join(root, 'artifacts', 'tests');

/** A tier that passes or fails as a whole. */
function check(...commands) {
  return async () => {
    const counts = { passed: 0, failed: 0, skipped: [] };
    for (const [command, ...args] of commands) {
      counts[(await run(command, args)) === 0 ? 'passed' : 'failed'] += 1;
    }
    return counts;
  };
}

/** A tier whose runner writes its counts to the file that `TRAPLINE_COUNTS` names. */
function counted(name, command, ...args) {
  return async () => {
    const file = join(results, `${name}.json`);
    rmSync(file, { force: true });
    const code = await run(command, args, { env: { ...process.env, TRAPLINE_COUNTS: file } });
    if (!existsSync(file)) {
      say(`${name}: the runner ended with code ${code} and left no counts`);
      return { passed: 0, failed: 1, skipped: [] };
    }
    const counts = JSON.parse(readFileSync(file, 'utf8'));
    // A runner that failed for another reason than a test has failed all the same.
    if (code !== 0 && counts.failed === 0) counts.failed = 1;
    if (counts.passed + counts.failed === 0) counts.failed = 1;
    return counts;
  };
}

function vitest(name, config) {
  const reporters = [
    '--reporter=default',
    `--reporter=${join(root, 'scripts', 'lib', 'vitest-count-reporter.mjs')}`,
  ];
  return counted(name, bin('vitest'), 'run', '--config', config, ...reporters);
}

const TIERS = {
  types: check([bin('tsc'), '-p', '.'], [bin('tsc'), '-p', 'webview']),
  lint: check(
    [bin('eslint'), '.', '--max-warnings', '0'],
    [bin('depcruise'), '--config', 'scripts/lib/import-circles.cjs', 'src', 'webview', 'test'],
  ),
  format: check([bin('prettier'), '--check', '--log-level', 'warn', '.']),
  build: check([process.execPath, 'esbuild.mjs']),
  unit: vitest('unit', 'vitest.config.ts'),
  webview: vitest('webview', 'test/webview/vitest.config.ts'),
  editor: counted('editor', process.execPath, 'test/vscode/run.mjs'),
  ui: vitest('ui', 'test/vscode/vitest.config.mjs'),
};
/** Tiers that use what the build makes. */
const BUILT = ['unit', 'webview', 'editor', 'ui'];

function chosenTiers() {
  const at = process.argv.indexOf('--only');
  if (at < 0) return Object.keys(TIERS);
  const names = (process.argv[at + 1] ?? '').split(',');
  const unknown = names.filter((name) => !(name in TIERS));
  if (unknown.length > 0) {
    throw new Failure(`No tier ${unknown.join(', ')}. There are: ${Object.keys(TIERS).join(', ')}.`);
  }
  // Tests of an outdated build would tell of yesterday's product.
  if (names.some((name) => BUILT.includes(name)) && !names.includes('build') && !buildIsCurrent())
    names.unshift('build');
  return Object.keys(TIERS).filter((name) => names.includes(name));
}

await main(async () => {
  checkNode();
  const chosen = chosenTiers();
  await ensureDependencies();
  if (chosen.some((name) => BUILT.includes(name))) ensurePrograms(['gcc', 'chromium']);
  if (chosen.includes('editor') || chosen.includes('ui')) prepareServer();
  mkdirSync(results, { recursive: true });

  const rows = [];
  for (const name of chosen) {
    say(name);
    const start = process.hrtime.bigint();
    const counts = await TIERS[name]();
    rows.push({ name, ...counts, seconds: Number(process.hrtime.bigint() - start) / 1e9 });
  }
  return report(rows);
});

/** Prints the table, every skipped test with its reason, and the closing line. */
function report(rows) {
  const line = (name, passed, failed, skipped, time) =>
    `${name.padEnd(10)}${String(passed).padStart(8)}${String(failed).padStart(8)}${String(skipped).padStart(9)}${time.padStart(10)}\n`;
  let text = `\n${line('tier', 'passed', 'failed', 'skipped', 'time')}`;
  for (const { name, passed, failed, skipped, seconds } of rows) {
    text += line(name, passed, failed, skipped.length, `${seconds.toFixed(1)} s`);
  }
  for (const { skipped } of rows) {
    for (const { name, why } of skipped)
      text += `skipped: ${name}: ${why === '' ? 'gives no reason' : why}\n`;
  }
  const sum = (pick) => rows.reduce((total, row) => total + pick(row), 0);
  const failed = sum((row) => row.failed);
  text += `\n${sum((row) => row.passed)} passed, ${failed} failed, ${sum((row) => row.skipped.length)} skipped\n`;
  process.stdout.write(text);
  return failed === 0 ? 0 : 1;
}
