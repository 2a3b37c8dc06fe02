/** What the registers of the 82599 and of its virtual functions mean (datasheet, 8.2 and 8.3). */
import { choice, flag, flagsOf, number } from '../../../trace/vocabulary/bit-fields';
import type { RegisterDescription, RegisterDescriptions } from '../../registers';
import { Cause, Fctrl, Hlreg0, RAH_VALID, TxCmd, VLVF_VALID, Vmolr } from './bits';

const described =
  (group: string) =>
  (meaning: string, fields?: RegisterDescription['fields']): RegisterDescription => ({
    group,
    meaning,
    ...(fields && { fields }),
  });
const general = described('General');
const interrupts = described('Interrupts');
const receive = described('Receive');
const transmit = described('Transmit');
const filters = described('Filters and pools');
const mailbox = described('Mailbox');

const causes = [number('queues', 0, 15), ...flagsOf(Cause), flag('TCP timer', 30)];
const valid = (mask: number): number => 31 - Math.clz32(mask);
const queueControl = [flag('ENABLE', 25), flag('SWFLSH', 26), flag('VME', 30)];
const bufferSizes = [
  number('packet buffer (KiB)', 0, 4),
  number('header buffer', 8, 13),
  choice('descriptor type', 25, 27, ['legacy', 'advanced, one buffer', 'header split']),
  flag('DROP_EN', 28),
];

/** Descriptions that registers of the physical function and of virtual ones have alike, by the name of the former. */
const shared = {
  interval: interrupts('Least time between interrupts of a vector (8.2.3.5.12).', [
    number('interval, 2 µs', 3, 11),
  ]),
  receiveBase: receive('Ring: bus address, bits 31 to 0 (8.2.3.8.1).'),
  receiveHigh: receive('Ring: bus address, bits 63 to 32 (8.2.3.8.2).'),
  receiveLength: receive('Ring: bytes (8.2.3.8.3).'),
  receiveHead: receive('Ring: the next descriptor that the hardware uses (8.2.3.8.4).'),
  receiveTail: receive('Ring: one beyond the last descriptor that software has given (8.2.3.8.5).'),
  receiveControl: receive('Control of the queue (8.2.3.8.6).', queueControl),
  split: receive('Buffers of the queue (8.2.3.8.7).', bufferSizes),
  transmitBase: transmit('Ring: bus address, bits 31 to 0 (8.2.3.9.5).'),
  transmitHigh: transmit('Ring: bus address, bits 63 to 32 (8.2.3.9.6).'),
  transmitLength: transmit('Ring: bytes (8.2.3.9.7).'),
  transmitHead: transmit('Ring: the next descriptor that the hardware uses (8.2.3.9.8).'),
  transmitTail: transmit('Ring: one beyond the last descriptor that software has given (8.2.3.9.9).'),
  transmitControl: transmit('Control of the queue (8.2.3.9.10).', [
    number('PTHRESH', 0, 6),
    number('HTHRESH', 8, 14),
    number('WTHRESH', 16, 22),
    flag('ENABLE', 25),
    flag('SWFLSH', 26),
  ]),
} as const;

