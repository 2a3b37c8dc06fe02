/** More packets than QEMU's I/O thread can take: the tap device's queue has an end. */
import { describe, expect, it } from 'vitest';
import { Kind } from '../../../src/trace/vocabulary/events';
import { DropReason } from '../../../src/machine/devices/e1000/constants';
import { jobOf, runJob, sample } from '../../support/runs';

describe('packets that arrive faster than the I/O thread takes them', () => {
  it('are lost beyond the queue of the tap device, and counted', async () => {
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
    const taken = events.filter(({ kind }) => kind === Kind.SchedRun).length;
    const lost = events.filter(
      ({ kind, b }) => kind === Kind.PacketDrop && b === DropReason.QueueFull,
    ).length;
    expect(arrived).toBe(3000);
    expect(lost).toBeGreaterThan(2000);
    // At no time did more wait than the queue holds.
    let waiting = 0;
    let most = 0;
    for (const { kind } of events) {
      if (kind === Kind.SchedWake) most = Math.max(most, ++waiting);
      if (kind === Kind.SchedRun) waiting -= 1;
    }
    expect(most).toBe(500);
    expect(taken).toBeGreaterThan(0);
    // 1.07 GHz is no whole number as 1.07 * 1e9; cycles are.
    expect(end.meta.frequencyHz).toBe(1_070_000_000);
    expect(events.every(({ start }) => Number.isSafeInteger(start))).toBe(true);
  });
});
