/** Verbs about a trace whose every event is known: see `sampleStore`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Kind } from '../../../src/trace/vocabulary/events';
import { Recorder } from '../../../src/trace/record/recorder';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';
import type { KeptRun } from '../../../src/verbs/context';
import { VERBS } from '../../../src/verbs/table';
import { EXIT, FREQUENCY, metaOf, sampleStore, tracks } from '../trace/sample';
import { keepTrace, LINK, scratchFolder, TestVerbs } from './context';

const folder = scratchFolder();
const { store, rows } = sampleStore(3);
const hash = store.meta.traceHash;
const file = keepTrace(folder, 'three.trapline.arrow', store);
const trace = 'three.trapline.arrow';
const verbs = new TestVerbs([folder]);
const ask = <T>(name: string, input: object): Promise<T> => verbs.answer<T>(name, { trace, ...input });
/** Cycles as µs. */
const us = (cycles: number): number => Number(((cycles / FREQUENCY) * 1e6).toFixed(3));
const row = (name: string): number => rows[name] ?? -1;

/** Cycles of one exit from leaving to entering, and between two of them. */
const EXIT_CYCLES = EXIT.kvm + EXIT.out + EXIT.qemu + EXIT.back + EXIT.entry;
const APART = 40_000;

describe('verbs', () => {
  it('are named once, and tell models of themselves within reason', () => {
    expect(new Set(VERBS.map(({ name }) => name)).size).toBe(VERBS.length);
    for (const { name, says, inputSchema } of VERBS) {
      expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(says.length, name).toBeLessThan(800);
      expect(inputSchema, name).toMatchObject({ type: 'object', additionalProperties: false });
    }
  });

  it('tell the hash of the trace and how its events open', async () => {
    expect(await ask('summarize_trace', {})).toMatchObject({
      trace,
      hash,
      open: `${LINK}event?trace=${encodeURIComponent(file)}&row={row}`,
    });
    expect(hash).toMatch(/^[0-9a-f]{16}$/);
  });

  it('summarize_trace', async () => {
    expect(await ask('summarize_trace', {})).toMatchObject({
      state: 'finished',
      events: store.rows,
      us: us(3 * APART),
      exits: 3,
      interrupts: { raised: 3, injected: 3, posted: 0, handled: 3 },
      packets: { tx: 3, rx: 3, dropped: 0 },
      reasons: [{ reason: 'EPT_MISCONFIG', count: 3 }],
      vms: [{ name: 'vm0', exits: 3, exitCode: 0 }],
    });
  });

  it.each([
    ['reason', { reason: 'EPT_MISCONFIG', query: 'exit:EPT_MISCONFIG' }],
    ['line', { place: 'e1000.c:142', query: 'group:exit file:e1000.c line:142' }],
    ['device', { device: 'vm0 e1000' }],
  ])('count_exits by %s', async (by, group) => {
    const cost = { exits: 3, totalUs: us(3 * EXIT_CYCLES), meanUs: us(EXIT_CYCLES) };
    const answer = await ask('count_exits', { by });
    expect(answer).toMatchObject({ exits: 3, groups: [{ ...group, ...cost }] });
    const [{ query = '' } = {}] = (answer as { groups: { query?: string }[] }).groups;
    expect(await ask('find_events', { query })).toMatchObject({ matches: 3 });
  });

  it('count_exits of a window', async () => {
    const second = { fromUs: us(APART), toUs: us(2 * APART) };
    expect(await ask('count_exits', { by: 'reason', ...second })).toMatchObject({ exits: 1 });
    expect(await ask('count_exits', { by: 'device', ...second })).toMatchObject({ exits: 1 });
    expect(await verbs.refusal('count_exits', { trace, by: 'line', fromUs: 5, toUs: 5 })).toContain(
      'window is empty',
    );
  });

  it('find_events, page by page', async () => {
    const all = await ask<{ events: { row: number; us: number }[] }>('find_events', {
      query: 'exit:EPT_MISCONFIG',
    });
    expect(all.events.map((each) => each.us)).toEqual([0, 1, 2].map((n) => us(EXIT.start + n * APART)));
    expect(all.events[0]).toMatchObject({ row: row('exit'), forUs: us(EXIT_CYCLES), place: 'e1000.c:142' });
    const page = { query: 'exit:EPT_MISCONFIG', offset: 1, limit: 1 };
    expect(await ask('find_events', page)).toMatchObject({
      matches: 3,
      events: [all.events[1]],
      more: ['events: 1 of 3 given from 1 on; ask on with offset 2'],
    });
    expect(await ask('find_events', { query: '', limit: 1 })).toMatchObject({ matches: store.rows });
    expect(await ask('find_events', { ...page, offset: 99 })).toMatchObject({ matches: 3, events: [] });
  });

  it('says what is wrong with a query', async () => {
    expect(await verbs.refusal('find_events', { trace, query: 'dur>fast' })).toMatch(
      /“fast” is no value for dur.*position/,
    );
  });

  it('describe_event', async () => {
    expect(await ask('describe_event', { row: row('write') })).toMatchObject({
      event: { row: row('write'), event: 'mmio.write', track: 'e1000', text: 'TDT ← 0x3' },
      cause: row('exit'),
      consequences: 1,
      file: '/src/e1000.c',
      line: 142,
      function: 'e1000_transmit',
    });
    const exit = await ask<{ legs: { forUs: number }[] }>('describe_event', { row: row('exit') });
    expect(exit.legs.map(({ forUs }) => forUs)).toEqual(
      [EXIT.kvm, EXIT.out, EXIT.qemu, EXIT.back, EXIT.entry].map(us),
    );
    expect(await verbs.refusal('describe_event', { trace, row: store.rows })).toContain(
      `0 to ${store.rows - 1}`,
    );
  });

  it('follow_chain both ways, so far as is asked', async () => {
    interface Chain {
      root: number;
      complete: boolean;
      links: { row: number; hop: number }[];
    }
    const whole = await ask<Chain>('follow_chain', { row: row('tx') });
    expect(whole).toMatchObject({ root: row('exit'), complete: true });
    const hops = new Map(whole.links.map((link) => [link.row, link.hop]));
    const way = ['exit', 'write', 'dma', 'tx', 'raise', 'inject', 'handler'].map((name) =>
      hops.get(row(name)),
    );
    expect(way).toEqual([-3, -2, -1, 0, 1, 2, 3]);
    const near = await ask<Chain>('follow_chain', { row: row('tx'), back: 1, forward: 1 });
    expect(near.links.map((link) => link.hop)).toEqual([-1, 0, 1]);
    expect(near).toMatchObject({ root: row('exit'), complete: false });
  });

  it('critical_path, whose legs add up', async () => {
    const path = await ask<{ us: number; legs: { forUs: number }[] }>('critical_path', { row: row('write') });
    expect(path).toMatchObject({ first: row('exit'), last: row('handler') });
    // From leaving the guest to the end of the handler, 400 cycles after the exit's end and 700 long.
    expect(path.us).toBeCloseTo(us(EXIT_CYCLES + 400 + 700), 6);
    expect(path.legs.reduce((sum, { forUs }) => sum + forUs, 0)).toBeCloseTo(path.us, 6);
  });

  it('io_operations, with the slowest', async () => {
    const { ways, ...rest } = await ask<{ ways: object[]; operations: number }>('io_operations', {});
    expect(ways[0]).toMatchObject({
      from: 'exit.EPT_MISCONFIG',
      to: 'handler',
      count: 3,
      maxUs: us(EXIT_CYCLES + 1100),
    });
    expect(rest).toMatchObject({ slowest: [{ row: row('handler'), us: us(EXIT_CYCLES + 1100) }, {}, {}] });
  });

  it('last_writer of a register, by the trace alone', async () => {
    const register = 'vm0/e1000/TDT';
    expect(await ask('last_writer', { row: row('handler'), register })).toMatchObject({
      found: true,
      event: { row: row('write') },
    });
    expect(await ask('last_writer', { row: row('exit'), register })).toMatchObject({ found: false });
    expect(await verbs.refusal('last_writer', { trace, row: 5, register: 'vm0/e1000/NONE' })).toContain(
      'vm0/e1000',
    );
    expect(await verbs.refusal('last_writer', { trace, row: 5 })).toContain('Name one thing');
  });
});

