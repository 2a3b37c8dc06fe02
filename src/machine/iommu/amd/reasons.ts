/** Why AMD's IOMMU refuses an interrupt request. Its event log, which would tell software, is not modelled: the numbers are the trace's. */

export const AmdReason = {
  DeviceBeyondTable: 1,
  DeviceEntryUnreadable: 2,
  DeviceEntryReserved: 3,
  Aborted: 4,
  IndexBeyondTable: 5,
  EntryUnreadable: 6,
  NotEnabled: 7,
  EntryReserved: 8,
  BackingPageUnwritable: 9,
  NotPassed: 10,
} as const;

/** One of them. */
export type AmdReason = (typeof AmdReason)[keyof typeof AmdReason];

/** By number. */
export const amdReasonNames: Readonly<Record<string, string>> = {
  [AmdReason.DeviceBeyondTable]: 'the device table has no entry for the function',
  [AmdReason.DeviceEntryUnreadable]: 'the device table entry is in no memory',
  [AmdReason.DeviceEntryReserved]: 'the device table entry has a reserved length or control field',
  [AmdReason.Aborted]: 'the device table entry has fixed interrupts aborted',
  [AmdReason.IndexBeyondTable]: 'the interrupt remapping table has no such entry',
  [AmdReason.EntryUnreadable]: 'the entry of the interrupt remapping table is in no memory',
  [AmdReason.NotEnabled]: 'the entry of the interrupt remapping table is not enabled',
  [AmdReason.EntryReserved]:
    'the entry of the interrupt remapping table has a reserved field set, or is in a mode that is off',
  [AmdReason.BackingPageUnwritable]: 'the backing page that the entry leads to is in no memory',
  [AmdReason.NotPassed]: 'the device table entry lets no interrupts of this kind pass',
};
