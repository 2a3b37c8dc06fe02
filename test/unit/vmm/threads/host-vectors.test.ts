/** Vectors that the host's kernel gives to its devices. */
import { describe, expect, it } from 'vitest';
import { HostVectors, type HostIrqTarget } from '../../../../src/vmm/threads/host-vectors';

/** Whoever is told writes it down. */
function setUp(): { vectors: HostVectors; told: number[]; target: HostIrqTarget } {
  const told: number[] = [];
  const target: HostIrqTarget = { hostIrqId: 'device/irq', onHostIrq: (arg) => void told.push(arg) };
  const vectors = new HostVectors(2);
  vectors.register(target);
  return { vectors, told, target };
}

const FIRST = 0x21;
const END = 0xec;
const isTaken = (vector: number): boolean => (vector >= 0x30 && vector <= 0x3f) || vector === 0x80;

describe('vectors of the host', () => {
  it('are given upward, but for those of the ISA interrupts, of system calls and of the kernel itself', () => {
    const { vectors, target } = setUp();
    const expected = Array.from({ length: END - FIRST }, (_, i) => FIRST + i).filter(
      (vector) => !isTaken(vector),
    );
    const given: number[] = [];
    for (let place = vectors.give(1, 1, target, 0); place; place = vectors.give(1, 1, target, 0))
      given.push(place.vector);
    expect(given).toEqual(expected);
    // Those of another CPU are its own.
    expect(vectors.give(0, 1, target, 0)).toEqual({ cpu: 0, vector: FIRST });
  });

  it('are aligned when there are several, and each tells which it is', () => {
    const { vectors, told, target } = setUp();
    vectors.give(0, 1, target, 7);
    const place = vectors.give(0, 4, target, 20);
    expect(place).toEqual({ cpu: 0, vector: 0x24 });
    for (let vector = 0x20; vector < 0x29; vector++) vectors.handle(0, vector);
    expect(told).toEqual([7, 20, 21, 22, 23]);
  });

  it('come back, and are free again', () => {
    const { vectors, told, target } = setUp();
    const place = vectors.give(0, 2, target, 0);
    if (!place) throw new Error('no vectors');
    vectors.takeBack(place, 2);
    vectors.handle(0, place.vector);
    expect(told).toEqual([]);
    expect(vectors.give(0, 2, target, 0)).toEqual(place);
  });

  it('are the same after a snapshot, and lead to the same handlers', () => {
    const { vectors, target } = setUp();
    vectors.give(3, 1, target, 5);
    const other = setUp();
    other.vectors.give(0, 1, other.target, 9);
    other.vectors.load(structuredClone(vectors.save()));
    other.vectors.handle(0, FIRST);
    other.vectors.handle(3, FIRST);
    expect(other.told).toEqual([5]);
    expect(() => new HostVectors(2).load(vectors.save())).toThrow(/does not have/);
  });

  it('are given on all CPUs, where somebody has to have one exactly', () => {
    const { vectors, told, target } = setUp();
    const other = vectors.give(1, 1, target, 5);
    expect(vectors.giveEverywhere(FIRST, target, 1)).toBe(false);
    expect(vectors.giveEverywhere(0x30, target, 1)).toBe(false);
    expect(vectors.giveEverywhere(END, target, 1)).toBe(false);
    expect(vectors.giveEverywhere(FIRST + 1, target, 1)).toBe(true);
    expect(vectors.give(0, 1, target, 2)?.vector).toBe(FIRST);
    expect(vectors.give(0, 1, target, 3)?.vector).toBe(FIRST + 2);
    for (const cpu of [0, 1]) vectors.handle(cpu, FIRST + 1);
    expect(told).toEqual([1, 1]);
    vectors.takeBackEverywhere(FIRST + 1);
    for (const cpu of [0, 1]) vectors.handle(cpu, FIRST + 1);
    expect(told).toEqual([1, 1]);
    expect(other).toEqual({ cpu: 1, vector: FIRST });
  });
});