describe('traces', () => {
  it('are those of runs, by id or as the latest one', async () => {
    const run = (id: string): KeptRun => ({
      id,
      file,
      scenario: '/b7.trapline.json',
      title: 'T',
      ended: '2026',
    });
    const kept = new TestVerbs([folder], { runs: () => [run('2026-b'), run('2026-a')] });
    expect(await kept.answer('summarize_trace', {})).toMatchObject({ trace: '2026-b', hash });
    expect(await kept.answer('summarize_trace', { trace: '2026-a' })).toMatchObject({
      trace: '2026-a',
      hash,
    });
    expect(await kept.refusal('summarize_trace', { trace: '2026-c' })).toContain('No run 2026-c is kept');
    expect(await kept.answer('list_traces', { limit: 1 })).toMatchObject({
      traces: [{ trace: '2026-b', scenario: 'b7.trapline.json', title: 'T' }],
      more: [expect.stringContaining('offset 1')],
    });
    expect(await verbs.refusal('summarize_trace', {})).toContain('no run yet');
  });

  it('that are broken are an answer that says so', async () => {
    writeFileSync(join(folder, 'text.trapline.arrow'), 'no trace');
    writeFileSync(join(folder, 'empty.trapline.arrow'), '');
    mkdirSync(join(folder, 'dir.trapline.arrow'), { recursive: true });
    expect(await verbs.refusal('summarize_trace', { trace: 'text.trapline.arrow' })).toContain(
      'not an Apache Arrow file',
    );
    expect(await verbs.refusal('summarize_trace', { trace: 'empty.trapline.arrow' })).toContain('empty');
    expect(await verbs.refusal('summarize_trace', { trace: 'dir.trapline.arrow' })).toContain('is no file');
    expect(await verbs.refusal('summarize_trace', { trace: '../x.trapline.arrow' })).toContain('outside');
    writeFileSync(join(folder, 'driver.c'), 'int main;');
    expect(await verbs.refusal('summarize_trace', { trace: 'driver.c' })).toContain('is no trace');
  });

  it('that are written anew are read anew', async () => {
    keepTrace(folder, 'again.trapline.arrow', store);
    const again = { trace: 'again.trapline.arrow' };
    expect(await verbs.answer('summarize_trace', again)).toMatchObject({ exits: 3 });
    keepTrace(folder, 'again.trapline.arrow', sampleStore(5).store);
    expect(await verbs.answer('summarize_trace', again)).toMatchObject({ exits: 5 });
  });
});

