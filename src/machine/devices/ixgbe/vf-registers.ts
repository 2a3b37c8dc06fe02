/**
 * The register table of a virtual function (8.3): its own interrupts and mailbox, and a window on what of the device's registers is
 * its: the queues of its pool and its counters. What it may not do is not in it: its accesses to anything else are ignored.
 */
import type { Register } from '../intel-nic/register-table';
import { QUEUES, MAILBOX_WORDS, Reg, VF_VECTORS } from './offsets';
import { QUEUE_STRIDE, QueueReg, receiveBase, transmitBase } from './queue-registers';
import { VF_COUNTERS } from './statistics';
import type { Vectors } from './vectors';

/** Offsets in BAR 0 of a virtual function. */
export const VfReg = {
  VFCTRL: 0x0000,
  VFSTATUS: 0x0008,
  VFLINKS: 0x0010,
  VFFRTIMER: 0x0048,
  VTEICR: 0x0100,
  VTEICS: 0x0104,
  VTEIMS: 0x0108,
  VTEIMC: 0x010c,
  VTEIAC: 0x0110,
  VTEIAM: 0x0114,
  VTIVAR: 0x0120,
  VTIVAR_MISC: 0x0140,
  VTRSCINT: 0x0180,
  VFMBMEM: 0x0200,
  VFMAILBOX: 0x02fc,
  VFPSRTYPE: 0x0300,
  VTEITR: 0x0820,
  RECEIVE: 0x1000,
  VFGPRC: 0x101c,
  VFGORC_LSB: 0x1020,
  VFGORC_MSB: 0x1024,
  VFMPRC: 0x1034,
  TRANSMIT: 0x2000,
  VFGPTC: 0x201c,
  VFGOTC_LSB: 0x2020,
  VFGOTC_MSB: 0x2024,
  VFRXMEMWRAP: 0x3190,
} as const;

/** Bytes of BAR 0. */
export const VF_BAR_BYTES = 0x4000;
/** VFCTRL.RST (8.3.5.1.1). */
const RESET = 1 << 26;
/** Most queues that one has: of 16 pools. */
export const VF_QUEUES_MOST = 8;
const ALL = 0xffffffff;
const VECTOR_BITS = 2 ** VF_VECTORS - 1;
/** Entries of VTIVAR are of two bits and the valid one. */
const IVAR_BITS = 0x83838383;

/** The device's registers as a virtual function reaches them. */
export interface DeviceRegisters {
  read(offset: number): number;
  write(offset: number, value: number): void;
}

/** What a virtual function's registers act on. */
export interface VfParts {
  number: number;
  device: DeviceRegisters;
  vectors: Vectors;
  /** First of its queues, and how many; 0: the device has no pools. */
  queues(): { first: number; count: number };
  links(): number;
  status(): number;
  readMailbox(): number;
  /** What reading it would give; it clears nothing. */
  lookAtMailbox(): number;
  writeMailbox(value: number): void;
  /** VFCTRL.RST was written. */
  reset(): void;
}

/** Registers of a queue by name, in both directions. */
const QUEUE_NAMES = {
  receive: {
    VFRDBAL: QueueReg.baseLow,
    VFRDBAH: QueueReg.baseHigh,
    VFRDLEN: QueueReg.length,
    VFDCA_RXCTRL: QueueReg.dca,
    VFRDH: QueueReg.head,
    VFSRRCTL: QueueReg.srrctl,
    VFRDT: QueueReg.tail,
    VFRXDCTL: QueueReg.control,
    VFRSCCTL: QueueReg.rscctl,
  },
  transmit: {
    VFTDBAL: QueueReg.baseLow,
    VFTDBAH: QueueReg.baseHigh,
    VFTDLEN: QueueReg.length,
    VFDCA_TXCTRL: QueueReg.dca,
    VFTDH: QueueReg.head,
    VFTDT: QueueReg.tail,
    VFTXDCTL: QueueReg.control,
    VFTDWBAL: QueueReg.headLow,
    VFTDWBAH: QueueReg.headHigh,
  },
} as const;

/** What reading and writing do; reading that leaves everything as it is needs no `look` of its own. */
type Access = Pick<Register, 'read' | 'write' | 'look'>;

