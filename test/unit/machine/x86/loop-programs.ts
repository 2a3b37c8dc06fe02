/** Random guests made of short loops over what hot code is made of, for properties of code that is compiled. */
import { randomSource } from '../../../conformance/native-oracle/generate';
import { CODE, DEVICE } from './harness';
import { SETUP, le } from './system-bench';

/** Where the loops keep their data; RSI points there, RDI is an index of up to 8 KiB. */
const DATA = 0x50000;
/** The loops begin behind SETUP. */
const START = CODE + SETUP.length;

type Random = () => number;
/** Registers that the loops compute with: not RSP, not the pointers RBX, RSI and RDI, not the counters R14 and R15. */
const WORKING = [0, 1, 2, 5, 8, 9, 10, 11, 12, 13];
const RSI = 6;
const RDI = 7;

const one = <T>(random: Random, list: readonly T[]): T => list[random() % list.length];

/** An instruction with a ModRM byte: prefixes, opcode, and for `reg` and `rm` registers, or memory at RSI. */
function modrm(
  random: Random,
  opcode: readonly number[],
  bits: number,
  reg: number,
  rm: number | 'memory',
): number[] {
  const width = bits === 64 ? 0x48 : 0x40;
  const prefix = bits === 16 ? [0x66] : [];
  const r = reg & 8 ? 4 : 0;
  if (rm !== 'memory')
    return [...prefix, width | r | (rm & 8 ? 1 : 0), ...opcode, 0xc0 | ((reg & 7) << 3) | (rm & 7)];
  // [rsi+disp8], or [rsi+rdi*scale+disp8]
  if (random() & 1) return [...prefix, width | r, ...opcode, 0x40 | ((reg & 7) << 3) | RSI, random() & 0x7f];
  const sib = ((random() & 3) << 6) | (RDI << 3) | RSI;
  return [...prefix, width | r, ...opcode, 0x44 | ((reg & 7) << 3), sib, random() & 0x7f];
}

const either = (random: Random): number | 'memory' => (random() % 3 === 0 ? 'memory' : one(random, WORKING));
const wide = (random: Random): number => (random() & 1 ? 64 : 32);

/** Kinds of instructions, each with as much weight as places here. */
const KINDS: readonly ((random: Random) => number[])[] = [
  // add or adc sbb and sub xor cmp, both directions
  ...Array<(random: Random) => number[]>(4).fill((r) => {
    const byte = r() % 5 === 0;
    const opcode = ((r() & 7) << 3) | (byte ? 0 : 1) | (r() & 1 ? 2 : 0);
    return modrm(r, [opcode], wide(r), one(r, WORKING), either(r));
  }),
  (r) => [...modrm(r, [0x83], wide(r), r() & 7, either(r)), r() & 255],
  (r) => [...modrm(r, [0x81], wide(r), r() & 7, either(r)), ...le(r())],
  (r) => [...modrm(r, [0x80], 32, r() & 7, either(r)), r() & 255],
  (r) => modrm(r, [r() & 1 ? 0x85 : 0x84], wide(r), one(r, WORKING), either(r)),
  (r) => modrm(r, [one(r, [0x88, 0x89, 0x8a, 0x8b])], one(r, [64, 32, 16]), one(r, WORKING), either(r)),
  (r) => modrm(r, [one(r, [0x89, 0x8b])], 64, one(r, WORKING), either(r)),
  (r) => [...modrm(r, [0xc7], wide(r), 0, either(r)), ...le(r())],
  (r) => [0xb0 + (r() & 3), r() & 255], // mov al, cl, dl, bl
  (r) => [0x88, 0xc0 | (4 << 3) | (r() & 1), 0x00, 0xe1], // mov al,ah; add cl,ah
  (r) => [...modrm(r, [0xc1], wide(r), one(r, [4, 5, 7]), one(r, WORKING)), r() & 63],
  (r) => modrm(r, [0xd1], wide(r), one(r, [4, 5, 7]), one(r, WORKING)),
  (r) => modrm(r, [0xd3], wide(r), one(r, [4, 5, 7]), one(r, WORKING)),
  (r) => modrm(r, [0xff], wide(r), r() & 1, either(r)), // inc, dec
  (r) => modrm(r, [0xf7], wide(r), 2 + (r() & 1), one(r, WORKING)), // not, neg
  (r) => modrm(r, [0x0f, one(r, [0xb6, 0xb7, 0xbe, 0xbf])], wide(r), one(r, WORKING), either(r)),
  (r) => modrm(r, [0x63], 64, one(r, WORKING), either(r)),
  (r) => modrm(r, [0x0f, 0x90 + (r() & 15)], 32, 0, one(r, WORKING)),
  (r) => modrm(r, [0x0f, 0x40 + (r() & 15)], wide(r), one(r, WORKING), one(r, WORKING)),
  (r) => modrm(r, [0x0f, 0xaf], wide(r), one(r, WORKING), either(r)),
  (r) => [...modrm(r, [0x6b], wide(r), one(r, WORKING), one(r, WORKING)), r() & 127],
  (r) => modrm(r, [0x8d], wide(r), one(r, WORKING), 'memory'),
  (r) => one(r, [[0x48, 0x98], [0x98], [0x48, 0x99], [0x99], [0x90], [0xf8], [0xf9]]),
  (r) => [0x50 + (r() & 3), 0x68, ...le(r()), 0x58 + (r() & 1), 0x5a], // push; push imm; pop; pop rdx
  (r) => modrm(r, [one(r, [0x87, 0x03, 0x2b])], wide(r), one(r, WORKING), 'memory'),
  () => [0x81, 0xe7, ...le(0x1fff)], // and edi,0x1fff
  () => [0x83, 0xc7, 0x18], // add edi,24
];

