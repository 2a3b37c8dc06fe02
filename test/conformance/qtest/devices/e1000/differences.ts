/** Where QEMU's e1000 differs from the manual (PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual). */
import { Reg, Stat } from '../../../../../src/machine/devices/e1000/constants';
import type { Allowance, Difference } from '../../device';

const MANUAL = "8254x Software Developer's Manual";

export const e1000Differences: Readonly<Record<string, Difference>> = {
  'packet checksum': {
    qemu: 'leaves the packet checksum of a receive descriptor as it was',
    trapline: 'writes it',
    section: `${MANUAL}, 3.2.3 and 13.4.47`,
  },
  CTRL: {
    qemu: 'has software-defined pins in CTRL after reset, no full duplex, and keeps PHY_RST',
    trapline: 'has the values that an EEPROM without such pins gives; a reset of the PHY is over at once',
    section: `${MANUAL}, 13.4.1`,
  },
  'transmit queue empty': {
    qemu: 'raises TXQE at each write of TDT or TCTL',
    trapline: 'raises it when the head meets the tail',
    section: `${MANUAL}, 3.4.3 and 13.4.17`,
  },
  'few receive descriptors': {
    qemu: 'raises RXDMT0 with each frame while there are few free descriptors',
    trapline: 'raises it when their number falls to the threshold',
    section: `${MANUAL}, 3.2.7.3 and 13.4.22 (RDMTS)`,
  },
  'few transmit descriptors': {
    qemu: 'has no TXD_LOW',
    trapline: 'raises it when what is left to do falls to LWTHRESH, also of 0',
    section: `${MANUAL}, 13.4.43`,
  },
  'packet buffer allocation': {
    qemu: 'keeps in PBA what is written',
    trapline: 'has the rest of 64 KiB in its read-only upper half',
    section: `${MANUAL}, 13.4.16`,
  },
  'reset values': {
    qemu: 'has values after reset that an EEPROM gives',
    trapline: 'has zeros, as without manageability and with LEDs off',
    section: `${MANUAL}, chapter 13, LEDCTL and MANC: from the EEPROM`,
  },
  'registers that QEMU lacks': {
    qemu: 'has no such register: it reads as zeros',
    trapline: 'keeps what is written',
    section: `${MANUAL}, chapter 13, by their names`,
  },
  segmentations: {
    qemu: 'counts large packets of more than one segment in TSCTC',
    trapline: 'counts all',
    section: `${MANUAL}, 13.7.53`,
  },
  'broadcasts and multicasts': {
    qemu: 'counts those that RCTL.BAM and RCTL.MPE let in',
    trapline: 'counts all good ones',
    section: `${MANUAL}, 13.7.28 and 13.7.29`,
  },
  'all that is received': {
    qemu: 'counts in TOR and TPR what the filters let in',
    trapline: 'counts all frames that come',
    section: `${MANUAL}, 13.7.41 and 13.7.43`,
  },
  'sizes received': {
    qemu: 'counts sizes as they stand in memory, without a stripped FCS or tag',
    trapline: 'counts them as they came, with the FCS',
    section: `${MANUAL}, 13.7.21 to 13.7.26`,
  },
  'EEPROM contents': {
    qemu: 'has words in its EEPROM that nothing in it uses',
    trapline: 'has zeros there',
    section: `${MANUAL}, 5.6: the board maker's`,
  },
  'EEPROM at rest': {
    qemu: 'grants the EEPROM also to who has not asked, and keeps the last bit on its output',
    trapline: 'grants it on request; the output is pulled up while the chip is not selected',
    section: `${MANUAL}, 13.4.3`,
  },
  'PHY registers': {
    qemu: 'answers MDIC with an error for registers that its PHY lacks, and with the old contents for another PHY',
    trapline:
      'reads and writes all 32 of its PHY; another PHY is an error with the command as it was written',
    section: `${MANUAL}, 13.4.7`,
  },
  'tag before the end': {
    qemu: "writes a stripped tag into all of a frame's receive descriptors",
    trapline: 'writes it into the last, where alone it means something',
    section: `${MANUAL}, 3.2.3.1`,
  },
};

