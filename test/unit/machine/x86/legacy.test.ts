import { describe, expect, it } from 'vitest';
import { StopReason } from '../../../../src/machine/x86/types';
import { CODE, STACK, type Bench } from './harness';
import { FLAT32, REAL16, benchMode } from './modes-bench';

const CF = 1n;
const AF = 16n;

/** A machine that runs `code` and HLT for a value of EAX, and gives EAX and the flags. */
function machine(code: readonly number[]): (eax: number) => { eax: number; flags: bigint } {
  const b = benchMode([...code, 0xf4], FLAT32);
  return (eax) => {
    b.cpu.setReg(0, BigInt(eax));
    b.cpu.setRip(BigInt(CODE));
    if (b.cpu.run(b.cpu.now() + 1000) !== StopReason.Halted) throw new Error('the program did not halt');
    return { eax: Number(b.cpu.getReg(0)), flags: b.cpu.rflags() };
  };
}

const bcd = (n: number): number => ((n / 10) | 0) * 16 + (n % 10);

describe('decimal arithmetic', () => {
  it('adds and subtracts packed decimals', () => {
    const add = machine([0x00, 0xe0, 0x27]); // add al,ah; daa
    const subtract = machine([0x28, 0xe0, 0x2f]); // sub al,ah; das
    const wanted: unknown[] = [];
    const got: unknown[] = [];
    for (let a = 0; a < 100; a++) {
      for (let b = 0; b < 100; b += 7) {
        const sum = add(bcd(a) | (bcd(b) << 8));
        const difference = subtract(bcd(a) | (bcd(b) << 8));
        got.push([a, b, sum.eax & 255, sum.flags & CF, difference.eax & 255, difference.flags & CF]);
        wanted.push([
          ...[a, b, bcd((a + b) % 100), a + b > 99 ? CF : 0n],
          ...[bcd((a - b + 100) % 100), a < b ? CF : 0n],
        ]);
      }
    }
    expect(got).toEqual(wanted);
  });

  it('adds and subtracts decimal digits, with the carry in AH', () => {
    const add = machine([0x00, 0xd8, 0x37]); // add al,bl; aaa
    const subtract = machine([0x28, 0xd8, 0x3f]); // sub al,bl; aas
    // BL is 0: what AL and BL would have given is put in AL, so that only results without AF are met here…
    for (let digits = 0; digits < 16; digits++) {
      const carries = digits > 9;
      const sum = add(0x0500 | digits);
      expect(sum.eax).toBe(carries ? 0x0600 + digits - 10 : 0x0500 + digits);
      expect(sum.flags & (CF | AF)).toBe(carries ? CF | AF : 0n);
      expect(subtract(0x0500 | digits).eax).toBe(carries ? 0x0400 + digits - 6 : 0x0500 + digits);
    }
    // …and with AF: 9 + 8 = 17, 3 − 8 borrows.
    const addEight = machine([0x04, 8, 0x37]);
    expect(addEight(0x0109).eax).toBe(0x0207);
    const subtractEight = machine([0x2c, 8, 0x3f]);
    expect(subtractEight(0x0103).eax).toBe(0x0005);
  });

  it('splits and joins digits', () => {
    const split = machine([0xd4, 10]); // aam
    const join = machine([0xd5, 10]); // aad
    for (let n = 0; n < 100; n++) {
      expect(split(n).eax).toBe(((n / 10) | 0) * 256 + (n % 10));
      expect(join(((n / 10) | 0) * 256 + (n % 10)).eax).toBe(n);
    }
    expect(machine([0xd4, 16])(0xab).eax).toBe(0x0a0b);
    const b = benchMode([0xd4, 0], FLAT32);
    expect(b.cpu.run(1000)).toBe(StopReason.Shutdown);
    expect(b.cpu.faultReport()?.message).toContain('triple fault: #DE');
  });

  it('fills AL with the carry', () => {
    expect(machine([0xf9, 0xd6])(0x1234).eax).toBe(0x12ff); // stc; salc
    expect(machine([0xf8, 0xd6])(0x1234).eax).toBe(0x1200); // clc; salc
  });
});

