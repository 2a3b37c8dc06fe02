import { describe, expect, it } from 'vitest';
import {
  chained,
  linearTranslation,
  type DmaTranslation,
} from '../../../../src/machine/memory/dma-translation';

const CYCLES = 7;
/** Swaps two pages, takes its time, and refuses all else. */
const swapping: DmaTranslation = {
  translate: (_requester, iova, length) => {
    if (iova + length > 0x2000) return { fault: 'blocked', cycles: CYCLES };
    const first = { address: iova ^ 0x1000, length: Math.min(length, 0x1000 - (iova % 0x1000)) };
    const rest = length - first.length;
    return { pieces: rest > 0 ? [first, { address: 0, length: rest }] : [first], cycles: CYCLES };
  },
  look: (requester, iova, length) => {
    const found = swapping.translate(requester, iova, length, false);
    return 'fault' in found ? undefined : found.pieces;
  },
};

describe('two translations, one behind the other', () => {
  const BASE = 0x100000;

  it('lead each piece on, and take the time of both', () => {
    const both = chained(swapping, linearTranslation(BASE, 0x2000));
    expect(both.translate(0, 0xff0, 0x20, true)).toEqual({
      pieces: [
        { address: BASE + 0x1ff0, length: 0x10 },
        { address: BASE, length: 0x10 },
      ],
      cycles: CYCLES,
    });
    const twice = chained(swapping, swapping);
    expect(twice.translate(0, 0x10, 4, false)).toEqual({
      pieces: [{ address: 0x10, length: 4 }],
      cycles: 2 * CYCLES,
    });
  });

  it('refuse what either refuses', () => {
    const both = chained(swapping, linearTranslation(BASE, 0x1000));
    expect(both.translate(0, 0x3000, 4, true)).toEqual({ fault: 'blocked', cycles: CYCLES });
    expect(both.translate(0, 0x10, 4, true)).toEqual({ fault: 'master-abort', cycles: CYCLES });
  });
});
