import { describe, expect, it } from 'vitest';
import { Mtrrs } from '../../../../src/machine/x86/mtrr';

const MTRRCAP = 0xfe;
const DEF_TYPE = 0x2ff;
const FIX64K = 0x250;
const PHYSBASE0 = 0x200;
const PHYSMASK7 = 0x20f;

describe('Mtrrs', () => {
  it('are as many as MTRRCAP says', () => {
    const mtrrs = new Mtrrs(false);
    const capabilities = mtrrs.read(MTRRCAP)!;
    const variable = capabilities.low & 0xff;
    expect(capabilities.low >> 8).toBe(0b101); // fixed ranges, write-combining
    for (let index = 0; index < 2 * variable; index++)
      expect(mtrrs.read(PHYSBASE0 + index)).toEqual({ low: 0, high: 0 });
    expect(mtrrs.read(PHYSBASE0 + 2 * variable)).toBeUndefined();
    expect(mtrrs.write(MTRRCAP, 0, 0)).toBe(false);
  });

  it('keep what is written, to the width of a physical address, and refuse reserved bits and types', () => {
    const mtrrs = new Mtrrs(false);
    const cases: [index: number, low: number, high: number, taken: boolean][] = [
      [DEF_TYPE, 0xc06, 0, true],
      [DEF_TYPE, 0xc02, 0, false], // type 2 is reserved
      [DEF_TYPE, 0x1c06, 0, false],
      [DEF_TYPE, 0xc06, 1, false],
      [FIX64K, 0x06060606, 0x05040100, true],
      [FIX64K, 0x06060606, 0x05040300, false],
      [PHYSBASE0, 0xfff00005, 0x3fff, true],
      [PHYSBASE0, 0xfff00005, 0x4000, false], // bit 46
      [PHYSBASE0, 0xfff00105, 0, false],
      [PHYSBASE0, 0xfff00007, 0, false],
      [PHYSMASK7, 0xfff00800, 0xf, true],
      [PHYSMASK7, 0xfff00c00, 0xf, false],
    ];
    for (const [index, low, high, taken] of cases) {
      const before = mtrrs.read(index);
      expect([index, mtrrs.write(index, low, high)]).toEqual([index, taken]);
      expect(mtrrs.read(index)).toEqual(taken ? { low, high } : before);
    }
  });

  it('are disabled at power-up, or as a firmware has left them, and go with a snapshot', () => {
    const bare = new Mtrrs(false);
    const ready = new Mtrrs(true);
    expect([bare.read(DEF_TYPE)!.low, ready.read(DEF_TYPE)!.low]).toEqual([0, 0xc06]);
    expect(ready.read(FIX64K)).toEqual({ low: 0x06060606, high: 0x06060606 });
    bare.write(FIX64K, 0x01010101, 0);
    const other = new Mtrrs(true);
    other.load(structuredClone(bare.save()));
    expect([other.read(DEF_TYPE)!.low, other.read(FIX64K)!.low]).toEqual([0, 0x01010101]);
    other.powerUp();
    expect(other.read(DEF_TYPE)!.low).toBe(0xc06);
  });
});
