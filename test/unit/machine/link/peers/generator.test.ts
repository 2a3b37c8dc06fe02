/** What a generator draws by lot, against bounds that follow from the distributions; its rate on the wire. */
import { describe, expect, it } from 'vitest';
import {
  drawLength,
  exponential,
  IMIX,
  type GapDistribution,
  type SizeDistribution,
} from '../../../../../src/machine/link/peers/distributions';
import { GeneratorPeer, type GeneratorOptions } from '../../../../../src/machine/link/peers/generator';
import { Random, streamSeed } from '../../../../../src/machine/time/random';
import { CYCLES_PER_NANOSECOND } from '../../fake-bus';
import { cableWorld } from '../cable-world';

/** Draws for each test. */
const DRAWS = 40_000;
/** Standard deviations that a mean or a share may be off: one fixed seed in about two million fails by chance. */
const DEVIATIONS = 5;

const options: GeneratorOptions = {
  count: 400,
  sizes: { kind: 'fixed', length: 200 },
  gaps: { kind: 'fixed', pace: { interval: 5000 } },
  seed: 11,
  mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  destination: Uint8Array.of(2, 0, 0, 0, 0, 9),
};

function made(changed: Partial<GeneratorOptions>, gbps = 100) {
  const built = cableWorld(gbps, 0);
  const peer = new GeneratorPeer('generator', built.cable.ends[1], built.world.queue, {
    ...options,
    ...changed,
  });
  built.world.queue.register(peer);
  return { ...built, peer };
}

/** Lengths, and the times at which frames began to leave. */
function sentBy(changed: Partial<GeneratorOptions>, gbps = 100) {
  const { world, peer, arrived } = made(changed, gbps);
  peer.start();
  world.drain();
  const wire = (bytes: number): number => Math.ceil(((bytes + 12) * 8 * CYCLES_PER_NANOSECOND) / gbps);
  return arrived.map(({ frame, time }) => ({ length: frame.length, start: time - wire(frame.length) }));
}

const distances = (sent: { start: number }[]): number[] =>
  sent.slice(1).map(({ start }, i) => start - sent[i].start);

