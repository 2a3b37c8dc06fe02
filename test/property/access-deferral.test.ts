/**
 * Whether a device access is made in the midst of the guest's run or by an event of its own time shows nowhere: a run in
 * which every access, every HLT, every hypercall and every entry waits has the trace of one in which only those wait that must.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { RunJob } from '../../src/protocol/run';
import { Island } from '../../src/vmm/threads/island';
import { freely, type Outcome } from '../support/journeys';
import { randomGuest } from '../support/random-guest';
import { jobOf, sample } from '../support/runs';

afterEach(() => {
  vi.restoreAllMocks();
});

/** The run in which everything waits for an event. */
function deferred(job: RunJob): Outcome {
  const mustWait = vi.spyOn(Island.prototype, 'mustWait').mockReturnValue(true);
  const outcome = freely(job);
  expect(mustWait).toHaveBeenCalled();
  mustWait.mockRestore();
  return outcome;
}

const samples = [
  'b7-e1000-emulated',
  'hello',
  'timer',
  'uart',
  'smp-ipi',
  'mmio-read-loop',
  'hog-interrupts-off',
  'd7-shadowed',
  'e2-direct-eoi',
  'e4-apicv',
  'e5-posted',
  'e7-avic',
  'triple-fault',
];

describe('accesses that all wait for an event change nothing', () => {
  it.each(samples)('in %s', async (name) => {
    const job = await jobOf(sample(name));
    expect(deferred(job)).toEqual(freely(job));
  });

  it.each([1, 2] as const)('in random guests of %i vCPU', (vcpus) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), (seed) => {
        const job = randomGuest(seed, vcpus);
        const reference = freely(job);
        expect(reference.summary.vms[0]?.exitCode).toBe(0);
        expect(deferred(job)).toEqual(reference);
      }),
      { seed: 20261122, numRuns: Number(process.env.TRAPLINE_DEFERRAL_RUNS ?? 25) },
    );
  });

  /** The same guest with another mode of interrupts. */
  function withInterrupts(job: RunJob, interrupts: string, vendor: string): RunJob {
    const scenario = JSON.parse(job.scenarioText) as { vms: Record<string, unknown>[] };
    Object.assign(scenario.vms[0], { interrupts, cpu: { vendor } });
    return { ...job, scenarioText: JSON.stringify(scenario) };
  }

  it.each([
    ['apicv', 'intel'],
    ['posted', 'intel'],
    ['avic', 'amd'],
    ['inject', 'amd'],
  ])('in random guests with interrupts by %s, on a processor of %s', (interrupts, vendor) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), fc.constantFrom(1, 2), (seed, vcpus) => {
        const job = withInterrupts(randomGuest(seed, vcpus), interrupts, vendor);
        const reference = freely(job);
        expect(reference.summary.vms[0]?.exitCode).toBe(0);
        expect(deferred(job)).toEqual(reference);
      }),
      { seed: 20261122, numRuns: Number(process.env.TRAPLINE_DEFERRAL_RUNS ?? 10) },
    );
  });

  it.each(['e3-eli', 'e3-eli-emulated', 'e3-eli-moving-idt', 'e6-posted-iommu'])(
    'with interrupts past the host’s kernel, in %s',
    async (name) => {
      const job = await jobOf(sample(name));
      const reference = freely(job);
      expect(reference.summary.vms[0]?.exitCode).toBe(0);
      expect(deferred(job)).toEqual(reference);
    },
  );
});
