/**
 * Rows E1 to E7: what one interrupt of a device costs in exits, by how the VM gets its interrupts and by where the vCPU is. What the
 * guest has counted itself says how many there were.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { compareRuns } from '../../../../src/trace/query/compare';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { between, countedRun, mark, type CountedRun } from '../../../support/section-a';
import { exitsOf, type Exit } from '../../../support/section-b';

const Way = { Running: 0, Off: 1, Asleep: 2, Streaming: 3 } as const;
const ways = Object.entries(Way);
const WAYS = ways.length;
/** Interrupts that find the vCPU asleep, of which the samples have none. */
const ASLEEP = 8;

/** Exits for one interrupt, by reason. */
type PerInterrupt = Readonly<Record<string, number>>;

interface Mode {
  sample: string;
  /** By way: running, with interrupts off, asleep. In a stream of packets the vCPU runs. */
  exits: readonly [PerInterrupt, PerInterrupt, PerInterrupt];
  /** Rows for one interrupt that come to a vCPU that runs, in order. */
  rows: readonly number[];
}

/** A store to a register that QEMU has starts the device: none of the interrupt's exits. */
const START = ['EPT_MISCONFIG', 'npf'];
const MARK = ['VMCALL', 'hypercall'];

const injected = [Kind.IrqAccept, Kind.IrqInject, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi];
const posted = [Kind.IrqPost, Kind.IrqAccept, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi];
const byProcessor = [Kind.IrqAccept, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi];

const modes: readonly Mode[] = [
  { sample: 'e-bare', exits: [{}, {}, {}], rows: byProcessor },
  {
    sample: 'e1-inject',
    exits: [
      { EXTERNAL_INTERRUPT: 1, APIC_ACCESS: 1 },
      { EXTERNAL_INTERRUPT: 1, INTERRUPT_WINDOW: 1, APIC_ACCESS: 1 },
      { HLT: 1, APIC_ACCESS: 1 },
    ],
    rows: injected,
  },
  {
    sample: 'e2-direct-eoi',
    exits: [{ EXTERNAL_INTERRUPT: 1 }, { EXTERNAL_INTERRUPT: 1, INTERRUPT_WINDOW: 1 }, { HLT: 1 }],
    rows: injected,
  },
  {
    sample: 'e3-eli',
    // A vCPU that sleeps has no physical CPU to take the vector: the host takes it, and injects.
    exits: [{}, {}, { HLT: 1, MSR_WRITE: 1 }],
    rows: byProcessor,
  },
  {
    sample: 'e4-apicv',
    exits: [{ EXTERNAL_INTERRUPT: 1 }, { EXTERNAL_INTERRUPT: 1 }, { HLT: 1 }],
    rows: byProcessor,
  },
  { sample: 'e5-posted', exits: [{}, {}, { HLT: 1 }], rows: posted },
  { sample: 'e6-posted-iommu', exits: [{}, {}, { HLT: 1 }], rows: posted },
  {
    sample: 'e7-avic',
    exits: [{}, {}, { hlt: 1 }],
    rows: [Kind.AvicPost, Kind.IrqAccept, Kind.AvicDoorbell, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi],
  },
  {
    sample: 'e3-eli-emulated',
    exits: [
      { EXCEPTION_NMI: 1, MSR_WRITE: 1 },
      { EXCEPTION_NMI: 1, MSR_WRITE: 1 },
      { HLT: 1, MSR_WRITE: 1 },
    ],
    rows: injected,
  },
];

/** A sample with interrupts for one that sleeps, too, of which nothing is expected. */
const withSleep = (text: string): string =>
  text
    .replace('"ASLEEP_ROUNDS": 0', `"ASLEEP_ROUNDS": ${ASLEEP}`)
    .replace(/"expect": \{[^}]*\}/, '"expect": {}');

