/** Which extension of the instruction set an instruction belongs to, of those that no vCPU has. */
import { Code, CpuidFeature, Instruction, Mnemonic } from 'iced-x86';

/** Extensions by which compilers compute with floating-point numbers and vectors. */
export type VectorSet = 'SSE' | 'AVX' | 'MMX' | 'x87';

/** The first that fits a feature's name counts. */
const SETS: readonly (readonly [pattern: RegExp, set: VectorSet])[] = [
  [/^(AVX|FMA|F16C)/, 'AVX'],
  [/^S?SSE/, 'SSE'],
  [/^MMX/, 'MMX'],
  [/^FPU/, 'x87'],
];

let byMnemonic: ReadonlyMap<string, VectorSet> | undefined;

/** The extension that a mnemonic (lower case) of a missing instruction belongs to; undefined for any other instruction. */
export function vectorSetOf(mnemonic: string): VectorSet | undefined {
  byMnemonic ??= readSets();
  return byMnemonic.get(mnemonic);
}

/** From the decoder's own tables. Where a name means several instructions (MOVSD), the one of an extension counts: the other is there. */
function readSets(): Map<string, VectorSet> {
  const sets = new Map<string, VectorSet>();
  const instruction = new Instruction();
  for (const code of Object.values(Code)) {
    if (typeof code !== 'number') continue;
    instruction.code = code;
    const features = [...instruction.cpuidFeatures()].map((each) => CpuidFeature[each] ?? '');
    const found = SETS.find(([pattern]) => features.some((feature) => pattern.test(feature)));
    if (found) sets.set((Mnemonic[instruction.mnemonic] ?? '').toLowerCase(), found[1]);
  }
  instruction.free();
  return sets;
}
