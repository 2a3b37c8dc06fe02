/** Starts a guest as its boot loader planned it. */
import { Reg, type Cpu } from '../machine/cpu/types';
import type { PhysicalMemory } from '../machine/memory/physical-memory';

/** What a loader leaves behind: memory contents and the registers of the first vCPU, which is in 64-bit mode. */
export interface BootState {
  entry: bigint;
  stack: bigint;
  cr3: number;
  /** RDI: bytes of RAM. */
  rdi: bigint;
  pieces: readonly { address: number; bytes: Uint8Array }[];
}

/** Writes the pieces into RAM and readies the vCPU. */
export function bootLongMode(memory: PhysicalMemory, cpu: Cpu, boot: BootState): void {
  for (const piece of boot.pieces) memory.write(piece.address, piece.bytes);
  cpu.startLongMode(boot.entry, boot.stack, boot.cr3);
  cpu.setReg(Reg.RDI, boot.rdi);
}
