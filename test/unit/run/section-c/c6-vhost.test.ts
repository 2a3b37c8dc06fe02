/** Row C6: the data plane in the kernel. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { ofKind, trackOf } from '../../../support/section-a';
import { trafficRun, type TrafficRun } from '../../../support/traffic';

const FRAMES = 256;

describe('C6: vhost', () => {
  let traffic: TrafficRun;
  let rows: Map<number, TraceEvent>;

  /** Kinds from a row back to its first cause. */
  function chain(row: TraceEvent): number[] {
    const kinds: number[] = [];
    for (let at: TraceEvent | undefined = row; at && kinds.length < 100; at = rows.get(at.cause))
      kinds.push(at.kind);
    return kinds;
  }

  beforeAll(async () => {
    traffic = await trafficRun('c6-vhost');
    rows = new Map(traffic.run.rows.map((row) => [row.row, row]));
  });

  it('has no user exit between the marks, for all packets', () => {
    expect(traffic.received).toBe(FRAMES);
    expect(traffic.userExits).toBe(0);
    expect(traffic.exits).toBeGreaterThan(0);
  });

  it('sends and receives in a thread of the kernel, which takes no lock of QEMU', () => {
    const { run } = traffic;
    const worker = trackOf(run, 'vhost virtio-net');
    expect(ofKind(run, Kind.SchedRun, worker).length).toBeGreaterThan(0);
    expect(ofKind(run, Kind.LockWait, worker)).toEqual([]);
    // Nothing of the traffic wakes QEMU.
    const qemu = trackOf(run, 'QEMU main loop');
    expect(traffic.rows.filter(({ kind, track }) => kind === Kind.SchedWake && track === qemu)).toEqual([]);
  });

  it('leads from the store over the eventfd and the packet to the handler', () => {
    const { run, log } = traffic;
    const kicks = ofKind(run, Kind.Ioeventfd);
    expect(kicks.length).toBe(log.kicks + log.refills);
    for (const packet of ofKind(run, Kind.PacketTx)) {
      const causes = chain(packet);
      expect(causes).toContain(Kind.SchedRun);
      expect(causes).toContain(Kind.VirtqKick);
      expect(causes).toContain(Kind.Ioeventfd);
    }
    const handlers = traffic.rows.filter(({ kind }) => kind === Kind.Handler);
    expect(handlers.length).toBeGreaterThan(0);
    for (const handler of handlers) {
      const causes = chain(handler);
      expect(causes).toContain(Kind.Irqfd);
      expect(causes).toContain(Kind.PacketRx);
    }
  });
});
