/** An EXTERNAL_INTERRUPT exit happens because a vector came to the physical CPU on which that guest runs. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../src/trace/query/store';
import { exitKind, Kind } from '../../../src/trace/vocabulary/events';
import { VmxExit } from '../../../src/trace/vocabulary/vmx-exit-reasons';
import { HostVector } from '../../../src/vmm/threads/host-interrupts';
import { jobOf, runJob, sample, type FinishedRun } from '../../support/runs';

/** A CPU leaves its guest at the first boundary behind the vector; no instruction of these guests takes longer. */
const LONGEST_INSTRUCTION = 400;

const spinners = `{ "vms": [${new Array(3).fill('{ "guest": { "sources": ["../drivers/spin.c"] } }').join()}],
  "host": { "cpus": 2 }, "stop": { "afterMs": 20 } }`;

describe.each([
  ['three VMs on two physical CPUs', 'spin', spinners, HostVector.LocalTimer],
  ['a driver whose device interrupts it', 'b7-e1000-emulated', undefined, HostVector.Reschedule],
])('%s', (_title, name, text, expected) => {
  let run: FinishedRun;
  let rows: TraceEvent[];
  let exits: TraceEvent[];

  beforeAll(async () => {
    run = runJob(await jobOf(sample(name), text));
    rows = Array.from({ length: run.store.rows }, (_, row) => run.store.get(row));
    exits = rows.filter(({ kind }) => kind === exitKind(VmxExit.EXTERNAL_INTERRUPT));
  });

  it('has such exits, each for a vector that a physical CPU took', () => {
    expect(exits.length).toBeGreaterThan(3);
    for (const exit of exits) {
      const accepted = rows[exit.cause];
      const { type, group } = run.store.meta.tracks[accepted.track];
      expect([accepted.kind, type, group]).toEqual([Kind.IrqAccept, 'interrupts', 'host']);
      expect(accepted.a).toBe(exit.a);
      expect(exit.start).toBeGreaterThanOrEqual(accepted.start);
      expect(exit.start - accepted.start).toBeLessThanOrEqual(LONGEST_INSTRUCTION);
    }
    expect(exits.some(({ a }) => a === expected)).toBe(true);
  });

  it('has the guest of each on that CPU at that time', () => {
    const { tracks } = run.store.meta;
    for (const exit of exits) {
      const accepted = rows[exit.cause];
      const cpu = tracks.find(
        ({ type, name: each }) => type === 'cpu' && each === tracks[accepted.track].name,
      );
      const there = rows.filter(
        ({ kind, track, start, duration }) =>
          kind === Kind.CpuThread &&
          track === cpu?.id &&
          start <= accepted.start &&
          accepted.start < start + duration,
      );
      expect(there.map(({ a }) => a)).toEqual([exit.track]);
    }
  });
});
