/** `trapline query`: what it prints for readers and for programs, and how it says that a query is wrong. */
import { describe, expect, it } from 'vitest';
import { runCli } from '../../../src/cli/cli';
import { sampleStore } from '../trace/sample';
import { FakeHost } from './fake-host';

const { store, rows } = sampleStore(3);

async function query(...args: string[]): Promise<FakeHost & { code: number }> {
  const host = new FakeHost();
  host.traces.set('/home/ada/t', store);
  const code = await runCli(['query', 't', ...args], host);
  return Object.assign(host, { code });
}

describe('trapline query', () => {
  it('prints a table, and how many there are', async () => {
    const { stdout, stderr, code } = await query('exit:EPT_MISCONFIG dur>5us', '--limit', '2');
    expect(code).toBe(0);
    const [heading, first, second, end] = stdout.split('\n');
    expect(heading).toMatch(/^ *time +duration +track +event +arguments +place +row$/);
    expect(first).toMatch(/^ *10\.000 µs +12\.4 µs +vm0 vCPU 0 +exit\.EPT_MISCONFIG .*e1000\.c:142 +\d+$/);
    expect(second).toMatch(/^ *50\.000 µs/);
    expect(end).toBe('');
    expect(stderr).toBe('3 events match, 1 of them not printed\n');
  });

  it('takes a query in several arguments', async () => {
    expect((await query('--count', 'kind:packet.tx', 'or', 'kind:packet.rx')).stdout).toBe('6\n');
  });

  it('prints lines of JSON with everything of an event', async () => {
    const { stdout, stderr } = await query('kind:mmio.write', '--json');
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events).toHaveLength(3);
    expect(events[0]).toMatchObject({
      row: rows['write'],
      durationCycles: 0,
      kind: 'mmio.write',
      track: 'e1000',
      group: 'vm0',
      vm: 0,
      text: 'TDT ← 0x3',
      a: 0x3818,
      b: 3,
      file: '/src/e1000.c',
      line: 142,
      function: 'e1000_transmit',
      cause: rows['exit'],
    });
    expect(events[0]?.['seconds']).toBeCloseTo(Number(events[0]?.['cycles']) / 1e9, 12);
    expect(stderr).toBe('');
    expect((await query('serial', '--json', '--count')).stdout).toBe('{"count":0}\n');
  });

  it('says so when nothing matches', async () => {
    const { stdout, stderr, code } = await query('exit:HLT');
    expect([stdout, stderr, code]).toEqual(['', 'no event matches\n', 0]);
  });

  it('points at what is wrong', async () => {
    const { stderr, code } = await query('exit:HLT dur>fast');
    expect(code).toBe(2);
    const [message, text, marks] = stderr.split('\n');
    expect(message).toMatch(/^error: “fast” is no value for dur/);
    expect(text).toBe('  exit:HLT dur>fast');
    expect(marks).toBe(`  ${' '.repeat('exit:HLT '.length)}${'^'.repeat('dur>fast'.length)}`);
  });

  it.each([
    [['query'], 'needs a TRACE'],
    [['query', 't'], 'needs a QUERY'],
    [['query', 't', 'exit', '--limit', 'x'], 'whole number'],
  ])('%j is refused', async (args, message) => {
    const host = new FakeHost();
    expect(await runCli(args, host)).toBe(2);
    expect(host.stderr).toContain(message);
  });

  it('does not send control characters of a trace to the terminal', async () => {
    const { store: hostile } = sampleStore(1);
    const [track] = hostile.meta.tracks;
    if (track) track.name = 'v\u001b[2JCPU';
    const host = new FakeHost();
    host.traces.set('/home/ada/t', hostile);
    await runCli(['query', 't', 'exit'], host);
    expect(host.stdout).not.toContain('\u001b');
  });
});
