/** PCI configuration by ports, as the scripts do it. */
import type { AccessSize } from '../../../src/machine/bus';
import { CONFIG_PORTS } from '../../../src/machine/pci/root';
import type { Operation } from './script';

const ENABLE = 0x80000000;
/** Command register: I/O space, memory space, bus master. */
const COMMAND = 4;
const DECODES_AND_MASTERS = 7;

/** Slot of the first of Trapline's devices: QEMU's have to be at the same addresses (`addr=`). */
export const FIRST_SLOT = 3;

/** Chooses a dword of a function's configuration space. */
export function select(slot: number, offset: number): Operation {
  return {
    op: 'out',
    size: 4,
    at: CONFIG_PORTS.base,
    value: (ENABLE | (slot << 11) | (offset & 0xfc)) >>> 0,
  };
}

/** Reads from it. */
export function configRead(slot: number, offset: number, size: AccessSize = 4): Operation[] {
  return [select(slot, offset), { op: 'in', size, at: CONFIG_PORTS.base + 4 + (offset & 3) }];
}

/** Writes to it. */
export function configWrite(slot: number, offset: number, value: number, size: AccessSize = 4): Operation[] {
  return [select(slot, offset), { op: 'out', size, at: CONFIG_PORTS.base + 4 + (offset & 3), value }];
}

/** Gives a device its addresses, by BAR, and turns it on. */
export function turnOn(slot: number, bars: Readonly<Record<number, number>>): Operation[] {
  return [
    ...Object.entries(bars).flatMap(([index, base]) => configWrite(slot, 0x10 + 4 * Number(index), base)),
    ...configWrite(slot, COMMAND, DECODES_AND_MASTERS, 2),
  ];
}
