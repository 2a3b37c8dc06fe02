/**
 * The teaching device `edu` of QEMU (docs/specs/edu): a liveness check, a factorial that takes its time, an interrupt that
 * software raises, DMA between memory and a buffer of 4 KiB on the device. It signals by its pin or by MSI and, beyond QEMU's, by
 * MSI-X with a vector for each of its causes. Whatever a guest programs, nothing here throws.
 */
import { Kind } from '../../trace/vocabulary/events';
import type { BitField } from '../../trace/vocabulary/kind-row';
import type { AccessSize, BusDevice, DeviceBus, DmaResult, RegisterBlock } from '../bus';
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { PciFunction } from '../pci/function';
import { MsiVectors } from '../pci/msi';
import { MsixVectors } from '../pci/msix';
import { describedNodes, fieldsByName, nodeAt } from '../registers';
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../snapshot';
import type { Cycles } from '../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../time/pending-event';
import { eduDescriptions, WRITE_ONLY } from './edu-descriptions';

/** Offsets in BAR 0. The last four registers are 64 bits wide. */
export const EduRegister = {
  ID: 0x00,
  LIVENESS: 0x04,
  FACTORIAL: 0x08,
  STATUS: 0x20,
  IRQ_STATUS: 0x24,
  IRQ_RAISE: 0x60,
  IRQ_ACK: 0x64,
  DMA_SOURCE: 0x80,
  DMA_DESTINATION: 0x88,
  DMA_COUNT: 0x90,
  DMA_COMMAND: 0x98,
} as const;

/** Bits of STATUS. */
export const EduStatus = { Computing: 0x01, InterruptAfter: 0x80 } as const;
/** Bits of IRQ_STATUS that the device itself sets. */
export const EduCause = { Factorial: 0x001, Dma: 0x100 } as const;
/** Bits of DMA_COMMAND; without `ToMemory` the transfer fills the buffer. */
export const EduDma = { Run: 1, ToMemory: 2, InterruptAfter: 4 } as const;
/** MSI-X vectors; MSI has one for all. */
export const EduVector = { Raised: 0, Factorial: 1, Dma: 2 } as const;
/** The buffer, as DMA addresses have it: it is not in the BAR. */
export const EDU_BUFFER = { base: 0x40000, size: 4096 } as const;

/**
 * Scratch memory, which QEMU's edu does not have: it keeps what is written, in all widths, and does nothing else. As one register
 * beside the others, or on a page of 4 KiB of its own, which a VMM can map to its guest.
 */
export const EDU_SCRATCH = {
  beside: { offset: 0xa0, size: 4 },
  page: { offset: 0x1000, size: 4096 },
} as const;
export type EduScratch = keyof typeof EDU_SCRATCH;

const BAR0_BYTES = 0x100000;
const MSIX = { vectors: 3, bar: 4, table: 0, pending: 0x800 } as const;
const MSIX_BAR_BYTES = 0x1000;
/** Version 1.0, and letters to know it by. */
const IDENTIFICATION = 0x010000ed;
/** Bits of the addresses of its DMA: as many as QEMU's has (its property dma_mask), and the most that can be asked for. */
export const EDU_DMA_BITS = { usual: 28, most: 52 } as const;
const NOTHING_THERE = 0xffffffff;
/** One multiplication of the factorial. From 34 on the product is 0 modulo 2^32, and the device stops. */
const STEP_NANOSECONDS = 100;
const MOST_STEPS = 34;
const FACTORIAL_DONE = 1;
const FIRST_DMA_REGISTER: number = EduRegister.DMA_SOURCE;
/** Words of the DMA registers from `FIRST_DMA_REGISTER`, low half first. */
const Word = { source: 0, destination: 2, count: 4, command: 6 } as const;
const DMA_WORDS = 8;

const names = new Map<number, string>(
  Object.entries(EduRegister).flatMap(([name, at]): [number, string][] =>
    at < FIRST_DMA_REGISTER
      ? [[at, name]]
      : [
          [at, name],
          [at + 4, `${name}_HIGH`],
        ],
  ),
);

