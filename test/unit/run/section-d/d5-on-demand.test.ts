/** Row D5: a device does not repeat an access that was refused; memory that is mapped on demand costs packets. */
import { beforeAll, describe, expect, it } from 'vitest';
import { DropReason } from '../../../../src/machine/devices/intel-nic/constants';
import { FaultReason } from '../../../../src/machine/iommu/fault-reasons';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const PAGE = 4096;
const SENT = 48;

const dropsOf = (run: CountedRun, reason: number) =>
  ofKind(run, Kind.PacketDrop, trackOf(run, 'nic0')).filter(({ b }) => b === reason);

describe('D5', () => {
  let run: CountedRun;
  let buffers: number;
  let bytes: number;
  let received: number;

  beforeAll(async () => {
    run = await countedRun('d5-on-demand');
    [buffers, bytes, received] = run.longs('receiver_log');
  });

  it('maps nothing before a device asks, and then the page that it asked for', () => {
    const faults = ofKind(run, Kind.IommuFault);
    const maps = ofKind(run, Kind.IommuMap);
    const { b: base } = ofKind(run, Kind.MemorySlot)[0];
    expect(new Set(faults.map(({ a }) => Math.floor(a / PAGE) * PAGE))).toEqual(
      new Set(maps.map(({ a }) => a)),
    );
    for (const { a, b, start } of maps) {
      expect(b).toBe(base + a);
      expect(faults.some((fault) => Math.floor(fault.a / PAGE) * PAGE === a && fault.start < start)).toBe(
        true,
      );
    }
    // Each is asked for once by QEMU, whatever the device did meanwhile.
    expect(ofKind(run, Kind.VfioMap).map(({ a }) => a)).toEqual(maps.map(({ a }) => a));
  });

  it('loses a packet for each page of the buffers, and none else', () => {
    const refused = ofKind(run, Kind.IommuFault).filter(({ a, b }) => {
      return b === FaultReason.WriteDenied && a >= buffers && a < buffers + bytes;
    });
    expect(refused.length).toBe(Math.ceil(bytes / PAGE));
    const lost = dropsOf(run, DropReason.DmaAbort);
    expect(lost.length).toBe(refused.length);
    for (const [index, { row }] of refused.entries()) {
      const causes = new Set<number>();
      for (let at = lost[index].cause; at >= 0; at = run.rows[at].cause) causes.add(at);
      expect(causes).toContain(row);
    }
    expect(received).toBe(SENT - run.end.summary.packets.dropped);
    expect(received).toBeGreaterThan(0);
  });

  it('loses none to the IOMMU where all is mapped before', async () => {
    const upFront = await countedRun('d5-on-demand', (text) =>
      text.replace('"onDemand": true', '"onDemand": false'),
    );
    expect(ofKind(upFront, Kind.IommuFault)).toEqual([]);
    expect(dropsOf(upFront, DropReason.DmaAbort)).toEqual([]);
    expect(upFront.longs('receiver_log')[2]).toBe(SENT - upFront.end.summary.packets.dropped);
    expect(upFront.longs('receiver_log')[2]).toBeGreaterThan(received);
  });
});
