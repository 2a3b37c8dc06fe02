/** Why the unit refuses a request (Intel VT-d specification, 7.1.3, table of fault reason encodings). */

/** Fault reason encodings of address translation; those of interrupt remapping, 20H to 29H, come from the unit that does that. */
export const FaultReason = {
  /** Legacy mode. */
  RootNotPresent: 0x01,
  ContextNotPresent: 0x02,
  ContextInvalid: 0x03,
  AddressBeyondWidth: 0x04,
  WriteDenied: 0x05,
  ReadDenied: 0x06,
  SecondStageAccess: 0x07,
  RootAccess: 0x08,
  ContextAccess: 0x09,
  RootReserved: 0x0a,
  ContextReserved: 0x0b,
  SecondStageReserved: 0x0c,
  TranslationTypeBlocked: 0x0d,
  InterruptRange: 0x0e,
  /** The root-table address register. */
  TableModeReserved: 0x30,
  PasidInLegacyMode: 0x31,
  /** Scalable mode. */
  ScalableRootAccess: 0x38,
  ScalableRootNotPresent: 0x39,
  ScalableRootReserved: 0x3a,
  ScalableContextAccess: 0x40,
  ScalableContextNotPresent: 0x41,
  ScalableContextReserved: 0x42,
  DeviceTlbDisabled: 0x44,
  PasidDisabled: 0x45,
  PasidTooLarge: 0x46,
  RequesterPasidTooLarge: 0x48,
  PasidDirectoryAccess: 0x50,
  PasidDirectoryNotPresent: 0x51,
  PasidDirectoryReserved: 0x52,
  PasidEntryAccess: 0x58,
  PasidEntryNotPresent: 0x59,
  PasidEntryReserved: 0x5a,
  PasidEntryInvalid: 0x5b,
  FirstStageAccess: 0x70,
  FirstStageNotPresent: 0x71,
  FirstStageReserved: 0x72,
  FirstStageRootAccess: 0x73,
  FirstStageBeyondWidth: 0x74,
  FirstStageRootReadDenied: 0x75,
  FirstStageReadDenied: 0x76,
  FirstStageWriteDenied: 0x77,
  ScalableSecondStageAccess: 0x78,
  ScalableSecondStageNotPresent: 0x79,
  ScalableSecondStageReserved: 0x7a,
  ScalableSecondStageRootAccess: 0x7b,
  AddressNotCanonical: 0x80,
  UserDenied: 0x81,
  ScalableAddressBeyondHost: 0x83,
  ScalableAddressBeyondWidth: 0x84,
  ScalableWriteDenied: 0x85,
  ScalableReadDenied: 0x86,
  ScalableInterruptRange: 0x87,
} as const;

/** One of `FaultReason`. */
export type FaultReason = (typeof FaultReason)[keyof typeof FaultReason];

/**
 * Faults that are recorded whatever an entry's FPD bit says: no entry that could say it has been found by then (7.1.3, column
 * "qualified").
 */
const UNQUALIFIED: ReadonlySet<FaultReason> = new Set([
  FaultReason.RootNotPresent,
  FaultReason.RootAccess,
  FaultReason.ContextAccess,
  FaultReason.RootReserved,
  FaultReason.TableModeReserved,
  FaultReason.PasidInLegacyMode,
  FaultReason.ScalableRootAccess,
  FaultReason.ScalableRootNotPresent,
  FaultReason.ScalableRootReserved,
  FaultReason.ScalableContextAccess,
]);

/** Whether software has to be told of a fault. @param fpd "fault processing disable" of the entries that the request has met */
export function isReported(reason: FaultReason, fpd: boolean): boolean {
  return !fpd || UNQUALIFIED.has(reason);
}
