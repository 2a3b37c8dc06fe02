/** A vector of MSI-X that is masked while it is raised waits, whoever has the table: the device, QEMU, or QEMU for a device of the host. */
import { describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const GUEST = { sources: ['../../../test/fixtures/guests/msix-mask.c'] };
const ROUNDS = 4;

const scenarios = {
  bare: { vmm: 'none', vms: [{ guest: GUEST, devices: [{ model: 'edu' }] }] },
  emulated: { vms: [{ guest: GUEST, devices: [{ model: 'edu' }] }] },
  assigned: {
    host: { devices: [{ id: 'edu0', model: 'edu' }] },
    vms: [{ guest: GUEST, devices: [{ assign: 'edu0' }] }],
  },
};

function runOf(name: keyof typeof scenarios): Promise<CountedRun> {
  return countedRun('spin', () => JSON.stringify({ ...scenarios[name], stop: { afterMs: 20 } }));
}

describe('a masked vector', () => {
  it.each(['bare', 'emulated', 'assigned'] as const)(
    'sets its pending bit and fires at unmasking: %s',
    async (name) => {
      const run = await runOf(name);
      expect(run.end.meta.message).toBeUndefined();
      expect(run.end.summary.vms[0].exitCode).toBe(0);
      const [raised, early, pending, handled, cleared] = run.words('mask_log');
      expect({ raised, early, pending, handled, cleared }).toEqual({
        raised: ROUNDS,
        early: 0,
        pending: ROUNDS,
        handled: ROUNDS,
        cleared: ROUNDS,
      });
    },
  );

  it('of a device of the host wakes QEMU, and no irqfd', async () => {
    const run = await runOf('assigned');
    const device = trackOf(run, 'edu0');
    const toHost = ofKind(run, Kind.Msi, device).filter(({ b }) =>
      ofKind(run, Kind.HostVector, device).some((given) => given.b === b),
    );
    expect(toHost.length).toBe(ROUNDS);
    expect(ofKind(run, Kind.Irqfd)).toEqual([]);
    expect(ofKind(run, Kind.SchedRun, trackOf(run, 'QEMU main loop')).length).toBe(ROUNDS);
    // The host has given one vector, at the first unmasking.
    expect(ofKind(run, Kind.HostVector, device).length).toBe(1);
  });
});