describe('instructions of 32- and 16-bit code alone', () => {
  /** lgdt [0x50100]; … ; hlt, with a flat code, a flat data and a data segment based at 0x60000. */
  function withGdt(code: readonly number[]): Bench {
    const b = benchMode([0x0f, 0x01, 0x15, 0x00, 0x01, 0x05, 0x00, ...code, 0xf4], FLAT32);
    b.poke(0x50200, 0n, 0x00cf9b000000ffffn, 0x00cf93000000ffffn, 0x00cf93060000ffffn);
    b.poke(0x50100, (0x50200n << 16n) | 0x1fn);
    return b;
  }

  it('loads far pointers', () => {
    // les ecx,[0x50300]; mov eax,es:[ecx]; mov edx,es; push es; pop fs; mov ebx,fs:[ecx]
    const b = withGdt([
      ...[0xc4, 0x0d, 0x00, 0x03, 0x05, 0x00, 0x26, 0x8b, 0x01],
      ...[0x8c, 0xc2, 0x06, 0x0f, 0xa1, 0x64, 0x8b, 0x19],
    ]);
    b.poke(0x50300, (0x18n << 32n) | 0x44n);
    b.poke(0x60044, 0xcafebaben);
    expect(b.cpu.run(1000), b.cpu.faultReport()?.message).toBe(StopReason.Halted);
    expect([0, 1, 2, 3, 4].map((r) => Number(b.cpu.getReg(r)))).toEqual([
      0xcafebabe,
      0x44,
      0x18,
      0xcafebabe,
      STACK,
    ]);
  });

  it('keeps register and segment when the selector is refused', () => {
    const b = withGdt([0xc4, 0x0d, 0x00, 0x03, 0x05, 0x00]); // les ecx,[0x50300]
    b.poke(0x50300, (0x20n << 32n) | 0x44n); // beyond the GDT
    expect(b.cpu.run(1000)).toBe(StopReason.Shutdown);
    expect(b.cpu.faultReport()?.message).toContain('triple fault: #GP');
    expect(b.cpu.getReg(1)).toBe(0n);
    expect(b.cpu.save().hardware.segments[1]).toBe(16n);
  });

  it('stores and loads table registers with 32-bit bases, or 24 bits by 16-bit operands', () => {
    // sgdt [0x50110]; lgdt (16-bit) [0x50120]; sgdt [0x50130]
    const b = withGdt([
      ...[0x0f, 0x01, 0x05, 0x10, 0x01, 0x05, 0x00, 0x66, 0x0f, 0x01, 0x15, 0x20, 0x01, 0x05, 0x00],
      ...[0x0f, 0x01, 0x05, 0x30, 0x01, 0x05, 0x00],
    ]);
    b.poke(0x50120, 0x12345678abcdn);
    b.poke(0x50110, -1n);
    expect(b.cpu.run(1000)).toBe(StopReason.Halted);
    expect(b.peek(0x50110)).toBe(0xffff_0005_0200_001fn);
    expect(b.peek(0x50130) & 0xffffffffffffn).toBe(0x00345678abcdn);
  });

  it('checks array bounds', () => {
    // mov eax,[0x50308]; bound eax,[0x50300]
    const bound = (index: bigint): string => {
      const b = withGdt([0xa1, 0x08, 0x03, 0x05, 0x00, 0x62, 0x05, 0x00, 0x03, 0x05, 0x00]);
      b.poke(0x50300, (5n << 32n) | 0xfffffffdn, index); // −3 … 5
      const stop = b.cpu.run(1000);
      return stop === StopReason.Halted ? 'inside' : (b.cpu.faultReport()?.message.slice(14, 17) ?? '');
    };
    expect([-4n, -3n, 5n, 6n].map((i) => bound(BigInt.asUintN(32, i)))).toEqual([
      '#BR',
      'inside',
      'inside',
      '#BR',
    ]);
  });

  it('pushes and pops all registers, 16 bits wide', () => {
    // mov ax,0x1111; mov bp,0x2222; pusha; xor ax,ax; xor bp,bp; mov sp,0x7ff0; popa; hlt
    const code = [
      0xb8, 0x11, 0x11, 0xbd, 0x22, 0x22, 0x60, 0x31, 0xc0, 0x31, 0xed, 0xbc, 0xf0, 0x7f, 0x61, 0xf4,
    ];
    const b = benchMode(code, REAL16);
    expect(b.cpu.run(1000)).toBe(StopReason.Halted);
    expect([0, 4, 5].map((r) => b.cpu.getReg(r))).toEqual([0x1111n, 0x8000n, 0x2222n]);
    // SP as it was before, between BX and BP: 0x8000 − 10
    expect(b.peek(0x87ff6) & 0xffffn).toBe(0x8000n);
  });
});

describe('FNINIT', () => {
  it('does nothing where there is no x87 unit, and is #NM under CR0.EM and CR0.TS', () => {
    const FNINIT = [0xdb, 0xe3];
    for (const [bits, faults] of [
      [0n, false],
      [4n, true],
      [8n, true],
    ] as const) {
      const b = benchMode([...FNINIT, 0xf4], FLAT32);
      b.cpu.writeControl(0, b.cpu.readControl(0) | bits);
      const stopped = b.cpu.run(b.cpu.now() + 1000);
      expect(stopped).toBe(faults ? StopReason.Shutdown : StopReason.Halted);
      if (faults) expect(b.cpu.faultReport()?.message).toContain('#NM');
    }
  });
});
