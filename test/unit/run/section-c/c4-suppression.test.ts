/** Row C4: notifications that nobody needs are not sent, by a flag or by index. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { ofKind, trackOf } from '../../../support/section-a';
import { trafficRun, type TrafficRun } from '../../../support/traffic';

const FRAMES = 256;

describe('C4: suppression of notifications', () => {
  let off: TrafficRun;
  let flags: TrafficRun;
  let byIndex: TrafficRun;
  const each = (): TrafficRun[] => [off, flags, byIndex];

  beforeAll(async () => {
    off = await trafficRun('c4-suppression-off');
    flags = await trafficRun('c4-suppression-flags');
    byIndex = await trafficRun('c4-suppression-event-idx');
  });

  it('loses nothing, however little is notified', () => {
    for (const { received, run } of each()) {
      expect(received).toBe(FRAMES);
      expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    }
  });

  it('has a kick for each frame in the log: sent, or spared', () => {
    for (const { log } of each()) expect(log.kicks + log.kicksKept).toBe(FRAMES);
    expect(off.log.kicksKept).toBe(0);
  });

  it('exits for the kicks that were sent, and for no other buffer', () => {
    for (const { run, log } of each())
      expect(ofKind(run, Kind.Ioeventfd).length).toBe(log.kicks + log.refills);
  });

  it('handles the interrupts that the device has sent, and tells of those that it has not', () => {
    for (const { run, log } of each()) {
      const device = trackOf(run, 'virtio-net');
      const sent = ofKind(run, Kind.VirtqInterrupt, device).filter(({ a }) => a === 0).length;
      // Two that the local APIC has before the first is taken are one.
      expect(log.interrupts).toBeLessThanOrEqual(sent);
      const shown = ofKind(run, Kind.VirtqUsed, device).filter(({ a }) => a === 0).length;
      const suppressed = ofKind(run, Kind.VirtqSuppressed, device).filter(({ a }) => a === 0).length;
      expect(sent + suppressed).toBe(shown);
    }
  });

  it('lowers kicks, interrupts and exits: by a flag, and further by index', () => {
    expect(flags.log.kicks).toBeLessThan(off.log.kicks);
    expect(byIndex.log.kicks).toBeLessThan(flags.log.kicks);
    expect(flags.log.interrupts).toBeLessThan(off.log.interrupts);
    expect(byIndex.log.interrupts).toBeLessThanOrEqual(flags.log.interrupts);
    expect(flags.exits).toBeLessThan(off.exits);
    expect(byIndex.exits).toBeLessThan(flags.exits);
  });
});
