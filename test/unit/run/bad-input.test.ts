/** Whatever is wrong with what the user gave, the answer names the file, the line and what to do, and nothing is lost. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Problem } from '../../../src/protocol/problem';
import { Kind } from '../../../src/trace/vocabulary/events';
import { prepareRun } from '../../../src/run/prepare';
import { environment, jobOf, runJob, sample } from '../../support/runs';

const folder = mkdtempSync(join(tmpdir(), 'trapline-bad-'));
const file = join(folder, 'scenarios', 'bad.trapline.json');

/** ELF header of 64 bytes for another machine (EM_AARCH64 = 183), otherwise well-formed. */
function elfFor(machine: number): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const view = new DataView(bytes.buffer);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setUint16(52, 64, true);
  return bytes;
}

/** Problems of a scenario text, whose lines are given singly so that a test can name one. */
async function problemsOf(lines: string[]): Promise<Problem[]> {
  const prepared = await prepareRun({ ...environment, file, text: lines.join('\n') });
  expect(prepared.ok).toBe(false);
  return prepared.problems;
}

beforeAll(() => {
  mkdirSync(join(folder, 'scenarios'), { recursive: true });
  writeFileSync(
    join(folder, 'broken.c'),
    '#include "trapline.h"\n\nint main(void)\n{\n    return undeclared_name;\n}\n',
  );
  writeFileSync(
    join(folder, 'huge.c'),
    '#include "trapline.h"\nchar block[64 << 20];\nint main(void) { block[1] = 1; return 0; }\n',
  );
  writeFileSync(
    join(folder, 'wild.c'),
    [
      '#include "trapline.h"',
      'int main(void)',
      '{',
      '    void (*nowhere)(void) = (void (*)(void))0xfd000000;',
      '    tl_printf("%x\\n", tl_read32(0xfd000000));',
      '    nowhere();',
      '    return 0;',
      '}',
    ].join('\n'),
  );
  writeFileSync(join(folder, 'text.elf'), 'this is not an ELF file\n');
  writeFileSync(join(folder, 'arm.elf'), elfFor(183));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('bad input', () => {
  it('names an unknown field at its line, with the one that was meant', async () => {
    const problems = await problemsOf([
      '{',
      '  "vms": [{',
      '    "memoryMib": 32,',
      '    "guest": { "sources": ["../broken.c"] }',
      '  }]',
      '}',
    ]);
    expect(problems[0]).toMatchObject({ file, line: 3, field: 'vms[0].memoryMib' });
    expect(problems[0]?.message).toContain('memoryMiB');
  });

  it('names a wrong type at its line', async () => {
    const problems = await problemsOf([
      '{',
      '  "seed": "one",',
      '  "vms": [{ "guest": { "sources": ["../broken.c"] } }]',
      '}',
    ]);
    expect(problems[0]).toMatchObject({ file, line: 2, field: 'seed' });
  });

  it('names a missing source at its line', async () => {
    const problems = await problemsOf([
      '{',
      '  "vms": [{ "guest": { "sources": [',
      '    "../missing.c"',
      '  ] } }]',
      '}',
    ]);
    expect(problems[0]).toMatchObject({ file, line: 3 });
    expect(problems[0]?.message).toContain('missing.c');
  });

  it('names everything that is missing, of all VMs, each at its line', async () => {
    const problems = await problemsOf([
      '{ "vms": [',
      '  { "guest": { "sources": [',
      '    "../missing-1.c",',
      '    "../broken.c",',
      '    "../scenarios"',
      '  ] } },',
      '  { "guest": { "elf": "../missing.elf" } }',
      '] }',
    ]);
    expect(
      problems.map(({ line, message }) => [
        line,
        /[\w-]+(\.\w+)? (does not exist|is not a file)/.exec(message)?.[0],
      ]),
    ).toEqual([
      [3, 'missing-1.c does not exist'],
      [5, 'scenarios is not a file'],
      [7, 'missing.elf does not exist'],
    ]);
  });

  it("shows a compile error at the driver's line", async () => {
    const problems = await problemsOf(['{ "vms": [{ "guest": { "sources": ["../broken.c"] } }] }']);
    const error = problems.find(({ severity }) => severity === 'error');
    expect(error).toMatchObject({ file: join(folder, 'broken.c'), line: 5, source: 'compiler' });
    expect(error?.message).toContain('undeclared_name');
  });

  it('says that a file is not an ELF file', async () => {
    const problems = await problemsOf([
      '{',
      '  "vms": [{',
      '    "guest": { "elf": "../text.elf" }',
      '  }]',
      '}',
    ]);
    expect(problems[0]).toMatchObject({ file, line: 3 });
    expect(problems[0]?.message).toMatch(/not an ELF/i);
  });

  it('names the machine of a foreign ELF file', async () => {
    const problems = await problemsOf([
      '{',
      '  "vms": [{',
      '    "guest": { "elf": "../arm.elf" }',
      '  }]',
      '}',
    ]);
    expect(problems[0]?.message).toMatch(/AArch64/i);
  });

  it('says how much memory a guest that does not fit needs', async () => {
    const problems = await problemsOf([
      '{ "vms": [{ "memoryMiB": 32, "guest": { "sources": ["../huge.c"] } }] }',
    ]);
    expect(problems[0]?.message).toContain('memoryMiB');
    expect(problems[0]?.message).toMatch(/6[5-9] MiB/);
  });

  it('tells of a triple fault with the line of the driver, and keeps the trace', async () => {
    const run = runJob(await jobOf(sample('triple-fault')));
    expect(run.end.meta.state).toBe('crashed');
    expect(run.end.meta.message).toContain('triple fault');
    expect(run.end.meta.message).toContain('triple-fault.c');
    expect(run.end.summary.exits['TRIPLE_FAULT']).toBe(1);
    expect(run.store.rows).toBeGreaterThan(0);
  });

  it('tells of a call into a hole, after an exit, with the address and the line of the call, and keeps the trace', async () => {
    const run = runJob(await jobOf(file, '{ "vms": [{ "guest": { "sources": ["../wild.c"] } }] }'));
    expect(run.end.meta.state).toBe('crashed');
    expect(run.end.meta.message).toContain('0xfd000000');
    expect(run.end.meta.message).toMatch(/called at \S*wild\.c:6 in main/);
    expect(run.store.rows).toBe(run.end.summary.events);
    // The guest ran until the call: its last span ends with the run, and no exit goes on after it.
    const spans = Array.from({ length: run.store.rows }, (_, row) => run.store.get(row));
    const last = spans.filter(({ kind }) => kind === Kind.GuestKernel).at(-1);
    expect(last && last.start + last.duration).toBe(run.end.summary.cycles);
  });
});