describe('two traces', () => {
  const second = 'five.trapline.arrow';
  keepTrace(folder, second, sampleStore(5).store);

  it('are compared by reason, line, stage and operation', async () => {
    const compare = (by: string) => verbs.answer('compare_traces', { first: trace, second, by });
    const cost = { exits: [3, 5], us: [us(3 * EXIT_CYCLES), us(5 * EXIT_CYCLES)] };
    expect(await compare('reason')).toMatchObject({ differences: [{ of: 'EPT_MISCONFIG', ...cost }] });
    expect(await compare('line')).toMatchObject({ differences: [{ of: 'e1000.c:142', ...cost }] });
    // The transmits of both are alike: of no pair is one longer than the other.
    expect(await compare('operation')).toMatchObject({ differences: [] });
    expect(await compare('stage')).toMatchObject({ runs: [{ trace, hash }, { trace: second }] });
    const figures = (await compare('figure')) as { differences: { of: string; values: string[] }[] };
    expect(figures.differences).toContainEqual({ of: 'VM exits', values: ['3', '5 (×1.67)'] });
  });

  it('part where one has an event that the other has not', async () => {
    expect(await verbs.answer('first_divergence', { first: trace, second })).toMatchObject({
      parts: true,
      track: 'vm0: vCPU 0',
      same: 3,
      what: ['nothing more', expect.stringContaining('exit.EPT_MISCONFIG')],
      secondEvent: { us: us(EXIT.start + 3 * APART) },
    });
    expect(await verbs.answer('first_divergence', { first: trace, second: trace })).toMatchObject({
      parts: false,
    });
  });
});

