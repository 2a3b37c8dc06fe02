/**
 * What a move is tried on: one unit in a world of its own, with everything that leaves it written down. A unit that was saved
 * has to go on as if nothing had been, in its own run from a checkpoint, and from its hardware alone in another run at another
 * time.
 */
import fc from 'fast-check';
import { expect, it as property } from 'vitest';
import type { Migratable } from '../../../src/machine/snapshot';
import { World } from '../../unit/machine/fake-bus';
import { comparable } from '../../unit/machine/platform/fake-environment';

/** What leaves a unit, with its time. */
export class Outputs {
  readonly log: [time: number, what: string][] = [];
  /** Levels of its lines, by their names. */
  readonly levels = new Map<string, boolean>();

  constructor(private readonly world: World) {}

  note(what: string): void {
    this.log.push([this.world.time, what]);
  }

  /** A line is driven; only a change counts. */
  drive(line: string, asserted: boolean): void {
    if ((this.levels.get(line) ?? false) === asserted) return;
    this.levels.set(line, asserted);
    this.note(`${line} ${asserted ? 'rises' : 'falls'}`);
  }

  /** The lines that are asserted. */
  get asserted(): string[] {
    return [...this.levels].flatMap(([line, asserted]) => (asserted ? [line] : [])).sort();
  }
}

/** A unit in its world. */
export interface Bench<S> {
  unit: Migratable;
  /** What is added to the time to give the TSC of the CPU that the unit belongs to: a CPU moves with its TSC. */
  tsc?: { offset: number };
  /** Does one thing to the unit; returns what was read. */
  perform(step: S): unknown;
}

/** How long to wait before each step, in cycles. */
export type Waits = fc.Arbitrary<number>;

/** Declares the property for one kind of unit. @param make builds it, the same each time */
export function moves<S>(
  name: string,
  steps: { step: fc.Arbitrary<S>; waits: Waits; numRuns?: number },
  make: (world: World, out: Outputs) => Bench<S>,
): void {
  const { step, waits, numRuns = 150 } = steps;
  const timed = fc.record({ step, wait: waits });
  const build = (time: number) => {
    const world = new World();
    const out = new Outputs(world);
    const bench = make(world, out);
    world.time = time;
    const perform = (all: readonly { step: S; wait: number }[]): unknown[] =>
      all.map(({ step: each, wait }) => {
        world.advanceTo(world.time + wait);
        return [bench.perform(each), untilNext(world)];
      });
    return { world, out, unit: bench.unit, tsc: bench.tsc, perform };
  };

  property(`${name} goes on from a checkpoint, and from its hardware at another time`, () => {
    fc.assert(
      fc.property(
        fc.array(timed, { maxLength: 40 }),
        fc.array(timed, { maxLength: 40 }),
        fc.array(timed, { maxLength: 8 }),
        fc.integer({ min: 0, max: 1e12 }),
        (first, second, before, time) => {
          const one = build(0);
          one.perform(first);
          const saved = structuredClone(one.unit.save());

          const two = build(0);
          two.world.load(structuredClone(one.world.save()));
          // Lines have the levels that they had: whoever is at their other end has a checkpoint too.
          for (const [line, asserted] of one.out.levels) two.out.levels.set(line, asserted);
          two.unit.load(structuredClone(saved));
          expect(comparable(two.unit.save())).toEqual(comparable(saved));

          const moved = build(time);
          moved.perform(before);
          if (one.tsc && moved.tsc) moved.tsc.offset = one.tsc.offset + one.world.time - moved.world.time;
          moved.unit.adopt(structuredClone(saved.hardware));
          expect(comparable(moved.unit.save().hardware)).toEqual(comparable(saved.hardware));
          expect(moved.out.asserted).toEqual(one.out.asserted);

          const shift = moved.world.time - one.world.time;
          const [oneFrom, movedFrom] = [one.out.log.length, moved.out.log.length];
          const seen = one.perform(second);
          expect(two.perform(second)).toEqual(seen);
          expect(moved.perform(second)).toEqual(seen);
          const happened = one.out.log.slice(oneFrom);
          expect(two.out.log).toEqual(happened);
          expect(moved.out.log.slice(movedFrom).map(([at, what]) => [at - shift, what])).toEqual(happened);
          const left = one.unit.save();
          expect(comparable(two.unit.save())).toEqual(comparable(left));
          expect(comparable(moved.unit.save().hardware)).toEqual(comparable(left.hardware));
        },
      ),
      { seed: 20261129, numRuns },
    );
  });
}

/** Cycles until the next event; −1 when there is none. */
function untilNext({ queue, time }: World): number {
  return queue.nextTime() === Infinity ? -1 : queue.nextTime() - time;
}
