/** A machine with nothing but PCI. */
import { AddressMap } from '../../../../src/machine/address-map';
import type { RegisterBlock } from '../../../../src/machine/bus';
import { BarMapper } from '../../../../src/machine/pci/bar-mapper';
import { PciFunction, type BarSpec } from '../../../../src/machine/pci/function';
import { CONFIG_PORTS, ECAM, PciRoot } from '../../../../src/machine/pci/root';

/** A block that reads as this. */
export const constant = (value: number): RegisterBlock => ({
  read: () => value,
  write: () => undefined,
  registerName: () => 'R',
});

export function nic(bars: BarSpec[] = []): PciFunction {
  return new PciFunction(
    {
      vendorId: 0x8086,
      deviceId: 0x100e,
      revision: 3,
      classCode: 0x020000,
      subsystemVendorId: 0x1af4,
      subsystemId: 0x1100,
      interruptPin: 1,
    },
    bars,
  );
}

/** Where a function of bus 0 stands. */
export const at = (device: number, fn = 0): { bus: number; device: number; function: number } => ({
  bus: 0,
  device,
  function: fn,
});

/** `read` and `write` go to 00:device.0 by mechanism #1, `ecam` by memory. */
export function machine() {
  const memory = new AddressMap<string>('MMIO');
  const ports = new AddressMap<string>('I/O ports');
  const mapper = new BarMapper<string>(memory, ports, (slot, bar) => `${slot.name}/${bar.name}`);
  const lines: [string, boolean][] = [];
  const root = new PciRoot({
    barChanged: (slot, bar, base, enabled) => mapper.barChanged(slot, bar, base, enabled),
    interruptChanged: (slot, asserted) => void lines.push([slot.name, asserted]),
  });
  ports.add(CONFIG_PORTS.base, CONFIG_PORTS.size, root.ports, 'config');
  memory.add(ECAM.base, ECAM.size, root.ecam, 'ecam');
  const select = (device: number, offset: number): void =>
    ports.write(0xcf8, 4, (0x80000000 + device * 0x800 + (offset & 0xfc)) >>> 0);
  const place = (device: number, offset: number): number => ECAM.base + device * 0x8000 + offset;
  return {
    memory,
    ports,
    root,
    lines,
    read: (device: number, offset: number, size = 4): number => {
      select(device, offset);
      return ports.read(0xcfc + (offset & 3), size);
    },
    write: (device: number, offset: number, value: number, size = 4): void => {
      select(device, offset);
      ports.write(0xcfc + (offset & 3), size, value);
    },
    ecam: {
      read: (device: number, offset: number, size = 4): number => memory.read(place(device, offset), size),
      write: (device: number, offset: number, value: number, size = 4): void =>
        memory.write(place(device, offset), size, value),
    },
  };
}

/** Capabilities of a device by identifier, as a driver walks the list. */
export function capabilities(m: ReturnType<typeof machine>, device: number): Map<number, number> {
  const found = new Map<number, number>();
  if ((m.read(device, 6, 2) & 0x10) === 0) return found;
  for (let where = m.read(device, 0x34, 1) & 0xfc; where !== 0; where = m.read(device, where + 1, 1) & 0xfc) {
    if (found.size > 48) throw new Error('the list has no end');
    found.set(m.read(device, where, 1), where);
  }
  return found;
}