/** The table by offset. */
export function vfRegisterTable(parts: VfParts): ReadonlyMap<number, Register> {
  const table = new Map<number, Register>();
  const special = (name: string, offset: number, access: Access): void =>
    void table.set(offset, { name, writable: 0, ...(access.read && { look: access.read }), ...access });
  const plain = (name: string, offset: number, writable: number = ALL): void =>
    void table.set(offset, { name, writable });
  const { device, number } = parts;

  special('VFCTRL', VfReg.VFCTRL, {
    read: () => 0,
    write: (value) => {
      if ((value & RESET) !== 0) parts.reset();
    },
  });
  special('VFSTATUS', VfReg.VFSTATUS, { read: () => parts.status() });
  special('VFLINKS', VfReg.VFLINKS, { read: () => parts.links() });
  special('VFFRTIMER', VfReg.VFFRTIMER, {});
  plain('VTRSCINT', VfReg.VTRSCINT);
  plain('VFPSRTYPE', VfReg.VFPSRTYPE);
  special('VFRXMEMWRAP', VfReg.VFRXMEMWRAP, {});
  special('VFMAILBOX', VfReg.VFMAILBOX, {
    read: () => parts.readMailbox(),
    look: () => parts.lookAtMailbox(),
    write: (value) => parts.writeMailbox(value),
  });
  for (let word = 0; word < MAILBOX_WORDS; word++) {
    const shared = Reg.PFMBMEM + 64 * number + 4 * word;
    special(`VFMBMEM${word}`, VfReg.VFMBMEM + 4 * word, {
      read: () => device.read(shared),
      write: (value) => device.write(shared, value),
    });
  }
  addInterrupts(parts, special, plain);
  addQueues(parts, special);
  const { received, sent, multicast } = VF_COUNTERS;
  const show = (name: string, offset: number, at: number): void =>
    special(name, offset, { read: () => device.read(at) });
  show('VFGPRC', VfReg.VFGPRC, received.packets(number));
  show('VFGPTC', VfReg.VFGPTC, sent.packets(number));
  show('VFMPRC', VfReg.VFMPRC, multicast.packets(number));
  show('VFGORC_LSB', VfReg.VFGORC_LSB, received.bytes(number).low);
  show('VFGORC_MSB', VfReg.VFGORC_MSB, received.bytes(number).high);
  show('VFGOTC_LSB', VfReg.VFGOTC_LSB, sent.bytes(number).low);
  show('VFGOTC_MSB', VfReg.VFGOTC_MSB, sent.bytes(number).high);
  return table;
}

type Special = (name: string, offset: number, access: Access) => void;

function addInterrupts(
  { vectors }: VfParts,
  special: Special,
  plain: (name: string, offset: number, writable?: number) => void,
): void {
  special('VTEICR', VfReg.VTEICR, {
    read: () => {
      const causes = vectors.causesOf(0);
      vectors.clear(0, causes);
      return causes;
    },
    look: () => vectors.causesOf(0),
    write: (value) => vectors.clear(0, value),
  });
  special('VTEICS', VfReg.VTEICS, {
    read: () => vectors.causesOf(0),
    write: (value) => vectors.set(0, value & VECTOR_BITS),
  });
  special('VTEIMS', VfReg.VTEIMS, {
    read: () => vectors.enabledOf(0),
    write: (value) => vectors.enable(0, value & VECTOR_BITS),
  });
  special('VTEIMC', VfReg.VTEIMC, { read: () => 0, write: (value) => vectors.disable(0, value) });
  special('VTEIAM', VfReg.VTEIAM, {
    read: () => vectors.autoMaskOf(0),
    write: (value) => vectors.setAutoMask(0, value & VECTOR_BITS),
  });
  plain('VTEIAC', VfReg.VTEIAC, VECTOR_BITS);
  for (let i = 0; i < VF_QUEUES_MOST / 2; i++) plain(`VTIVAR${i}`, VfReg.VTIVAR + 4 * i, IVAR_BITS);
  plain('VTIVAR_MISC', VfReg.VTIVAR_MISC, IVAR_BITS & 0xff);
  for (let vector = 0; vector < VF_VECTORS; vector++) plain(`VTEITR${vector}`, VfReg.VTEITR + 4 * vector);
}

/** Each queue's registers, while the function has it: a queue that it has not reads as 0 and keeps nothing. */
function addQueues({ device, queues }: VfParts, special: Special): void {
  const window = (queue: number, at: (queue: number) => number): Access => ({
    read: () => {
      const { first, count } = queues();
      return queue < count ? device.read(at(first + queue)) : 0;
    },
    write: (value) => {
      const { first, count } = queues();
      if (queue < count && first + queue < QUEUES) device.write(at(first + queue), value);
    },
  });
  for (let queue = 0; queue < VF_QUEUES_MOST; queue++) {
    const stride = QUEUE_STRIDE * queue;
    for (const [name, at] of Object.entries(QUEUE_NAMES.receive))
      special(
        `${name}${queue}`,
        VfReg.RECEIVE + stride + at,
        window(queue, (each) => receiveBase(each) + at),
      );
    for (const [name, at] of Object.entries(QUEUE_NAMES.transmit))
      special(
        `${name}${queue}`,
        VfReg.TRANSMIT + stride + at,
        window(queue, (each) => transmitBase(each) + at),
      );
  }
}
