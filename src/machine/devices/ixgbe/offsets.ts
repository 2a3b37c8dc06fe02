/**
 * Register offsets in BAR 0 of the 82599's physical function (Intel 82599 10 GbE Controller Datasheet, revision 3.4, section 8.2).
 * Registers of queues are in `queue-registers.ts`, those that only keep their bits in `plain-registers.ts`.
 */
export const Reg = {
  CTRL: 0x00000,
  /** The same register once more (8.2.3.1.1). */
  CTRL_ALIAS: 0x00004,
  STATUS: 0x00008,
  CTRL_EXT: 0x00018,
  VFLRE1: 0x001c0,
  VFLRE0: 0x00600,
  VFLREC: 0x00700,
  PFMBICR: 0x00710,
  PFMBIMR: 0x00720,
  EICR: 0x00800,
  EICS: 0x00808,
  EIAC: 0x00810,
  EITR: 0x00820,
  EIMS: 0x00880,
  EIMC: 0x00888,
  EIAM: 0x00890,
  GPIE: 0x00898,
  IVAR: 0x00900,
  IVAR_MISC: 0x00a00,
  EICR_EX: 0x00a80,
  EICS_EX: 0x00a90,
  EIMS_EX: 0x00aa0,
  EIMC_EX: 0x00ab0,
  EIAM_EX: 0x00ad0,
  RQSMR: 0x02300,
  RDRXCTL: 0x02f00,
  QDE: 0x02f04,
  RXCTRL: 0x03000,
  RXMEMWRAP: 0x03190,
  RXPBSIZE: 0x03c00,
  HLREG0: 0x04240,
  MSCA: 0x0425c,
  MSRWD: 0x04260,
  MAXFRS: 0x04268,
  AUTOC: 0x042a0,
  LINKS: 0x042a4,
  AUTOC2: 0x042a8,
  LINKS2: 0x04324,
  DMATXCTL: 0x04a80,
  PFMAILBOX: 0x04b00,
  RXCSUM: 0x05000,
  FCTRL: 0x05080,
  VLNCTRL: 0x05088,
  MCSTCTRL: 0x05090,
  MTA: 0x05200,
  VT_CTL: 0x051b0,
  VFRE: 0x051e0,
  VMVIR: 0x08000,
  DTXMXSZRQ: 0x08100,
  LVMMC: 0x08108,
  VFTE: 0x08110,
  MTQC: 0x08120,
  PFVFSPOOF: 0x08200,
  PFDTXGSWC: 0x08220,
  TQSM: 0x08600,
  SECTXCTRL: 0x08800,
  SECTXSTAT: 0x08804,
  SECRXCTRL: 0x08d00,
  SECRXSTAT: 0x08d04,
  VFTA: 0x0a000,
  RAL: 0x0a200,
  RAH: 0x0a204,
  MPSAR: 0x0a600,
  TXPBSIZE: 0x0cc00,
  RETA: 0x0eb00,
  RSSRK: 0x0eb80,
  MRQC: 0x0ec80,
  FDIRCTRL: 0x0ee00,
  FDIRCMD: 0x0ee2c,
  VMOLR: 0x0f000,
  VLVF: 0x0f100,
  VLVFB: 0x0f200,
  UTA: 0x0f400,
  EEC: 0x10010,
  EERD: 0x10014,
  SWSM: 0x10140,
  FWSM: 0x10148,
  SW_FW_SYNC: 0x10160,
  GCR_EXT: 0x11050,
  /** EITR of the vectors from 24 on. */
  EITR_HIGH: 0x12300,
  PFMBMEM: 0x13000,
} as const;

/** Bytes of BAR 0, and of it those that hold registers. */
export const BAR0_BYTES = 0x80000;
export const REGISTER_BYTES = 0x16000;

/** How many there are of what. */
export const QUEUES = 128;
export const POOLS = 64;
export const VECTORS = 64;
/** Of a virtual function. */
export const VF_VECTORS = 3;
export const RECEIVE_ADDRESSES = 128;
export const VLAN_FILTERS = 64;
/** Words of a mailbox's memory. */
export const MAILBOX_WORDS = 16;
/** Sets of statistics that queues are mapped to. */
export const QUEUE_COUNTERS = 16;

/** Statistics (8.2.3.23): cleared by reading; of a 64-bit pair the high half is read last, but for `clearedByLow`. */
export const Stat = {
  CRCERRS: 0x04000,
  ILLERRC: 0x04004,
  ERRBC: 0x04008,
  MSPDC: 0x04010,
  MPC: 0x03fa0,
  RNBC: 0x03fc0,
  MLFC: 0x04034,
  MRFC: 0x04038,
  RLEC: 0x04040,
  PRC64: 0x0405c,
  GPRC: 0x04074,
  BPRC: 0x04078,
  MPRC: 0x0407c,
  GPTC: 0x04080,
  GORCL: 0x04088,
  GORCH: 0x0408c,
  GOTCL: 0x04090,
  GOTCH: 0x04094,
  RUC: 0x040a4,
  RFC: 0x040a8,
  ROC: 0x040ac,
  RJC: 0x040b0,
  TORL: 0x040c0,
  TORH: 0x040c4,
  TPR: 0x040d0,
  TPT: 0x040d4,
  PTC64: 0x040d8,
  MPTC: 0x040f0,
  BPTC: 0x040f4,
  XEC: 0x04120,
  SSVPC: 0x08780,
  LXONRXCNT: 0x041a4,
  LXOFFRXCNT: 0x041a8,
  LXONTXC: 0x03f60,
  LXOFFTXC: 0x03f68,
} as const;
