/** Stacks without a compiler's help: guesses, interrupts, damage. What is expected follows from the stack laid out by hand. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_ACTIVATIONS } from '../../../src/debug/frames/activation';
import { stackOf } from '../../../src/debug/frames/frame';
import { FrameTable } from '../../../src/guest/dwarf/frame';
import { CODE, FakeMachine, fakeProgram } from './fake-program';

const STACK = 0x200000n;
const [RBX, RBP, RSP, RIP, RFLAGS, CS, SS] = [3, 6, 7, 16, 49, 51, 52];
const PUSH_RBP = 0x55;
const CALL = [0xe8, 0, 0, 0, 0];
const IRETQ = [0x48, 0xcf];

/** Three functions, each of 256 bytes, that begin with `push %rbp` and have a CALL before byte 0x20. */
const outer = CODE + 0x1000n;
const middle = CODE + 0x2000n;
const leaf = CODE + 0x3000n;
const handler = CODE + 0x4000n;
const symbols = [
  ['outer', outer, 0x100n],
  ['middle', middle, 0x100n],
  ['leaf', leaf, 0x100n],
  ['handler', handler, 0x100n],
] as const;

function machine(): FakeMachine {
  const made = new FakeMachine().map(CODE, 0x8000).map(STACK, 0x4000);
  for (const [, address] of symbols) {
    made.code(address, PUSH_RBP, 0x48, 0x89, 0xe5);
    made.code(address + 0x1bn, ...CALL);
  }
  made.registers.set(CS, 8n).set(SS, 0x10n).set(RFLAGS, 2n);
  return made;
}

const names = (of: FakeMachine, program = fakeProgram(symbols)): unknown[] =>
  stackOf(program, of).map(({ name, kind }) => [name, kind]);

describe('a stack without call frame information', () => {
  /** middle has called leaf; both have their frames. */
  function chain(): FakeMachine {
    const made = machine();
    made.words(STACK + 0x100n, STACK + 0x200n, middle + 0x20n); // leaf's RBP and return address
    made.words(STACK + 0x200n, 0n, outer + 0x20n);
    made.registers
      .set(RBP, STACK + 0x100n)
      .set(RSP, STACK + 0xe0n)
      .set(RIP, leaf + 0x40n);
    return made;
  }

  it('goes by frame pointers, says that it guesses, and ends at RBP = 0', () => {
    expect(names(chain())).toEqual([
      ['leaf', 'normal'],
      ['middle', 'guessed'],
      ['outer', 'guessed'],
    ]);
    const frames = stackOf(fakeProgram(symbols), chain());
    expect(frames[1].pc).toBe(middle + 0x20n);
    expect(frames[1].callPc).toBe(middle + 0x1fn);
    expect(frames[1].activation.register(RSP)).toBe(STACK + 0x110n);
    expect(frames[0].cfa).toBe(STACK + 0x110n);
  });

  it('reads the return address at RSP where a function has just been entered, has pushed, or is about to return', () => {
    for (const [pc, sp] of [
      [leaf, STACK + 0xf8n],
      [leaf + 1n, STACK + 0xf0n],
      [leaf + 0x50n, STACK + 0xf8n],
    ]) {
      const made = chain();
      made.code(leaf + 0x50n, 0xc3);
      made.words(STACK + 0xf0n, STACK + 0x200n, middle + 0x20n);
      made.registers
        .set(RBP, STACK + 0x200n)
        .set(RSP, sp)
        .set(RIP, pc);
      expect(names(made), pc.toString(16)).toEqual([
        ['leaf', 'normal'],
        ['middle', 'guessed'],
        ['outer', 'guessed'],
      ]);
    }
  });

  it('finds the caller of a leaf without a frame, and of a call through NULL', () => {
    const made = chain();
    made.code(leaf, 0x90, 0x90);
    made.words(STACK + 0xe0n, middle + 0x20n);
    made.registers.set(RBP, STACK + 0x200n);
    expect(names(made).slice(0, 2)).toEqual([
      ['leaf', 'normal'],
      ['middle', 'guessed'],
    ]);
    made.registers.set(RIP, 0n);
    expect(names(made).slice(0, 2)).toEqual([
      [undefined, 'normal'],
      ['middle', 'guessed'],
    ]);
  });

  it('ends where frame pointers go in a circle, and where they lead to nothing', () => {
    const circle = chain();
    circle.words(STACK + 0x200n, STACK + 0x100n, outer + 0x20n);
    expect(names(circle).length).toBeLessThan(10);
    const wild = chain();
    wild.registers.set(RBP, 0x123456789n);
    expect(names(wild)).toEqual([['leaf', 'normal']]);
  });

  it('is no deeper than its limit', () => {
    const made = machine().map(0x400000n, 0x10000);
    for (let i = 0; i < 2000; i++)
      made.words(0x400000n + BigInt(16 * i), 0x400000n + BigInt(16 * (i + 1)), middle + 0x20n);
    made.registers
      .set(RBP, 0x400000n)
      .set(RSP, 0x400000n)
      .set(RIP, leaf + 0x40n);
    expect(names(made)).toHaveLength(MAX_ACTIVATIONS);
    expect(stackOf(fakeProgram(symbols), made, 7)).toHaveLength(7);
  });
});

