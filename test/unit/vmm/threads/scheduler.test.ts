import { describe, expect, it } from 'vitest';
import { Hog, SLICE, SWITCH, passTo, siteOf } from './world';

function hogs(cpus: number, count: number): ReturnType<typeof siteOf> & { hogs: Hog[] } {
  const { site, recorder } = siteOf(cpus);
  const all = Array.from({ length: count }, (_, i) => new Hog(site, `hog${i}`, i));
  for (const { thread } of all) site.scheduler.wake(thread);
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
    site.scheduler.wake(busy.thread);
    passTo(site, 50 * SLICE);
    site.scheduler.wake(sleeper.thread);
    passTo(site, 50 * SLICE + SWITCH);
    expect(sleeper.ran(50 * SLICE + SWITCH)).toBe(0);
    passTo(site, 60 * SLICE);
    expect(busy.ran(60 * SLICE)).toBeGreaterThanOrEqual(53 * SLICE);
    expect(sleeper.ran(60 * SLICE)).toBeGreaterThanOrEqual(4 * SLICE);
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
