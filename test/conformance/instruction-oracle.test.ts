/** Every encoding that the vCPU has and a user process may execute, against the processor this test runs on. */
import { Code } from 'iced-x86';
import { afterAll, expect, it } from 'vitest';
import { disassemble } from '../../src/machine/x86';
import type { CpuVendor } from '../../src/machine/x86/types';
import { casesOf, type Case, type Cases } from './native-oracle/cases';
import { decodeAt, type Bits } from './native-oracle/encodings';
import { askHost, type Host } from './native-oracle/host';
import { whyNoOracle } from './native-oracle/native';
import { TEST } from './native-oracle/place';
import { NativeProcessor, type Outcome } from './native-oracle/processor';
import { VirtualProcessor } from './native-oracle/virtual';

const NAMES = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const LOW = (1n << 32n) - 1n;
const ALL = (1n << 64n) - 1n;
/** Flags compared besides the status flags: direction, nested task, alignment check, identification. */
const OTHER_FLAGS = 0x244400n;
/** Cases handed to the native program at once. */
const BATCH = 20_000;

const seed = Number(process.env.TRAPLINE_ORACLE_SEED ?? 20240607);
/** Tests of each encoding; TRAPLINE_ORACLE_TESTS asks for about so many tests in all. */
const asked = Number(process.env.TRAPLINE_ORACLE_TESTS ?? 0);

function text(one: Case, vendor: CpuVendor): string {
  const { insn } = decodeAt([...one.code], one.bits, vendor);
  const bytes = one.code.subarray(0, insn.length);
  insn.free();
  const shown = disassemble(bytes, BigInt(TEST), one.bits, vendor) || '(bad)';
  return `${shown} [${Buffer.from(bytes).toString('hex')}]`;
}

function difference(one: Case, vendor: CpuVendor, native: Outcome, mine: Outcome): string | undefined {
  const wrong: string[] = [];
  if (native.vector !== mine.vector) wrong.push(`vector: processor ${native.vector}, vCPU ${mine.vector}`);
  else {
    const faulted = native.vector >= 0;
    const mask = one.bits === 64 ? ALL : LOW;
    const count = one.bits === 64 ? 16 : 8;
    for (let r = 0; r < count; r++) {
      if ((native.registers[r] ^ mine.registers[r]) & mask)
        wrong.push(
          `${NAMES[r]}: processor ${native.registers[r].toString(16)}, vCPU ${mine.registers[r].toString(16)}`,
        );
    }
    const flags = BigInt(faulted ? 0x8d5 : one.defined) | OTHER_FLAGS;
    if ((native.registers[16] ^ mine.registers[16]) & flags)
      wrong.push(
        `flags: processor ${native.registers[16].toString(16)}, vCPU ${mine.registers[16].toString(16)} of ${flags.toString(16)}`,
      );
    if (faulted && native.rip !== mine.rip)
      wrong.push(`rip: processor ${native.rip.toString(16)}, vCPU ${mine.rip.toString(16)}`);
    if (Buffer.compare(native.memory, mine.memory) !== 0) {
      const at = native.memory.findIndex((byte, i) => byte !== mine.memory[i]);
      wrong.push(
        `memory+${at.toString(16)}: processor ${native.memory[at].toString(16)}, vCPU ${mine.memory[at].toString(16)}`,
      );
    }
  }
  if (wrong.length === 0) return undefined;
  const before = NAMES.map((n, r) => `${n}=${one.registers[r].toString(16)}`).join(' ');
  return `${Code[one.encoding]}: ${text(one, vendor)}\n  ${wrong.join('\n  ')}\n  before: ${before} flags=${one.registers[16].toString(16)}`;
}

/** The native program, built once, and what it says of the machine it runs on. */
const native = (() => {
  let built: { processor: NativeProcessor; host: Host | string } | undefined;
  return {
    get: () => {
      if (!built) {
        const processor = new NativeProcessor();
        built = { processor, host: askHost(processor) };
      }
      return built;
    },
    close: () => built?.processor.close(),
  };
})();

afterAll(() => native.close());

/** The tests of one kind of code, as the processor and both paths of the vCPU answer them. */
function compare(
  bits: Bits,
  processor: NativeProcessor,
  host: Host,
): { failures: string[]; ended: number } & Cases {
  const few = casesOf(bits, host, seed, 3);
  const each = Math.ceil(asked / 2 / few.encodings);
  const chosen = each > 3 ? casesOf(bits, host, seed, each) : few;
  const paths = [new VirtualProcessor(false, host.vendor), new VirtualProcessor(true, host.vendor)];
  const failures: string[] = [];
  let ended = 0;
  for (let from = 0; from < chosen.cases.length; from += BATCH) {
    const batch = chosen.cases.slice(from, from + BATCH);
    const answers = processor.run(batch);
    batch.forEach((one, i) => {
      if (answers[i].vector < 0) ended++;
      for (const [p, path] of paths.entries()) {
        const found = difference(one, host.vendor, answers[i], path.run(one));
        if (found !== undefined) failures.push(`${p ? 'fast' : 'general'} path, ${found}`);
      }
    });
  }
  return { ...chosen, failures, ended };
}

/** How often each encoding failed. */
function overview(failures: readonly string[]): string {
  const kinds = new Map<string, number>();
  for (const found of failures) {
    const kind = found.slice(0, found.indexOf(':'));
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return [...kinds].map(([kind, n]) => `${kind} ${n}`).join('; ');
}

it.for([64, 32] as const)(
  'every encoding of %i-bit code ends as on this processor, by both paths',
  { timeout: 600_000 },
  (bits, { skip }) => {
    const none = whyNoOracle();
    if (none !== undefined) return skip(none);
    const { processor, host } = native.get();
    if (typeof host === 'string') return skip(host);
    const reason = host.whyNot(bits);
    if (reason !== undefined) return skip(reason);
    const { cases, encodings, absent, failures, ended } = compare(bits, processor, host);
    console.log(
      `${cases.length} tests of ${encodings} encodings in ${bits}-bit code against ${host.vendor}, seed ${seed}: ${ended} without an exception; ${absent} encodings are not there`,
    );
    expect(
      [...failures.slice(0, 12), overview(failures)].join('\n'),
      `${failures.length} of ${2 * cases.length} differ`,
    ).toBe('');
    expect(encodings + absent).toBeGreaterThan(bits === 64 ? 500 : 400);
    expect(ended).toBeGreaterThan(cases.length / 2);
  },
);