describe.each(modes)('$sample', ({ sample, exits, rows }) => {
  let run: CountedRun;
  let vector: number;
  let handled: number[];
  let packets: number;
  let all: Exit[];

  beforeAll(async () => {
    run = await countedRun(sample, withSleep);
    const [first, ...rest] = run.words('e_log');
    vector = first;
    handled = rest.slice(0, WAYS);
    packets = rest[WAYS];
    all = exitsOf(run);
  });

  it('ends well, with as many interrupts as packets', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(handled[Way.Asleep]).toBe(ASLEEP);
    expect(handled[Way.Streaming]).toBe(packets);
    expect(run.end.summary.interrupts.handled).toBe(handled.reduce((sum, each) => sum + each, 0));
  });

  it.each(ways)('makes these exits and no others: %s', (_, way) => {
    const there = new Set(between(run.rows, mark(run, way), mark(run, way + 1)));
    const found: Record<string, number> = {};
    for (const { reason, row } of all) {
      if (!there.has(row) || START.includes(reason) || MARK.includes(reason)) continue;
      found[reason] = (found[reason] ?? 0) + 1;
    }
    const each = exits[way === Way.Streaming ? Way.Running : way];
    const expected = Object.entries(each).map(([reason, n]) => [reason, n * handled[way]]);
    expect(found).toEqual(Object.fromEntries(handled[way] > 0 ? expected : []));
  });

  it('shows the way of each interrupt, one row after the other', () => {
    const shown = new Set<number>([Kind.IrqInject, ...rows]);
    const own = between(run.rows, mark(run, Way.Running), mark(run, Way.Running + 1)).filter(
      ({ kind, a }) => shown.has(kind) && a === vector,
    );
    expect(own.map(({ kind }) => kind)).toEqual(
      Array.from({ length: handled[Way.Running] }, () => rows).flat(),
    );
  });
});

/** Exits on arrival and of the end of each interrupt that comes to a vCPU which runs; and of a device that is not assigned. */
const table = [
  { sample: 'e1-inject', arrival: 1, end: 1, windows: true },
  { sample: 'e2-direct-eoi', arrival: 1, end: 0, windows: true },
  { sample: 'e3-eli', arrival: 0, end: 0, windows: false },
  { sample: 'e3-eli-emulated', arrival: 1, end: 1, windows: false },
  { sample: 'e4-apicv', arrival: 1, end: 0, windows: false },
  { sample: 'e5-posted', arrival: 0, end: 0, windows: false },
  { sample: 'e6-posted-iommu', arrival: 0, end: 0, windows: false },
  { sample: 'e7-avic', arrival: 0, end: 0, windows: false },
] as const;

describe('the samples side by side', () => {
  let runs: { name: string; run: CountedRun }[];

  beforeAll(async () => {
    runs = [];
    for (const name of ['e-bare', ...table.map(({ sample }) => sample)])
      runs.push({ name, run: await countedRun(name) });
  });

  const logOf = (name: string): number[] =>
    runs
      .find((each) => each.name === name)
      ?.run.words('e_log')
      .slice(1) ?? [];

  it('hold what they expect', () => {
    for (const { run } of runs) expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('are the table of exits per interrupt, and those of interrupt windows where interrupts were off', () => {
    const comparison = compareRuns(runs.map(({ name, run }) => ({ name, store: run.store })));
    const figure = (name: string): (number | null)[] =>
      comparison.rows.find((row) => row.figure === `perInterrupt.${name}`)?.values ?? [];
    const windows = table.map(({ sample, windows: has }) => {
      const [running, off, , streaming] = logOf(sample);
      return has ? off / (running + off + streaming) : 0;
    });
    expect(figure('arrival')).toEqual([0, ...table.map(({ arrival }) => arrival)]);
    expect(figure('end')).toEqual([0, ...table.map(({ end }) => end)]);
    expect(figure('window')).toEqual([0, ...windows]);
    table.forEach(({ arrival, end }, at) =>
      expect(figure('exits')[at + 1]).toBeCloseTo(arrival + end + windows[at], 12),
    );
  });

  it('print their throughput against that without a hypervisor, beside what was published', () => {
    const cyclesOf = (name: string): number => logOf(name)[WAYS + 1];
    const bare = cyclesOf('e-bare');
    for (const { sample, from, to } of [
      { sample: 'e1-inject', from: 60, to: 65 },
      { sample: 'e3-eli', from: 97, to: 100 },
      { sample: 'e6-posted-iommu', from: 97, to: 100 },
    ]) {
      const permille = Math.floor((1000 * bare) / cyclesOf(sample));
      const text = `${Math.floor(permille / 10)}.${permille % 10}% of the packets a second without a hypervisor; published: ${from} to ${to}%`;
      expect(runs.find(({ name }) => name === sample)?.run.serial).toContain(text);
    }
    expect(bare / cyclesOf('e3-eli')).toBeGreaterThanOrEqual(0.97);
    expect(bare / cyclesOf('e6-posted-iommu')).toBeGreaterThanOrEqual(0.97);
  });
});
