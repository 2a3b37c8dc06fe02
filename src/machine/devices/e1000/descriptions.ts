/** What the registers of the 82540EM and their bits mean (Software Developer's Manual, chapter 13). */
import { choice, flag, flagsOf, number } from '../../../trace/vocabulary/bit-fields';
import type { RegisterDescription, RegisterDescriptions } from '../../registers';
import { Cause, Rctl, RxStatus, Tctl, TxCmd } from './constants';

const causes = flagsOf(Cause);
const speeds = ['10 Mb/s', '100 Mb/s', '1000 Mb/s', '1000 Mb/s'];
const thresholds = [
  number('prefetch (PTHRESH)', 0, 5),
  number('host (HTHRESH)', 8, 13),
  number('write-back (WTHRESH)', 16, 21),
  flag('in descriptors (GRAN)', 24),
];

const described = (
  group: string,
  meaning: string,
  fields?: RegisterDescription['fields'],
): RegisterDescription => ({ group, meaning, ...(fields && { fields }) });
const general = described.bind(undefined, 'General');
const interrupts = described.bind(undefined, 'Interrupts');
const receive = described.bind(undefined, 'Receive');
const transmit = described.bind(undefined, 'Transmit');
const filters = described.bind(undefined, 'Filters');

/** By register name. */
export const descriptions: RegisterDescriptions = {
  CTRL: general('Device control (13.4.1).', [
    flag('full duplex (FD)', 0),
    flag('auto-speed detection (ASDE)', 5),
    flag('set link up (SLU)', 6),
    choice('speed (SPEED)', 8, 9, speeds),
    flag('force speed (FRCSPD)', 11),
    flag('force duplex (FRCDPLX)', 12),
    flag('reset (RST)', 26),
    flag('receive flow control (RFCE)', 27),
    flag('transmit flow control (TFCE)', 28),
    flag('VLAN mode (VME)', 30),
    flag('PHY reset (PHY_RST)', 31),
  ]),
  STATUS: general('Device status (13.4.2).', [
    flag('full duplex (FD)', 0),
    flag('link up (LU)', 1),
    flag('transmission paused (TXOFF)', 4),
    choice('speed (SPEED)', 6, 7, speeds),
    choice('detected speed (ASDV)', 8, 9, speeds),
  ]),
  EECD: general('EEPROM control and data (13.4.3).', [
    flag('clock (SK)', 0),
    flag('chip select (CS)', 1),
    flag('data in (DI)', 2),
    flag('data out (DO)', 3),
    flag('request (EE_REQ)', 6),
    flag('grant (EE_GNT)', 7),
    flag('present (EE_PRES)', 8),
  ]),
  EERD: general('EEPROM read (13.4.4).', [
    flag('start', 0),
    flag('done', 4),
    number('address', 8, 15),
    number('data', 16, 31),
  ]),
  CTRL_EXT: general('Extended device control (13.4.5).'),
  MDIC: general('PHY registers (13.4.7).', [
    number('data', 0, 15),
    number('register (REGADD)', 16, 20),
    number('PHY (PHYADD)', 21, 25),
    choice('operation (OP)', 26, 27, ['reserved', 'write', 'read', 'reserved']),
    flag('ready (R)', 28),
    flag('interrupt when ready (I)', 29),
    flag('error (E)', 30),
  ]),
  PBA: general('Packet buffer: KiB for reception and transmission (13.4.16).', [
    number('receive (RXA)', 0, 15),
    number('transmit (TXA)', 16, 31),
  ]),
  VET: general('EtherType of VLAN tags (13.4.12).'),
  ICR: interrupts('Causes that are pending; reading clears them (13.4.17).', causes),
  ITR: interrupts('Least time between interrupts, in units of 256 ns (13.4.18).'),
  ICS: interrupts('Causes that software sets (13.4.19).', causes),
  IMS: interrupts('Causes that interrupt (13.4.20).', causes),
  IMC: interrupts('Causes that software masks (13.4.21).', causes),
  RCTL: receive('Receive control (13.4.22).', [
    ...flagsOf({ EN: Rctl.EN, SBP: Rctl.SBP, UPE: Rctl.UPE, MPE: Rctl.MPE, LPE: Rctl.LPE }),
    choice('loopback (LBM)', 6, 7, ['none', 'reserved', 'reserved', 'PHY']),
    choice('few descriptors left (RDMTS)', 8, 9, ['1/2', '1/4', '1/8', 'reserved']),
    number('multicast offset (MO)', 12, 13),
    flag('BAM', 15),
    number('buffer size (BSIZE)', 16, 17),
    ...flagsOf({ VFE: Rctl.VFE, CFIEN: Rctl.CFIEN, CFI: Rctl.CFI, BSEX: Rctl.BSEX, SECRC: Rctl.SECRC }),
  ]),
  RDBAL: receive('Ring: bus address, bits 31 to 0 (13.4.25).'),
  RDBAH: receive('Ring: bus address, bits 63 to 32 (13.4.26).'),
  RDLEN: receive('Ring: bytes (13.4.27).'),
  RDH: receive('Ring: the next descriptor that the hardware uses (13.4.28).'),
  RDT: receive('Ring: one beyond the last descriptor that software has given (13.4.29).'),
  RDTR: receive('Delay of the interrupt after a packet, in units of 1.024 µs (13.4.30).', [
    number('delay', 0, 15),
    flag('flush (FPD)', 31),
  ]),
  RADV: receive('Longest delay of the interrupt, in units of 1.024 µs (13.4.31).'),
  RXDCTL: receive('Thresholds of the ring (13.4.43).', thresholds),
  RXCSUM: receive('Checksums (13.4.32).', [
    number('start (PCSS)', 0, 7),
    flag('IP (IPOFL)', 8),
    flag('TCP and UDP (TUOFL)', 9),
  ]),
  TCTL: transmit('Transmit control (13.4.33).', [
    ...flagsOf(Tctl),
    number('collision threshold (CT)', 4, 11),
    number('collision distance (COLD)', 12, 21),
  ]),
  TIPG: transmit('Gaps between packets (13.4.34).', [
    number('IPGT', 0, 9),
    number('IPGR1', 10, 19),
    number('IPGR2', 20, 29),
  ]),
  TDBAL: transmit('Ring: bus address, bits 31 to 0 (13.4.36).'),
  TDBAH: transmit('Ring: bus address, bits 63 to 32 (13.4.37).'),
  TDLEN: transmit('Ring: bytes (13.4.38).'),
  TDH: transmit('Ring: the next descriptor that the hardware uses (13.4.39).'),
  TDT: transmit('Ring: one beyond the last descriptor that software has given (13.4.40).'),
  TIDV: transmit('Delay of the interrupt after a packet, in units of 1.024 µs (13.4.41).'),
  TADV: transmit('Longest delay of the interrupt, in units of 1.024 µs (13.4.45).'),
  TXDCTL: transmit('Thresholds of the ring (13.4.46).', thresholds),
  RAL: filters('Receive address, bits 31 to 0 (13.5.2).'),
  RAH: filters('Receive address, bits 47 to 32 (13.5.3).', [
    number('address', 0, 15),
    choice('matches (AS)', 16, 17, ['destination', 'source', 'reserved', 'reserved']),
    flag('valid (AV)', 31),
  ]),
  MTA: filters('Multicast table: one bit for each hash (13.5.1).'),
  VFTA: filters('VLAN table: one bit for each VLAN (13.5.4).'),
};

/** Byte 11 of a transmit descriptor, and the status byte of either direction. */
export const transmitCommands = flagsOf(TxCmd);
export const transmitStatus = [flag('DD', 0), flag('EC', 1), flag('LC', 2)];
export const receiveStatus = flagsOf(RxStatus);
