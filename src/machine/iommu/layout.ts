/** Registers of a remapping unit and their bits (Intel VT-d specification 4.1, 11.4; 10.4 in earlier revisions). */

/** Bytes of the block of registers. */
export const REGISTER_BYTES = 0x1000;

/** Where the registers stand. Those of 64 bits have their upper half four bytes on. */
export const Reg = {
  Version: 0x00,
  Capability: 0x08,
  ExtendedCapability: 0x10,
  GlobalCommand: 0x18,
  GlobalStatus: 0x1c,
  RootTable: 0x20,
  ContextCommand: 0x28,
  FaultStatus: 0x34,
  FaultEvent: 0x38,
  ProtectedEnable: 0x64,
  ProtectedLowBase: 0x68,
  ProtectedLowLimit: 0x6c,
  ProtectedHighBase: 0x70,
  ProtectedHighLimit: 0x78,
  QueueHead: 0x80,
  QueueTail: 0x88,
  QueueAddress: 0x90,
  CompletionStatus: 0x9c,
  CompletionEvent: 0xa0,
  QueueError: 0xb0,
  InterruptTable: 0xb8,
  /** Told by ECAP.IRO. */
  InvalidateAddress: 0x400,
  Iotlb: 0x408,
  /** Told by CAP.FRO. */
  FaultRecords: 0x500,
} as const;

/** Version 4.0: major in bits 7 to 4. */
export const VERSION = 0x40;

/** Bit numbers of the global command and status registers. */
export const Global = {
  translation: 31,
  setRootTable: 30,
  queuedInvalidation: 26,
  interruptRemapping: 25,
  setInterruptTable: 24,
  compatibilityFormat: 23,
} as const;

/** Fault status: bit numbers, and where the index of the first pending record is. */
export const FaultStatus = {
  overflow: 0,
  pending: 1,
  queueError: 4,
  completionError: 5,
  timeOut: 6,
  recordIndex: 8,
} as const;

/** Upper halves of the commands of register-based invalidation: the bit that starts them, and the fields. */
export const ContextCommand = { start: 31, granularity: 29, actual: 27 } as const;
export const IotlbCommand = { start: 31, granularity: 28, actual: 25 } as const;

/** Granularities, as commands and descriptors encode them. */
export const Granularity = { global: 1, domain: 2, selective: 3 } as const;

/** One register of 32 bits, or half of one of 64. */
export interface Register {
  readonly offset: number;
  readonly name: string;
  /** 32 bits, unsigned. */
  read(): number;
  /** Left out: writes are ignored. */
  write?(value: number): void;
}

/** Where interrupts are written to: what a bus master writes there is no access to memory (3.14). */
const INTERRUPT_RANGE = { first: 0xfee00000, end: 0xfef00000 };

/** Whether an access touches the range of interrupt addresses. */
export function touchesInterruptRange(address: number, length: number): boolean {
  return address < INTERRUPT_RANGE.end && address + length > INTERRUPT_RANGE.first;
}
