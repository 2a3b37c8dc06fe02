/** The ports of a VGA in text mode (IBM PS/2 Hardware Technical Reference, video subsystem). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_CPU } from '../../../../src/machine/bus';
import { VgaText } from '../../../../src/machine/devices/vga-text';

const CYCLES_PER_SECOND = 2_900_000_000;

function setUp(start = 0) {
  let time = start;
  const vga = new VgaText({ now: () => time, cyclesPerSecond: CYCLES_PER_SECOND });
  return {
    vga,
    setTime: (to: number) => void (time = to),
    register: (index: number): number => {
      vga.crtcColour.write(0, 1, index, NO_CPU);
      return vga.crtcColour.read(1, 1, NO_CPU);
    },
    setRegister: (index: number, value: number): void => {
      vga.crtcColour.write(0, 1, index, NO_CPU);
      vga.crtcColour.write(1, 1, value, NO_CPU);
    },
  };
}

describe('the CRT controller', () => {
  it('has the cursor at the first character, where it can be moved and read', () => {
    const { register, setRegister } = setUp();
    expect([register(0x0e), register(0x0f)]).toEqual([0, 0]);
    setRegister(0x0e, 0x07);
    setRegister(0x0f, 0xcf);
    expect((register(0x0e) << 8) | register(0x0f)).toBe(80 * 25 - 1);
  });

  it('takes index and data in one word, and gives the index back', () => {
    const { vga, register } = setUp();
    vga.crtcColour.write(0, 2, 0x420a, NO_CPU);
    expect([vga.crtcColour.read(0, 1, NO_CPU), vga.crtcColour.read(1, 1, NO_CPU)]).toEqual([0x0a, 0x42]);
    expect(vga.crtcColour.read(0, 2, NO_CPU)).toBe(0x420a);
    expect(register(0x0a)).toBe(0x42);
  });

  it('protects the timing of the picture, but for the line compare bit', () => {
    const { register, setRegister } = setUp();
    const [total, overflow] = [register(0), register(7)];
    setRegister(0, total ^ 0xff);
    setRegister(7, overflow ^ 0xff);
    expect([register(0), register(7)]).toEqual([total, overflow ^ 0x10]);
    setRegister(0x11, register(0x11) & 0x7f);
    setRegister(0, total ^ 0xff);
    expect(register(0)).toBe(total ^ 0xff);
  });

  it('answers at 3Bx or at 3Dx, as miscellaneous output has it', () => {
    const { vga } = setUp();
    expect(vga.miscRead.read(0, 1, NO_CPU) & 1).toBe(1);
    expect([vga.crtcMono.read(1, 1, NO_CPU), vga.statusMono.read(0, 1, NO_CPU)]).toEqual([0xff, 0xff]);
    vga.crtcColour.write(0, 2, 0x330f, NO_CPU);
    vga.miscWrite.write(0, 1, 0x66, NO_CPU);
    expect([vga.crtcColour.read(1, 1, NO_CPU), vga.statusColour.read(0, 1, NO_CPU)]).toEqual([0xff, 0xff]);
    expect(vga.crtcMono.read(1, 1, NO_CPU)).toBe(0x33);
  });

  it('describes 80 columns and 25 rows of 16 lines', () => {
    const { register } = setUp();
    expect(register(0x01) + 1).toBe(80);
    const lines = 1 + register(0x12) + ((register(7) & 2) << 7) + ((register(7) & 0x40) << 3);
    expect(lines / ((register(9) & 31) + 1)).toBe(25);
  });
});

describe('the status', () => {
  it('tells of a retrace 70 times a second, whatever the pace of reading', () => {
    const { vga, setTime } = setUp();
    let retraces = 0;
    let before = 0;
    const step = Math.floor(CYCLES_PER_SECOND / 40_000); // 25 us: the retrace is 64 us long
    for (let time = 0; time < CYCLES_PER_SECOND; time += step) {
      setTime(time);
      const now = vga.statusColour.read(0, 1, NO_CPU) & 8;
      if (now !== 0 && before === 0) retraces += 1;
      if (now !== 0) expect(vga.statusColour.read(0, 1, NO_CPU) & 1).toBe(1);
      before = now;
    }
    expect(retraces).toBe(70);
  });

  it('is blank for a fifth of every line that is shown', () => {
    const { vga, setTime } = setUp();
    const line = CYCLES_PER_SECOND / (28_322_000 / 900);
    let blank = 0;
    for (let i = 0; i < 100; i++) {
      setTime(Math.floor((line * (i + 0.5)) / 100));
      blank += vga.statusColour.read(0, 1, NO_CPU) & 1;
    }
    expect(blank).toBe(20);
  });
});

describe('the adapter', () => {
  it('survives any accesses, and goes on identically after save and load', () => {
    const parts = ['crtcMono', 'crtcColour', 'statusMono', 'statusColour', 'miscWrite', 'miscRead'] as const;
    const access = fc.record({
      part: fc.constantFrom(...parts),
      offset: fc.integer({ min: 0, max: 1 }),
      value: fc.integer({ min: 0, max: 0xffff }),
      size: fc.constantFrom(1 as const, 2 as const),
      write: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(access), fc.array(access), (before, after) => {
        const apply = (vga: VgaText, list: typeof before): number[] =>
          list.map(({ part, offset, value, size, write }) => {
            if (write) vga[part].write(offset, size, value, NO_CPU);
            return vga[part].read(offset, size, NO_CPU);
          });
        const one = setUp().vga;
        apply(one, before);
        const other = setUp().vga;
        other.load(one.save());
        expect(apply(other, after)).toEqual(apply(one, after));
      }),
      { seed: 7 },
    );
  });
});
