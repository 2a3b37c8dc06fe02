/** The processor this test runs on is the oracle: the same bytes run on it and in the vCPU, and must end alike. */
import { expect, it } from 'vitest';
import { StopReason } from '../../src/machine/x86/types';
import { bench, type Bench } from '../unit/machine/x86/harness';
import {
  CODES,
  FLAG_STACK,
  OUT,
  OUT_FLAGS,
  SCRATCH,
  STATE,
  STATE_BYTES,
  generateTests,
  type OracleTest,
} from './native-oracle/generate';
import { runNative, whyNoOracle, wrap, type NativeResult } from './native-oracle/native';

const STATE_PHYSICAL = 0x200000;
const BLOB_PHYSICAL = 0x300000;
const HLT = 0x8000;
const STACK = 0x90000;
const SIGFPE = 8;
const REGISTERS = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
];

function machine(fastPaths: boolean): Bench {
  const b = bench([0xf4], {}, fastPaths);
  // The state block lies where the native program has it; the code is position-independent.
  b.poke(0x3000 + (STATE >> 21) * 8, BigInt(STATE_PHYSICAL) | 0x87n);
  b.machine.memory.write(HLT, Uint8Array.of(0xf4));
  return b;
}

/** Runs one test in the vCPU; returns the state block, or undefined after a fault. */
function runVirtual(b: Bench, test: OracleTest): { stop: StopReason; state: Uint8Array; report: string } {
  const { memory } = b.machine;
  memory.write(STATE_PHYSICAL, test.state);
  memory.write(BLOB_PHYSICAL, wrap(test.code));
  b.poke(STACK, BigInt(HLT));
  b.cpu.startLongMode(BigInt(BLOB_PHYSICAL), BigInt(STACK), 0x1000);
  const stop = b.cpu.run(b.cpu.now() + 100_000);
  return {
    stop,
    state: memory.read(STATE_PHYSICAL, STATE_BYTES),
    report: b.cpu.faultReport()?.message ?? '',
  };
}

function difference(test: OracleTest, native: NativeResult, b: Bench): string | undefined {
  const { stop, state, report } = runVirtual(b, test);
  const faulted = stop === StopReason.Shutdown;
  if (native.signal === SIGFPE || faulted) {
    const same = native.signal === SIGFPE && faulted && report.includes('#DE');
    return same ? undefined : `signal ${native.signal}, vCPU stop ${stop} ${report}`;
  }
  if (native.signal !== 0 || stop !== StopReason.Halted)
    return `signal ${native.signal}, stop ${stop} ${report}`;
  const mine = new DataView(state.buffer);
  const theirs = new DataView(native.state.buffer);
  const wrong: string[] = [];
  const compare = (name: string, at: number, mask: bigint): void => {
    const a = theirs.getBigUint64(at, true) & mask;
    const v = mine.getBigUint64(at, true) & mask;
    if (a !== v) wrong.push(`${name}: processor ${a.toString(16)}, vCPU ${v.toString(16)}`);
  };
  REGISTERS.forEach((name, r) => compare(name, OUT + r * 8, ~0n & ((1n << 64n) - 1n)));
  compare('flags', OUT_FLAGS, BigInt(test.defined));
  for (let at = SCRATCH; at < FLAG_STACK - 64; at += 8)
    compare(`memory+${at.toString(16)}`, at, (1n << 64n) - 1n);
  if (wrong.length === 0) return undefined;
  const before = new DataView(test.state.buffer);
  const registers = REGISTERS.map((n, r) => `${n}=${before.getBigUint64(r * 8, true).toString(16)}`).join(
    ' ',
  );
  return `${wrong.join('\n  ')}\n  before: ${registers} flags=${before.getUint32(0x80, true).toString(16)}`;
}

/**
 * The tests and the processor's answers, once for both ways through the vCPU. TRAPLINE_ORACLE_TESTS asks for more,
 * TRAPLINE_ORACLE_SEED for others.
 */
const asked = (() => {
  let done: { tests: OracleTest[]; native: NativeResult[] } | undefined;
  return () => {
    if (!done) {
      const count = Number(process.env.TRAPLINE_ORACLE_TESTS ?? 3 * CODES.length);
      const tests = generateTests(Number(process.env.TRAPLINE_ORACLE_SEED ?? 20240607), count);
      done = { tests, native: runNative(tests) };
    }
    return done;
  };
})();

it.for([
  ['general paths', false],
  ['fast paths', true],
] as const)('agrees with this processor on random integer code: %s', ([, fastPaths], { skip }) => {
  const reason = whyNoOracle();
  if (reason !== undefined) return skip(reason);
  const { tests, native } = asked();
  const b = machine(fastPaths);
  const failures = tests.flatMap((test, i) => {
    const text = difference(test, native[i], b);
    return text === undefined ? [] : [`#${i} ${test.text}\n  ${text}`];
  });
  expect(failures.slice(0, 12).join('\n'), `${failures.length} of ${tests.length} differ`).toBe('');
  expect(native.filter((r) => r.signal === 0).length).toBeGreaterThan(tests.length * 0.85);
});