describe('an interrupt', () => {
  const interruptedAt = middle + 0x80n;

  /** The processor has pushed at `top`, downwards; middle was interrupted there, called by outer. */
  function taken(errorCode: boolean): { made: FakeMachine; base: bigint } {
    const made = machine();
    made.code(handler + 0x60n, ...IRETQ);
    made.words(STACK + 0x300n, 0n, outer + 0x20n); // middle's RBP
    const base = STACK + 0x200n;
    made.words(base, interruptedAt, 8n, 0x246n, STACK + 0x2e0n, 0x10n);
    made.registers
      .set(RBP, STACK + 0x300n)
      .set(RIP, handler + 0x40n)
      .set(RBX, 77n);
    if (errorCode) made.words(base - 8n, 14n);
    return { made, base };
  }

  it.each([false, true])(
    'is found on the stack of a stub without call frame information (error code: %s)',
    (errorCode) => {
      const { made, base } = taken(errorCode);
      made.registers.set(RSP, base - 64n);
      const frames = stackOf(fakeProgram(symbols), made);
      expect(frames.map(({ name, kind }) => [name, kind])).toEqual([
        ['handler', 'interrupt'],
        ['middle', 'guessed'],
        ['outer', 'guessed'],
      ]);
      expect(frames[0].hardwareFrame).toBe(base);
      const { activation, callPc } = frames[1];
      expect(callPc).toBe(interruptedAt); // not a call: no byte less
      expect([RSP, RFLAGS, CS, SS].map((each) => activation.register(each))).toEqual([
        STACK + 0x2e0n,
        0x246n,
        8n,
        0x10n,
      ]);
    },
  );

  it.each([
    ['a selector of no segment', 1, 0x13371337n],
    ['RFLAGS without bit 1', 2, 0x244n],
    ['RFLAGS with a reserved bit', 2, 0x400246n],
    ['an address that is no code', 0, 0x5000n],
  ])('is none with %s', (_what, index, value) => {
    const { made, base } = taken(false);
    made.words(base + BigInt(8 * index), value);
    made.registers.set(RSP, base);
    expect(stackOf(fakeProgram(symbols), made)[0].kind).toBe('normal');
  });

  /** Call frame information of `handler` as compilers write it: CFA = RSP + offset, the return address below. */
  const rules = (offset: number, saved: readonly number[] = []): FrameTable => {
    const address = (value: bigint): number[] => [...new Uint8Array(new BigUint64Array([value]).buffer)];
    const entry = (bytes: number[]): number[] => [bytes.length, 0, 0, 0, ...bytes];
    const common = entry([255, 255, 255, 255, 4, 0, 8, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1]);
    const description = entry([0, 0, 0, 0, ...address(handler), ...address(256n), 0x0e, offset, ...saved]);
    const bytes = Uint8Array.from([...common, ...description]);
    return FrameTable.parse([{ bytes, address: 0n, kind: 'debug_frame' }], 8);
  };

  it('is found where a C function has __attribute__((interrupt)), as GCC and Clang describe it', () => {
    const { made, base } = taken(true);
    made.words(base - 24n, 0x55n);
    made.registers.set(RSP, base - 32n);
    // GCC counts the error code, Clang neither it nor the word that aligns the stack.
    for (const offset of [40, 32, 24]) {
      // RBX is saved at RSP + 8, which is CFA - offset + 8.
      const program = fakeProgram(symbols, { frames: rules(offset, [0x83, (offset - 8) / 8]) });
      const frames = stackOf(program, made);
      expect(frames[0].kind, String(offset)).toBe('interrupt');
      expect(frames[0].hardwareFrame).toBe(base);
      expect(frames[1].pc).toBe(interruptedAt);
      expect(frames[1].activation.register(RBX)).toBe(0x55n);
    }
  });

  it('is none in a function that returns by RET, whatever lies on the stack', () => {
    const { made, base } = taken(false);
    made.code(handler + 0x60n, 0x90, 0x90);
    made.registers.set(RSP, base);
    expect(stackOf(fakeProgram(symbols, { frames: rules(8) }), made)[0].kind).toBe('normal');
  });
});

it('never crashes on any stack', () => {
  fc.assert(
    fc.property(
      fc.array(fc.bigInt({ min: 0n, max: 0x210000n }), { minLength: 4, maxLength: 64 }),
      fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), { minLength: 17, maxLength: 17 }),
      fc.uint8Array({ minLength: 512, maxLength: 512 }),
      fc.boolean(),
      (words, registers, code, isNear) => {
        const made = new FakeMachine().map(CODE, 0x8000).map(STACK, 0x4000);
        made.code(leaf, ...code);
        made.words(STACK, ...words);
        registers.forEach((value, number) => made.registers.set(number, value));
        if (isNear)
          made.registers
            .set(RSP, STACK)
            .set(RBP, STACK + 16n)
            .set(RIP, leaf + 5n);
        expect(stackOf(fakeProgram(symbols), made).length).toBeLessThanOrEqual(MAX_ACTIVATIONS);
      },
    ),
    { numRuns: 500 },
  );
});
