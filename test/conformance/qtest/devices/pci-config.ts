/** Configuration spaces of the devices: headers, BARs, command and status, capabilities, by accesses of all widths. */
import type { AccessSize } from '../../../../src/machine/bus';
import { CONFIG_PORTS } from '../../../../src/machine/pci/root';
import type { Judge, QtestDevice } from '../device';
import { configRead, configWrite, FIRST_SLOT } from '../pci';
import type { Random } from '../random';
import type { Operation } from '../script';

const SIZES: readonly AccessSize[] = [1, 2, 4];
/** Header, and with the one capability that both have. */
const HEADER = 0x40;
const WITH_MSI = 0x50;
const EDU = FIRST_SLOT + 1;

function turn(random: Random): Operation[] {
  const slot = random.pick([FIRST_SLOT, EDU]);
  const size = random.pick(SIZES);
  const offset = random.below((slot === EDU ? WITH_MSI : HEADER) / size) * size;
  switch (random.below(8)) {
    case 0:
      return configWrite(slot, offset, random.word() >>> (32 - 8 * size), size);
    case 1: {
      const bar = 0x10 + 4 * random.below(6);
      return [
        ...configWrite(slot, bar, random.oneIn(2) ? 0xffffffff : random.word()),
        ...configRead(slot, bar),
      ];
    }
    case 2:
      return configWrite(slot, 4, random.below(0x800), 2);
    case 3:
      return [{ op: 'in', size: 4, at: CONFIG_PORTS.base }];
    default:
      return configRead(slot, offset, size);
  }
}

/** Bits of a dword that differ, in all functions or in one. */
const masks: readonly { slot?: number; offset: number; bits: number; difference: string }[] = [
  { offset: 0x04, bits: 0x40, difference: 'parity error response' },
  { offset: 0x0c, bits: 0xff00, difference: 'latency timer' },
  // BAR 4; the next capability after that of MSI.
  { slot: EDU, offset: 0x20, bits: 0xffffffff, difference: 'MSI-X of edu' },
  { slot: EDU, offset: 0x40, bits: 0xff00, difference: 'MSI-X of edu' },
  { slot: EDU, offset: 0x40, bits: 0x01000000, difference: 'masks of MSI' },
  { slot: EDU, offset: 0x40, bits: 0x00700000, difference: 'messages of MSI' },
  { slot: EDU, offset: 0x4c, bits: 0xffff0000, difference: 'data of MSI' },
];

function judge(): Judge {
  let address = 0;
  return ({ operation }) => {
    if (operation.op === 'out' && operation.at === CONFIG_PORTS.base) address = operation.value;
    if (operation.op !== 'in' || operation.at < CONFIG_PORTS.base + 4) return [];
    const slot = (address >>> 11) & 31;
    const offset = address & 0xfc;
    const shift = 8 * (operation.at & 3);
    return masks
      .filter((mask) => mask.offset === offset && (mask.slot ?? slot) === slot)
      .map(({ difference, bits }) => ({ difference, value: bits >>> shift }));
  };
}

export const pciConfig: QtestDevice = {
  name: 'pci',
  qemu: [
    '-netdev',
    'hubport,id=net,hubid=0',
    '-device',
    `e1000,romfile=,netdev=net,addr=${FIRST_SLOT}`,
    '-device',
    `edu,addr=${EDU}`,
  ],
  models: [
    { model: 'e1000', name: 'e1000', mac: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56), coalesced: false },
    { model: 'edu', name: 'edu' },
  ],
  lines: 0,
  differences: {
    'parity error response': {
      qemu: 'does not keep bit 6 of the command register',
      trapline: 'keeps it',
      section: 'PCI 3.0, 6.2.2 (table 6-1)',
    },
    'latency timer': {
      qemu: 'has a latency timer of 0 that cannot be written',
      trapline: 'keeps what is written: a master that bursts has to',
      section: 'PCI 3.0, 6.2.4',
    },
    'masks of MSI': {
      qemu: 'has MSI without per-vector masking in an edu',
      trapline: 'has it with masks, as all its devices',
      section: 'PCI 3.0, 6.8.1 (optional)',
    },
    'messages of MSI': {
      qemu: 'takes more messages than it asked for as what it asked for',
      trapline: 'keeps what is written, which software may not, and uses no more than it asked for',
      section: 'PCI 3.0, 6.8.1.3 (multiple message enable)',
    },
    'data of MSI': {
      qemu: 'keeps 32 bits of message data',
      trapline: 'keeps 16 bits; those above are reserved',
      section: 'PCI 3.0, 6.8.1.6',
    },
    'MSI-X of edu': {
      qemu: 'has an edu without MSI-X',
      trapline: 'has one with MSI-X in BAR 4, to show it',
      section: 'an extension (src/machine/devices/edu.ts)',
    },
  },
  prologue: [],
  begin: (random) => () => turn(random),
  judge,
};
