/** Row C7: the same traffic over e1000, virtio and vhost. */
import { beforeAll, describe, expect, it } from 'vitest';
import { trafficRun, type TrafficRun } from '../../../support/traffic';

const FRAMES = 10_000;
const BATCH = 16;

/** What is compared, and the macros that make a member of the family where it is not a sample of its own. */
const family = {
  e1000: ['c7-e1000', {}],
  e1000Batched: ['c7-e1000-batched', {}],
  plain: ['c7-virtio-plain', {}],
  plainBatched: ['c7-virtio-plain', { BATCH }],
  virtio: ['c7-virtio', {}],
  virtioBatched: ['c7-virtio-batched', {}],
  vhost: ['c7-vhost', {}],
  vhostBatched: ['c7-vhost-batched', {}],
} as const;
type Member = keyof typeof family;

/** What is left of a run once its rows have been counted: all of them together would not fit. */
type Counts = Pick<TrafficRun, 'log' | 'received' | 'exits' | 'userExits' | 'mmioExits'>;

describe('C7: the same 10,000 packets', () => {
  const runs = {} as Record<Member, Counts>;

  beforeAll(async () => {
    for (const [member, [name, defines]] of Object.entries(family) as [Member, (typeof family)[Member]][]) {
      const { run, log, received, exits, userExits, mmioExits } = await trafficRun(name, defines);
      expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
      runs[member] = { log, received, exits, userExits, mmioExits };
    }
  }, 900_000);

  it('arrives whole over each NIC', () => {
    for (const { received } of Object.values(runs)) expect(received).toBe(FRAMES);
  });

  it('has no user exit for a packet over vhost, nor over virtio with eventfds', () => {
    for (const member of ['vhost', 'vhostBatched', 'virtio', 'virtioBatched', 'plain'] as const)
      expect(runs[member].userExits, member).toBe(0);
  });

  it('has a user exit for each register access of the e1000', () => {
    for (const member of ['e1000', 'e1000Batched'] as const) {
      const { userExits, mmioExits, log } = runs[member];
      // The local APIC's registers are KVM's: they are another exit.
      expect(userExits, member).toBe(mmioExits);
      // Doorbells of both rings, and ICR in each handler.
      expect(userExits, member).toBeGreaterThanOrEqual(log.kicks + log.refills + log.interrupts);
    }
  });

  it('kicks less often the more frames are put into the ring before', () => {
    expect(runs.e1000.log.kicks).toBe(FRAMES);
    expect(runs.e1000Batched.log.kicks).toBe(FRAMES / BATCH);
    expect(runs.plain.log.kicks).toBe(FRAMES);
    expect(runs.plainBatched.log.kicks).toBe(FRAMES / BATCH);
    for (const member of ['virtioBatched', 'vhostBatched'] as const)
      expect(runs[member].log.kicks + runs[member].log.kicksKept, member).toBe(FRAMES / BATCH);
  });

  it('exits and interrupts less with suppression', () => {
    expect(runs.virtio.log.kicks).toBeLessThan(runs.plain.log.kicks);
    expect(runs.virtio.log.interrupts).toBeLessThan(runs.plain.log.interrupts);
    expect(runs.virtio.exits).toBeLessThan(runs.plain.exits);
  });

  it('exits less over virtio than over the e1000, and no more often over vhost', () => {
    expect(runs.virtio.exits).toBeLessThan(runs.e1000.exits);
    expect(runs.vhost.exits).toBeLessThanOrEqual(runs.virtio.exits);
  });
});
