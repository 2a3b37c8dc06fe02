/** Row C3: one exit for each notification, none for a buffer. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { ofKind, trackOf } from '../../../support/section-a';
import { trafficRun, type TrafficRun } from '../../../support/traffic';

const FRAMES = 64;
const BATCH = 16;

describe('C3: a kick for many buffers', () => {
  let traffic: TrafficRun;
  beforeAll(async () => {
    traffic = await trafficRun('c3-kick');
  });

  it('kicks once for each batch, as the driver has counted', () => {
    expect(traffic.received).toBe(FRAMES);
    expect(traffic.log.kicks).toBe(FRAMES / BATCH);
    expect(traffic.log.kicksKept).toBe(0);
  });

  it('exits once for each notification of either queue, and for no buffer', () => {
    const { log, mmioExits, rows } = traffic;
    // The receive queue was first filled before the marks.
    const within = rows.filter(({ kind }) => kind === Kind.Ioeventfd).length;
    expect(mmioExits).toBe(within);
    const all = ofKind(traffic.run, Kind.Ioeventfd).length;
    expect(all).toBe(log.kicks + log.refills);
    expect(within).toBeGreaterThanOrEqual(log.kicks);
  });

  it('sends as many packets as there were buffers, for a few kicks', () => {
    const { run, log } = traffic;
    const device = trackOf(run, 'virtio-net');
    const kicked = ofKind(run, Kind.VirtqKick, device).filter(({ a }) => a === 1).length;
    expect(kicked).toBeGreaterThan(0);
    expect(kicked).toBeLessThanOrEqual(log.kicks);
    expect(ofKind(run, Kind.PacketTx, device).length).toBe(FRAMES);
  });

  it('is one user exit for each kick where KVM has no ioeventfd for it', async () => {
    const trapped = await trafficRun('c3-kick', {}, (text) =>
      text.replace('"backend": "qemu"', '"backend": "qemu", "ioeventfd": false'),
    );
    expect(ofKind(trapped.run, Kind.Ioeventfd)).toEqual([]);
    const kicks = ofKind(trapped.run, Kind.VirtqKick, trackOf(trapped.run, 'virtio-net')).length;
    expect(kicks).toBe(trapped.log.kicks + trapped.log.refills);
    expect(trapped.userExits).toBe(trapped.mmioExits);
    expect(trapped.userExits).toBeGreaterThanOrEqual(trapped.log.kicks);
  });
});