/** What the hardware has. */
export interface EduHardware extends HardwareState {
  version: 3;
  liveness: number;
  factorial: number;
  status: number;
  causes: number;
  /** The four registers, low and high half of each. */
  dma: Uint32Array;
  buffer: Uint8Array;
  /** As many bytes as it has. */
  scratch: Uint8Array;
  /** Cycles of the factorial that remain; -1: none is computed. */
  remaining: Cycles;
}

/** What the run knows of it. */
export interface EduRun extends PendingEventRun {
  /** Of the last transaction. */
  tag: number;
}

/** The device; the state of its PCI function belongs to the root complex's. BAR 0 is the device itself as a register block. */
export class Edu implements BusDevice, RegisterBlock, Inspectable, Migratable<EduHardware, EduRun> {
  readonly pci: PciFunction;
  private readonly msi: MsiVectors;
  private readonly msix: MsixVectors;
  private liveness = 0;
  private factorial = 0;
  private status = 0;
  private causes = 0;
  private readonly dma = new Uint32Array(DMA_WORDS);
  private readonly buffer = new Uint8Array(EDU_BUFFER.size);
  private readonly scratch: Uint8Array;
  /** The end of the factorial that is computed. */
  private readonly factorialEnd: PendingEvent;
  private tag = 0;

  /**
   * @param scratchAt where its scratch memory lies; absent: it has none
   * @param dmaBits of the addresses of its DMA: the others are ignored
   */
  constructor(
    private readonly bus: DeviceBus,
    private readonly scratchAt?: EduScratch,
    private readonly dmaBits: number = EDU_DMA_BITS.usual,
  ) {
    this.scratch = new Uint8Array(scratchAt ? EDU_SCRATCH[scratchAt].size : 0);
    this.factorialEnd = new PendingEvent(bus, (time) => bus.schedule(time - bus.now(), FACTORIAL_DONE));
    this.msix = new MsixVectors(bus.msi, MSIX);
    this.pci = new PciFunction(
      {
        vendorId: 0x1234,
        deviceId: 0x11e8,
        revision: 0x10,
        classCode: 0x00ff00,
        subsystemVendorId: 0x1af4,
        subsystemId: 0x1100,
        interruptPin: 1,
      },
      [
        { index: 0, kind: 'memory32', size: BAR0_BYTES, block: this, name: 'registers' },
        {
          index: MSIX.bar,
          kind: 'memory32',
          size: MSIX_BAR_BYTES,
          block: this.msix.block,
          name: 'MSI-X table',
        },
      ],
    );
    this.msi = new MsiVectors(this.pci, bus.msi, 1);
    this.msix.addTo(this.pci);
  }

  /** Registers are read whole; anything else reads as ones, but for the scratch memory. */
  read(offset: number, size: AccessSize): number {
    const scratch = this.scratchByte(offset, size);
    if (scratch !== undefined) return littleEndian(this.scratch.subarray(scratch, scratch + size));
    if (size !== 4) return NOTHING_THERE;
    const dma = this.dmaWord(offset);
    if (dma !== undefined) return this.dma[dma];
    switch (offset) {
      case EduRegister.ID:
        return IDENTIFICATION;
      case EduRegister.LIVENESS:
        return this.liveness;
      case EduRegister.FACTORIAL:
        return this.factorial;
      case EduRegister.STATUS:
        return this.status;
      case EduRegister.IRQ_STATUS:
        return this.causes;
      default:
        return NOTHING_THERE;
    }
  }

  write(offset: number, size: AccessSize, value: number): void {
    const dma = this.dmaWord(offset);
    const scratch = this.scratchByte(offset, size);
    if (scratch !== undefined)
      for (let i = 0; i < size; i++) this.scratch[scratch + i] = (value >>> (8 * i)) & 0xff;
    else if (size !== 4) this.ignored(offset, value);
    else if (dma !== undefined) this.writeDma(dma, offset, value);
    else this.writeRegister(offset, value);
  }

  registerName(offset: number): string | undefined {
    return names.get(offset) ?? (this.scratchByte(offset & ~3, 4) === 0 ? 'SCRATCH' : undefined);
  }

  /** Names of its registers by offset, for a trace's track. */
  registerNames(): Record<string, string> {
    const named = [...names].map(([offset, name]): [string, string] => [String(offset), name]);
    if (this.scratchAt) named.push([String(EDU_SCRATCH[this.scratchAt].offset), 'SCRATCH']);
    return Object.fromEntries(named);
  }

