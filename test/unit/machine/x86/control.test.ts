/** Control registers and MSRs: what they refuse, and what they do (SDM vol. 3, 2.5; vol. 2; vol. 4). */
import { describe, expect, it } from 'vitest';
import type { CpuHardware } from '../../../../src/machine/x86/types';
import { CODE, STACK, type Bench } from './harness';
import { alter, modeBench, untilHandler, type Entry } from './mode-bench';
import { GP, HLT, LONG, NONE, PROTECTED, UD, USER, outcome } from './outcome';
import { le } from './system-bench';

const DATA = 0x30000;
const [PG, CD, NW, WP, PE] = [1n << 31n, 1n << 30n, 1n << 29n, 1n << 16n, 1n];
const TO_CR = (cr: number): number[] => [...(cr === 8 ? [0x44] : []), 0x0f, 0x22, 0xc0 | ((cr & 7) << 3)];
const FROM_CR = (cr: number): number[] => [...(cr === 8 ? [0x44] : []), 0x0f, 0x20, 0xc0 | ((cr & 7) << 3)];
const [RDMSR, WRMSR] = [
  [0x0f, 0x32],
  [0x0f, 0x30],
];
const EFER = 0xc0000080;

/** RAX is written to a control register: which exception comes, and that nothing changes by a refused one. */
function write(
  cr: number,
  value: bigint,
  entry: Entry,
  change?: (b: Bench, state: CpuHardware) => void,
): number {
  const { b, vector, before } = outcome(TO_CR(cr), entry, value, change);
  if (vector !== NONE) {
    expect(b.cpu.save().hardware.control).toEqual(before.control);
    expect(b.cpu.save().hardware.msrs).toEqual(before.msrs);
    expect(b.cpu.save().hardware.pdptes).toEqual(before.pdptes);
  }
  return vector;
}

const LONG_CR0 = PG | PE | 0x10n;
const LME = (_: Bench, state: CpuHardware): void => {
  state.msrs[0] |= 0x100n;
};
const PAE = (_: Bench, state: CpuHardware): void => {
  state.control[3] |= 0x20n;
};
const both = (b: Bench, state: CpuHardware): void => {
  LME(b, state);
  PAE(b, state);
};

describe('control registers refuse with #GP(0)', () => {
  const CASES: [
    what: string,
    cr: number,
    value: bigint,
    entry: Entry,
    vector: number,
    change?: typeof LME,
  ][] = [
    ['CR0.PG without PE', 0, PG, LONG, GP],
    ['CR0.NW without CD', 0, LONG_CR0 | NW, LONG, GP],
    ['CR0.NW with CD', 0, LONG_CR0 | NW | CD, LONG, NONE],
    ['upper bits of CR0', 0, LONG_CR0 | (1n << 32n), LONG, GP],
    ['reserved lower bits of CR0: never', 0, LONG_CR0 | (1n << 6n) | (1n << 17n) | WP, LONG, NONE],
    ['an end of paging in 64-bit code', 0, PE, LONG, GP],
    ['paging with LME and without PAE', 0, PG | PE, PROTECTED, GP, LME],
    [
      'paging with LME in code with L set',
      ...([0, PG | PE, PROTECTED, GP] as const),
      (b, state) => {
        both(b, state);
        state.segments[7] |= 0x2000n;
        state.segments[7] &= ~0x4000n;
      },
    ],
    [
      'paging with LME and a 16-bit TSS',
      ...([0, PG | PE, PROTECTED, GP] as const),
      (b, state) => {
        both(b, state);
        state.segments[31] = 0x83n;
      },
    ],
    ['CR0 at CPL 3', 0, LONG_CR0, USER, GP],
    ['bits of CR3 beyond the physical width', 3, 0x1000n | (1n << 46n), LONG, GP],
    ['bit 63 of CR3 without PCIDE', 3, 0x1000n | (1n << 63n), LONG, GP],
    [
      'bit 63 of CR3 with PCIDE: never',
      3,
      0x1000n | (1n << 63n),
      LONG,
      NONE,
      (_, s) => void (s.control[3] |= 0x20000n),
    ],
    ['CR4 without PAE under IA-32e', 4, 0n, LONG, GP],
    ['reserved bits of CR4', 4, 0x20n | (1n << 31n), LONG, GP],
    ['LA57, which CPUID does not tell of', 4, 0x20n | (1n << 12n), LONG, GP],
    ['PCIDE outside IA-32e', 4, 0x20000n, PROTECTED, GP],
    ['PCIDE', 4, 0x20020n, LONG, NONE],
    ['PCIDE while CR3 has a PCID', 4, 0x20020n, LONG, GP, (_, s) => void (s.control[2] |= 8n)],
    ['CR8 beyond 15', 8, 16n, LONG, GP],
    ['CR8', 8, 15n, LONG, NONE],
    ['CR8 at CPL 3', 8, 1n, USER, GP],
  ];
  it.each(CASES)('%s', (_, cr, value, entry, vector, change) => {
    expect(write(cr, value, entry, change)).toBe(vector);
  });

  it('knows CR0, CR2, CR3, CR4 and CR8 only', () => {
    expect([1, 5, 6, 7].map((cr) => outcome(TO_CR(cr), LONG).vector)).toEqual([UD, UD, UD, UD]);
    expect(outcome(FROM_CR(1), LONG).vector).toBe(UD);
  });

  it('keeps ET, takes PWT and PCD of CR3, and drops bit 63 under PCIDE', () => {
    expect(outcome(TO_CR(0), LONG, PG | PE).b.cpu.save().hardware.control[0]).toBe(LONG_CR0);
    expect(outcome(TO_CR(3), LONG, 0x1018n).b.cpu.save().hardware.control[2]).toBe(0x1018n);
    const { b } = outcome(TO_CR(3), LONG, (1n << 63n) | 0x1003n, (_, s) => void (s.control[3] |= 0x20000n));
    expect(b.cpu.save().hardware.control[2]).toBe(0x1003n);
  });

  it('sets LMA with paging, and clears it with paging in compatibility code', () => {
    const { b } = outcome(TO_CR(0), PROTECTED, PG | PE, (bench, state) => {
      both(bench, state);
      state.control[2] = 0x1000n;
    });
    expect([b.cpu.mode(), b.cpu.save().hardware.msrs[0]]).toEqual(['compatibility', 0x500n]);
    const off = outcome(TO_CR(0), { mode: 'compatibility' }, PE).b;
    expect([off.cpu.mode(), off.cpu.save().hardware.msrs[0] & 0x500n]).toEqual(['protected', 0x100n]);
  });
});

