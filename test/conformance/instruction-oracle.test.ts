/** Every encoding that the vCPU has and a user process may execute, against the processor this test runs on. */
import { Code, Decoder, Formatter, FormatterSyntax } from 'iced-x86';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { casesOf, type Case } from './native-oracle/cases';
import { whyNoOracle } from './native-oracle/native';
import { TEST } from './native-oracle/place';
import { NativeProcessor, type Outcome } from './native-oracle/processor';
import { isIntelsOwn, processorVendor } from './native-oracle/vendors';
import { VirtualProcessor } from './native-oracle/virtual';

const NAMES = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const LOW = (1n << 32n) - 1n;
const ALL = (1n << 64n) - 1n;
/** Flags compared besides the status flags: direction, nested task, alignment check, identification. */
const OTHER_FLAGS = 0x244400n;
/** Cases handed to the native program at once. */
const BATCH = 20_000;
const GENERAL_PROTECTION = 13;

const reason = whyNoOracle();
const seed = Number(process.env.TRAPLINE_ORACLE_SEED ?? 20240607);
/** Tests of each encoding; TRAPLINE_ORACLE_TESTS asks for about so many tests in all. */
const asked = Number(process.env.TRAPLINE_ORACLE_TESTS ?? 0);

function text(one: Case): string {
  const decoder = new Decoder(one.bits, one.code, 0);
  decoder.ip = BigInt(TEST);
  const insn = decoder.decode();
  const formatter = new Formatter(FormatterSyntax.Intel);
  const shown = `${formatter.format(insn)} [${Buffer.from(one.code.subarray(0, insn.length)).toString('hex')}]`;
  formatter.free();
  insn.free();
  decoder.free();
  return shown;
}

function difference(one: Case, native: Outcome, mine: Outcome): string | undefined {
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
  return `${Code[one.encoding]}: ${text(one)}\n  ${wrong.join('\n  ')}\n  before: ${before} flags=${one.registers[16].toString(16)}`;
}

describe.skipIf(reason !== undefined)(`instruction oracle${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let processor: NativeProcessor;
  beforeAll(() => {
    processor = new NativeProcessor();
  });
  afterAll(() => processor.close());

  it.for([64, 32] as const)(
    'every encoding of %i-bit code ends as on this processor, by both paths',
    (bits: 64 | 32, { skip }: TestContext) => {
      const few = casesOf(bits, seed, 3);
      const encodings = new Set(few.map((one) => one.encoding)).size;
      const each = Math.ceil(asked / 2 / encodings);
      const all = each > 3 ? casesOf(bits, seed, each) : few;
      // The vCPU is Intel's here: another maker's processor cannot answer for what is Intel's own.
      const cases = processorVendor() === 'GenuineIntel' ? all : all.filter((one) => !isIntelsOwn(one));
      // Some kernels have no 32-bit code segment for user code: then nothing of it can be executed.
      const probe = processor.run(cases.slice(0, 50));
      if (bits === 32 && probe.every(({ vector }) => vector === GENERAL_PROTECTION))
        return skip('this kernel has no 32-bit code segment for user code');
      const paths = [new VirtualProcessor(false), new VirtualProcessor(true)];
      const failures: string[] = [];
      let ended = 0;
      for (let from = 0; from < cases.length; from += BATCH) {
        const batch = cases.slice(from, from + BATCH);
        const native = processor.run(batch);
        batch.forEach((one, i) => {
          if (native[i].vector < 0) ended++;
          for (const [p, path] of paths.entries()) {
            const found = difference(one, native[i], path.run(one));
            if (found !== undefined) failures.push(`${p ? 'fast' : 'general'} path, ${found}`);
          }
        });
      }
      console.log(
        `${cases.length} tests of ${encodings} encodings in ${bits}-bit code, ${ended} without an exception`,
      );
      const kinds = new Map<string, number>();
      for (const found of failures) {
        const kind = found.slice(0, found.indexOf(':'));
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
      const overview = [...kinds].map(([kind, n]) => `${kind} ${n}`).join('; ');
      expect(
        [...failures.slice(0, 12), overview].join('\n'),
        `${failures.length} of ${cases.length} differ`,
      ).toBe('');
      expect(encodings).toBeGreaterThan(bits === 64 ? 500 : 400);
      expect(ended).toBeGreaterThan(cases.length / 2);
    },
    600_000,
  );
});
