/** Vectors on their way to the physical CPUs of a host. */
import { describe, expect, it } from 'vitest';
import { TraceStore, emptyMeta, type TraceEvent } from '../../../../src/trace/query/store';
import type { Recorder } from '../../../../src/trace/record/recorder';
import { Kind } from '../../../../src/trace/vocabulary/events';
import type { Site } from '../../../../src/vmm/host';
import { HostVector } from '../../../../src/vmm/threads/host-interrupts';
import { Hog, SLICE, SWITCH, costs, passTo, siteOf } from './world';

const KICK = costs['irq.kick'];

/** A hog that notes what interrupts it. */
class Interrupted extends Hog {
  readonly vectors: { time: number; vector: number; cause: number }[] = [];

  constructor(
    private readonly at: Site,
    name: string,
    track: number,
    /** False: it goes on when it is asked to give its CPU up. */
    private readonly obeys = true,
  ) {
    super(at, name, track);
  }

  override hostInterrupt(vector: number): void {
    const { cause } = this.at.tracer;
    this.vectors.push({ time: this.at.island.now(), vector, cause });
  }

  override preempt(): boolean {
    return this.obeys ? super.preempt() : true;
  }
}

/** All rows of a kind, and the names of their tracks. */
function rowsOf(recorder: Recorder, kind: number, end: number): (TraceEvent & { on: string })[] {
  recorder.finish(end);
  const store = new TraceStore(emptyMeta('test', 1e9));
  store.append(recorder.takeDelta());
  return Array.from({ length: store.rows }, (_, row) => store.get(row))
    .filter((row) => row.kind === kind)
    .map((row) => ({ ...row, on: store.meta.tracks[row.track].name }));
}

function running(cpus: number, obeys = true): { site: Site; recorder: Recorder; threads: Interrupted[] } {
  const { site, recorder } = siteOf(cpus);
  const threads = Array.from({ length: cpus }, (_, i) => new Interrupted(site, `t${i}`, i, obeys));
  for (const { thread } of threads) site.scheduler.start(thread);
  passTo(site, 1);
  return { site, recorder, threads };
}

describe('an IPI to a physical CPU', () => {
  it('interrupts the thread that runs there when the wire has carried it, and is shown on that CPU', () => {
    const { site, recorder, threads } = running(2);
    passTo(site, 100);
    const why = site.tracer.instant(100, 0, Kind.Mark, 1, 0);
    site.tracer.cause = why;
    site.scheduler.kick(threads[1].thread);
    site.tracer.cause = 0;
    passTo(site, 100 + KICK - 1);
    expect(threads.flatMap(({ vectors }) => vectors)).toEqual([]);
    passTo(site, 500);
    const [accepted, ...more] = rowsOf(recorder, Kind.IrqAccept, 500);
    expect(more).toEqual([]);
    expect([accepted.on, accepted.start, accepted.a]).toEqual(['pCPU 1', 100 + KICK, HostVector.Reschedule]);
    expect(accepted.cause + 1).toBe(why);
    expect(threads[0].vectors).toEqual([]);
    expect(threads[1].vectors).toEqual([
      { time: 100 + KICK, vector: HostVector.Reschedule, cause: accepted.row + 1 },
    ]);
  });

  it('interrupts whoever runs there by then', () => {
    const { site } = siteOf(1);
    const [first, second] = [0, 1].map((i) => new Interrupted(site, `t${i}`, i));
    site.scheduler.wake(first.thread);
    passTo(site, 1);
    // The first thread has had as much as a slice more before the second wakes: the CPU changes at once.
    passTo(site, 3 * SLICE);
    site.scheduler.kick(first.thread);
    site.scheduler.block(first.thread, site.island.now());
    site.scheduler.wake(second.thread);
    passTo(site, 4 * SLICE);
    expect(first.vectors).toEqual([]);
    expect(second.vectors.map(({ time, vector }) => [time, vector])).toEqual([
      [3 * SLICE + KICK, HostVector.Reschedule],
    ]);
  });

  it('goes to nobody when the thread does not run', () => {
    const { site, threads } = running(1);
    const sleeper = new Interrupted(site, 'sleeper', 1);
    site.scheduler.kick(sleeper.thread);
    expect(site.island.queue.length).toBe(0);
    expect(threads[0].vectors).toEqual([]);
  });

  it('leaves the LAPIC ready for the next, and each is taken', () => {
    const { site, threads } = running(1);
    for (let i = 0; i < 5; i++) site.scheduler.kick(threads[0].thread);
    passTo(site, 1 + KICK);
    expect(threads[0].vectors.map(({ vector }) => vector)).toEqual(Array(5).fill(HostVector.Reschedule));
    const lapic = site.scheduler.interrupts.fabric.lapic(0);
    expect([lapic.highestPending(), lapic.highestInService()]).toEqual([-1, -1]);
  });

  it('is sent once to the thread that has had most, when its CPU is wanted, however many wake', () => {
    const { site } = siteOf(2);
    const threads = [0, 1, 2, 3, 4].map((i) => new Interrupted(site, `t${i}`, i, false));
    site.scheduler.start(threads[0].thread);
    passTo(site, 5 * SLICE);
    // All have slept, and count as having had CREDIT less than the first: who wakes next has nothing to gain from the second.
    site.scheduler.wake(threads[1].thread);
    passTo(site, 5 * SLICE + 1);
    for (const { thread } of threads.slice(2)) site.scheduler.wake(thread);
    passTo(site, 5 * SLICE + 1 + KICK);
    expect(threads.map(({ vectors }) => vectors.map(({ time, vector }) => [time, vector]))).toEqual([
      [[5 * SLICE + 1 + KICK, HostVector.Reschedule]],
      [],
      [],
      [],
      [],
    ]);
  });
});

