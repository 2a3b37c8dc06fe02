/** Numbers of the NVM Express Base Specification 1.4, whose sections all comments in this folder name. */

/** Registers in BAR 0 (3.1). 64-bit ones are two words, low half first. */
export const Reg = {
  CAP: 0x00,
  CAP_HIGH: 0x04,
  VS: 0x08,
  INTMS: 0x0c,
  INTMC: 0x10,
  CC: 0x14,
  CSTS: 0x1c,
  AQA: 0x24,
  ASQ: 0x28,
  ASQ_HIGH: 0x2c,
  ACQ: 0x30,
  ACQ_HIGH: 0x34,
} as const;

/** Doorbells begin here (3.1.16): two words for each pair of queues, as CAP.DSTRD 0 has them. */
export const DOORBELLS = 0x1000;
/** Offset of a submission queue's doorbell; that of the completion queue of the same number is the next word. */
export function doorbellOf(queue: number): number {
  return DOORBELLS + 8 * queue;
}

/** Version 1.4.0. */
export const VERSION = 0x00010400;

/** Entries of a queue, in bytes: also as powers of two, as CC.IOSQES and CC.IOCQES have them. */
export const ENTRY = { submission: 64, completion: 16, submissionPower: 6, completionPower: 4 } as const;
/** Entries that a queue may have at most (CAP.MQES is one less), as of QEMU's controller. */
export const MOST_ENTRIES = 2048;
/** Memory pages may be from 4 KiB to 64 KiB large, as of QEMU's controller: CAP.MPSMIN 0, CAP.MPSMAX 4. */
export const PAGE = { smallest: 4096, largestPower: 4 } as const;
/** Identify's MDTS, which is QEMU's: a command moves at most 2^7 of the smallest pages, 512 KiB. */
export const MDTS = 7;
export const MOST_BYTES = PAGE.smallest << MDTS;

/** CC (3.1.5): bits, and where its fields begin. */
export const Cc = {
  EN: 1,
  css: { shift: 4, mask: 7 },
  mps: { shift: 7, mask: 15 },
  ams: { shift: 11, mask: 7 },
  shn: { shift: 14, mask: 3 },
  iosqes: { shift: 16, mask: 15 },
  iocqes: { shift: 20, mask: 15 },
  writable: 0x00fffff1,
} as const;
/** CSTS (3.1.6). */
export const Csts = { RDY: 1, CFS: 2, SHST_OCCURRING: 1 << 2, SHST_COMPLETE: 2 << 2 } as const;

/** A field of a register. */
export function field(value: number, { shift, mask }: { shift: number; mask: number }): number {
  return (value >>> shift) & mask;
}

/** Opcodes of the admin command set (5). */
export const Admin = {
  DeleteSq: 0x00,
  CreateSq: 0x01,
  GetLogPage: 0x02,
  DeleteCq: 0x04,
  CreateCq: 0x05,
  Identify: 0x06,
  Abort: 0x08,
  SetFeatures: 0x09,
  GetFeatures: 0x0a,
  AsyncEvent: 0x0c,
} as const;

/** Opcodes of the NVM command set (6). */
export const Io = {
  Flush: 0x00,
  Write: 0x01,
  Read: 0x02,
  Compare: 0x05,
  WriteZeroes: 0x08,
  DatasetManagement: 0x09,
} as const;

/** What Identify is asked for (5.15.1, CNS). */
export const Cns = { Namespace: 0, Controller: 1, ActiveNamespaces: 2, NamespaceDescriptors: 3 } as const;

/** Log pages (5.14.1). */
export const Log = { Error: 1, Health: 2, Firmware: 3 } as const;

/** Features (5.21.1). */
export const Feature = {
  Arbitration: 0x01,
  PowerManagement: 0x02,
  TemperatureThreshold: 0x04,
  ErrorRecovery: 0x05,
  WriteCache: 0x06,
  QueueCount: 0x07,
  Coalescing: 0x08,
  VectorConfig: 0x09,
  WriteAtomicity: 0x0a,
  AsyncEvents: 0x0b,
} as const;

/** Types of asynchronous events, and what each tells (5.2.1). */
export const Event = {
  Error: { type: 0, unknownDoorbell: 0, doorbellValue: 1 },
  Health: { type: 1, temperature: 1 },
} as const;

/** The namespace there is, and all that there are. */
export const NAMESPACE = 1;
export const EVERY_NAMESPACE = 0xffffffff;

/** Async event requests and Abort commands that may be under way at once: Identify has one less of each (AERL, ACL). */
export const MOST_EVENT_REQUESTS = 4;
export const MOST_ABORTS = 4;
/** Entries of the error log: Identify has one less (ELPE). */
export const ERROR_ENTRIES = 16;
/** What the controller always measures, in kelvin: QEMU's value. */
export const TEMPERATURE = 323;