/** Differences after which packets or counters would differ for good. */
export const e1000Avoided: readonly Difference[] = [
  {
    qemu: 'filters also addresses of single stations by the multicast table',
    trapline: 'filters group addresses by it',
    section: `${MANUAL}, 13.5.1`,
  },
  {
    qemu: 'inserts no checksum by IC of a legacy descriptor',
    trapline: 'inserts it from CSS to the end at CSO',
    section: `${MANUAL}, 3.3.3.1`,
  },
  {
    qemu: 'inserts a checksum only where its place lies before the end of its range',
    trapline: 'inserts it wherever its place lies in the packet',
    section: `${MANUAL}, 3.3.6 (IPCSO, TUCSO)`,
  },
  {
    qemu: 'sends a segment without payload after a packet of whole segments',
    trapline: 'sends as many segments as there is payload',
    section: `${MANUAL}, 3.5`,
  },
  {
    qemu: 'counts the header of 40 bytes into the payload length of IPv6 segments',
    trapline: 'counts what follows that header',
    section: 'RFC 8200, 3',
  },
  {
    qemu: 'counts sent frames without the tag and the padding that the device adds',
    trapline: 'counts them as they are on the wire',
    section: `${MANUAL}, 13.7.32, 13.7.42 and 13.7.45`,
  },
  {
    qemu: 'ignores RCTL.LBM, RCTL.CFIEN, CTRL.RST, CTRL.SLU, PBA, RXDCTL and TXDCTL',
    trapline: 'obeys them',
    section: `${MANUAL}, 13.4.1, 13.4.16, 13.4.22, 13.4.43 and 13.4.46`,
  },
  {
    qemu: 'drops a frame that needs more descriptors than are free, and begins to send at writes of TDT and TCTL alone',
    trapline: 'keeps it in the packet buffer; sends whenever head and tail differ',
    section: `${MANUAL}, 3.2.7.4 and 3.4`,
  },
  {
    qemu: 'puts the next bit of the EEPROM out when the clock falls',
    trapline: 'puts it out when the clock rises',
    section: '93C46 data sheet, synchronous data timing',
  },
  {
    qemu: 'leaves the FCS of a received frame out of memory, where it counts it as stored',
    trapline: 'stores it',
    section: `${MANUAL}, 13.4.22 (SECRC)`,
  },
];

const ALL = 0xffffffff;
const TXQE = 0x2;
const RXDMT0 = 0x10;
const TXD_LOW = 0x8000;

/** Bits of a register that differ in reads. */
const masks: readonly { at: number; bits: number; difference: string }[] = [
  { at: Reg.CTRL, bits: 0x80140001, difference: 'CTRL' },
  ...[Reg.ICR, Reg.ICS].flatMap((at) => [
    { at, bits: TXQE, difference: 'transmit queue empty' },
    { at, bits: RXDMT0, difference: 'few receive descriptors' },
    { at, bits: TXD_LOW, difference: 'few transmit descriptors' },
  ]),
  { at: Reg.PBA, bits: ALL, difference: 'packet buffer allocation' },
  { at: Reg.LEDCTL, bits: 0x602, difference: 'reset values' },
  { at: Reg.MANC, bits: ALL, difference: 'reset values' },
  ...[
    Reg.CTRL_EXT,
    Reg.FLA,
    Reg.FCAL,
    Reg.FCAH,
    Reg.FCT,
    Reg.FCTTV,
    Reg.TIPG,
    Reg.FCRTL,
    Reg.FCRTH,
    Reg.RXDCTL,
    Reg.RSRPD,
    Reg.TIDV,
    Reg.TSPMT,
    Reg.RXCSUM,
  ].map((at) => ({ at, bits: ALL, difference: 'registers that QEMU lacks' })),
  { at: Stat.TSCTC, bits: ALL, difference: 'segmentations' },
  ...[Stat.BPRC, Stat.MPRC].map((at) => ({ at, bits: ALL, difference: 'broadcasts and multicasts' })),
  ...[Stat.TORL, Stat.TORH, Stat.TPR].map((at) => ({ at, bits: ALL, difference: 'all that is received' })),
  ...[0, 1, 2, 3, 4, 5].map((n) => ({ at: Stat.PRC64 + 4 * n, bits: ALL, difference: 'sizes received' })),
];

/** What may differ in a read of a register. */
export function registerMasks(at: number): Allowance[] {
  return masks.filter((mask) => mask.at === at).map(({ bits, difference }) => ({ difference, value: bits }));
}