  registerFields(): Record<string, readonly BitField[]> {
    return fieldsByName(eduDescriptions, Object.values(this.registerNames()));
  }

  /** No register changes when it is read. */
  inspect(path: StatePath): StateNode | undefined {
    const readable = Object.entries(this.registerNames()).filter(([, name]) => !WRITE_ONLY.includes(name));
    const values = readable.map(([offset, name]): [string, number] => [
      name,
      this.read(Number(offset), 4) >>> 0,
    ]);
    const children = describedNodes(eduDescriptions, 32, Object.fromEntries(values));
    return nodeAt({ name: 'edu', children: [{ name: 'Registers', children }] }, path);
  }

  /** The factorial is done. */
  onEvent(): void {
    this.factorialEnd.came();
    this.factorial = factorialOf(this.factorial);
    this.status &= ~EduStatus.Computing;
    if ((this.status & EduStatus.InterruptAfter) !== 0) this.raise(EduCause.Factorial, EduVector.Factorial);
  }

  onDma(tag: number, result: DmaResult): void {
    if (tag !== this.tag || !this.transferring) return;
    // An aborted transaction moves nothing; the device has no way to tell of it.
    if (typeof result !== 'string' && (this.command & EduDma.ToMemory) === 0) {
      this.buffer.set(result, this.dma[Word.destination] - EDU_BUFFER.base);
    }
    this.transferDone();
  }

  /** RST# of the bus. What is in flight ends without it. */
  busReset(): void {
    this.factorialEnd.cancel();
    this.liveness = this.factorial = this.status = this.causes = 0;
    this.dma.fill(0);
    this.buffer.fill(0);
    this.scratch.fill(0);
    this.bus.irq.set(false);
  }

  save(): Checkpoint<EduHardware, EduRun> {
    const { liveness, factorial, status, causes, factorialEnd, tag } = this;
    const { remaining } = factorialEnd;
    const memory = { dma: this.dma.slice(), buffer: this.buffer.slice(), scratch: this.scratch.slice() };
    return {
      hardware: { version: 3, liveness, factorial, status, causes, ...memory, remaining },
      run: { ...factorialEnd.save(), tag },
    };
  }

  load({ hardware, run }: Checkpoint<EduHardware, EduRun>): void {
    this.loadHardware(hardware);
    this.factorialEnd.load(run);
    this.tag = run.tag;
  }

  /** A transfer begins anew; the PCI function's configuration and the memory have to be there already. */
  adopt(hardware: EduHardware): void {
    this.loadHardware(hardware);
    this.factorialEnd.adopt(hardware.remaining);
    if (this.transferring) this.beginTransfer();
    this.bus.irq.set(this.causes !== 0);
  }

  private loadHardware(hardware: EduHardware): void {
    requireVersion('an edu', hardware.version, 3);
    this.liveness = hardware.liveness;
    this.factorial = hardware.factorial;
    this.status = hardware.status;
    this.causes = hardware.causes;
    this.dma.set(hardware.dma);
    this.buffer.set(hardware.buffer);
    this.scratch.set(hardware.scratch.subarray(0, this.scratch.length));
  }

  private writeRegister(offset: number, value: number): void {
    switch (offset) {
      case EduRegister.LIVENESS:
        this.liveness = ~value >>> 0;
        return;
      case EduRegister.FACTORIAL:
        return this.compute(value);
      case EduRegister.STATUS:
        this.status = (this.status & EduStatus.Computing) | (value & EduStatus.InterruptAfter);
        return;
      case EduRegister.IRQ_RAISE:
        return this.raise(value, EduVector.Raised);
      case EduRegister.IRQ_ACK:
        this.causes = (this.causes & ~value) >>> 0;
        this.bus.irq.set(this.causes !== 0);
        return;
      default:
        this.ignored(offset, value);
    }
  }

  /** An access that means nothing now, for the trace. */
  private ignored(offset: number, value: number): void {
    const { trace } = this.bus;
    const { cause } = trace;
    trace.instant(Kind.DeviceIgnored, offset, value);
    trace.cause = cause;
  }

  // --- interrupts -----------------------------------------------------------------------------------------------------

