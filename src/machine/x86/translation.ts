/**
 * Who translates a vCPU's addresses. The core has one software-made TLB that spares all of this on a hit; on a miss
 *
 *     linear --[page walk of the guest's tables, or the software TLB's owner]--> guest-physical
 *            --[second stage, or nothing: RAM begins at 0]--> host-physical, a byte of RAM
 *
 * A guest-physical page that leads to no RAM is a device's: accesses to it are call-outs with the guest-physical address.
 * What was translated is kept until `Cpu.flushTranslations`, until the guest changes its tables or control registers, or until
 * the translation is set anew.
 */
import * as L from './core/state/layout';

/** What a translation is wanted for. */
export const TranslationAccess = {
  Read: L.ACCESS_READ,
  Write: L.ACCESS_WRITE,
  Execute: L.ACCESS_EXEC,
  /** Somebody who looks in from outside, a debugger: no access of the guest's, nothing may change. */
  Peek: L.ACCESS_PEEK,
} as const;
export type TranslationAccess = (typeof TranslationAccess)[keyof typeof TranslationAccess];

/**
 * The second stage of nested paging (SDM vol. 3, 29.3). It is asked for data pages, for code, and for the pages of the guest's
 * own tables. What a violation costs, and mapping what was missing, happens in here; `Cpu.abandonInstruction` gives the
 * instruction up.
 */
export interface SecondStage {
  /** Host-physical address of a guest-physical page; undefined: no RAM there for this access. */
  translate(page: number, access: TranslationAccess): number | undefined;
}

/** What a miss of a software TLB leads to: the physical page, or a page fault with these bits (P, RSVD) of its error code. */
export type TlbAnswer = { page: number } | { fault: number };

/** A TLB that software fills. The guest's own page tables are not looked at, nor are its CR0.PG and CR3. */
export interface SoftwareTlb {
  miss(address: bigint, access: TranslationAccess, user: boolean): TlbAnswer;
}

/** How a vCPU translates. Empty: page walks over RAM that begins at physical address 0. */
export interface CpuTranslation {
  readonly secondStage?: SecondStage;
  readonly softwareTlb?: SoftwareTlb;
}
