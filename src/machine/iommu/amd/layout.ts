/** Registers of AMD's IOMMU (AMD I/O Virtualization Technology specification, 48882, 3.4): offsets in its MMIO space, and bits. */

/** Bytes of the space. */
export const AMD_REGISTER_BYTES = 0x4000;

/** Of each the lower dword; the other is behind it. */
export const AmdReg = {
  DeviceTable: 0x0,
  CommandBase: 0x8,
  Control: 0x18,
  Features: 0x30,
  GuestLogBase: 0xe0,
  GuestLogTailAddress: 0xe8,
  /** How the guest virtual APIC log interrupts, while `Control.IntCapXTEn` is set. */
  GuestLogInterrupt: 0x180,
  CommandHead: 0x2000,
  CommandTail: 0x2008,
  Status: 0x2020,
  GuestLogHead: 0x2040,
  GuestLogTail: 0x2048,
} as const;

/** Bits of the control register, counted over both dwords. */
export const Control = {
  IommuEn: 0,
  CmdBufEn: 12,
  GAEn: 17,
  /** The lowest of three: 1 is "guest virtual APIC". */
  GAMEn: 25,
  GALogEn: 28,
  GAIntEn: 29,
  IntCapXTEn: 51,
} as const;
export const GUEST_VIRTUAL_APIC = 1;

/** Bits of the status register. Those of events are cleared by writing 1, the others are read-only. */
export const Status = {
  ComWaitInt: 1 << 2,
  CmdBufRun: 1 << 4,
  GALogRun: 1 << 8,
  GALogOverflow: 1 << 9,
  GALogInt: 1 << 10,
} as const;

/** What the extended feature register tells: XTSup, IASup (INVALIDATE_IOMMU_ALL), GASup, and GAMSup of "guest virtual APIC". */
export const FEATURES = (1 << 2) | (1 << 6) | (1 << 7) | (1 << 21);

/** Names of the registers' dwords, by offset. */
export const amdRegisterNames: ReadonlyMap<number, string> = new Map(
  (
    [
      [AmdReg.DeviceTable, 'DEVICE_TABLE'],
      [AmdReg.CommandBase, 'COMMAND_BASE'],
      [AmdReg.Control, 'CONTROL'],
      [AmdReg.Features, 'EXTENDED_FEATURES'],
      [AmdReg.GuestLogBase, 'GALOG_BASE'],
      [AmdReg.GuestLogTailAddress, 'GALOG_TAIL_ADDRESS'],
      [AmdReg.GuestLogInterrupt, 'GALOG_INTERRUPT'],
      [AmdReg.CommandHead, 'COMMAND_HEAD'],
      [AmdReg.CommandTail, 'COMMAND_TAIL'],
      [AmdReg.Status, 'STATUS'],
      [AmdReg.GuestLogHead, 'GALOG_HEAD'],
      [AmdReg.GuestLogTail, 'GALOG_TAIL'],
    ] as const
  ).flatMap(([offset, name]): [number, string][] => [
    [offset, name],
    [offset + 4, `${name}_HIGH`],
  ]),
);
