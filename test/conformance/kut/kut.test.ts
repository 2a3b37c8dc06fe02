/** The conformance runner's own reading: of a configuration in the style of test suites, and of what kernels print. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepareRun } from '../../../src/run/prepare';
import { loadScenario } from '../../../src/scenario/load';
import { MULTIBOOT, elf32 } from '../../support/elf32';
import { environment } from '../../support/runs';
import { scenarioOf, testsOfConfiguration, testsOfFiles } from './config';
import { judge, perKernel } from './verdict';

const CONFIGURATION = `
# a comment
[first]
file = one.flat
smp = 3
test_args = 'alpha beta'
qemu_params = -cpu max,-x2apic -m 512
[second]
file = two.flat
arch = i386
[third]
file = three.flat
qemu_params = -cpu max,+vmx
[fourth]
file = four.flat
qemu_params = -m 4g
[nofile]
smp = 2
`;

describe('configuration', () => {
  const tests = testsOfConfiguration(CONFIGURATION);

  it('takes CPUs, arguments, memory and the APIC from it', () => {
    expect(tests[0]).toEqual({
      name: 'first',
      file: 'one.flat',
      cpus: 3,
      memoryMiB: 512,
      arguments: 'alpha beta',
      x2apic: false,
      amd: false,
      iommu: false,
      edu: false,
    });
  });

  it('leaves out sections without a kernel and says why it skips others', () => {
    expect(tests.map((test) => test.name)).toEqual(['first', 'second', 'third', 'fourth']);
    expect(tests.slice(1).map((test) => test.skip)).toEqual([
      'is for i386',
      'needs nested VMX',
      'needs 4096 MiB of memory',
    ]);
  });

  it('knows kernels that are run in several ways when there is no configuration', () => {
    const names = testsOfFiles(['tsc.flat', 'apic.flat']).map((test) => [test.name, test.cpus, test.x2apic]);
    expect(names).toEqual([
      ['x2apic', 2, true],
      ['xapic', 2, false],
      ['tsc', 1, true],
    ]);
  });

  it('makes scenarios that are valid', () => {
    const [test] = testsOfFiles(['ioapic.flat']);
    const loaded = loadScenario(scenarioOf(test, 1000), '/kernels/ioapic.trapline.json');
    expect(loaded.ok ? loaded.scenario.vms[0]?.vcpus : loaded.problems).toBe(4);
  });

  it('gives a kernel its name once, and then its arguments', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'trapline-kut-'));
    try {
      writeFileSync(join(folder, 'one.flat'), elf32(MULTIBOOT, [0xf4]));
      const file = join(folder, 'first.trapline.json');
      const prepared = await prepareRun({ ...environment, file, text: scenarioOf(tests[0], 1000) });
      if (!prepared.ok) throw new Error(prepared.problems[0]?.message);
      expect(prepared.job.guests[0].boot?.cmdline).toBe('one.flat alpha beta');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('verdict', () => {
  const end = { exitCode: 0, message: undefined };

  it('passes with exit code 0 and no line that failed', () => {
    const output = 'PASS: a\nPASS: b\nSKIP: c\nSUMMARY: 3 tests, 1 skipped\n';
    expect(judge('k', { ...end, output })).toEqual({
      name: 'k',
      result: 'pass',
      detail: '2 passed, 0 failed, 1 skipped',
    });
  });

  it('fails with a line that failed, whatever the exit code', () => {
    expect(judge('k', { ...end, output: 'PASS: a\nFAIL: b\n' })).toMatchObject({ result: 'fail' });
  });

  it('tells the last line of a kernel that never ended', () => {
    const verdict = judge('k', {
      exitCode: undefined,
      output: 'PASS: a\nnow b',
      message: 'not finished after 1 s',
    });
    expect(verdict.result).toBe('fail');
    expect(verdict.detail).toContain('not finished after 1 s');
    expect(verdict.detail).toContain('now b');
  });

  it('skips a kernel that skipped all of its tests', () => {
    expect(judge('k', { exitCode: 38, output: 'SKIP: no such CPU\n', message: undefined })).toEqual({
      name: 'k',
      result: 'skip',
      detail: 'SKIP: no such CPU',
    });
  });

  it('quotes the rows of a kernel that measures', () => {
    expect(judge('k', { ...end, output: 'enabling apic\ncpuid 1234\n' }).detail).toBe('cpuid 1234');
  });

  it('sums up kernels that ran under other names', () => {
    const ways = [
      { name: 'x2apic', file: 'apic.flat', result: 'pass', detail: '' },
      { name: 'xapic', file: 'apic.flat', result: 'fail', detail: '' },
      { name: 'tsc', file: 'tsc.flat', result: 'pass', detail: '' },
    ] as const;
    expect(perKernel(ways)).toEqual([{ name: 'apic', result: 'fail', detail: 'x2apic: pass, xapic: fail' }]);
  });
});
