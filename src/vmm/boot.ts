/** Starts a guest as its boot loader planned it. */
import { Reg, type Cpu } from '../machine/x86/types';
import type { PhysicalMemory } from '../machine/memory/physical-memory';

/** What a loader leaves behind: memory contents and the registers of the first vCPU. */
export interface BootState {
  start:
    /** 64-bit mode; RDI holds the bytes of RAM. */
    | { mode: 'long'; entry: bigint; stack: bigint; cr3: number; rdi: bigint }
    /** 32-bit protected mode without paging. */
    | { mode: 'protected'; entry: number; stack: number; eax: number; ebx: number }
    /** At the reset vector, as the CPU is after power-up: firmware in a ROM. */
    | { mode: 'reset' };
  /** Bytes, and zeros behind them up to `size` where that is given (a program's .bss). */
  pieces: readonly { address: number; bytes: Uint8Array; size?: number }[];
}

const PAGE = 4096;

/** Writes the pieces into RAM and readies the vCPU. */
export function bootGuest(memory: PhysicalMemory, cpu: Cpu, { start, pieces }: BootState): void {
  for (const { address, bytes, size = 0 } of pieces) {
    memory.write(address, bytes);
    clear(memory, address + bytes.length, address + size);
  }
  if (start.mode === 'reset') return;
  if (start.mode === 'protected') {
    cpu.startProtectedMode(start.entry, start.eax, start.ebx);
    cpu.setReg(Reg.RSP, BigInt(start.stack));
    return;
  }
  cpu.startLongMode(start.entry, start.stack, start.cr3);
  cpu.setReg(Reg.RDI, start.rdi);
}

/** Only what is not clear is written: at power-up RAM is, and a page that nobody touches stays out of snapshots. */
function clear(memory: PhysicalMemory, from: number, to: number): void {
  for (let at = from; at < to;) {
    const next = Math.min(to, at - (at % PAGE) + PAGE);
    if (memory.read(at, next - at).some((byte) => byte !== 0)) memory.write(at, new Uint8Array(next - at));
    at = next;
  }
}
