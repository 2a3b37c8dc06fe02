import { describe, expect, it } from 'vitest';
import type { ThreadScheduler } from '../../../../src/vmm/threads/scheduler';
import type { HostThread } from '../../../../src/vmm/threads/thread';
import { CREDIT, GRANULARITY, Hog, SLICE, SWITCH, passTo, siteOf } from './world';

function hogs(cpus: number, count: number): ReturnType<typeof siteOf> & { hogs: Hog[] } {
  const { site, recorder } = siteOf(cpus);
  const all = Array.from({ length: count }, (_, i) => new Hog(site, `hog${i}`, i));
  for (const { thread } of all) site.scheduler.start(thread);
  return { hogs: all, site, recorder };
}

describe('threads on physical CPUs', () => {
  it('a thread that nobody competes with keeps its CPU', () => {
    const {
      hogs: [alone],
      site,
    } = hogs(1, 1);
    passTo(site, 100 * SLICE);
    expect(alone.turns).toEqual([]);
    expect(alone.ran(100 * SLICE)).toBe(100 * SLICE);
  });

  it('as many threads as CPUs never change', () => {
    const { hogs: all, site } = hogs(4, 4);
    passTo(site, 50 * SLICE);
    expect(all.map(({ thread }) => thread.cpu).sort()).toEqual([0, 1, 2, 3]);
    expect(all.flatMap(({ turns }) => turns)).toEqual([]);
  });

  it.each([
    [1, 2],
    [1, 5],
    [2, 3],
    [4, 7],
  ])('%i CPUs are shared fairly by %i threads', (cpus, count) => {
    const { hogs: all, site } = hogs(cpus, count);
    const end = 200 * SLICE;
    passTo(site, end);
    const times = all.map((hog) => hog.ran(end));
    // Fair to within a slice and the changes; nobody gets time from nowhere.
    expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(2 * (SLICE + SWITCH));
    expect(times.reduce((sum, time) => sum + time, 0)).toBeLessThanOrEqual(cpus * end);
    const changes = all.reduce((sum, { turns }) => sum + turns.length, 0);
    expect(times.reduce((sum, time) => sum + time, 0)).toBeGreaterThanOrEqual(
      cpus * end - (changes + cpus) * SWITCH,
    );
  });

  it('no two threads are on one CPU at a time', () => {
    const { hogs: all, site } = hogs(2, 5);
    passTo(site, 60 * SLICE);
    const turns = all.flatMap((hog) => hog.turns);
    for (const x of turns) {
      for (const y of turns) {
        if (x !== y && x.cpu === y.cpu) expect(x.to <= y.from || y.to <= x.from).toBe(true);
      }
    }
  });

  it('one that wakes after a long sleep comes first, but not for all the time it has slept', () => {
    const { site } = siteOf(1);
    const busy = new Hog(site, 'busy', 0);
    const sleeper = new Hog(site, 'sleeper', 1);
    site.scheduler.start(busy.thread);
    passTo(site, 50 * SLICE);
    site.scheduler.wake(sleeper.thread);
    passTo(site, 50 * SLICE + SWITCH);
    expect(sleeper.ran(50 * SLICE + SWITCH)).toBe(0);
    const end = 60 * SLICE;
    passTo(site, end);
    // It catches up with its credit, and from then on both have the same, to within a slice and the changes.
    const rest = 10 * SLICE - CREDIT;
    expect(sleeper.ran(end)).toBeLessThanOrEqual(CREDIT + rest / 2 + SLICE);
    expect(sleeper.ran(end)).toBeGreaterThanOrEqual(CREDIT + rest / 2 - SLICE - 10 * SWITCH);
    expect(busy.ran(end) - 50 * SLICE).toBeGreaterThanOrEqual(rest / 2 - SLICE - 10 * SWITCH);
  });

  /** A thread has run alone for a time when another begins to run: when that one gets the CPU. */
  function firstTurn(alone: number, begin: (scheduler: ThreadScheduler, late: HostThread) => void): number {
    const { site } = siteOf(1);
    const [busy, late] = [0, 1].map((i) => new Hog(site, `hog${i}`, i));
    site.scheduler.start(busy.thread);
    passTo(site, alone);
    begin(site.scheduler, late.thread);
    passTo(site, alone + 10 * SLICE);
    return late.turns[0].from;
  }

  it('one that wakes takes the CPU at once, and a new one in its turn', () => {
    const early = SLICE / 2;
    expect(firstTurn(early, (scheduler, late) => scheduler.wake(late))).toBe(early + SWITCH);
    expect(firstTurn(early, (scheduler, late) => scheduler.start(late))).toBe(SLICE + SWITCH);
  });

  it.each([
    [GRANULARITY, 'ready'],
    [GRANULARITY + 1, 'running'],
  ])('one that wakes and has had %i less than the other is %s', (less, state) => {
    const { site } = siteOf(1);
    const [busy, late] = [0, 1].map((i) => new Hog(site, `hog${i}`, i));
    const runTo = (time: number, { thread }: Hog): void => {
      passTo(site, time);
      site.scheduler.block(thread, time);
    };
    // They have had the same, and then the one runs alone. Its present slice has hardly begun when the other wakes.
    site.scheduler.start(late.thread);
    runTo(10 * SLICE, late);
    site.scheduler.start(busy.thread);
    runTo(10 * SLICE + less - 2, busy);
    site.scheduler.wake(busy.thread);
    passTo(site, 10 * SLICE + less);
    site.scheduler.wake(late.thread);
    passTo(site, 10 * SLICE + less + SWITCH);
    expect(late.thread.state).toBe(state);
  });

  it('one that sleeps most of the time runs each time it is woken, and one that has computed as long does not', () => {
    const { site } = siteOf(1);
    const busy = new Hog(site, 'busy', 0);
    const server = new Hog(site, 'server', 1);
    const [short, turns] = [SLICE / 100, 200];
    site.scheduler.start(busy.thread);
    const waits: number[] = [];
    for (let turn = 1; turn <= turns; turn++) {
      const woken = 10 * SLICE + turn * (SLICE / 10);
      passTo(site, woken);
      site.scheduler.wake(server.thread);
      passTo(site, woken + SWITCH);
      waits.push(server.thread.state === 'running' ? server.thread.since - woken : Infinity);
      passTo(site, woken + SWITCH + short);
      site.scheduler.block(server.thread, woken + SWITCH + short);
    }
    expect(waits).toEqual(new Array(turns).fill(SWITCH));
    // By then it has used up its credit but for what the other has run meanwhile.
    passTo(site, 100 * SLICE);
    site.scheduler.wake(server.thread);
    passTo(site, 100 * SLICE + CREDIT + SWITCH);
    expect(server.thread.state).toBe('running');
    site.scheduler.block(server.thread, 100 * SLICE + CREDIT + SWITCH);
    passTo(site, 100 * SLICE + CREDIT + SLICE / 2);
    site.scheduler.wake(server.thread);
    expect(server.thread.state).toBe('ready');
  });

  it('one that wakes while the CPU changes to another takes it when that one has arrived', () => {
    const { site } = siteOf(1);
    const [busy, server] = [0, 1].map((i) => new Hog(site, `hog${i}`, i));
    site.scheduler.start(busy.thread);
    passTo(site, SLICE / 2);
    site.scheduler.wake(server.thread);
    const asleep = SLICE;
    passTo(site, asleep);
    site.scheduler.block(server.thread, asleep);
    passTo(site, asleep + 1);
    site.scheduler.wake(server.thread);
    passTo(site, asleep + 2 * SWITCH);
    expect(busy.turns.at(-1)).toEqual({ from: asleep + SWITCH, to: asleep + SWITCH, cpu: 0 });
    expect([server.thread.state, server.thread.since]).toEqual(['running', asleep + 2 * SWITCH]);
  });

  it('one that computes while all others sleep owes them nothing afterwards', () => {
    const { site } = siteOf(1);
    const [first, second] = [0, 1].map((i) => new Hog(site, `hog${i}`, i));
    site.scheduler.start(first.thread);
    passTo(site, 100 * SLICE);
    site.scheduler.block(first.thread, 100 * SLICE);
    // Nobody is awake: what the first has had is remembered, and the second has no claim to more than its credit.
    site.scheduler.wake(second.thread);
    passTo(site, 101 * SLICE);
    site.scheduler.wake(first.thread);
    passTo(site, 101 * SLICE + CREDIT + 2 * SLICE);
    expect(first.turns.length).toBeGreaterThan(0);
  });

  it('goes on from a snapshot as if nothing had been', () => {
    const { hogs: all, site, recorder } = hogs(2, 5);
    passTo(site, 20 * SLICE + 123);
    const saved = {
      scheduler: site.scheduler.save(),
      interrupts: site.scheduler.interrupts.save(),
      queue: site.island.queue.save(),
      island: site.island.save(),
    };
    const rows = recorder.save();
    const fresh = hogs(2, 5);
    fresh.recorder.load(rows);
    fresh.site.island.load(saved.island);
    fresh.site.island.queue.load(saved.queue);
    fresh.site.scheduler.load(saved.scheduler);
    fresh.site.scheduler.interrupts.load(saved.interrupts);
    passTo(site, 40 * SLICE);
    passTo(fresh.site, 40 * SLICE);
    expect(fresh.site.scheduler.save()).toEqual(site.scheduler.save());
    expect(all).toHaveLength(5);
  });
});
