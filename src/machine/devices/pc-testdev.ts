/**
 * A device for test kernels with the ports and memory of QEMU's pc-testdev: a latch to read and write in all widths, interrupt
 * lines to drive by hand, memory whose every access leaves the guest.
 */
import type { AccessSize, RegisterBlock } from '../bus';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';

/** Where its parts lie: ports, and physical memory. */
export const TESTDEV = {
  latch: { base: 0xe0, size: 4 },
  flush: { base: 0xe4, size: 4 },
  bytes: { base: 0xe8, size: 4 },
  lines: { base: 0x2000, size: 24 },
  memory: { base: 0xff000000, size: 0x10000 },
} as const;

/** What the hardware has of a `PcTestDevice`; the run has nothing of it. */
export interface PcTestDeviceHardware extends HardwareState {
  version: 2;
  latch: number;
  /** A bit for each line that it asserts. */
  lines: number;
  memory: Uint8Array;
}

/** The device. Each part is a block of its own. */
export class PcTestDevice implements Migratable<PcTestDeviceHardware> {
  private latch = 0;
  /** A bit for each line that is asserted. */
  private lines = 0;
  private readonly ram = new Uint8Array(TESTDEV.memory.size);

  /** @param setLine level of an interrupt line, 0..23 */
  constructor(private readonly setLine: (line: number, asserted: boolean) => void) {}

  /** A 32-bit latch, readable and writable in parts. */
  readonly latchPorts: RegisterBlock = {
    read: (offset, size) => (this.latch >>> (8 * offset)) & mask(size),
    write: (offset, size, value) => {
      const bits = mask(size) << (8 * offset);
      this.latch = ((this.latch & ~bits) | (value << (8 * offset))) >>> 0;
    },
    registerName: () => 'LATCH',
  };

  /** The same latch, always from its first byte. */
  readonly bytePorts: RegisterBlock = {
    read: (_offset, size, initiator) => this.latchPorts.read(0, size, initiator),
    write: (_offset, size, value, initiator) => this.latchPorts.write(0, size, value, initiator),
    registerName: () => 'LATCH8',
  };

  /** In QEMU takes a page of the guest out of the EPT, so that its next access faults; here all pages stay mapped. */
  readonly flushPorts: RegisterBlock = {
    read: () => 0,
    write: () => undefined,
    registerName: () => 'FLUSH_PAGE',
  };

  /** One port per interrupt line. */
  readonly linePorts: RegisterBlock = {
    read: () => 0,
    write: (offset, _size, value) => this.drive(offset, value !== 0),
    registerName: (offset) => `IRQ${offset}`,
  };

  /** Memory that is a device. */
  readonly memory: RegisterBlock = {
    read: (offset, size) => {
      let value = 0;
      for (let i = size - 1; i >= 0; i--) value = value * 256 + this.ram[offset + i];
      return value;
    },
    write: (offset, size, value) => {
      for (let i = 0; i < size; i++) this.ram[offset + i] = value >>> (8 * i);
    },
    registerName: () => 'IORAM',
  };

  /** As after power-on. */
  reset(): void {
    this.driveAll(0);
    this.latch = 0;
    this.ram.fill(0);
  }

  save(): Checkpoint<PcTestDeviceHardware, RunState> {
    const { latch, lines } = this;
    return { hardware: { version: 2, latch, lines, memory: this.ram.slice() }, run: {} };
  }

  load({ hardware }: Checkpoint<PcTestDeviceHardware, RunState>): void {
    this.loadHardware(hardware);
    this.lines = hardware.lines;
  }

  adopt(hardware: PcTestDeviceHardware): void {
    this.loadHardware(hardware);
    this.driveAll(hardware.lines);
  }

  private loadHardware(hardware: PcTestDeviceHardware): void {
    requireVersion('the test device', hardware.version, 2);
    this.latch = hardware.latch;
    this.ram.set(hardware.memory);
  }

  /** Brings every line that is not as it is to be to its level. */
  private driveAll(lines: number): void {
    for (let line = 0; line < TESTDEV.lines.size; line++) {
      const asserted = (lines & (1 << line)) !== 0;
      if (asserted !== ((this.lines & (1 << line)) !== 0)) this.drive(line, asserted);
    }
  }

  private drive(line: number, asserted: boolean): void {
    this.lines = asserted ? this.lines | (1 << line) : this.lines & ~(1 << line);
    this.setLine(line, asserted);
  }
}

function mask(size: AccessSize): number {
  return size === 4 ? 0xffffffff : 2 ** (8 * size) - 1;
}
