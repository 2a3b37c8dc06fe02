/** Starts a guest as its boot loader planned it. */
import { Reg, type Cpu } from '../machine/x86/types';
import type { PhysicalMemory } from '../machine/memory/physical-memory';

/** What a loader leaves behind: memory contents and the registers of the first vCPU. */
export interface BootState {
  start:
    /** 64-bit mode; RDI holds the bytes of RAM. */
    | { mode: 'long'; entry: bigint; stack: bigint; cr3: number; rdi: bigint }
    /** 32-bit protected mode without paging. */
    | { mode: 'protected'; entry: number; stack: number; eax: number; ebx: number };
  pieces: readonly { address: number; bytes: Uint8Array }[];
}

/** Writes the pieces into RAM and readies the vCPU. */
export function bootGuest(memory: PhysicalMemory, cpu: Cpu, { start, pieces }: BootState): void {
  for (const piece of pieces) memory.write(piece.address, piece.bytes);
  if (start.mode === 'protected') {
    cpu.startProtectedMode(start.entry, start.eax, start.ebx);
    cpu.setReg(Reg.RSP, BigInt(start.stack));
    return;
  }
  cpu.startLongMode(start.entry, start.stack, start.cr3);
  cpu.setReg(Reg.RDI, start.rdi);
}
