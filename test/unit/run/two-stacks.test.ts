/** The span of a handler ends with the IRET of its own frame, whatever stack and order a kernel has its handlers in. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Kind } from '../../../src/trace/vocabulary/events';
import { jobOf, root, runJob } from '../../support/runs';

const file = join(root, 'test/fixtures/guests/two-stacks.trapline.json');

it.each(['kvm', 'none'])(
  'two handlers whose IRETs come in the order of their beginnings, under %s',
  async (vmm) => {
    const guest = { sources: ['two-stacks.c'] };
    const scenario = { vmm, vms: [{ guest }], stop: { when: 'guests-exit', afterMs: 20 } };
    const { end, store } = runJob(await jobOf(file, JSON.stringify(scenario)));
    expect(end.meta.message).toBeUndefined();
    expect(end.summary.vms[0]?.exitCode).toBe(0);
    const rows = Array.from({ length: store.rows }, (_, row) => store.get(row));
    const handlers = rows.filter(({ kind }) => kind === Kind.Handler);
    expect(handlers.map(({ a }) => a)).toEqual([0x40, 0x51]);
    const [first, second] = handlers;
    const [between, after] = rows.filter(({ kind }) => kind === Kind.Mark).map(({ start }) => start);
    expect(second.start).toBeGreaterThan(first.start);
    const [firstEnd, secondEnd] = handlers.map(({ start, duration }) => start + duration);
    expect(firstEnd).toBeGreaterThan(second.start);
    expect(firstEnd).toBeLessThan(between);
    expect(secondEnd).toBeGreaterThan(between);
    expect(secondEnd).toBeLessThan(after);
    // What the guest does between them is the second handler's doing for whoever reads the trace.
    expect(end.summary.interrupts.handled).toBe(2);
  },
);