  /** The pin shows that there are causes; a message is sent for each time that some come. */
  private raise(causes: number, vector: number): void {
    this.causes = (this.causes | causes) >>> 0;
    if (this.causes === 0) return;
    this.bus.irq.set(true);
    this.msi.raise(0);
    this.msix.raise(vector);
  }

  // --- factorial ------------------------------------------------------------------------------------------------------

  private compute(value: number): void {
    if (this.factorialEnd.pending) {
      this.ignored(EduRegister.FACTORIAL, value);
      return;
    }
    const { bus } = this;
    this.factorial = value;
    this.status |= EduStatus.Computing;
    const steps = Math.min(value, MOST_STEPS) + 1;
    const cycles = Math.max(1, Math.round(steps * STEP_NANOSECONDS * bus.cyclesPerNanosecond));
    const { cause } = bus.trace;
    bus.trace.span(cycles, Kind.DeviceWork, 0, 0);
    this.factorialEnd.comeAt(bus.now() + cycles);
    bus.trace.cause = cause;
  }

  // --- DMA --------------------------------------------------------------------------------------------------------------

  /** Of the scratch memory, where an access lies in it as a whole. */
  private scratchByte(offset: number, size: number): number | undefined {
    const at = this.scratchAt && EDU_SCRATCH[this.scratchAt];
    return at && offset >= at.offset && offset + size <= at.offset + at.size ? offset - at.offset : undefined;
  }

  /** Index of the word of a DMA register at an offset. */
  private dmaWord(offset: number): number | undefined {
    const word = (offset - FIRST_DMA_REGISTER) / 4;
    return Number.isInteger(word) && word >= 0 && word < DMA_WORDS ? word : undefined;
  }

  private get command(): number {
    return this.dma[Word.command];
  }

  private get transferring(): boolean {
    return (this.command & EduDma.Run) !== 0;
  }

  /** While a transfer runs its registers stand still; a command that begins none is none. */
  private writeDma(word: number, offset: number, value: number): void {
    if (this.transferring || (word === Word.command && (value & EduDma.Run) === 0)) {
      this.ignored(offset, value);
      return;
    }
    this.dma[word] = value;
    if (word !== Word.command) return;
    if (this.fits) this.beginTransfer();
    else {
      this.ignored(offset, value);
      this.dma[Word.command] &= ~EduDma.Run;
    }
  }

  /** Whether the device's side of the transfer lies in the buffer. */
  private get fits(): boolean {
    const { dma } = this;
    const own = (this.command & EduDma.ToMemory) !== 0 ? Word.source : Word.destination;
    const first = dma[own] - EDU_BUFFER.base;
    const highHalves = dma[own + 1] | dma[Word.count + 1];
    return highHalves === 0 && first >= 0 && first + dma[Word.count] <= EDU_BUFFER.size;
  }

  private beginTransfer(): void {
    const { bus, dma, pci } = this;
    const length = dma[Word.count];
    this.tag += 1;
    if (length === 0) this.transferDone();
    else if ((this.command & EduDma.ToMemory) !== 0) {
      const first = dma[Word.source] - EDU_BUFFER.base;
      const bytes = this.buffer.slice(first, first + length);
      bus.dma.write(pci.requester, this.memoryAddress(Word.destination), bytes, this.tag);
    } else bus.dma.read(pci.requester, this.memoryAddress(Word.source), length, this.tag);
  }

  /** The memory's side of the transfer, as the bits of its addresses have it. */
  private memoryAddress(word: number): number {
    const { dma, dmaBits } = this;
    const high = dmaBits > 32 ? dma[word + 1] % 2 ** (dmaBits - 32) : 0;
    return high * 2 ** 32 + (dma[word] % 2 ** Math.min(dmaBits, 32));
  }

  private transferDone(): void {
    const after = this.command & EduDma.InterruptAfter;
    this.dma[Word.command] &= ~EduDma.Run;
    if (after !== 0) this.raise(EduCause.Dma, EduVector.Dma);
  }
}

/** The unsigned number that bytes are in memory. */
function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}

/** Modulo 2^32. */
function factorialOf(value: number): number {
  let product = 1;
  for (let factor = 2; factor <= Math.min(value, MOST_STEPS); factor++) product = Math.imul(product, factor);
  return product >>> 0;
}
