/** What processors of different makers do differently in user mode, so that each is compared with what it can answer for. */
import { readFileSync } from 'node:fs';
import { Code, Decoder, FlowControl, Mnemonic as M } from 'iced-x86';
import type { Case } from './cases';
import { TEST } from './place';

/** `GenuineIntel`, `AuthenticAMD` …, as CPUID leaf 0 has it; empty where the kernel does not say. */
export function processorVendor(): string {
  const found = /^vendor_id\s*:\s*(\S+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
  return found?.[1] ?? '';
}

const NEAR_BRANCHES: ReadonlySet<number> = new Set([
  FlowControl.UnconditionalBranch,
  FlowControl.IndirectBranch,
  FlowControl.ConditionalBranch,
  FlowControl.Return,
  FlowControl.Call,
  FlowControl.IndirectCall,
]);

/**
 * True for a test whose outcome is Intel's own. In 64-bit code: 66H before a near branch, which Intel ignores and AMD takes for
 * a 16-bit operand size (APM vol. 3, 1.2.3); F3 with REX.B before 90H; a repeated string instruction with 67H, whose count of 0
 * clears upper halves on Intel only; 0F 0D with a register operand, a NOP on Intel and #UD on AMD; SYSEXIT, which AMD does not
 * have in long mode.
 */
export function isIntelsOwn(one: Case): boolean {
  const decoder = new Decoder(one.bits, one.code, 0);
  decoder.ip = BigInt(TEST);
  const insn = decoder.decode();
  const bytes = one.code.subarray(0, insn.length);
  const prefixes = bytes.subarray(
    0,
    bytes.findIndex(
      (byte) => ![0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(byte),
    ),
  );
  const branch = NEAR_BRANCHES.has(insn.flowControl);
  const repeated = insn.hasRepPrefix || insn.hasRepnePrefix;
  const own =
    (branch && prefixes.includes(0x66)) ||
    (insn.mnemonic === M.Pause && ((bytes[prefixes.length] ?? 0) & 0xf1) === 0x41) ||
    (repeated && insn.isStringInstruction && prefixes.includes(0x67)) ||
    /_0F0D$/.test(Code[insn.code]) ||
    insn.mnemonic === M.Sysexit ||
    insn.mnemonic === M.Sysexitq;
  insn.free();
  decoder.free();
  return own;
}
