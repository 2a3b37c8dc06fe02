import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../../../src/machine/time/queue';
import type { EventTarget } from '../../../../src/machine/time/event-queue';

/** A target that writes down what it gets. */
class Log implements EventTarget {
  readonly fired: { kind: number; arg: number; time: number; cause: number }[] = [];
  then: (kind: number, time: number) => void = () => undefined;
  constructor(
    readonly eventTargetId: string,
    private readonly tracer: { cause: number },
  ) {}
  onEvent(kind: number, arg: number, time: number): void {
    this.fired.push({ kind, arg, time, cause: this.tracer.cause });
    this.then(kind, time);
  }
}

function setUp(): {
  clock: { time: number; now(): number };
  tracer: { cause: number; place: number };
  queue: EventQueue;
  log: Log;
} {
  const clock = { time: 0, now: () => clock.time };
  const tracer = { cause: 0, place: 0 };
  const queue = new EventQueue(tracer, clock);
  const log = new Log('log', tracer);
  queue.register(log);
  return { clock, tracer, queue, log };
}

const events = fc.array(fc.record({ time: fc.nat(50), priority: fc.integer({ min: -2, max: 2 }) }), {
  maxLength: 200,
});

describe('EventQueue', () => {
  it('fires in the order (time, priority, sequence)', () => {
    fc.assert(
      fc.property(events, fc.nat(60), (all, until) => {
        const { queue, log } = setUp();
        all.forEach(({ time, priority }, i) => queue.schedule(time, log, i, 0, priority));
        queue.fireDue(until);
        const expected = all
          .map((event, i) => ({ ...event, i }))
          .filter(({ time }) => time <= until)
          .sort((x, y) => x.time - y.time || x.priority - y.priority || x.i - y.i);
        expect(log.fired.map(({ kind }) => kind)).toEqual(expected.map(({ i }) => i));
        const later = all.filter(({ time }) => time > until).map(({ time }) => time);
        expect(queue.nextTime()).toBe(Math.min(Infinity, ...later));
        expect(queue.length).toBe(later.length);
      }),
    );
  });

  it('forgets cancelled events and only those', () => {
    fc.assert(
      fc.property(events, fc.array(fc.nat(199)), fc.nat(60), (all, cancelled, half) => {
        const { queue, log } = setUp();
        const handles = all.map(({ time, priority }, i) => queue.schedule(time, log, i, 0, priority));
        queue.fireDue(half);
        const firedBefore = new Set(log.fired.map(({ kind }) => kind));
        const gone = new Set(cancelled.filter((i) => i < all.length));
        for (const i of cancelled) queue.cancel(handles[i] ?? 0);
        // The slots of cancelled and fired events are used again; their handles must not reach the new events.
        const again = all.map(({ time }, i) => queue.schedule(time + 100, log, 1000 + i));
        for (const i of [...gone, ...firedBefore]) queue.cancel(handles[i]);
        queue.fireDue(1000);
        const expected = all.flatMap((_, i) => (firedBefore.has(i) || !gone.has(i) ? [i] : []));
        const fired = log.fired.map(({ kind }) => kind);
        expect(fired.filter((kind) => kind < 1000).sort((x, y) => x - y)).toEqual(expected);
        expect(fired.filter((kind) => kind >= 1000)).toHaveLength(again.length);
        expect(new Set([...handles, ...again]).size).toBe(2 * all.length);
      }),
    );
  });

  it('goes on after save and load as if never interrupted', () => {
    fc.assert(
      fc.property(events, events, fc.nat(50), fc.array(fc.nat(199)), (first, second, stop, cancelled) => {
        const one = setUp();
        const two = setUp();
        const handles = first.map(({ time, priority }, i) => {
          one.tracer.cause = i;
          return one.queue.schedule(time, one.log, i, i * 3, priority);
        });
        one.tracer.cause = 0;
        one.queue.fireDue(stop);
        one.clock.time = two.clock.time = stop;
        const already = one.log.fired.length;
        two.queue.load(structuredClone(one.queue.save()));
        for (const { queue, log } of [one, two]) {
          for (const i of cancelled) queue.cancel(handles[i] ?? 0);
          second.forEach(({ time, priority }, i) => queue.schedule(stop + time, log, 500 + i, 0, priority));
          queue.fireDue(200);
        }
        expect(two.log.fired).toEqual(one.log.fired.slice(already));
        expect(two.queue.save()).toEqual(one.queue.save());
      }),
    );
  });

  it('gives each event the cause of its scheduling, and the old cause back afterwards', () => {
    const { queue, log, tracer } = setUp();
    tracer.cause = 7;
    queue.schedule(10, log, 1);
    tracer.cause = 9;
    queue.schedule(5, log, 2);
    tracer.cause = 42;
    log.then = () => void (tracer.cause = 1000);
    queue.fireDue(20);
    expect(log.fired.map(({ cause }) => cause)).toEqual([9, 7]);
    expect(tracer.cause).toBe(42);
  });

  it('fires what is scheduled meanwhile and due, not before the event that scheduled it', () => {
    const { queue, log, clock } = setUp();
    clock.time = 100;
    log.then = (kind, time) =>
      void (kind < 4 && queue.schedule(time + (kind === 3 ? -50 : 10), log, kind + 1));
    queue.schedule(100, log, 1);
    queue.fireDue(125);
    expect(log.fired.map(({ kind, time }) => [kind, time])).toEqual([
      [1, 100],
      [2, 110],
      [3, 120],
      [4, 120],
    ]);
  });

  it('takes a time already past as now', () => {
    const { queue, log, clock } = setUp();
    clock.time = 30;
    queue.schedule(10, log, 1);
    expect(queue.nextTime()).toBe(30);
  });

  it('refuses unknown targets, second targets of one name, and times that are no whole cycles', () => {
    const { queue, log, tracer } = setUp();
    expect(() => queue.schedule(1, new Log('other', tracer), 0)).toThrow(/not registered/);
    expect(() => queue.register(new Log('log', tracer))).toThrow(/two event targets/);
    expect(() => queue.schedule(1.5, log, 0)).toThrow(RangeError);
    const state = queue.save();
    state.events.push({ time: 1, priority: 0, handle: 1 << 20, target: 'gone', kind: 0, arg: 0, cause: 0 });
    expect(() => queue.load(state)).toThrow(/gone/);
  });
});
