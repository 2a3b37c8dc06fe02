/**
 * Whatever the driver and the device do, and in whatever order memory is reached: every buffer comes back once, with its bytes, and
 * nobody sleeps on something that the other one has done. So it is after a move, too.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QueueBench, type Negotiated, type Shape } from '../support/virtio/queue-bench';

const lengths = (min: number) => fc.array(fc.nat(40), { minLength: min, maxLength: 3 });
const shape: fc.Arbitrary<Shape> = fc
  .record({
    readable: lengths(0),
    writable: lengths(0),
    as: fc.constantFrom<Shape['as'][]>('chain', 'table', 'mixed'),
  })
  .map(({ readable, writable, as }) => ({
    // A buffer has at least one element (2.7.4, 2.8).
    readable: readable.length + writable.length === 0 ? [5] : readable,
    writable,
    as,
  }));

type Step = (bench: QueueBench) => void;

const named = (name: string, step: Step): Step => Object.assign(step, { toString: () => name });
const counted = (
  name: string,
  most: number,
  step: (bench: QueueBench, count: number) => void,
): fc.Arbitrary<Step> =>
  fc.nat(most).map((count) => named(`${name} ${count}`, (bench) => step(bench, count)));

/** The queue of a host that polls moves to one that does not, and the other way. */
const elsewhere = (negotiated: Negotiated, polled: boolean): Negotiated => ({ ...negotiated, polled });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: shape.map((each) => named(`add ${JSON.stringify(each)}`, (b) => void b.add(each))),
  },
  { weight: 4, arbitrary: fc.constant(named('publish', (b) => b.publish())) },
  { weight: 4, arbitrary: fc.constant(named('check', (b) => b.check())) },
  { weight: 6, arbitrary: counted('wait', 60, (b, cycles) => b.wait(cycles)) },
  { weight: 2, arbitrary: counted('latency', 40, (b, cycles) => (b.bus.dma.latency = cycles)) },
  { weight: 4, arbitrary: counted('complete', 7, (b, which) => b.complete(which)) },
  { weight: 3, arbitrary: fc.constant(named('flush', (b) => b.flush())) },
  { weight: 1, arbitrary: counted('unfetch', 3, (b, count) => b.unfetch(count)) },
  { weight: 3, arbitrary: fc.constant(named('wake', (b) => b.wake())) },
  { weight: 3, arbitrary: counted('reap', 4, (b, count) => b.reap(count)) },
  { weight: 2, arbitrary: fc.constant(named('enable', (b) => b.enable())) },
  { weight: 2, arbitrary: fc.constant(named('recheck', (b) => b.recheck())) },
);
const steps = (maxLength: number) => fc.array(step, { maxLength, size: 'max' });

const options = {
  eventIdx: fc.boolean(),
  indirect: fc.boolean(),
  inOrder: fc.boolean(),
  polled: fc.boolean(),
};
const formats: [string, fc.Arbitrary<Negotiated>][] = [
  [
    'split',
    fc.record({
      ...options,
      size: fc.constantFrom(1, 2, 4, 8, 16),
      legacy: fc.boolean(),
      // Near the end of 16 bits, so that the indices go round.
      from: fc.constantFrom(0, 0xfff0, 0xffff),
    }),
  ],
  [
    'packed',
    fc.record({
      ...options,
      size: fc.integer({ min: 1, max: 17 }),
      packed: fc.constant(true),
      notificationData: fc.boolean(),
    }),
  ],
];
const limits = fc.integer({ min: 1, max: 6 });

describe.each(formats)('a %s virtqueue', (_name, negotiated) => {
  it('gives every buffer back once, and loses no notification', () => {
    fc.assert(
      fc.property(negotiated, limits, steps(250), (with_, limit, all) => {
        const bench = new QueueBench(with_, limit).start();
        for (const each of all) each(bench);
        bench.settle();
        bench.expectAtRest();
      }),
      { numRuns: 200 },
    );
  });

  it('goes on from a checkpoint as if nothing had been, and from its hardware to the same end', () => {
    fc.assert(
      fc.property(
        negotiated,
        limits,
        steps(120),
        steps(120),
        fc.nat(1e9),
        fc.boolean(),
        (with_, limit, first, second, time, polled) => {
          const one = new QueueBench(with_, limit).start();
          for (const each of first) each(one);
          const saved = one.save();
          const from = one.log.length;

          const two = new QueueBench(with_, limit).load(saved);
          expect(two.queue.save()).toEqual(saved.queue);
          const moved = new QueueBench(elsewhere(with_, polled), limit).adopt(saved, time);
          for (const bench of [one, two, moved]) {
            for (const each of second) each(bench);
            bench.settle();
            bench.expectAtRest();
          }
          expect(two.log).toEqual(one.log.slice(from));
          expect(two.queue.save()).toEqual(one.queue.save());
        },
      ),
      { numRuns: 100 },
    );
  });
});
