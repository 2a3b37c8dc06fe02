/** The run loop: whose turn it is, and where a run stops, whatever its slices. */
import { describe, expect, it } from 'vitest';
import { Recorder } from '../../../src/trace/record/recorder';
import { costKeys, type Costs } from '../../../src/vmm/cost-keys';
import { Host } from '../../../src/vmm/host';
import type { Runnable } from '../../../src/vmm/threads/island';
import { jobOf, runJob, sample } from '../../support/runs';

const costs = Object.fromEntries(Object.keys(costKeys).map((key) => [key, 3])) as Costs;

/** Instructions of `cycles` each; `order` gets the name at each. */
function counter(name: string, cycles: number, order: string[]): Runnable {
  let time = 0;
  let limit = 0;
  let retired = 0;
  return {
    runnable: true,
    ended: false,
    now: () => time,
    instructions: () => retired,
    limitDeadline: (deadline) => void (limit = Math.min(limit, deadline)),
    runUntil(deadline) {
      for (limit = deadline; time < limit; time += cycles, retired += 1) order.push(name);
    },
  };
}

/** Who executed each instruction up to the same time, with slices of a length. */
function orderOf(slice: number): string {
  const host = new Host(new Recorder(), costs, 1e9);
  const { island } = host.addIsland([0, 1]);
  const order: string[] = [];
  island.add(counter('a', 7, order));
  island.add(counter('b', 11, order));
  for (let end = slice; end <= 60_000; end += slice) expect(host.run(end, Infinity)).toBe('running');
  // What lies in the last quantum may or may not have been executed yet.
  return order.slice(0, 10_000).join('');
}

describe('the run loop', () => {
  it('interleaves two runnables in one order, wherever slices end', () => {
    const whole = orderOf(60_000);
    expect(whole).toMatch(/^a+b+a+b+a/);
    for (const slice of [60, 500, 1_999, 3_000, 7_500])
      expect(orderOf(slice), `slices of ${slice}`).toBe(whole);
  });

  it('stops after as many instructions as may be, of all runnables together', () => {
    for (const budget of [1, 2, 999, 1_000, 12_345]) {
      const host = new Host(new Recorder(), costs, 1e9);
      const { island } = host.addIsland([0, 1]);
      const order: string[] = [];
      island.add(counter('a', 3, order));
      island.add(counter('b', 40, order));
      while (host.run(host.elapsed + 5_000, Infinity, budget) === 'running');
      expect(order.length).toBe(budget);
    }
  });
});

describe('stop.afterInstructions', () => {
  const limited = async (after: number): Promise<ReturnType<typeof runJob>> =>
    runJob(
      await jobOf(
        sample('spin'),
        `{ "vms": [{ "guest": { "sources": ["../drivers/spin.c"] } }, { "guest": { "sources": ["../drivers/hello.c"] } }],
           "stop": { "afterInstructions": ${after} } }`,
      ),
    );

  it('is met exactly, in the midst of a slice and across several', async () => {
    for (const after of [1, 20_000, 1_234_567]) {
      const { end } = await limited(after);
      expect(end.summary.guestInstructions).toBe(after);
      expect(end.meta).toMatchObject({
        state: 'finished',
        message: `Stopped after ${after} guest instructions.`,
      });
    }
  });
});

describe('the end of the time', () => {
  const spinning = async (when: string): Promise<ReturnType<typeof runJob>> =>
    runJob(
      await jobOf(
        sample('spin'),
        `{ "vms": [{ "guest": { "sources": ["../drivers/hello.c"] } }, { "guest": { "sources": ["../drivers/spin.c"] } }],
           "stop": { "when": "${when}", "afterMs": 2 } }`,
      ),
    );

  it('tells which guest had not ended, and the line at which it was', async () => {
    const { end } = await spinning('guests-exit');
    expect(end.summary.unfinished).toMatch(/^vm1, CPU 0 at .*spin\.c:\d+ in main$/);
    expect(end.meta).toMatchObject({ state: 'finished' });
    expect(end.meta.message).toContain(end.summary.unfinished);
  });

  it('is what a run waits for where the scenario says so', async () => {
    const { end } = await spinning('time');
    expect(end.summary.unfinished).toBeUndefined();
    expect(end.meta.message).toBe('Stopped after 2 ms of simulated time.');
  });
});