describe('PAE paging loads its four top entries', () => {
  const TABLE = 0x8020; // aligned to 32 bytes
  const enable = (entries: bigint[]): ReturnType<typeof outcome> & { entries: bigint[] } => {
    const run = outcome(TO_CR(0), PROTECTED, PG | PE, (b, state) => {
      PAE(b, state);
      state.control[2] = BigInt(TABLE) | 0x18n;
      b.poke(TABLE, ...entries);
    });
    return { ...run, entries: [...run.b.cpu.save().hardware.pdptes] };
  };
  const LOW = 0x3001n;
  it('with MOV to CR0, and keeps them whatever is stored later', () => {
    const good = [LOW, 0xff9n & 0xe19n, 6n, 0n]; // of an absent one all bits but P are ignored
    const { b, vector, entries } = enable(good);
    expect([vector, entries]).toEqual([NONE, good]);
    b.poke(TABLE, 0n);
    b.cpu.setRip(BigInt(CODE));
    b.cpu.setReg(0, BigInt(PG | PE | WP));
    expect(untilHandler(b, 10)).toBe(NONE);
    expect(b.cpu.save().hardware.pdptes[0]).toBe(LOW);
  });
  it.each([2n, 4n, 0x20n, 0x40n, 0x80n, 0x100n, 1n << 46n, 1n << 52n, 1n << 63n])(
    '#GP(0) for reserved bit %s',
    (bit) => {
      const { vector, entries } = enable([LOW, LOW, LOW, LOW | bit]);
      expect([vector, entries]).toEqual([GP, [0n, 0n, 0n, 0n]]);
    },
  );
  it('again with MOV to CR3 and with a change of CR4.PGE, not of CR4.TSD', () => {
    const after = (code: number[], rax: bigint): bigint => {
      const b = modeBench([...code, HLT], PROTECTED);
      alter(b, (state) => {
        state.control.set([PG | PE | 0x10n, 0n, BigInt(TABLE), 0x20n]);
        state.pdptes.set([LOW, 0n, 0n, 0n]);
      });
      b.poke(TABLE, LOW, 0n, 0n, 0x3001n);
      b.cpu.setReg(0, rax);
      expect(untilHandler(b, 10)).toBe(NONE);
      return b.cpu.save().hardware.pdptes[3];
    };
    expect(after(TO_CR(3), BigInt(TABLE))).toBe(0x3001n);
    expect(after(TO_CR(4), 0xa0n)).toBe(0x3001n);
    expect(after(TO_CR(4), 0x24n)).toBe(0n);
  });
});

