/** Bytes of a random instruction of a given encoding, made from what the decoder's tables say about it. */
import {
  CodeExt,
  Decoder,
  DecoderOptions,
  EncodingKind,
  Instruction,
  MandatoryPrefix,
  Mnemonic,
  OpCodeOperandKind as K,
} from 'iced-x86';
import type { CpuVendor } from '../../../src/machine/x86/types';
import { TEST } from './place';

export type Random = () => number;
export type Bits = 32 | 64;

/** Which encodings there are, by vendor; what the vCPU's decoder corrects besides is what the tests are to find. */
const OPTIONS: Readonly<Record<CpuVendor, number>> = { intel: DecoderOptions.None, amd: DecoderOptions.AMD };

/** What is needed of `OpCodeInfo`, read once. */
export interface Plan {
  code: number;
  mnemonic: number;
  vex: boolean;
  map: number;
  prefix: number;
  bytes: number[];
  kinds: number[];
  modrm: boolean;
  memoryOnly: boolean;
  registerOnly: boolean;
  group: number;
  rmGroup: number;
  wide: boolean;
  wideIgnored: boolean;
  addressSize: number;
  lockable: boolean;
  string: boolean;
  /** Pairs of operand-size prefix and REX.W under which the bytes mean this encoding. */
  sizes: [boolean, boolean][];
}

const OR_MEMORY: ReadonlySet<number> = new Set([
  K.r8_or_mem,
  K.r16_or_mem,
  K.r32_or_mem,
  K.r64_or_mem,
  K.bnd_or_mem_mpx,
]);
const MEMORY: ReadonlySet<number> = new Set([K.mem, K.mem_mpx, K.mem_mib]);
const REGISTER_RM: ReadonlySet<number> = new Set([K.r16_rm, K.r32_rm, K.r64_rm]);
const REG_FIELD: ReadonlySet<number> = new Set([
  ...[K.r8_reg, K.r16_reg, K.r32_reg, K.r64_reg, K.r16_reg_mem, K.r32_reg_mem, K.r64_reg_mem],
  ...[K.seg_reg, K.cr_reg, K.dr_reg, K.bnd_reg],
]);
const IN_OPCODE: ReadonlySet<number> = new Set([K.r8_opcode, K.r16_opcode, K.r32_opcode, K.r64_opcode]);
const VVVV: ReadonlySet<number> = new Set([K.r32_vvvv, K.r64_vvvv]);
const STRING: ReadonlySet<number> = new Set([K.seg_rSI, K.es_rDI, K.seg_rDI]);
/** Bytes that an operand kind puts behind the opcode; −1: an address. */
const TRAILING: Partial<Record<number, number>> = {
  [K.imm8]: 1,
  [K.imm8sex16]: 1,
  [K.imm8sex32]: 1,
  [K.imm8sex64]: 1,
  [K.imm16]: 2,
  [K.imm32]: 4,
  [K.imm32sex64]: 4,
  [K.imm64]: 8,
  [K.br16_1]: 1,
  [K.br32_1]: 1,
  [K.br64_1]: 1,
  [K.br16_2]: 2,
  [K.br32_4]: 4,
  [K.br64_4]: 4,
  [K.mem_offs]: -1,
};
const PREFIX_BYTE = {
  [MandatoryPrefix.P66]: 0x66,
  [MandatoryPrefix.PF3]: 0xf3,
  [MandatoryPrefix.PF2]: 0xf2,
} as Partial<Record<number, number>>;
const OPERAND_SIZES: [boolean, boolean][] = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
];