/** By register name. */
export const descriptions: RegisterDescriptions = {
  CTRL: general('Device control (8.2.3.1.1).', [flag('LRST', 3), flag('RST', 26)]),
  STATUS: general('Device status (8.2.3.1.2).', [
    number('LAN ID', 2, 3),
    flag('LinkUp', 7),
    number('Num VFs', 10, 17),
    flag('IOV active', 18),
    flag('PCIe master enabled', 19),
  ]),
  CTRL_EXT: general('Extended device control (8.2.3.1.3).', [flag('PFRSTD', 14)]),
  LINKS: general('Link status (8.2.3.22.20).', [
    choice('speed', 28, 29, ['reserved', '100 Mb/s', '1 Gb/s', '10 Gb/s']),
    flag('up', 30),
  ]),
  HLREG0: general('MAC core control (8.2.3.22.8).', flagsOf(Hlreg0)),
  MAXFRS: general('Longest frame (8.2.3.22.13).', [number('bytes', 16, 31)]),
  EICR: interrupts('Causes that are pending (8.2.3.5.1).', causes),
  EICS: interrupts('Causes that software sets (8.2.3.5.2).', causes),
  EIMS: interrupts('Causes that interrupt (8.2.3.5.3).', causes),
  EIMC: interrupts('Causes that software masks (8.2.3.5.4).', causes),
  EIAC: interrupts('Causes that clear by themselves (8.2.3.5.5).', causes),
  EIAM: interrupts('Causes that mask themselves (8.2.3.5.6).', causes),
  EITR: shared.interval,
  IVAR: interrupts('Vectors of queues (8.2.3.5.16).', [
    ...[0, 1, 2, 3].flatMap((n) => [number(`entry ${n}`, 8 * n, 8 * n + 5), flag(`valid ${n}`, 8 * n + 7)]),
  ]),
  GPIE: interrupts('General purpose interrupt enable (8.2.3.5.18).', [
    flag('multiple MSI-X', 4),
    flag('OCD', 5),
    flag('EIAME', 30),
    flag('PBA support', 31),
  ]),
  FCTRL: filters('Filter control (8.2.3.7.1).', flagsOf(Fctrl)),
  VT_CTL: filters('Pools (8.2.3.7.24).', [
    flag('VT_Ena', 0),
    number('default pool', 7, 12),
    flag('Dis_Def_Pool', 29),
    flag('Rpl_En', 30),
  ]),
  VMOLR: filters('What a pool takes beside its own addresses (8.2.3.27.11).', flagsOf(Vmolr)),
  VLVF: filters('VLAN of pools (8.2.3.27.13).', [number('VLAN', 0, 11), flag('valid', valid(VLVF_VALID))]),
  VFRE: filters('Pools that may receive (8.2.3.27.3).'),
  VFTE: filters('Pools that may send (8.2.3.27.4).'),
  PFVFSPOOF: filters('Anti-spoofing of pools (8.2.3.27.23).', [number('MAC', 0, 7), number('VLAN', 8, 15)]),
  RAL: filters('Receive address, bits 31 to 0 (8.2.3.7.8).'),
  RAH: filters('Receive address, bits 47 to 32 (8.2.3.7.9).', [
    number('address', 0, 15),
    flag('valid', valid(RAH_VALID)),
  ]),
  MPSAR: filters('Pools of a receive address (8.2.3.7.10).'),
  MTA: filters('Multicast table (8.2.3.7.7).'),
  UTA: filters('Unicast table (8.2.3.7.12).'),
  VFTA: filters('VLAN table (8.2.3.7.11).'),
  RXCTRL: receive('Receive control (8.2.3.8.10).', [flag('RXEN', 0)]),
  RDBAL: shared.receiveBase,
  RDBAH: shared.receiveHigh,
  RDLEN: shared.receiveLength,
  RDH: shared.receiveHead,
  RDT: shared.receiveTail,
  RXDCTL: shared.receiveControl,
  SRRCTL: shared.split,
  DMATXCTL: transmit('DMA transmit control (8.2.3.9.2).', [flag('TE', 0), number('VLAN type', 16, 31)]),
  TDBAL: shared.transmitBase,
  TDBAH: shared.transmitHigh,
  TDLEN: shared.transmitLength,
  TDH: shared.transmitHead,
  TDT: shared.transmitTail,
  TXDCTL: shared.transmitControl,
  PFMAILBOX: mailbox('Mailbox of a virtual function (8.2.3.27.1).', [
    flag('Sts', 0),
    flag('Ack', 1),
    flag('VFU', 2),
    flag('PFU', 3),
    flag('RVFU', 4),
  ]),
  VFMAILBOX: mailbox('Mailbox (8.3.5.1.5).', [
    ...['Req', 'Ack', 'VFU', 'PFU', 'PFSTS', 'PFACK', 'RSTI', 'RSTD'].map((name, bit) => flag(name, bit)),
  ]),
  VTEICR: interrupts('Causes that are pending (8.3.5.2.1).'),
  VTEIMS: interrupts('Causes that interrupt (8.3.5.2.3).'),
  VTEITR: shared.interval,
  VFRDBAL: shared.receiveBase,
  VFRDBAH: shared.receiveHigh,
  VFRDLEN: shared.receiveLength,
  VFRDH: shared.receiveHead,
  VFRDT: shared.receiveTail,
  VFRXDCTL: shared.receiveControl,
  VFSRRCTL: shared.split,
  VFTDBAL: shared.transmitBase,
  VFTDBAH: shared.transmitHigh,
  VFTDLEN: shared.transmitLength,
  VFTDH: shared.transmitHead,
  VFTDT: shared.transmitTail,
  VFTXDCTL: shared.transmitControl,
};

/** Byte 11 of a transmit descriptor. */
export const transmitCommands = flagsOf(TxCmd);
