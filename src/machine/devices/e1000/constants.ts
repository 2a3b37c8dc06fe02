/**
 * Register offsets and bits of the 82540EM (PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual,
 * chapter 13).
 */

/** Offsets in BAR 0. */
export const Reg = {
  CTRL: 0x0000,
  STATUS: 0x0008,
  EECD: 0x0010,
  EERD: 0x0014,
  CTRL_EXT: 0x0018,
  FLA: 0x001c,
  MDIC: 0x0020,
  FCAL: 0x0028,
  FCAH: 0x002c,
  FCT: 0x0030,
  VET: 0x0038,
  ICR: 0x00c0,
  ITR: 0x00c4,
  ICS: 0x00c8,
  IMS: 0x00d0,
  IMC: 0x00d8,
  RCTL: 0x0100,
  FCTTV: 0x0170,
  TCTL: 0x0400,
  TIPG: 0x0410,
  AIT: 0x0458,
  LEDCTL: 0x0e00,
  PBA: 0x1000,
  FCRTL: 0x2160,
  FCRTH: 0x2168,
  RDBAL: 0x2800,
  RDBAH: 0x2804,
  RDLEN: 0x2808,
  RDH: 0x2810,
  RDT: 0x2818,
  RDTR: 0x2820,
  RXDCTL: 0x2828,
  RADV: 0x282c,
  RSRPD: 0x2c00,
  TDBAL: 0x3800,
  TDBAH: 0x3804,
  TDLEN: 0x3808,
  TDH: 0x3810,
  TDT: 0x3818,
  TIDV: 0x3820,
  TXDCTL: 0x3828,
  TADV: 0x382c,
  TSPMT: 0x3830,
  RXCSUM: 0x5000,
  MTA: 0x5200,
  RAL0: 0x5400,
  VFTA: 0x5600,
  WUC: 0x5800,
  WUFC: 0x5808,
  WUS: 0x5810,
  MANC: 0x5820,
  IPAV: 0x5838,
  /**
   * Software semaphore: of later controllers of the family (82573 and on). QEMU's model keeps its bits, and U-Boot's driver takes it
   * before it reads the EEPROM of any.
   */
  SWSM: 0x5b50,
  RDFH: 0x2410,
  RDFT: 0x2418,
  RDFHS: 0x2420,
  RDFTS: 0x2428,
  RDFPC: 0x2430,
  TDFH: 0x3410,
  TDFT: 0x3418,
  TDFHS: 0x3420,
  TDFTS: 0x3428,
  TDFPC: 0x3430,
} as const;

/** Tables of wake-up (13.6): first offset, bytes from one entry to the next, entries, bits. */
export const WAKE_UP_TABLES = {
  IP4AT: { at: 0x5840, step: 8, entries: 4, bits: 0xffffffff },
  IP6AT: { at: 0x5880, step: 4, entries: 4, bits: 0xffffffff },
  WUPM: { at: 0x5a00, step: 4, entries: 32, bits: 0xffffffff },
  FFLT: { at: 0x5f00, step: 8, entries: 4, bits: 0x7ff },
  FFMT: { at: 0x9000, step: 8, entries: 128, bits: 0xf },
  FFVT: { at: 0x9800, step: 8, entries: 128, bits: 0xffffffff },
} as const;

/** Statistics registers (13.7): 32 bits, cleared by reading; the *L/*H pairs are 64 bits, cleared by reading the high half. */
export const Stat = {
  CRCERRS: 0x4000,
  RXERRC: 0x400c,
  MPC: 0x4010,
  RLEC: 0x4040,
  PRC64: 0x405c,
  GPRC: 0x4074,
  BPRC: 0x4078,
  MPRC: 0x407c,
  GPTC: 0x4080,
  GORCL: 0x4088,
  GORCH: 0x408c,
  GOTCL: 0x4090,
  GOTCH: 0x4094,
  RNBC: 0x40a0,
  RUC: 0x40a4,
  ROC: 0x40ac,
  TORL: 0x40c0,
  TORH: 0x40c4,
  TOTL: 0x40c8,
  TOTH: 0x40cc,
  TPR: 0x40d0,
  TPT: 0x40d4,
  PTC64: 0x40d8,
  MPTC: 0x40f0,
  BPTC: 0x40f4,
  TSCTC: 0x40f8,
} as const;
export const STATISTICS = { first: 0x4000, last: 0x40fc } as const;

