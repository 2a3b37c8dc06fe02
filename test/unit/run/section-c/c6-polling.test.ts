/** Busy polling of vhost: the same traffic as in C6, with fewer kicks. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { ofKind, trackOf } from '../../../support/section-a';
import { trafficRun, type TrafficRun } from '../../../support/traffic';

const FRAMES = 256;
const POLL_NS = 50_000;

describe('vhost that polls', () => {
  let plain: TrafficRun;
  let polling: TrafficRun;

  beforeAll(async () => {
    plain = await trafficRun('c6-vhost');
    polling = await trafficRun('c6-vhost-polling');
  });

  it('moves all frames with fewer kicks, as the driver has counted them', () => {
    for (const { run, log, received, userExits } of [plain, polling]) {
      expect(received).toBe(FRAMES);
      expect(userExits).toBe(0);
      // Each kick of the driver's is a signal of an eventfd, and each frame was kicked for or seen without.
      expect(ofKind(run, Kind.Ioeventfd).length).toBe(log.kicks + log.refills);
      expect(log.kicks + log.kicksKept).toBe(FRAMES);
    }
    expect(polling.log.kicks).toBeLessThan(plain.log.kicks);
  });

  it('shows each poll as a span of the worker, which ends when something is found or its time is over', () => {
    const { run } = polling;
    const worker = trackOf(run, 'vhost virtio-net');
    expect(ofKind(plain.run, Kind.VhostPoll)).toEqual([]);
    const polls = ofKind(run, Kind.VhostPoll);
    const most = (POLL_NS * run.store.meta.frequencyHz) / 1e9;
    expect(polls.length).toBeGreaterThan(1);
    const ends = new Set<number>();
    for (const { track, duration, a, b } of polls) {
      expect([track, a]).toEqual([worker, most]);
      // It is over at the first look behind its time.
      if (b === 0) expect(duration).toBeGreaterThanOrEqual(most);
      else expect(duration).toBeLessThan(most);
      ends.add(b);
    }
    expect([...ends].sort()).toEqual([0, 1]);
  });

  it('takes what it finds while it polls without having slept', () => {
    const { run } = polling;
    const worker = trackOf(run, 'vhost virtio-net');
    const turns = ofKind(run, Kind.CpuThread).filter(({ a }) => a === worker);
    const found = ofKind(run, Kind.VhostPoll).filter(({ b }) => b === 1);
    for (const { start, duration } of found) {
      const turn = turns.find((each) => each.start <= start && start < each.start + each.duration);
      expect(turn && turn.start + turn.duration).toBeGreaterThan(start + duration);
    }
  });
});
