/** Coverage against a run that is followed instruction by instruction. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { CoveredFile, RunJob } from '../../../src/protocol/run';
import { StatementCoverage } from '../../../src/run/coverage';
import { RunSession } from '../../../src/run/session';
import { has } from '../guest/build';
import { jobOf, root, sample } from '../../support/runs';

const folder = mkdtempSync(join(tmpdir(), 'trapline-coverage-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function covered(job: RunJob, folders: string[]): { files: CoveredFile[]; hash: string | undefined } {
  const session = new RunSession(job);
  const coverage = new StatementCoverage(session, folders);
  while (session.step()) coverage.letGo();
  return { files: coverage.files(), hash: session.end().end.meta.traceHash };
}

/**
 * Statements at whose first instruction a CPU stood: one instruction after the other, without breakpoints. What a CPU does at once
 * when an interrupt or a start-up IPI reaches it is not seen: those instructions are the kit's.
 */
function followed(job: RunJob): { executed: Set<string>; hash: string | undefined } {
  const session = new RunSession(job);
  const stood = session.images.map(() => new Set<bigint>());
  const look = (): void =>
    session.machine.guests.forEach(({ rips }, vm) => rips.forEach((rip) => stood[vm].add(rip)));
  look();
  while (session.runInstructions(1)) look();
  const executed = session.images.flatMap(({ lines }, vm) =>
    lines.files.flatMap((file) =>
      lines
        .statementsIn(file, 0, Infinity)
        .filter(({ addresses }) => addresses.some((address) => stood[vm].has(address)))
        .map(({ line, column }) => `${file}:${line}:${column}`),
    ),
  );
  return { executed: new Set(executed), hash: session.end().end.meta.traceHash };
}

const statementsOf = (files: CoveredFile[], executed: boolean): string[] =>
  files.flatMap(({ file, statements }) =>
    statements
      .filter((each) => each.executed === executed)
      .map(({ line, column }) => `${file}:${line}:${column}`),
  );

describe.skipIf(!has('gcc'))('coverage of statements (needs gcc)', () => {
  it.each(['hello', 'smp-ipi', 'a8-ipi'])(
    'of %s is what a walk by single instructions comes past, and leaves the trace as it is',
    async (name) => {
      const job = await jobOf(sample(name));
      const { files, hash } = covered(job, [join(root, 'media/workspace')]);
      const walk = followed(job);
      const executed = statementsOf(files, true);
      expect(executed.length).toBeGreaterThan(2);
      expect(executed.filter((each) => !walk.executed.has(each))).toEqual([]);
      expect(statementsOf(files, false).filter((each) => walk.executed.has(each))).toEqual([]);
      expect(hash).toBe(walk.hash);
    },
  );

  it('tells the branch that was taken from the one that was not', async () => {
    const lines = [
      'static volatile int which = 1;',
      'int main(void)',
      '{',
      '    if (which)',
      '        which = 7;',
      '    else',
      '        which = 9;',
      '    return which - 7;',
      '}',
    ];
    writeFileSync(join(folder, 'branch.c'), `${lines.join('\n')}\n`);
    const scenario = JSON.stringify({ vms: [{ guest: { sources: ['branch.c'] } }] });
    const job = await jobOf(join(folder, 'a.trapline.json'), scenario);
    const { files } = covered(job, [folder]);
    expect(files.map(({ file }) => file)).toEqual([join(folder, 'branch.c')]);
    const at = (line: number): boolean[] => [
      ...new Set(files[0].statements.filter((each) => each.line === line).map(({ executed }) => executed)),
    ];
    expect(at(lines.indexOf('        which = 7;') + 1)).toEqual([true]);
    expect(at(lines.indexOf('        which = 9;') + 1)).toEqual([false]);
  });

  it('has only sources below the folders that are asked for', async () => {
    const job = await jobOf(sample('hello'));
    const drivers = dirname(sample('hello')).replace(/scenarios$/, 'drivers');
    const { files } = covered(job, [`${drivers}/`]);
    expect(files.map(({ file }) => file)).toEqual([join(drivers, 'hello.c')]);
    // A folder whose name only begins like another's is another folder.
    expect(covered(job, [drivers.slice(0, -1)]).files).toEqual([]);
  });
});