export const Ctrl = {
  FD: 1 << 0,
  SLU: 1 << 6,
  SPEED_1000: 2 << 8,
  RST: 1 << 26,
  VME: 1 << 30,
  PHY_RST: 1 << 31,
} as const;
/** STATUS (13.4.2); the bits named QEMU_* have no meaning in the manual and stand in QEMU's 82540EM. */
export const StatusBit = {
  FD: 1 << 0,
  LU: 1 << 1,
  SPEED_1000: 2 << 6,
  ASDV_1000: 3 << 8,
  QEMU_MTXCKOK: 1 << 10,
  QEMU_MASTER_ENABLE: 1 << 19,
  QEMU_31: 1 << 31,
} as const;

/** Interrupt causes (13.4.17). */
export const Cause = {
  TXDW: 1 << 0,
  TXQE: 1 << 1,
  LSC: 1 << 2,
  RXSEQ: 1 << 3,
  RXDMT0: 1 << 4,
  RXO: 1 << 6,
  RXT0: 1 << 7,
  MDAC: 1 << 9,
  TXD_LOW: 1 << 15,
  SRPD: 1 << 16,
} as const;
/** All causes that this device has. */
export const CAUSE_MASK = 0x1fedf;

export const Rctl = {
  EN: 1 << 1,
  SBP: 1 << 2,
  UPE: 1 << 3,
  MPE: 1 << 4,
  LPE: 1 << 5,
  LBM: 3 << 6,
  BAM: 1 << 15,
  VFE: 1 << 18,
  CFIEN: 1 << 19,
  CFI: 1 << 20,
  BSEX: 1 << 25,
  SECRC: 1 << 26,
} as const;
export const Tctl = { EN: 1 << 1, PSP: 1 << 3 } as const;
/** Bit 31 of RDTR: flush, raise the delayed interrupt at once. */
export const FLUSH_PARTIAL = 0x80000000;

/** Command bits of a transmit descriptor, as they stand in its byte 11 (3.3.3). */
export const TxCmd = {
  EOP: 1 << 0,
  IFCS: 1 << 1,
  IC: 1 << 2,
  /** In place of IC, in an extended descriptor: segment, or the context of segmentation. */
  TSE: 1 << 2,
  RS: 1 << 3,
  DEXT: 1 << 5,
  VLE: 1 << 6,
  IDE: 1 << 7,
} as const;
/** Status byte of a receive descriptor (3.2.3.1). */
export const RxStatus = { DD: 1 << 0, EOP: 1 << 1, IXSM: 1 << 2, VP: 1 << 3, PIF: 1 << 7 } as const;

/** Largest packet that the transmitter takes (3.3.3). */
export const TRANSMIT_MAX = 16288;
/** Largest frames that the receiver takes, with FCS: without and with RCTL.LPE (13.4.22, 13.7.36). */
export const RECEIVE_MAX = { normal: 1522, long: 16384 } as const;
/** Descriptors that each direction has room for on the chip (3.2.4, 3.4.1). */
export const ON_CHIP = 64;
/** Unit of ITR, and of RDTR, RADV, TIDV and TADV, in nanoseconds. */
export const ITR_UNIT = 256;
export const DELAY_UNIT = 1024;

/** Timer kinds, for `E1000.onEvent`. */
export const Timer = {
  /** The interrupt throttle's interval. */
  Throttle: 1,
  RxDelay: 2,
  RxAbsolute: 3,
  TxDelay: 4,
  TxAbsolute: 5,
  /** The transmitter's own work on a packet. */
  Transmit: 6,
  /** The receiver's own work on a packet. */
  Receive: 7,
  /** Until the wire takes the next frame. */
  Wire: 8,
} as const;
/** One more than the largest `Timer`. */
export const TIMERS = 9;

/** What a DMA transaction is for. */
export const Channel = {
  TransmitFetch: 0,
  TransmitData: 1,
  TransmitWriteBack: 2,
  ReceiveFetch: 3,
  ReceiveData: 4,
  ReceiveWriteBack: 5,
} as const;
/** One more than the largest `Channel`. */
export const CHANNELS = 6;
