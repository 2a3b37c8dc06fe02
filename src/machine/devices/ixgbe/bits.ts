/** Bits of the 82599's registers (datasheet, section 8.2), and numbers of its parts. */
import { DropReason as CommonDropReason, dropReasonNames as commonNames } from '../intel-nic/constants';

export const Ctrl = { GIO_DISABLE: 1 << 2, LINK_RESET: 1 << 3, RST: 1 << 26 } as const;
export const Status = { LINK_UP: 1 << 7, NUM_VFS_SHIFT: 10, IOV: 1 << 18, GIO_MASTER: 1 << 19 } as const;
export const CtrlExt = { PFRSTD: 1 << 14 } as const;
/** Causes beside those of queues, as EICR has them (8.2.3.5.1). */
export const Cause = { RX_MISS: 1 << 17, MAILBOX: 1 << 19, LINK_CHANGE: 1 << 20 } as const;
/** Bits of EICR that stand for MSI-X vectors or, without MSI-X, for what IVAR maps to them. */
export const QUEUE_CAUSES = 0xffff;
export const OTHER_CAUSES = 0x7fff0000;
export const Gpie = { OCD: 1 << 5, EIAME: 1 << 30 } as const;
/** An entry of IVAR. */
export const Ivar = { VECTOR: 0x3f, VALID: 0x80 } as const;
export const Rdrxctl = { CRC_STRIP: 1 << 1, DMA_IDLE: 1 << 3 } as const;
export const Rxctrl = { RXEN: 1 << 0 } as const;
export const Hlreg0 = {
  TX_CRC: 1 << 0,
  RX_CRC_STRIP: 1 << 1,
  JUMBO: 1 << 2,
  TX_PAD: 1 << 10,
  LOOPBACK: 1 << 15,
} as const;
export const Autoc = { RESTART: 1 << 12 } as const;
export const Links = { UP: 1 << 30, SPEED_10G: 3 << 28, AUTONEG_DONE: 1 << 31 } as const;
export const Dmatxctl = { TE: 1 << 0, VLAN_TYPE_SHIFT: 16 } as const;
export const Fctrl = { SBP: 1 << 1, MPE: 1 << 8, UPE: 1 << 9, BAM: 1 << 10 } as const;
export const Vlnctrl = { TYPE: 0xffff, CFI: 1 << 28, CFIEN: 1 << 29, VFE: 1 << 30 } as const;
export const Mcstctrl = { OFFSET: 3, MFE: 1 << 2 } as const;
export const VtCtl = { VT_ENA: 1 << 0, DEF_PL_SHIFT: 7, DIS_DEFPL: 1 << 29, REPLICATION: 1 << 30 } as const;
export const Mtqc = { RT_ENA: 1 << 0, VT_ENA: 1 << 1 } as const;
export const Vmvir = { ALWAYS: 1 << 30, NEVER: 1 << 31 } as const;
export const Pfdtxgswc = { LOOPBACK: 1 << 0 } as const;
export const Secrx = { DISABLE: 1 << 1 } as const;
/** SECTXSTAT and SECRXSTAT: the path is empty and may be switched. */
export const SEC_READY = 1;
export const RAH_VALID = 1 << 31;
/** PFVML2FLT (VMOLR): what a pool takes beside frames to its own addresses. */
export const Vmolr = { AUPE: 1 << 24, ROMPE: 1 << 25, ROPE: 1 << 26, BAM: 1 << 27, MPE: 1 << 28 } as const;
export const VLVF_VALID = 1 << 31;
export const Fdirctrl = { PBALLOC: 3, INIT_DONE: 1 << 3 } as const;
export const Fdircmd = { COMMAND: 3 } as const;
export const Eec = { REQ: 1 << 6, GNT: 1 << 7, PRES: 1 << 8, AUTO_RD: 1 << 9, SIZE_16K: 4 << 11 } as const;
export const Eerd = { START: 1 << 0, DONE: 1 << 1 } as const;
export const Swsm = { SMBI: 1 << 0, SWESMBI: 1 << 1 } as const;
export const Gcr = { VT_MODE: 3 } as const;
/** RXDCTL and TXDCTL. */
export const Qdctl = { ENABLE: 1 << 25, FLUSH: 1 << 26, VME: 1 << 30 } as const;
export const Srrctl = { PACKET_KIB: 0x1f, DESCTYPE_SHIFT: 25, DROP_EN: 1 << 28 } as const;
/** TDWBAL: the head is written to memory in place of descriptors. */
export const HEAD_WRITE_BACK = 1;

/** Command bits of a transmit descriptor, as they stand in its byte 11 (7.2.3.2). */
export const TxCmd = {
  EOP: 1 << 0,
  IFCS: 1 << 1,
  /** Of a legacy descriptor: insert a checksum. */
  IC: 1 << 2,
  RS: 1 << 3,
  DEXT: 1 << 5,
  VLE: 1 << 6,
  /** Of an advanced one: segment. */
  TSE: 1 << 7,
} as const;

/** Extended status and errors of an advanced receive descriptor (7.1.6.2). */
export const RxStatus = {
  DD: 1 << 0,
  EOP: 1 << 1,
  VP: 1 << 3,
  UDPCS: 1 << 4,
  L4CS: 1 << 5,
  IPCS: 1 << 6,
  PIF: 1 << 7,
  LB: 1 << 18,
} as const;
export const RxError = { RXE: 1 << 29, L4E: 1 << 30, IPE: 1 << 31 } as const;

/** Descriptors that the chip has room for, of each queue (7.1.8, 7.2.3.4). */
export const ON_CHIP = { receive: 64, transmit: 40 } as const;
/** Data transactions of a queue that are on their way together. */
export const IN_FLIGHT = 16;
/** Longest frame that the MAC sends or takes, with FCS: 15.5 KB (1.3). */
export const LONGEST = 15872;
/** Longest without HLREG0.JUMBOEN, with FCS and a tag (8.2.3.22.13). */
export const NORMAL_MAX = 1522;
/** Unit of an EITR interval, in nanoseconds (8.2.3.5.12). */
export const EITR_UNIT = 2000;

/** What a DMA transaction of a queue is for: channel `8 * queue + use`. */
export const Use = {
  ReceiveFetch: 0,
  ReceiveData: 1,
  ReceiveWriteBack: 2,
  TransmitFetch: 3,
  TransmitData: 4,
  TransmitWriteBack: 5,
  Head: 6,
} as const;
export const USES = 8;

export const DropReason = {
  ...CommonDropReason,
  /** The queue that the frame was for is off. */
  QueueOff: 11,
  /** The queue has no descriptors, and is set to drop. */
  NoDescriptors: 12,
  /** A pool sends with an address that is not its own. */
  MacSpoofed: 13,
  /** A pool sends with a tag that is not its own. */
  VlanSpoofed: 14,
  /** No pool wants it, or none that may receive. */
  NoPool: 15,
  /** Its pool may not send. */
  PoolOff: 16,
} as const;

export const dropReasonNames: Readonly<Record<string, string>> = {
  ...commonNames,
  [DropReason.QueueOff]: 'queue off',
  [DropReason.NoDescriptors]: 'no descriptors',
  [DropReason.MacSpoofed]: "source address is not the pool's",
  [DropReason.VlanSpoofed]: "VLAN is not the pool's",
  [DropReason.NoPool]: 'no pool takes it',
  [DropReason.PoolOff]: 'pool may not send',
};
