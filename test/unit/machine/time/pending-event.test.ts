import { describe, expect, it } from 'vitest';
import { PendingEvent } from '../../../../src/machine/time/pending-event';
import { EventQueue } from '../../../../src/machine/time/queue';

/** A unit with one pending event, on a clock of its own. */
function unit(now = 0) {
  const clock = { time: now, now: () => clock.time };
  const queue = new EventQueue({ cause: 0, place: 0 }, clock);
  const fired: number[] = [];
  const target = {
    eventTargetId: 'unit',
    onEvent: (_kind: number, _arg: number, time: number) => {
      fired.push(time);
      next.came();
    },
  };
  queue.register(target);
  const scheduler = { now: clock.now, cancel: (handle: number) => queue.cancel(handle) };
  const next = new PendingEvent(scheduler, (time) => queue.schedule(time, target, 0));
  return { clock, queue, fired, next };
}

describe('PendingEvent', () => {
  it('comes at the time that was set last, once', () => {
    const { queue, fired, next } = unit();
    next.comeAt(10);
    next.comeAt(20);
    expect(queue.length).toBe(1);
    queue.fireDue(100);
    expect(fired).toEqual([20]);
    expect([next.pending, next.remaining]).toEqual([false, -1]);
  });

  it('does not come when it was cancelled, and may be cancelled again', () => {
    const { queue, fired, next } = unit();
    next.comeAt(10);
    next.cancel();
    next.cancel();
    queue.fireDue(100);
    expect(fired).toEqual([]);
  });

  it('goes on in another run for the cycles that remained, in place of what was to come there', () => {
    const here = unit();
    here.next.comeAt(50);
    here.clock.time = 20;
    const there = unit(1000);
    there.next.comeAt(1001);
    there.next.adopt(here.next.remaining);
    there.queue.fireDue(2000);
    expect(there.fired).toEqual([1030]);
  });

  it('takes over that nothing is to come', () => {
    const there = unit();
    there.next.comeAt(1);
    there.next.adopt(unit().next.remaining);
    there.queue.fireDue(100);
    expect(there.fired).toEqual([]);
  });

  it('goes on in the same run with the event of the queue that was saved', () => {
    const { queue, fired, next } = unit();
    next.comeAt(50);
    const saved = next.save();
    next.came();
    next.load(saved);
    next.cancel();
    queue.fireDue(100);
    expect(fired).toEqual([]);
  });
});