describe('lengths', () => {
  it.each<[string, SizeDistribution, Map<number, number>]>([
    [
      'the simple Internet mix',
      IMIX,
      new Map([
        [60, 7 / 12],
        [590, 4 / 12],
        [1514, 1 / 12],
      ]),
    ],
    [
      'a list with weights',
      {
        kind: 'weighted',
        choices: [
          { length: 100, weight: 1 },
          { length: 101, weight: 9 },
        ],
      },
      new Map([
        [100, 0.1],
        [101, 0.9],
      ]),
    ],
    [
      'equally often',
      { kind: 'uniform', min: 60, max: 67 },
      new Map([60, 61, 62, 63, 64, 65, 66, 67].map((length) => [length, 1 / 8])),
    ],
  ])('%s: each as often as it should be', (_name, sizes, shares) => {
    const random = new Random(streamSeed(1, _name));
    const counts = new Map<number, number>();
    for (let i = 0; i < DRAWS; i++) {
      const length = drawLength(sizes, random);
      counts.set(length, (counts.get(length) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((x, y) => x - y)).toEqual([...shares.keys()]);
    for (const [length, share] of shares) {
      // A count of independent draws is binomially distributed.
      const deviation = Math.sqrt(DRAWS * share * (1 - share));
      expect(Math.abs(counts.get(length)! - DRAWS * share)).toBeLessThan(DEVIATIONS * deviation);
    }
  });
});

describe('exponentially distributed gaps', () => {
  it('have the mean, the variance and the tails of that distribution', () => {
    const random = new Random(streamSeed(2, 'exponential'));
    const drawn = Array.from({ length: DRAWS }, () => exponential(random));
    const mean = drawn.reduce((sum, x) => sum + x, 0) / DRAWS;
    // The variance of one draw is 1; of its square about the mean, 8.
    expect(Math.abs(mean - 1)).toBeLessThan(DEVIATIONS / Math.sqrt(DRAWS));
    const variance = drawn.reduce((sum, x) => sum + (x - 1) ** 2, 0) / DRAWS;
    expect(Math.abs(variance - 1)).toBeLessThan(DEVIATIONS * Math.sqrt(8 / DRAWS));
    for (const limit of [0.01, 0.2, 0.7, 1, 2, 4]) {
      const share = Math.exp(-limit);
      const above = drawn.filter((x) => x > limit).length;
      expect(Math.abs(above - DRAWS * share)).toBeLessThan(
        DEVIATIONS * Math.sqrt(DRAWS * share * (1 - share)),
      );
    }
  });

  it('are a Poisson process about the interval: the mean distance is kept where the wire is free', () => {
    const interval = 30_000;
    const sent = sentBy({ count: 2000, gaps: { kind: 'exponential', pace: { interval } } });
    const mean = (sent.at(-1)!.start - sent[0].start) / (sent.length - 1);
    expect(Math.abs(mean / interval - 1)).toBeLessThan(DEVIATIONS / Math.sqrt(sent.length));
    expect(new Set(distances(sent)).size).toBeGreaterThan(1000);
  });
});

describe('other gaps', () => {
  it('bursts: so many packets, then a pause, which also comes first', () => {
    const gaps: GapDistribution = { kind: 'bursts', packets: 4, gap: 400, pause: 9000 };
    const sent = sentBy({ count: 12, gaps });
    const inBurst = [400, 400, 400];
    expect(sent[0].start).toBe(9000);
    expect(distances(sent)).toEqual([...inBurst, 9000, ...inBurst, 9000, ...inBurst]);
  });

  it('a rate is kept to the cycle, whatever the lengths and the fractions of a cycle', () => {
    // 300 Mb/s and 3 cycles a nanosecond: 80 cycles a byte; a seventh more is no whole number.
    const cyclesPerByte = 80 + 1 / 7;
    const sent = sentBy({ sizes: IMIX, gaps: { kind: 'fixed', pace: { cyclesPerByte } } });
    let bytes = 0;
    for (const { length, start } of sent) {
      expect(Math.abs(start - bytes * cyclesPerByte)).toBeLessThanOrEqual(1);
      bytes += length;
    }
  });

  it('what the wire is busy for is made up for in the gaps that follow', () => {
    // 1514 bytes take longer than the interval, the others do not, and on the whole there is time.
    const interval = 3 * 8 * (400 + 24);
    const sent = sentBy({ count: 600, sizes: IMIX, gaps: { kind: 'fixed', pace: { interval } } }, 1);
    const most = 3 * 8 * (1514 + 24);
    expect(distances(sent).some((distance) => distance > interval)).toBe(true);
    expect(distances(sent).some((distance) => distance < interval)).toBe(true);
    // IMIX frames are 345 bytes on average: the wire is free again before a run of long ones is long forgotten.
    const onTime = sent.filter(({ start }, i) => start === (i + 1) * interval);
    expect(onTime.length).toBeGreaterThan(sent.length / 4);
    for (const [i, { start }] of sent.entries()) {
      expect(start).toBeGreaterThanOrEqual((i + 1) * interval);
      expect(start - (i + 1) * interval).toBeLessThan(20 * most);
    }
  });
});

describe('streams', () => {
  it('lengths and gaps have streams of their own: changing one leaves the other', () => {
    const fast: GapDistribution = { kind: 'exponential', pace: { interval: 20_000 } };
    const slow: GapDistribution = { kind: 'exponential', pace: { interval: 40_000 } };
    const lengths = (changed: Partial<GeneratorOptions>): number[] =>
      sentBy(changed).map(({ length }) => length);
    expect(lengths({ sizes: IMIX, gaps: fast })).toEqual(lengths({ sizes: IMIX }));
    const [one, two] = [fast, slow].map((gaps) => distances(sentBy({ gaps })));
    one.forEach((distance, i) => expect(Math.abs(2 * distance - two[i])).toBeLessThanOrEqual(3));
  });

  it('go on identically after save and load in the middle', () => {
    const changed: Partial<GeneratorOptions> = {
      sizes: { kind: 'uniform', min: 60, max: 1514 },
      gaps: { kind: 'exponential', pace: { cyclesPerByte: 2.7 } },
    };
    for (const cut of [0, 100_000, 333_333]) {
      const [one, two] = [made(changed, 10), made(changed, 10)];
      one.peer.start();
      one.world.advanceTo(cut);
      two.world.load(structuredClone(one.world.save()));
      two.cable.load(structuredClone(one.cable.save()));
      two.peer.load(structuredClone(one.peer.save()));
      const before = one.arrived.length;
      one.world.drain();
      two.world.drain();
      expect(two.arrived).toEqual(one.arrived.slice(before));
      expect(before + two.arrived.length).toBe(400);
    }
  });

  it('frames that are too short are refused', () => {
    expect(() => made({ sizes: { kind: 'uniform', min: 59, max: 70 } })).toThrow(RangeError);
  });
});