describe('MSRs', () => {
  /** WRMSR, then RDMSR: the value read, or the vector of the exception. */
  const through = (msr: number, value: bigint): bigint | number => {
    const b = modeBench([...WRMSR, 0x31, 0xc0, 0x31, 0xd2, ...RDMSR, HLT], LONG);
    b.cpu.setReg(1, BigInt(msr));
    b.cpu.setReg(0, value & 0xffffffffn);
    b.cpu.setReg(2, value >> 32n);
    const vector = untilHandler(b, 10);
    return vector === NONE ? (b.cpu.getReg(2) << 32n) | b.cpu.getReg(0) : vector;
  };
  const HIGH = 0xffff800000001234n;
  const BAD = 0x0000800000000000n;
  it.each([0x175, 0x176, 0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102])(
    '%i holds canonical addresses',
    (msr) => {
      expect([through(msr, HIGH), through(msr, BAD)]).toEqual([HIGH, GP]);
    },
  );
  it('of other shapes', () => {
    expect(through(0x174, 0x1_0000_0013n)).toBe(0x13n);
    expect(through(0x277, 0x0007040600070406n)).toBe(0x0007040600070406n);
    for (const type of [2n, 3n, 8n, 0x80n]) expect(through(0x277, type << 56n)).toBe(GP);
    expect([through(0xc0000103, 0xffffffffn), through(0xc0000103, 1n << 32n)]).toEqual([0xffffffffn, GP]);
    expect([through(0xc0000084, 0x47700n), through(0xc0000084, 1n << 32n)]).toEqual([0x47700n, GP]);
    expect(through(0xc0000081, 0x23001000000000n)).toBe(0x23001000000000n);
  });
  it('EFER takes SCE and NXE, ignores LMA, and refuses LME under paging and reserved bits', () => {
    expect(through(EFER, 0xd01n)).toBe(0xd01n);
    expect(through(EFER, 0x901n)).toBe(0xd01n);
    expect([through(EFER, 0xc01n), through(EFER, 0xd02n), through(EFER, 0x1d01n)]).toEqual([GP, GP, GP]);
  });
  it('the counter, its adjustment, and RDTSCP go together', () => {
    const b = modeBench([...WRMSR, 0x0f, 0x01, 0xf9, HLT], LONG); // wrmsr; rdtscp
    alter(b, (state) => void (state.msrs[6] = 0x77n));
    b.cpu.setReg(1, 0x3bn);
    b.cpu.setReg(0, 0x500000n);
    b.cpu.setReg(2, 0n);
    b.cpu.run(1);
    const at = b.cpu.now();
    b.cpu.run(at + 1);
    expect([b.cpu.getReg(0), b.cpu.getReg(1)]).toEqual([0x500000n + BigInt(at), 0x77n]);
    // IA32_TSC: what it is set ahead by shows in the adjustment.
    const c = modeBench([...WRMSR, HLT], LONG);
    c.cpu.setReg(1, 0x10n);
    c.cpu.setReg(0, 0x1000n);
    c.cpu.setReg(2, 0n);
    untilHandler(c, 5);
    expect(c.cpu.save().hardware.msrs[10]).toBe(0x1000n);
  });
  it('only at CPL 0', () => {
    expect([outcome(RDMSR, USER).vector, outcome(WRMSR, USER).vector]).toEqual([GP, GP]);
    expect(outcome([0x0f, 0x31], USER, 0n, (_, s) => void (s.control[3] |= 4n)).vector).toBe(GP);
  });
});

describe('FS and GS bases', () => {
  const on = (_: Bench, state: CpuHardware): void => {
    state.control[3] |= 0x10000n;
  };
  const WRGSBASE = [0xf3, 0x48, 0x0f, 0xae, 0xd8]; // rax
  it('#UD without CR4.FSGSBASE, any CPL with it, #GP(0) for what is not canonical', () => {
    expect(outcome(WRGSBASE, LONG, 1n).vector).toBe(UD);
    expect(
      outcome([...WRGSBASE, 0xf3, 0x48, 0x0f, 0xae, 0xcb, 0xf4], USER, 0x1234n, on).b.cpu.getReg(3),
    ).toBe(0x1234n);
    expect(outcome(WRGSBASE, LONG, 1n << 47n, on).vector).toBe(GP);
  });
  it('32-bit operands clear the upper half', () => {
    const { b } = outcome([0xf3, 0x0f, 0xae, 0xd0], LONG, 0xffffffff_80000001n, on); // wrfsbase eax
    expect(b.cpu.save().hardware.segments[16]).toBe(0x80000001n);
  });
});

describe('INVPCID', () => {
  const run = (type: bigint, low: bigint, high: bigint, entry = LONG, pcide = true): number =>
    outcome([0x66, 0x0f, 0x38, 0x82, 0x04, 0x25, ...le(DATA)], entry, type, (b, state) => {
      if (pcide) state.control[3] |= 0x20000n;
      b.poke(DATA, low, high);
    }).vector;
  it('checks its type, the PCID and, for one address, that it is canonical', () => {
    expect([0n, 1n, 2n, 3n].map((type) => run(type, 5n, 0x1000n))).toEqual([NONE, NONE, NONE, NONE]);
    expect([run(4n, 0n, 0n), run(1n << 32n, 0n, 0n)]).toEqual([GP, GP]);
    expect([0n, 1n, 2n, 3n].map((type) => run(type, 0x1000n, 0n))).toEqual([GP, GP, GP, GP]);
    expect([0n, 1n, 2n, 3n].map((type) => run(type, 0n, 1n << 47n))).toEqual([GP, NONE, NONE, NONE]);
    expect([0n, 1n, 2n, 3n].map((type) => run(type, 5n, 0n, LONG, false))).toEqual([GP, GP, NONE, NONE]);
    expect(run(0n, 0n, 0n, USER)).toBe(GP);
  });
});

describe('POPF', () => {
  it('leaves VM alone and clears RF', () => {
    const b = modeBench([0x9d], PROTECTED);
    b.poke(STACK, 0x30ad7n);
    b.cpu.run(1);
    expect(b.cpu.rflags() & 0x30000n).toBe(0n);
    expect(b.cpu.rflags()).toBe(0xad7n);
  });
});