/** The plan of an encoding, or undefined when it is none of this mode or not made of such operands. */
export function planOf(code: number, bits: Bits, vendor: CpuVendor): Plan | undefined {
  const info = CodeExt.opCode(code);
  const encoding: number = info.encoding;
  const usable = info.isInstruction && (bits === 64 ? info.mode64 : info.mode32);
  if (!usable || (encoding !== EncodingKind.Legacy && encoding !== EncodingKind.VEX) || info.fwait) {
    info.free();
    return undefined;
  }
  const kinds = Array.from({ length: info.opCount }, (_, i) => info.opKind(i) as number);
  const two = info.opCodeLength === 2;
  const modrmKinds = kinds.some(
    (k) => OR_MEMORY.has(k) || MEMORY.has(k) || REGISTER_RM.has(k) || REG_FIELD.has(k),
  );
  const plan: Plan = {
    code,
    mnemonic: info.mnemonic,
    vex: encoding === EncodingKind.VEX,
    map: info.table,
    prefix: PREFIX_BYTE[info.mandatoryPrefix] ?? 0,
    bytes: two ? [info.opCode >> 8, info.opCode & 255] : [info.opCode],
    kinds,
    modrm: !two && (modrmKinds || info.isGroup || info.isRmGroup),
    memoryOnly: kinds.some((k) => MEMORY.has(k)),
    registerOnly: kinds.some((k) => REGISTER_RM.has(k)) || info.isRmGroup,
    group: info.isGroup ? info.groupIndex : -1,
    rmGroup: info.isRmGroup ? info.rmGroupIndex : -1,
    wide: info.W === 1,
    wideIgnored: info.isWIG,
    addressSize: info.addressSize,
    lockable: info.canUseLockPrefix,
    string: kinds.some((k) => STRING.has(k)),
    sizes: [],
  };
  info.free();
  if (plan.vex) plan.sizes = [[false, false]];
  else {
    const fixed: Random = () => 0;
    plan.sizes = OPERAND_SIZES.filter(([narrow, wide]) => {
      if (wide && bits === 32) return false;
      return decoded(plain(plan, bits, narrow, wide, fixed), bits, vendor) === code;
    });
  }
  return plan.sizes.length > 0 ? plan : undefined;
}

function decoded(bytes: number[], bits: Bits, vendor: CpuVendor): number {
  const code = Uint8Array.from([...bytes, ...new Array<number>(16).fill(0)]);
  const decoder = new Decoder(bits, code, OPTIONS[vendor]);
  const insn = new Instruction();
  decoder.decodeOut(insn);
  const found = insn.code;
  insn.free();
  decoder.free();
  return found;
}

function memoryModrm(reg: number, random: Random): number[] {
  const mod = random() % 3;
  const rm = random() & 7;
  const sib = rm === 4 ? [random() & 255] : [];
  const far = (mod === 0 && (rm === 5 || (rm === 4 && (sib[0] & 7) === 5))) || mod === 2;
  const distance = (random() % 0x8000) - 0x4000;
  const disp = far
    ? [distance & 255, (distance >> 8) & 255, (distance >> 16) & 255, (distance >>> 24) & 255]
    : mod === 1
      ? [random() & 255]
      : [];
  return [(mod << 6) | (reg << 3) | rm, ...sib, ...disp];
}

/** Opcode and all that follows it. */
function tail(plan: Plan, addressBytes: number, random: Random): number[] {
  const opcode = [...plan.bytes];
  if (plan.kinds.some((k) => IN_OPCODE.has(k))) opcode[opcode.length - 1] += random() & 7;
  const out = opcode;
  if (plan.modrm) {
    const reg = plan.group >= 0 ? plan.group : random() & 7;
    const memory = plan.memoryOnly || (!plan.registerOnly && random() % 2 === 1);
    if (memory) out.push(...memoryModrm(reg, random));
    else out.push(0xc0 | (reg << 3) | (plan.rmGroup >= 0 ? plan.rmGroup : random() & 7));
  }
  for (const kind of plan.kinds) {
    let bytes = TRAILING[kind] ?? 0;
    if (bytes < 0) bytes = addressBytes;
    const edge = [0, 0, 255, 255, 0x80, 0x7f, 1, 31, 32, 33, 63][random() % 11];
    const same = random() % 3 === 0;
    for (let i = 0; i < bytes; i++) out.push(random() % 4 === 0 || same ? edge : random() & 255);
  }
  return out;
}

