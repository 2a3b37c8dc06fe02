/** A guest that resets its machine in the midst of everything begins anew, and nothing of its old life arrives in the new one. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunJob } from '../../../src/protocol/run';
import type { TraceEvent } from '../../../src/trace/query/store';
import { Kind } from '../../../src/trace/vocabulary/events';
import { Journey, freely, type Outcome } from '../../support/journeys';
import { jobOf, runJob, sample, type FinishedRun } from '../../support/runs';

const SOURCE = '../../../test/fixtures/guests/reset.c';

interface Life {
  vmm: 'none' | 'kvm';
  way: number;
  delay: number;
  cpus?: 1 | 2;
  /** The NIC is the host's, and was given to the VM. */
  assigned?: boolean;
}

const job = ({ vmm, way, delay, cpus = 1, assigned = false }: Life): Promise<RunJob> =>
  jobOf(
    sample('spin'),
    JSON.stringify({
      vmm,
      host: { cpus: 4, ...(assigned && { devices: [{ id: 'nic0', link: 'wire' }] }) },
      vms: [
        {
          name: 'pc',
          vcpus: cpus,
          ...(way === TRIPLE_FAULT && { tripleFault: 'reset' }),
          guest: {
            sources: [SOURCE],
            defines: { WAY: way, DELAY: delay, ...(cpus === 2 && { TWO_CPUS: 1 }) },
          },
          devices: [assigned ? { assign: 'nic0' } : { model: 'e1000', link: 'wire' }],
        },
      ],
      // A frame takes longer than the delays: some are on their way at the reset.
      links: [{ id: 'wire', gbps: 0.1, peer: { kind: 'echo' } }],
      stop: { when: 'guests-exit', afterMs: 40 },
    }),
  );

const KEYBOARD = 0;
const PORT_A = 1;
const RESET_CONTROL = 2;
const TRIPLE_FAULT = 3;

const rowsOf = ({ store }: FinishedRun): TraceEvent[] =>
  Array.from({ length: store.rows }, (_, row) => store.get(row));

const DMA: readonly number[] = [Kind.DmaRead, Kind.DmaWrite];

describe.each<Life>([
  { vmm: 'none', way: KEYBOARD, delay: 0 },
  { vmm: 'none', way: PORT_A, delay: 400 },
  { vmm: 'none', way: RESET_CONTROL, delay: 900, cpus: 2 },
  { vmm: 'none', way: TRIPLE_FAULT, delay: 100, cpus: 2 },
  { vmm: 'kvm', way: KEYBOARD, delay: 0 },
  { vmm: 'kvm', way: PORT_A, delay: 900 },
  { vmm: 'kvm', way: RESET_CONTROL, delay: 400, cpus: 2 },
  { vmm: 'kvm', way: TRIPLE_FAULT, delay: 100, cpus: 2 },
  { vmm: 'kvm', way: PORT_A, delay: 400, assigned: true },
  { vmm: 'kvm', way: RESET_CONTROL, delay: 900, cpus: 2, assigned: true },
])('a reset under $vmm, way $way, after $delay rounds, $cpus CPUs, assigned: $assigned', (life) => {
  let run: FinishedRun;
  let rows: TraceEvent[];
  let reset: TraceEvent;

  beforeAll(async () => {
    run = runJob(await job(life));
    rows = rowsOf(run);
    [reset] = rows.filter(({ kind }) => kind === Kind.GuestReset);
  });

  it('restarts the guest once, which finds its machine as after power-up and ends', () => {
    expect(run.serial).toBe('');
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(rows.filter(({ kind }) => kind === Kind.GuestReset)).toHaveLength(1);
    const lives = rows.filter(({ kind, a }) => kind === Kind.Mark && a === 0);
    expect(lives.map(({ b, start }) => [b, start > reset.start])).toEqual([
      [0, false],
      [1, true],
    ]);
  });

  it('comes while the NIC works', () => {
    const sent = rows.filter(({ kind }) => kind === Kind.PacketTx);
    // Fifteen frames were to be sent: some had not left, or had not come back.
    expect(sent.length).toBeLessThanOrEqual(15);
    const back = rows.filter(({ kind, start }) => kind === Kind.PacketRx && start < reset.start);
    expect(back.length).toBeLessThan(15);
    expect(rows.some(({ kind, start }) => DMA.includes(kind) && start < reset.start)).toBe(true);
  });

  it('lets no DMA and no interrupt of the old life come, nor any handler go on', () => {
    const { tracks } = run.store.meta;
    const own = ({ vm, name }: { vm: number; name: string }): boolean => vm === 0 || name === 'nic0';
    const later = rows.filter(({ start, track }) => start > reset.start && own(tracks[track]));
    const kinds: readonly number[] = [
      ...DMA,
      Kind.IrqRaise,
      Kind.IrqAccept,
      Kind.IrqDeliver,
      Kind.Handler,
      Kind.Msi,
    ];
    expect(later.filter(({ kind }) => kinds.includes(kind))).toEqual([]);
    for (const { start, duration, kind } of rows)
      if (kind === Kind.Handler) expect(start + duration).toBeLessThanOrEqual(reset.start);
  });
});

describe.each<Life>([
  { vmm: 'none', way: KEYBOARD, delay: 400, cpus: 2 },
  { vmm: 'kvm', way: KEYBOARD, delay: 400, cpus: 2 },
  { vmm: 'none', way: TRIPLE_FAULT, delay: 100, cpus: 2 },
  { vmm: 'kvm', way: TRIPLE_FAULT, delay: 100, cpus: 2 },
  { vmm: 'kvm', way: KEYBOARD, delay: 400, cpus: 2, assigned: true },
])('snapshots about a reset under $vmm, way $way, assigned: $assigned', (life) => {
  let again: RunJob;
  let reference: Outcome;
  let reset: number;

  beforeAll(async () => {
    again = await job(life);
    reference = freely(again);
    reset = rowsOf(runJob(again)).find(({ kind }) => kind === Kind.GuestReset)?.start ?? 0;
  });

  it.each([-20_000, -3_000, -500, -1, 0, 1, 200, 5_000])(
    'goes on from %i cycles after it as without',
    (offset) => {
      const journey = new Journey(again);
      journey.session.runTo(reset + offset);
      journey.takeDelta();
      journey.move(journey.session.snapshot(), structuredClone);
      while (journey.session.step());
      const { traceHash, summary } = journey.end();
      expect(traceHash).toBe(reference.traceHash);
      expect(summary.vms).toEqual(reference.summary.vms);
    },
  );
});

describe('a triple fault that is not to reset', () => {
  it.each(['none', 'kvm'] as const)(
    'ends the guest under %s, as it does when nothing is said',
    async (vmm) => {
      const text = JSON.stringify({
        vmm,
        vms: [{ guest: { sources: ['../drivers/triple-fault.c'] } }],
        stop: { afterMs: 10 },
      });
      const run = runJob(await jobOf(sample('spin'), text));
      expect(run.end.meta.state).toBe('crashed');
      expect(run.end.meta.message).toMatch(/triple fault/);
      expect(rowsOf(run).filter(({ kind }) => kind === Kind.GuestReset)).toEqual([]);
    },
  );
});
