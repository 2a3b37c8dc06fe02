/**
 * What a PC's firmware has done to the PCI bus when an operating system or a bare-metal guest starts: BARs placed, decoding
 * on, interrupt lines written. Done through configuration writes, as software does.
 */
import type { PciBus, PciSlot } from './bus';
import { Command, Config } from './config';

/** Memory BARs are placed upward from here: above any RAM of a small machine, below the IOAPIC at 0xFEC00000. */
export const MMIO_WINDOW = { base: 0xc0000000, end: 0xfec00000 } as const;
/** I/O BARs are placed upward from here, clear of every legacy port. */
export const IO_WINDOW = { base: 0xc000, end: 0x10000 } as const;

/** IRQs (and IOAPIC pins) behind the chipset's interrupt router inputs PIRQA to PIRQD. */
const PIRQ_TO_IRQ = [10, 10, 11, 11] as const;

/** IRQ line (= IOAPIC pin) of a device's interrupt pin (1..4): the pins are rotated by device number over four router inputs. */
export function irqOfPin(device: number, pin: number): number {
  return PIRQ_TO_IRQ[(pin - 1 + device - 1 + 4) % 4];
}

/**
 * Assigns BARs (naturally aligned, memory ones at least to a page so that no two devices share one), turns on memory and
 * I/O decoding and writes the interrupt line. Bus mastering stays off: that is the driver's to turn on.
 * @throws RangeError when a window is too small for all BARs
 */
export function firmwareAssign(bus: PciBus): void {
  let nextMemory: number = MMIO_WINDOW.base;
  let nextIo: number = IO_WINDOW.base;
  for (const slot of bus.functions()) {
    for (const bar of slot.fn.bars) {
      const io = bar.kind === 'io';
      const alignment = io ? bar.size : Math.max(bar.size, 4096);
      const base = Math.ceil((io ? nextIo : nextMemory) / alignment) * alignment;
      const end = base + alignment;
      if (end > (io ? IO_WINDOW.end : MMIO_WINDOW.end)) {
        throw new RangeError(
          `no room in the ${io ? 'I/O' : 'memory'} window for BAR ${bar.index} of ${slot.name}`,
        );
      }
      if (io) nextIo = end;
      else nextMemory = end;
      const at = Config.Bar0 + bar.index * 4;
      slot.fn.write(at, 4, base);
      if (bar.kind === 'memory64') slot.fn.write(at + 4, 4, 0);
    }
    enable(slot);
  }
}

/** Interrupt pins of the functions on a bus, each once, and the IOAPIC inputs they are wired to. */
export function wiredPins(bus: PciBus): { device: number; pin: number; input: number }[] {
  const pins = new Map<number, { device: number; pin: number; input: number }>();
  for (const { fn, address } of bus.functions()) {
    const { device } = address;
    const pin = fn.identity.interruptPin;
    if (pin !== 0) pins.set(device * 4 + pin, { device, pin, input: irqOfPin(device, pin) });
  }
  return [...pins.values()];
}

function enable(slot: PciSlot): void {
  const { fn, address } = slot;
  const pin = fn.identity.interruptPin;
  if (pin !== 0) fn.write(Config.InterruptLine, 1, irqOfPin(address.device, pin));
  const io = fn.bars.some((bar) => bar.kind === 'io') ? Command.IoSpace : 0;
  const memory = fn.bars.some((bar) => bar.kind !== 'io') ? Command.MemorySpace : 0;
  fn.write(Config.Command, 2, fn.command | io | memory);
}
