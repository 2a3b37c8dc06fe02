/** Values at the entry of a function, by call sites laid out by hand (DWARF 5, 2.5.1.7 and 3.4). */
import { describe, expect, it } from 'vitest';
import type { CallSite, DebugFunction, DebugInfo } from '../../../src/guest/dwarf/model';
import { X86_64 } from '../../../src/debug/frames/architecture';
import { entryValue, type EnteredFrame } from '../../../src/debug/frames/entry-value';
import { fakeDebug, fakeProgram } from './fake-program';

const [RDI, RSI] = [Uint8Array.of(0x55), Uint8Array.of(0x54)];
const [MAIN, FIRST, SECOND, THIRD] = [0x1000n, 0x2000n, 0x3000n, 0x4000n];
const RETURN = 0x1010n;
const unit = {
  addressSize: 8,
  offsetSize: 4,
  bias: 0n,
  address: () => 0n,
  baseType: () => undefined,
  variable: () => undefined,
} as const;

type Parameters = readonly (readonly [location: Uint8Array, value: readonly number[]])[];

function site(returnAddress: bigint, callee: bigint | undefined, parameters: Parameters): CallSite {
  return {
    returnAddress,
    target: callee === undefined ? undefined : { kind: 'address', address: callee },
    isTail: returnAddress !== RETURN,
    parameters: parameters.map(([location, value]) => ({ location, value: Uint8Array.from(value) })),
    unit,
  };
}

/** RDI at the entry of the function at `entered`, which `main` or a function that it called has entered. */
function ask(sites: Readonly<Record<string, readonly CallSite[]>>, entered: bigint): bigint {
  const [main] = fakeDebug([], []).functionsNamed('main');
  const functions = new Map(
    [MAIN, FIRST, SECOND, THIRD].map((entry): [bigint, DebugFunction] => [
      entry,
      {
        ...main,
        entry,
        callSite: (at) => sites[String(entry)]?.find(({ returnAddress }) => returnAddress === at),
        tailCalls: sites[String(entry)]?.filter(({ isTail }) => isTail) ?? [],
      },
    ]),
  );
  const debug: DebugInfo = { ...fakeDebug([], []), functionAt: (pc) => functions.get(pc) };
  const program = fakeProgram([], { debug });
  const none = (): never => {
    throw new Error('not asked for');
  };
  const frame = (entry: bigint, pc: bigint, above: EnteredFrame | undefined): EnteredFrame => ({
    architecture: X86_64,
    program,
    pc,
    lookupPc: pc,
    isExact: above !== undefined,
    function: functions.get(entry),
    above,
    register: (number) => BigInt(0x100 + number),
    readMemory: () => new Uint8Array(),
    frameBase: none,
    cfa: none,
    entryValue: none,
  });
  return entryValue(RDI, frame(entered, entered, frame(MAIN, RETURN, undefined)));
}

const call = site(RETURN, FIRST, [
  [RDI, [0x08, 7]],
  [RSI, [0x73, 1]], // RBX + 1
]);
/** A jump that hands its second argument on as the first. */
const jump = (returnAddress: bigint, to: bigint | undefined): CallSite =>
  site(returnAddress, to, [[RDI, [0xa3, 1, 0x54]]]);

describe('a value at the entry', () => {
  it('is what the call site says, worked out in the caller', () => {
    expect(ask({ [String(MAIN)]: [call] }, FIRST)).toBe(7n);
  });

  it('goes through a function that ended with a jump, and is not that of the call that is on the stack', () => {
    expect(ask({ [String(MAIN)]: [call], [String(FIRST)]: [jump(0x2010n, SECOND)] }, SECOND)).toBe(0x104n);
  });

  it('is known where all ways end with the same jump, as far as that tells', () => {
    const last = site(0x3010n, THIRD, [[RDI, [0x08, 9]]]);
    const sites = {
      [String(MAIN)]: [call],
      [String(FIRST)]: [jump(0x2010n, SECOND), jump(0x2020n, SECOND)],
      [String(SECOND)]: [last],
    };
    expect(ask(sites, THIRD)).toBe(9n);
    expect(() => ask({ ...sites, [String(SECOND)]: [jump(0x3010n, THIRD)] }, THIRD)).toThrow(/optimised out/);
  });

  it.each<[string, Readonly<Record<string, readonly CallSite[]>>]>([
    ['the call leads elsewhere', { [String(MAIN)]: [call] }],
    [
      'two jumps lead there',
      { [String(MAIN)]: [call], [String(FIRST)]: [jump(0x2010n, SECOND), jump(0x2020n, SECOND)] },
    ],
    [
      'a jump leads nobody knows where',
      { [String(MAIN)]: [call], [String(FIRST)]: [jump(0x2010n, SECOND), jump(0x2020n, undefined)] },
    ],
    [
      'the function may jump to itself',
      {
        [String(MAIN)]: [call],
        [String(FIRST)]: [jump(0x2010n, SECOND)],
        [String(SECOND)]: [jump(0x3010n, SECOND)],
      },
    ],
    [
      'functions jump in a circle',
      {
        [String(MAIN)]: [call],
        [String(FIRST)]: [jump(0x2010n, THIRD)],
        [String(THIRD)]: [jump(0x4010n, FIRST)],
      },
    ],
    [
      'the value was in a register that callees need not keep',
      { [String(MAIN)]: [call], [String(FIRST)]: [site(0x2010n, SECOND, [[RDI, [0x75, 0]]])] },
    ],
  ])('is not known where %s', (_, sites) => {
    expect(() => ask(sites, SECOND)).toThrow(/optimised out/);
  });
});