/** What makes a loop leave its compiled form, now and then. */
const RARE: readonly ((random: Random) => number[])[] = [
  (r) => [0x8b, 0x43, (r() % 16) * 4], // mov eax,[rbx+n]: a device
  (r) => [0x89, 0x43, (r() % 16) * 4], // mov [rbx+n],eax
  () => [0xfb], // sti
  () => [0x9c, 0x59], // pushfq; pop rcx
  () => [0x0f, 0xa2], // cpuid
  // mov al,r8b; mov [the immediate of a mov of this page],al
  () => [0x44, 0x88, 0xc0, 0x88, 0x04, 0x25, ...le(START + PATCHED)],
  () => [0x48, 0x8b, 0x04, 0x25, ...le(0x7ff00000)], // mov rax,[unmapped]
  () => [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8], // mov rax,cr3; mov cr3,rax
];

/** Of the program: `mov r11d, imm32` with its immediate here, met each time round. */
const PATCHED = 16;
/** mov rsi,DATA; mov ebx,DEVICE; mov r11d,imm; xor edi,edi; sti */
const PROLOGUE = [
  ...[0x48, 0xc7, 0xc6, ...le(DATA), 0xbb, ...le(DEVICE), 0x90, 0x90],
  ...[0x41, 0xbb, ...le(7), 0x31, 0xff, 0xfb],
];

function instruction(random: Random, rare: boolean): number[] {
  return rare && random() % 24 === 0 ? one(random, RARE)(random) : one(random, KINDS)(random);
}

/** Instructions with forward branches over some of them, and calls of a function at `distance` before the result's start. */
function body(random: Random, length: number, rare: boolean, callee: number | undefined): number[] {
  const code: number[] = [];
  for (let i = 0; i < length; i++) {
    const next = instruction(random, rare);
    const choice = random() % 7;
    if (choice === 0) code.push(0x70 + (random() & 15), next.length, ...next);
    else if (choice === 1 && callee !== undefined)
      code.push(0xe8, ...le(callee - (code.length + 5)), ...next);
    else code.push(...next);
  }
  return code;
}

/** A program of loops, each of which goes round some dozen times; then it begins again. */
export function loopProgram(seed: number): number[] {
  const random = randomSource(seed);
  const rare = random() % 3 !== 0;
  const code = [...PROLOGUE];
  for (let loops = 0; loops < 4; loops++) {
    const plain = body(random, 1 + (random() % 4), rare, undefined);
    const called = [0x55, 0x48, 0x89, 0xe5, ...plain, random() & 1 ? 0xc9 : 0x5d, 0xc3];
    code.push(0xeb, called.length, ...called);
    code.push(0x41, 0xbe, ...le(3 + (random() % 40))); // mov r14d,n
    const round = body(random, 2 + (random() % 12), rare, -(called.length + 6));
    code.push(...round, 0x49, 0x83, 0xee, 1, 0x0f, 0x85, ...le(-(round.length + 10)));
    // Now and then the rest lies in the next page, or over its edge.
    if (random() % 8 === 0) code.push(...Array<number>(0xff0 - (code.length % 0xff0)).fill(0x90));
  }
  return [...code, 0xe9, ...le(-(code.length + 5))];
}
