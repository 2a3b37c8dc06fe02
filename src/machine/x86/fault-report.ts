/** Puts the end of a run into words for the person who reads it. */
import * as L from './core/state/layout';
import { disassemble } from './decode/disassemble';
import { Reg, type CpuVendor, type FaultReport } from './types';

const NAMES = [
  '#DE',
  '#DB',
  'NMI',
  '#BP',
  '#OF',
  '#BR',
  '#UD',
  '#NM',
  '#DF',
  '',
  '#TS',
  '#NP',
  '#SS',
  '#GP',
  '#PF',
];
const PAGE_FAULT = 14;
/** What the guest asked for, by REASON_*, where an instruction's name would not tell. */
const LACKING: Record<number, string> = {
  [L.REASON_TASK]: 'hardware task switch (task gate, TSS as a far target, or IRET with NT set)',
  [L.REASON_VM86]: 'return to virtual-8086 mode',
};

/** What the report needs to see of a vCPU. */
export interface ReportSubject {
  readonly ripLow: number;
  readonly ripHigh: number;
  /** Linear address of the instruction that RIP names. */
  codeAddress(): bigint;
  /** Bits of the code at RIP. */
  codeBits(): 64 | 32 | 16;
  /** Whose decoder tells what the code is. */
  vendor(): CpuVendor;
  faultAddress(): bigint;
  getReg(reg: number): bigint;
  peekVirtual(address: bigint, length: number): Uint8Array | undefined;
}

/** `#PF`; an exception without a name of its own by its vector (SDM vol. 3, table 6-1). */
export function vectorName(vector: number): string {
  return NAMES[vector] || `vector ${vector}`;
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

/** As many instruction bytes as are mapped, at most 15. */
function codeBytes(cpu: ReportSubject, rip: bigint): Uint8Array {
  for (let length = 15; length > 0; length--) {
    const bytes = cpu.peekVirtual(rip, length);
    if (bytes) return bytes;
  }
  return new Uint8Array();
}

function tripleFault(cpu: ReportSubject, packed: number): string {
  const vectors = [1, 2, 3].slice(0, packed & 0xff).map((i) => (packed >>> (8 * i)) & 0xff);
  const names = vectors.map(vectorName);
  const at = vectors.includes(PAGE_FAULT) ? ` (last faulting address ${hex(cpu.faultAddress())})` : '';
  const [first, ...rest] = names;
  const chain = rest.length > 0 ? rest.map((n) => `${n} while delivering it`).join(', then ') : 'no handler';
  return `triple fault: ${first}, then ${chain}${at}. Check the IDT, the handler's stack and the page tables.`;
}

/** The 8 bytes on top of the stack, in 64-bit code. */
function topOfStack(cpu: ReportSubject): bigint | undefined {
  if (cpu.codeBits() !== 64) return undefined;
  const bytes = cpu.peekVirtual(cpu.getReg(Reg.RSP), 8);
  return bytes && new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
}

/** The report of a stop with STOP_SHUTDOWN or STOP_UNSUPPORTED; `chain` is C_CHAIN and the three bytes after it. */
export function describeStop(cpu: ReportSubject, stop: number, chain: number, reason: number): FaultReport {
  const rip = cpu.codeAddress();
  const bytes = codeBytes(cpu, rip);
  const offset = (BigInt(cpu.ripHigh) << 32n) | BigInt(cpu.ripLow);
  const disassembly = bytes.length > 0 ? disassemble(bytes, offset, cpu.codeBits(), cpu.vendor()) : '';
  let message: string;
  let returnAddress: bigint | undefined;
  if (stop === L.STOP_SHUTDOWN) message = tripleFault(cpu, chain);
  else if (reason in LACKING) {
    message = `${LACKING[reason]} at ${hex(rip)}: the vCPU does not have it`;
  } else if (reason === L.REASON_FETCH) {
    message = `instruction fetch outside RAM at ${hex(rip)}: the vCPU runs code from RAM only`;
    returnAddress = topOfStack(cpu);
  } else {
    message = `unsupported instruction${disassembly ? ` "${disassembly}"` : ''} at ${hex(rip)}: the vCPU has general-purpose and system instructions only`;
  }
  return {
    message,
    rip: hex(rip),
    bytes: Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(''),
    disassembly,
    ...(returnAddress !== undefined && { returnAddress: hex(returnAddress) }),
  };
}
