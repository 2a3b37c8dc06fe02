/** Registers that are not zero after a reset (8.2.3; those that the EEPROM loads as Intel's images have them). */
import { Hlreg0, Links } from './bits';
import { QUEUES, Reg } from './offsets';
import { QueueReg, receiveBase } from './queue-registers';

const KIB_SHIFT = 10;
/** Packet buffers: all of it in the first of eight (8.2.3.8.9, 8.2.3.9.13). */
const RECEIVE_KIB = 512;
const TRANSMIT_KIB = 160;
/** LMS: 10 gigabits without negotiation; the PMA of KX4 (8.2.3.22.19). */
const AUTOC_KX4 = (1 << 13) | (1 << 7);
const MAXFRS_RESET = 1518 << 16;
const VLAN_TYPE = 0x8100;
/** SRRCTL of every queue: buffers of 2 KiB for packets, and of 256 bytes, four times 64, for headers (8.2.3.8.7). */
const SRRCTL_RESET = 2 | (4 << 8);
/** EEMNGCTL.CFG_DONE of both ports: the EEPROM's configuration is loaded. */
const EEMNGCTL = { at: 0x10110, done: 3 << 18 } as const;

export const RESET_VALUES: readonly (readonly [offset: number, value: number])[] = [
  [Reg.RXPBSIZE, RECEIVE_KIB << KIB_SHIFT],
  [Reg.TXPBSIZE, TRANSMIT_KIB << KIB_SHIFT],
  [Reg.HLREG0, Hlreg0.TX_CRC | Hlreg0.RX_CRC_STRIP | Hlreg0.TX_PAD],
  [Reg.MAXFRS, MAXFRS_RESET],
  [Reg.AUTOC, AUTOC_KX4],
  [Reg.VLNCTRL, VLAN_TYPE],
  [Reg.DMATXCTL, VLAN_TYPE << 16],
  [Reg.LINKS2, Links.SPEED_10G],
  [EEMNGCTL.at, EEMNGCTL.done],
  ...Array.from({ length: QUEUES }, (_, n) => [receiveBase(n) + QueueReg.srrctl, SRRCTL_RESET] as const),
];
