/** What a boot loader plans: registers and bytes, as plain data. */
import type { BootPiece } from './placement';

/** Registers of the first vCPU at the guest's first instruction. */
export type BootStart =
  | {
      /** 64-bit mode, paging on. */
      mode: 'long';
      /** RIP. */
      entry: bigint;
      /** RSP: 16-byte aligned. */
      stack: bigint;
      /** CR3: identity map of 0..4 GiB in 2 MiB pages. */
      cr3: number;
      /** RDI: bytes of RAM. */
      rdi: bigint;
    }
  /** 32-bit protected mode, paging off, as Multiboot has it; `stack` is ESP, which Multiboot leaves to the loader. */
  | { mode: 'protected'; entry: number; stack: number; eax: number; ebx: number }
  /** Real mode at the reset vector: a firmware, which nobody loads. */
  | { mode: 'reset' };

/** How a vCPU starts a guest. */
export interface BootPlan {
  start: BootStart;
  /** What the guest asked for and does not get, for a reader. */
  warning?: string;
  /** What to write into RAM. */
  pieces: BootPiece[];
}

/** What a boot loader hands to a kernel besides itself. */
export interface BootParameters {
  /** The kernel's command line, beginning with its name. */
  cmdline: string;
  modules: readonly { bytes: Uint8Array; cmdline: string }[];
}