function plain(plan: Plan, bits: Bits, narrow: boolean, wide: boolean, random: Random): number[] {
  const address: number[] = [];
  if (plan.addressSize !== 0 && plan.addressSize !== bits) address.push(0x67);
  const escape = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][plan.map] ?? [];
  const prefix = plan.prefix ? [plan.prefix] : [];
  return [
    ...address,
    ...(narrow && plan.prefix !== 0x66 ? [0x66] : []),
    ...prefix,
    ...(wide ? [0x48] : []),
    ...escape,
    ...tail(plan, bits === 64 ? 8 : 4, random),
  ];
}

function vex(plan: Plan, bits: Bits, random: Random): number[] {
  const high = bits === 64 ? (random() & 7) << 5 : 0xe0;
  const vvvv = plan.kinds.some((k) => VVVV.has(k)) ? random() & (bits === 64 ? 15 : 7) : 0;
  const pp = [0, 0x66, 0xf3, 0xf2].indexOf(plan.prefix);
  const w = plan.wideIgnored ? random() & 1 : plan.wide ? 1 : 0;
  return [0xc4, high | plan.map, (w << 7) | ((15 - vvvv) << 3) | pp, ...tail(plan, 0, random)];
}

const SEGMENTS = [0x26, 0x2e, 0x36, 0x3e, 0x65];

/** Bytes of a random instruction of the encoding, with random prefixes; LOCK also where it must not stand. */
export function randomBytes(plan: Plan, bits: Bits, random: Random): number[] {
  const front: number[] = [];
  const memory =
    plan.modrm || plan.string || plan.kinds.includes(K.seg_rBX_al) || plan.kinds.includes(K.mem_offs);
  if (memory && random() % 10 === 0) front.push(SEGMENTS[random() % SEGMENTS.length]);
  if (plan.vex) return [...front, ...vex(plan, bits, random)];
  if (random() % (plan.lockable ? 4 : 40) === 0) front.push(0xf0);
  if (plan.string && random() % 2 === 0) front.push(random() & 1 ? 0xf3 : 0xf2);
  const short = bits === 64 && memory && plan.addressSize === 0 && random() % 5 === 0;
  if (short) front.push(0x67);
  const [narrow, wide] = plan.sizes[random() % plan.sizes.length];
  const address = plan.addressSize !== 0 && plan.addressSize !== bits ? [0x67] : [];
  const escape = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][plan.map] ?? [];
  const extended = bits === 64 && random() % 2 === 0 ? random() & 7 : 0;
  const rex = (wide ? 8 : 0) | extended;
  const hasRex = rex !== 0 || (bits === 64 && random() % 8 === 0);
  return [
    ...front,
    ...address,
    ...(narrow && plan.prefix !== 0x66 ? [0x66] : []),
    ...(plan.prefix ? [plan.prefix] : []),
    ...(hasRex ? [0x40 | rex] : []),
    ...escape,
    ...tail(plan, bits === 64 && !short ? 8 : 4, random),
  ];
}

/** Decodes at TEST. The caller frees the instruction. */
export function decodeAt(
  bytes: readonly number[],
  bits: Bits,
  vendor: CpuVendor,
): { insn: Instruction; displacementAt: number; immediateAt: number } {
  const code = Uint8Array.from([...bytes, ...new Array<number>(16).fill(0x90)]);
  const decoder = new Decoder(bits, code, OPTIONS[vendor]);
  decoder.ip = BigInt(TEST);
  const insn = decoder.decode();
  const offsets = decoder.getConstantOffsets(insn);
  const place = { displacementAt: offsets.displacementOffset, immediateAt: offsets.immediateOffset };
  offsets.free();
  decoder.free();
  return { insn, ...place };
}

export const isInvalid = (insn: Instruction): boolean => insn.mnemonic === Mnemonic.INVALID;
