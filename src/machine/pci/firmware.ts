/**
 * What a PC's firmware has done to the PCI bus when an operating system or a bare-metal guest starts: BARs placed, decoding
 * on, interrupt lines written. Done through configuration writes, as software does.
 */
import { Command, Config } from './config';
import { pirqOfPin, type PirqRoutes } from './intx-router';
import type { Aperture } from './function';
import type { PciRoot, PciSlot } from './root';

/** Memory BARs are placed upward from here: above any RAM of a small machine, below the devices at fixed addresses. */
export const MMIO_WINDOW = { base: 0xc0000000, end: 0xfeb00000 } as const;
/** 64-bit memory BARs that find no room there are placed upward from here; processors of 36 address bits still reach them. */
const HIGH_MMIO_WINDOW = { base: 0x8_0000_0000, end: 2 ** 36 } as const;
/** I/O BARs are placed upward from here, clear of every legacy port. */
const IO_WINDOW = { base: 0xc000, end: 0x10000 } as const;

/** Where it has the chipset's interrupt router lead PIRQA to PIRQD. */
export const FIRMWARE_ROUTES = [10, 10, 11, 11] as const satisfies PirqRoutes;
/** No two devices share a page of memory. */
const PAGE = 4096;

/** IRQ line (= IOAPIC pin) of a device's interrupt pin (1..4), with these routes. */
export function irqOfPin(device: number, pin: number): number {
  return FIRMWARE_ROUTES[pirqOfPin(device, pin)];
}

/** Hands out a stretch of addresses upward. */
class Window {
  private next: number;

  constructor(private readonly bounds: { base: number; end: number }) {
    this.next = bounds.base;
  }

  /** A place at a multiple of `alignment`; undefined when there is no room. */
  take(size: number, alignment: number): number | undefined {
    const base = Math.ceil(this.next / alignment) * alignment;
    if (base + size > this.bounds.end) return undefined;
    this.next = base + size;
    return base;
  }
}

/**
 * Assigns BARs (naturally aligned, memory ones at least to a page so that no two devices share one), with room for those of all
 * virtual functions that could be, turns on memory and I/O decoding and writes the interrupt line. Virtual functions are not
 * there yet. Bus mastering stays off: that is the driver's to turn on.
 * @throws RangeError when a window is too small for all BARs
 */
export function firmwareAssign(root: PciRoot): void {
  const windows = {
    io: new Window(IO_WINDOW),
    low: new Window(MMIO_WINDOW),
    high: new Window(HIGH_MMIO_WINDOW),
  };
  const place = ({ kind, size, alignment }: Aperture): number | undefined => {
    if (kind === 'io') return windows.io.take(size, alignment);
    const room = [Math.max(size, PAGE), Math.max(alignment, PAGE)] as const;
    return windows.low.take(...room) ?? (kind === 'memory64' ? windows.high.take(...room) : undefined);
  };
  for (const slot of root.functions()) {
    if (slot.fn.isVirtual) continue;
    for (const aperture of slot.fn.apertures) {
      const base = place(aperture);
      const { at, kind, name } = aperture;
      if (base === undefined) {
        const window = kind === 'io' ? 'I/O' : 'memory';
        throw new RangeError(`no room in the ${window} window for ${name} of ${slot.name}`);
      }
      slot.fn.write(at, 4, base % 2 ** 32);
      if (kind === 'memory64') slot.fn.write(at + 4, 4, Math.floor(base / 2 ** 32));
    }
    enable(slot);
  }
}

/** Interrupt pins of the functions on bus 0, each once, and the IOAPIC inputs they are wired to. */
export function wiredPins(root: PciRoot): { device: number; pin: number; input: number }[] {
  const pins = new Map<number, { device: number; pin: number; input: number }>();
  for (const { fn, address } of root.functions()) {
    const { device } = address;
    const pin = fn.identity.interruptPin;
    if (address.bus === 0 && pin !== 0) {
      pins.set(device * 4 + pin, { device, pin, input: irqOfPin(device, pin) });
    }
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