describe('the timer of a physical CPU', () => {
  it('ends the slice when another waits, and never interrupts one that is alone', () => {
    const { site, recorder } = siteOf(2);
    const threads = [0, 1, 2].map((i) => new Interrupted(site, `t${i}`, i));
    for (const { thread } of threads.slice(0, 2)) site.scheduler.start(thread);
    passTo(site, 10 * SLICE);
    expect(threads.flatMap(({ turns }) => turns)).toEqual([]);
    site.scheduler.wake(threads[2].thread);
    passTo(site, 20 * SLICE);
    const ends = threads.flatMap(({ turns }) => turns).map(({ to, cpu }) => ({ to, cpu }));
    const ticks = rowsOf(recorder, Kind.IrqAccept, 20 * SLICE).filter(({ a }) => a === HostVector.LocalTimer);
    expect(ticks.length).toBeGreaterThan(5);
    // The late thread has had so little that it preempts the first when it wakes. Each other turn ends with a tick of its own CPU.
    const others = ends.filter(
      ({ to, cpu }) => !ticks.some(({ start, on }) => start === to && on === `pCPU ${cpu}`),
    );
    expect(others).toEqual([{ to: 10 * SLICE, cpu: 0 }]);
    expect(Math.min(...ends.map(({ to }) => to))).toBe(10 * SLICE);
  });

  it('is due at once when the slice is over before anybody waits', () => {
    const { site, recorder } = siteOf(1);
    const threads = [0, 1].map((i) => new Interrupted(site, `t${i}`, i));
    site.scheduler.start(threads[0].thread);
    const late = 2 * SLICE;
    passTo(site, late);
    // A new thread has no credit: it has had as much as the first, and preempts nobody.
    site.scheduler.start(threads[1].thread);
    passTo(site, late + SLICE);
    expect(threads[0].turns).toEqual([{ from: 0, to: late, cpu: 0 }]);
    expect(rowsOf(recorder, Kind.IrqAccept, late + SLICE).map(({ start, a }) => [start, a])).toEqual([
      [late, HostVector.LocalTimer],
    ]);
  });

  it('is set a slice after the turn began', () => {
    const { site } = siteOf(1);
    const threads = [0, 1].map((i) => new Interrupted(site, `t${i}`, i));
    for (const { thread } of threads) site.scheduler.start(thread);
    passTo(site, 3 * SLICE);
    expect(threads[0].turns[0]).toEqual({ from: 0, to: SLICE, cpu: 0 });
    expect(threads[1].turns[0]).toEqual({ from: SLICE + SWITCH, to: 2 * SLICE + SWITCH, cpu: 0 });
  });
});

describe('a snapshot', () => {
  it('holds IPIs on their way and timers that are set', () => {
    const make = (): { site: Site; recorder: Recorder; threads: Interrupted[] } => {
      const { site, recorder } = siteOf(1);
      return { site, recorder, threads: [0, 1].map((i) => new Interrupted(site, `t${i}`, i)) };
    };
    const whole = make();
    for (const { thread } of whole.threads) whole.site.scheduler.start(thread);
    passTo(whole.site, SLICE - KICK - 5);
    whole.site.scheduler.kick(whole.threads[0].thread);
    passTo(whole.site, SLICE - KICK);
    const units = whole.site.units.save();
    const rows = whole.recorder.save();
    const fresh = make();
    fresh.recorder.load(rows);
    fresh.site.units.load(units);
    for (const { site } of [whole, fresh]) passTo(site, 5 * SLICE);
    expect(whole.threads[0].vectors[0].time).toBe(SLICE - 5);
    expect(whole.threads[1].turns.length).toBeGreaterThan(1);
    expect(fresh.threads.map(({ vectors }) => vectors)).toEqual(whole.threads.map(({ vectors }) => vectors));
    expect(fresh.site.units.save()).toEqual(whole.site.units.save());
  });
});
