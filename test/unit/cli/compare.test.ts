import { describe, expect, it } from 'vitest';
import { runCli } from '../../../src/cli/cli';
import type { Comparison } from '../../../src/trace/query/compare';
import { emptyMeta, TraceStore } from '../../../src/trace/query/store';
import { exitKind, Kind } from '../../../src/trace/vocabulary/events';
import { VmxExit } from '../../../src/trace/vocabulary/vmx-exit-reasons';
import { sampleStore } from '../trace/sample';
import { FakeHost } from './fake-host';

/** A trace without rows that has counted some exits and packets. */
function traceOf(exits: number, packets: number): TraceStore {
  const counts: [number, number, number][] = [
    [0, exitKind(VmxExit.HLT), exits],
    [1, Kind.PacketTx, packets],
  ];
  return new TraceStore({ ...emptyMeta('t', 1e9), state: 'finished', counts });
}

function hostWith(): FakeHost {
  const host = new FakeHost();
  host.traces.set('/home/ada/a.trapline.arrow', traceOf(10, 5));
  host.traces.set('/home/ada/more/b.trapline.arrow', traceOf(30, 10));
  host.traces.set('/home/ada/more/a.trapline.arrow', traceOf(1, 1));
  return host;
}

describe('trapline compare', () => {
  it('prints traces side by side, with ratios to the first', async () => {
    const host = hostWith();
    expect(await runCli(['compare', 'a.trapline.arrow', 'more/b.trapline.arrow'], host)).toBe(0);
    const lines = host.stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(lines[0]).toEqual(['a', 'b']);
    expect(lines).toContainEqual(['VM exits', '10', '30 (×3)']);
    expect(lines).toContainEqual(['per packet: VM exits', '2.00', '3.00 (×1.5)']);
    expect(host.calls.filter((call) => call.startsWith('start'))).toEqual([]);
  });

  it('runs scenarios, silently, and takes their figures from what was recorded', async () => {
    const host = hostWith();
    host.run.serial = ['hello\n'];
    host.run.meta = { ...host.run.meta, counts: [[0, exitKind(VmxExit.HLT), 20]] };
    expect(await runCli(['compare', 'a.trapline.arrow', 's.trapline.json', '--json'], host)).toBe(0);
    expect(host.calls).toContain('start /home/ada/s.trapline.json');
    const { runs, rows } = JSON.parse(host.stdout) as Comparison;
    expect(runs.map(({ name }) => name)).toEqual(['a', 's']);
    expect(rows.find(({ figure }) => figure === 'exits')).toEqual({
      figure: 'exits',
      unit: 'count',
      values: [10, 20],
      ratios: [1, 2],
      query: 'group:exit',
    });
  });

  it('tells with --by how each differs from the first, in tables or as JSON', async () => {
    const host = new FakeHost();
    const short = sampleStore(20);
    host.traces.set('/home/ada/a.trapline.arrow', short.store);
    host.traces.set('/home/ada/b.trapline.arrow', sampleStore(30).store);
    host.traces.set('/home/ada/c.trapline.arrow', sampleStore(20).store);
    const files = ['a.trapline.arrow', 'b.trapline.arrow', 'c.trapline.arrow'];
    expect(await runCli(['compare', ...files, '--by', 'parting,reasons'], host)).toBe(0);
    const cells = host.stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(host.stdout).toContain('b beside a');
    expect(host.stdout).toContain('a: nothing more.');
    expect(host.stdout).toMatch(/b: .* \(event \d+, e1000\.c:142\)/);
    expect(host.stdout).toContain('They do not part');
    // The sample's only kind of exit, which takes 12.4 µs each time.
    expect(cells).toContainEqual(['EPT_MISCONFIG', '20', '30', '248 µs', '372 µs', '×1.5']);
    expect(cells).toContainEqual(['EPT_MISCONFIG', '20', '20', '248 µs', '248 µs', '×1']);
    expect(host.stdout).not.toContain('Time by stage');
    const json = new FakeHost();
    for (const [file, trace] of host.traces) json.traces.set(file, trace);
    expect(await runCli(['compare', ...files, '--by', 'all', '--json'], json)).toBe(0);
    const { differences } = JSON.parse(json.stdout) as { differences: { second: string; parting: unknown }[] };
    expect(differences.map(({ second }) => second)).toEqual(['b', 'c']);
    expect(differences.map(({ parting }) => parting === null)).toEqual([false, true]);
  });

  it('says which parts there are when --by names another', async () => {
    const host = hostWith();
    expect(await runCli(['compare', 'a.trapline.arrow', '--by', 'line'], host)).toBe(2);
    expect(host.stderr).toContain('--by knows parting, lines, reasons, stages, operations and all, not "line".');
    expect(host.stderr).toContain('lines');
  });

  it('names files as they were given where their names are the same', async () => {
    const host = hostWith();
    await runCli(['compare', 'a.trapline.arrow', 'more/a.trapline.arrow'], host);
    expect(host.stdout).toMatch(/^ +a\.trapline\.arrow +more\/a\.trapline\.arrow\n/);
  });

  it('ends with the code of the worst run, and says why', async () => {
    const host = hostWith();
    host.run.summary.expectations = [{ figure: 'exits.HLT', expected: '3', actual: 4, held: false }];
    expect(await runCli(['compare', 'a.trapline.arrow', 's.trapline.json'], host)).toBe(1);
    expect(host.stderr).toContain('warning: s.trapline.json: ✗ exits.HLT: 3, but 4');
    expect(host.stdout).toContain('VM exits');
    host.run.meta = { ...host.run.meta, state: 'crashed', message: 'triple fault' };
    expect(await runCli(['compare', 's.trapline.json', 'a.trapline.arrow'], host)).toBe(3);
    expect(host.stderr).toContain('warning: s.trapline.json: triple fault');
  });

  it('prints nothing where a file cannot be read or a scenario is wrong', async () => {
    const host = hostWith();
    expect(await runCli(['compare', 'a.trapline.arrow', 'gone.trapline.arrow'], host)).toBe(2);
    expect(host.stderr).toContain('gone.trapline.arrow: no trace');
    host.problems = [
      {
        ...{ file: '/home/ada/s.trapline.json', line: 1, column: 1, severity: 'error' },
        ...{ message: 'what and why', source: 'scenario' },
      },
    ];
    expect(await runCli(['compare', 'a.trapline.arrow', 's.trapline.json'], host)).toBe(2);
    expect(await runCli(['compare'], host)).toBe(2);
    expect(host.stderr).toContain('trapline compare needs a FILE');
    expect(host.stdout).toBe('');
  });

  it('stops when it is asked to', async () => {
    const host = hostWith();
    host.run.endless = true;
    host.whenStarted = () => host.interrupt();
    expect(await runCli(['compare', 's.trapline.json', 'a.trapline.arrow'], host)).toBe(130);
    expect(host.calls).toContain('cancel');
    expect(host.calls.at(-1)).toBe('unhooked');
  });
});
