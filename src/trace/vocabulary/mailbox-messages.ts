/**
 * What the drivers of an 82599's physical and virtual functions say to each other by the mailbox. The datasheet leaves the words
 * to software; these are those of Linux (drivers/net/ethernet/intel/ixgbe/ixgbe_mbx.h), as both its drivers speak them.
 */
import type { BitField } from './kind-row';

/** Types of a message: bits 15 to 0 of its first word. */
export const Message = {
  reset: 1,
  setAddress: 2,
  setMulticast: 3,
  setVlan: 4,
  setFrameLength: 5,
  setAddressFilter: 6,
  negotiate: 8,
  getQueues: 9,
  setCasts: 12,
  /** Of the physical function: something has happened, as of the link. */
  control: 0x100,
} as const;

/** Flags of the first word, the physical function's. */
export const MessageFlag = { clearToSend: 0x2000_0000, refused: 0x4000_0000, done: 0x8000_0000 } as const;

const names: Readonly<Record<number, string>> = {
  [Message.reset]: 'reset',
  [Message.setAddress]: 'set MAC address',
  [Message.setMulticast]: 'set multicast filter',
  [Message.setVlan]: 'set VLAN filter',
  [Message.setFrameLength]: 'set longest frame',
  [Message.setAddressFilter]: 'set further MAC address',
  [Message.negotiate]: 'negotiate version',
  [Message.getQueues]: 'get queues',
  [Message.setCasts]: 'set kinds of frames',
};
/** Types that one byte holds: the rest are nobody's. */
const TYPES = 16;

/** The first word of a virtual function's message. */
export const mailboxFields: readonly BitField[] = [
  {
    name: 'message',
    low: 0,
    high: 3,
    format: 'choice',
    names: Array.from({ length: TYPES }, (_, type) => names[type] ?? `${type}`),
  },
  { name: 'how many, or which', low: 16, high: 23, format: 'hex' },
];

/** Why a request is refused. */
export const Refusal = {
  notReset: 1,
  unknown: 2,
  version: 3,
  badAddress: 4,
  anothersAddress: 5,
  furtherAddress: 6,
  frameLength: 7,
  vlansFull: 8,
} as const;

/** In words, by number, for a trace's track. */
export const refusalNames: Readonly<Record<string, string>> = {
  [Refusal.notReset]: 'it has not reset itself yet',
  [Refusal.unknown]: 'no such request',
  [Refusal.version]: 'no such version of the protocol, or not for this one',
  [Refusal.badAddress]: 'no address of a station',
  [Refusal.anothersAddress]: 'its MAC address is given by the host',
  [Refusal.furtherAddress]: 'it may have no further MAC address',
  [Refusal.frameLength]: 'longer frames than the controller has',
  [Refusal.vlansFull]: 'all VLAN filters are taken',
};
