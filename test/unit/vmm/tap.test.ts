/** More packets than the NIC takes: they wait in the tap device, whose queue has an end. */
import { describe, expect, it } from 'vitest';
import { Kind } from '../../../src/trace/vocabulary/events';
import { DropReason } from '../../../src/machine/devices/intel-nic/constants';
import { jobOf, runJob, sample } from '../../support/runs';

describe('packets for a NIC whose receiver is off', () => {
  it('wait in the tap device without waking QEMU again and again, and are lost beyond its queue', async () => {
    const { end, store } = runJob(
      await jobOf(
        sample('spin'),
        `{ "vms": [{ "guest": { "sources": ["../drivers/spin.c"] }, "devices": [{ "link": "wire" }] }],
           "host": { "frequencyGHz": 1.07 },
           "links": [{ "id": "wire", "peer": { "kind": "generate", "count": 3000, "intervalNs": 0 } }],
           "stop": { "afterMs": 1 } }`,
      ),
    );
    const events = Array.from({ length: store.rows }, (_, row) => store.get(row));
    const arrived = events.filter(({ kind }) => kind === Kind.LinkTransit).length;
    const woken = events.filter(({ kind }) => kind === Kind.SchedWake);
    const looked = events.find(({ kind }) => kind === Kind.SchedRun);
    const lost = events.filter(
      ({ kind, b }) => kind === Kind.PacketDrop && b === DropReason.QueueFull,
    ).length;
    expect(arrived).toBe(3000);
    // TUN_READQ_SIZE of Linux.
    expect(lost).toBe(3000 - 500);
    // Once it has looked in vain it does not look again.
    if (!looked) throw new Error('the main loop has never looked');
    expect(woken.length).toBeGreaterThan(0);
    expect(woken.at(-1)!.start).toBeLessThanOrEqual(looked.start + looked.duration);
    // 1.07 GHz is no whole number as 1.07 * 1e9; cycles are.
    expect(end.meta.frequencyHz).toBe(1_070_000_000);
    expect(events.every(({ start }) => Number.isSafeInteger(start))).toBe(true);
  });
});