it('lists the scenarios of the folder, and no others', async () => {
  const place = scratchFolder();
  const put = (name: string, text: string): void => {
    mkdirSync(join(place, name, '..'), { recursive: true });
    writeFileSync(join(place, name), text);
  };
  put('a10.trapline.json', '{ "title": "Ten", "about": "Of ten." }');
  put('a2.trapline.json', '// comment\n{ "title": "Two", }');
  put('deep/broken.trapline.json', '{{{');
  put('node_modules/x.trapline.json', '{}');
  put('other.json', '{}');
  const there = new TestVerbs([place]);
  expect(await there.answer('list_scenarios', {})).toEqual({
    scenarios: [
      { file: 'a2.trapline.json', title: 'Two' },
      { file: 'a10.trapline.json', title: 'Ten', about: 'Of ten.' },
      { file: 'deep/broken.trapline.json', title: '' },
    ],
  });
  expect(await there.answer('list_scenarios', { containing: 'OF TEN' })).toMatchObject({
    scenarios: [{ title: 'Ten' }],
  });
});

it('asks its host to run a scenario of the folder, and none of elsewhere', async () => {
  writeFileSync(join(folder, 'b7.trapline.json'), '{}');
  const asked: string[] = [];
  const run: KeptRun = { id: 'r', file, scenario: 'b7', title: '', ended: '' };
  const host = new TestVerbs([folder], {
    runs: () => [run],
    run: (scenario) => {
      asked.push(scenario);
      return Promise.resolve({ run, console: 'hello\n' });
    },
  });
  const answer = await host.answer('run_scenario', { scenario: 'b7.trapline.json' });
  expect(answer).toMatchObject({ trace: 'r', hash, verdict: 'passed', exits: 3, console: 'hello ' });
  expect(await host.refusal('run_scenario', { scenario: '../b7.trapline.json' })).toContain('outside');
  expect(asked).toEqual([join(folder, 'b7.trapline.json')]);
  expect(await verbs.refusal('run_scenario', { scenario: 'b7.trapline.json' })).toBe('nothing is run here');
});

it('survives a trace whose names are anything', async () => {
  const recorder = new Recorder({
    resolvePlace: () => ({ symbol: '\u001b[0m'.repeat(200), file: `/${'d'.repeat(3000)}.c`, line: 1 }),
  });
  tracks(recorder);
  const odd = recorder.addTrack({ type: 'vcpu', name: '"'.repeat(2000), group: '\u0000'.repeat(500), vm: 0 });
  for (let i = 0; i < 20; i++) recorder.instant(i, odd, Kind.PacketTx, 2 ** 32, i);
  recorder.finish(100);
  const strange = new TraceStore(emptyMeta('x'.repeat(5000), FREQUENCY));
  strange.append(recorder.takeDelta());
  strange.setMeta(metaOf(recorder, { title: 'x'.repeat(5000) }));
  keepTrace(folder, 'odd.trapline.arrow', strange);
  for (const [name, input] of [
    ['summarize_trace', {}],
    ['find_events', { query: '' }],
    ['describe_event', { row: 3 }],
    ['follow_chain', { row: 3 }],
    ['critical_path', { row: 3 }],
    ['count_exits', { by: 'device' }],
  ] as const)
    await verbs.answer(name, { trace: 'odd.trapline.arrow', ...input });
  expect(await verbs.refusal('machine_state', { trace: 'odd.trapline.arrow', row: 1 })).toContain(
    'another tool',
  );
});
