/** Rows E1 to E7: what one interrupt costs in exits, by the mode that the VM has for them and by where the vCPU is. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { between, countedRun, mark, type CountedRun } from '../../../support/section-a';
import { exitsOf, type Exit } from '../../../support/section-b';

const Way = { Running: 0, Off: 1, Asleep: 2 } as const;
const ways = Object.entries(Way);

/** Exits for one interrupt. */
type PerInterrupt = Readonly<Record<string, number>>;

interface Mode {
  sample: string;
  /** Another mode than the sample's. */
  interrupts?: string;
  /** By way: running, with interrupts off, asleep. */
  exits: readonly [PerInterrupt, PerInterrupt, PerInterrupt];
  /** Rows for one interrupt that come to a vCPU that runs, in order. */
  rows: readonly number[];
}

/** The device is started by a store to a register that QEMU has: none of the interrupt's exits. */
const START = ['EPT_MISCONFIG', 'npf'];
const MARK = ['VMCALL', 'hypercall'];

const modes: readonly Mode[] = [
  {
    sample: 'e1-inject',
    exits: [
      { EXTERNAL_INTERRUPT: 1, APIC_ACCESS: 1 },
      { EXTERNAL_INTERRUPT: 1, INTERRUPT_WINDOW: 1, APIC_ACCESS: 1 },
      { HLT: 1, APIC_ACCESS: 1 },
    ],
    rows: [Kind.IrqAccept, Kind.IrqInject, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi],
  },
  {
    sample: 'e2-direct-eoi',
    exits: [{ EXTERNAL_INTERRUPT: 1 }, { EXTERNAL_INTERRUPT: 1, INTERRUPT_WINDOW: 1 }, { HLT: 1 }],
    rows: [Kind.IrqAccept, Kind.IrqInject, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi],
  },
  {
    sample: 'e4-apicv',
    exits: [{ EXTERNAL_INTERRUPT: 1 }, { EXTERNAL_INTERRUPT: 1 }, { HLT: 1 }],
    rows: [Kind.IrqAccept, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi],
  },
  {
    sample: 'e5-posted',
    exits: [{}, {}, { HLT: 1 }],
    rows: [Kind.IrqPost, Kind.IrqAccept, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi],
  },
  {
    sample: 'e7-avic',
    exits: [{}, {}, { hlt: 1 }],
    rows: [Kind.IrqAccept, Kind.AvicDoorbell, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi],
  },
  {
    // An emulated device is none that is assigned: KVM's kick raises #NP, and EOI leaves.
    sample: 'e2-direct-eoi',
    interrupts: 'eli',
    exits: [
      { EXCEPTION_NMI: 1, MSR_WRITE: 1 },
      { EXCEPTION_NMI: 1, MSR_WRITE: 1 },
      { HLT: 1, MSR_WRITE: 1 },
    ],
    rows: [Kind.IrqAccept, Kind.IrqInject, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi],
  },
];

describe.each(modes)('$sample $interrupts', ({ sample, interrupts, exits, rows }) => {
  let run: CountedRun;
  let vector: number;
  let handled: number[];
  let all: Exit[];

  beforeAll(async () => {
    run = await countedRun(sample, (text) => {
      if (interrupts === undefined) return text;
      const scenario = JSON.parse(text) as { vms: { interrupts: string }[]; expect: unknown };
      scenario.vms[0].interrupts = interrupts;
      scenario.expect = {};
      return JSON.stringify(scenario);
    });
    [vector, ...handled] = run.words('e_log');
    all = exitsOf(run);
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(handled).toHaveLength(ways.length);
    for (const each of handled) expect(each).toBeGreaterThan(0);
  });

  it.each(ways)('makes these exits and no others: %s', (_, way) => {
    const there = new Set(between(run.rows, mark(run, way), mark(run, way + 1)));
    const found: Record<string, number> = {};
    for (const { reason, row } of all) {
      if (!there.has(row) || START.includes(reason) || MARK.includes(reason)) continue;
      found[reason] = (found[reason] ?? 0) + 1;
    }
    const expected = Object.entries(exits[way]).map(([reason, each]) => [reason, each * handled[way]]);
    expect(found).toEqual(Object.fromEntries(expected));
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
