/** Row D10: many VMs on one device by its virtual functions, and a device that has none left. */
import { describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

/** Of ixgbevf.c when a scenario says nothing else: packets, and what it asks for when it begins. */
const PACKETS = 64;
const REQUESTS = 8;
/** Virtual functions of each NIC in d10-scale-64. */
const VFS = 32;
const MINUTES = 60_000;

function exitCodes({ end }: CountedRun): (number | undefined)[] {
  return end.summary.vms.map(({ exitCode }) => exitCode);
}

describe.each([1, 8, 64])('D10: %i VMs with a virtual function each', (vms) => {
  it(
    'work side by side, each with what is its own',
    async () => {
      const run = await countedRun(`d10-scale-${vms}`);
      expect(run.end.meta.message).toBeUndefined();
      expect(exitCodes(run)).toEqual(Array.from({ length: vms }, () => 0));
      expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
      const functions = Array.from({ length: vms }, (_, vm) => `nic${Math.floor(vm / VFS)}.vf${vm % VFS}`);
      const rowsOf = (kind: number): Map<number, number> => {
        const counts = new Map<number, number>();
        for (const { track } of ofKind(run, kind)) counts.set(track, (counts.get(track) ?? 0) + 1);
        return counts;
      };
      const each = (count: number): Map<number, number> =>
        new Map(functions.map((name) => [trackOf(run, name), count]));
      expect(rowsOf(Kind.PacketTx)).toEqual(each(PACKETS));
      expect(rowsOf(Kind.PacketRx)).toEqual(each(PACKETS));
      // Nothing is for another pool, and nothing leads out of a domain.
      expect(ofKind(run, Kind.PacketSwitched)).toEqual([]);
      expect(ofKind(run, Kind.HostOverwritten)).toEqual([]);
      expect(ofKind(run, Kind.IommuFault)).toEqual([]);
      const { tracks } = run.store.meta;
      const requests = ofKind(run, Kind.VfRequest).map(({ track, a }) => `${tracks[track].name}.vf${a}`);
      const expected = functions.flatMap((name) => Array.from({ length: REQUESTS }, () => `ixgbe ${name}`));
      expect(requests.sort()).toEqual(expected.sort());
      expect(ofKind(run, Kind.VfRefused)).toEqual([]);
    },
    5 * MINUTES,
  );
});

describe('D10: a device that has no virtual function left', () => {
  it('leaves the second VM with an emulated NIC, each access to which is an exit', async () => {
    const run = await countedRun('d10-out-of-vfs');
    expect(exitCodes(run)).toEqual([0, 0]);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    // Each packet of vm1 takes a store to its tail register at least, which QEMU serves.
    const [assigned, emulated] = run.end.summary.vms;
    expect(emulated.userExits - assigned.userExits).toBeGreaterThan(PACKETS);
  });
});
