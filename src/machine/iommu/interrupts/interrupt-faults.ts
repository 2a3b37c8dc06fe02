/** Why an interrupt-remapping unit refuses a request (VT-d specification 4.x, the table of interrupt-remapping faults). */
import type { RequesterId } from '../../bus';

/** Fault reasons, as a fault recording register holds them. */
export const InterruptFaultReason = {
  /** A request in remappable format has a reserved field set. */
  RequestReserved: 0x20,
  /** The interrupt index is beyond the table, or the entry beyond the host's address width. */
  IndexBeyondTable: 0x21,
  /** The entry is not present. */
  NotPresent: 0x22,
  /** The entry could not be read. */
  EntryUnreadable: 0x23,
  /** A present entry has a reserved field set, or an encoding that does not exist. */
  EntryReserved: 0x24,
  /** A request in compatibility format, which is not let through. */
  CompatibilityBlocked: 0x25,
  /** The requester is not the one that the entry is for. */
  SourceRefused: 0x26,
  /** The posted-interrupt descriptor could not be reached. */
  DescriptorUnreadable: 0x27,
  /** The posted-interrupt descriptor has a reserved field set. */
  DescriptorReserved: 0x28,
} as const;

/** One of `InterruptFaultReason`. */
export type InterruptFaultReason = (typeof InterruptFaultReason)[keyof typeof InterruptFaultReason];

/** The reasons in words, for the track of the unit. */
export const interruptFaultNames: Readonly<Record<InterruptFaultReason, string>> = {
  [InterruptFaultReason.RequestReserved]: 'reserved field set in the request',
  [InterruptFaultReason.IndexBeyondTable]: 'interrupt index beyond the table',
  [InterruptFaultReason.NotPresent]: 'table entry not present',
  [InterruptFaultReason.EntryUnreadable]: 'table entry could not be read',
  [InterruptFaultReason.EntryReserved]: 'reserved field set in the table entry',
  [InterruptFaultReason.CompatibilityBlocked]: 'compatibility format blocked',
  [InterruptFaultReason.SourceRefused]: 'requester is not the one of the table entry',
  [InterruptFaultReason.DescriptorUnreadable]: 'posted-interrupt descriptor could not be reached',
  [InterruptFaultReason.DescriptorReserved]: 'reserved field set in the posted-interrupt descriptor',
};

/** One refused request, for a fault recording register. */
export interface InterruptFault {
  requester: RequesterId;
  reason: InterruptFaultReason;
  /** Interrupt index of the request, which may be above FFFFH; 0 for one in compatibility format, which has none. */
  index: number;
}
