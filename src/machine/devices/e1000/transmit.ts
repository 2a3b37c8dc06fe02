/**
 * The transmitter (manual 3.3 and 3.4): a state machine that uses descriptors in order. It fetches the data of one after the
 * other into the packet buffer, one transfer at a time as a conventional PCI function does; a frame that is whole waits there
 * for the wire; a descriptor whose data is there is done: TDH passes it, and it is written back where RS asks for it.
 */
import type { DmaResult } from '../../bus';
import { Kind } from '../../../trace/vocabulary/events';
import { PacketAssembly, type AssemblyHardware, type FrameEnd, type PacketPlan } from '../intel-nic/assemble';
import { DropReason } from '../intel-nic/constants';
import { isFault, type Dma } from '../intel-nic/dma';
import { DescriptorFetch, type Descriptor, type FetchHardware, type FetchRun } from '../intel-nic/fetch';
import { NO_CONTEXT, type Context } from '../intel-nic/offload';
import type { PacketBufferHardware } from '../intel-nic/packet-buffer';
import { Ring, type RingRegisters } from '../intel-nic/ring';
import type { Timers } from '../intel-nic/timers';
import { WriteBack, type Used, type WriteBackHardware, type WriteBackRun } from '../intel-nic/writeback';
import { Cause, Channel, Ctrl, ON_CHIP, Reg, Stat, Tctl, Timer, TRANSMIT_MAX, TxCmd } from './constants';
import type { E1000Core } from './core';
import { parseDescriptor, type DataDescriptor } from './descriptors';
import { TRANSMIT_DELAY, type InterruptUnit } from './interrupts';
import { Sender, type LoopBack, type SenderRun } from './send';

const RING: RingRegisters = { base: Reg.TDBAL, length: Reg.TDLEN, head: Reg.TDH, tail: Reg.TDT };

/** The buffers of one packet are this much less than the transmit buffer, at least (3.3.7). */
const RESERVED = 80;
const STATUS_DD = 1;
/** Byte 12 of a transmit descriptor: its status. */
const STATUS_AT = 12;
/** `Used.mark`: no report was asked for, a report, a report whose interrupt is delayed. */
const Mark = { None: 0, Report: 1, Delayed: 2 } as const;

/** The descriptor that is worked on. */
interface Work {
  descriptor: Descriptor;
  /** Undefined: it could not be read. */
  parsed: ReturnType<typeof parseDescriptor> | undefined;
  /** Bytes of its data that have been fetched. */
  done: number;
  /** Row of what was done for it last. */
  cause: number;
}

/** What context descriptors have said: there is one context for segmentation and one for all other packets (3.3.6.1, TSE). */
interface Contexts {
  segmentation: Context;
  checksum: Context;
}

const NO_CONTEXTS: Contexts = { segmentation: NO_CONTEXT, checksum: NO_CONTEXT };

/** What the hardware has of a `Transmitter`. */
export interface TransmitterHardware {
  fetch: FetchHardware;
  writeBack: WriteBackHardware;
  assembly: AssemblyHardware;
  buffer: PacketBufferHardware<Uint8Array>;
  work?: { index: number; bytes: Uint8Array; done: number };
  contexts: Contexts;
  timeSpent: boolean;
  emptyTold: boolean;
}

/** What the run has of a `Transmitter`. */
export interface TransmitterRun {
  fetch: FetchRun;
  writeBack: WriteBackRun;
  sender: SenderRun;
  /** Rows of the descriptor that is worked on: of its fetch, and of what was done last. */
  work: { fetched: number; last: number };
}

/** The transmitter up to the wire. */
export class Transmitter {
  readonly ring: Ring;
  private readonly fetch: DescriptorFetch;
  private readonly writeBack: WriteBack;
  private readonly assembly = new PacketAssembly();
  private readonly sender: Sender;
  private work: Work | undefined;
  private contexts = NO_CONTEXTS;
  /** The transmitter's own work on the packet that comes next is done. */
  private timeSpent = false;
  /** TXQE has been raised since the head met the tail. */
  private emptyTold = true;

  /** @param loopBack gets the frames instead of the wire while it is closed */
  constructor(
    private readonly core: E1000Core,
    private readonly dma: Dma,
    private readonly timers: Timers,
    private readonly interrupts: InterruptUnit,
    loopBack: LoopBack,
  ) {
    this.ring = new Ring(core, RING, (which) => core.threshold(Reg.TXDCTL, which));
    this.sender = new Sender(core, timers, loopBack);
    this.writeBack = new WriteBack(this.ring, dma, Channel.TransmitWriteBack, {
      written: (used, ok, signals) => this.written(used, ok, signals),
      nothingToWrite: (signals) => interrupts.raise(signals),
    });
    this.fetch = new DescriptorFetch(this.ring, dma, Channel.TransmitFetch, {
      enabled: () => this.enabled,
      onChip: ON_CHIP,
      held: () => this.writeBack.held + (this.work ? 1 : 0),
      cause: () => core.bus.trace.cause,
      fetched: () => this.run(),
      failed: (count) => {
        this.fetch.skip(count);
        this.run();
      },
    });
    dma.onEnd(Channel.TransmitData, (result) => this.dataEnded(result));
    interrupts.onExpiry(TRANSMIT_DELAY, (causes) => this.writeBack.flush(causes));
  }

  /** TDT was written. */
  tailWritten(value: number): void {
    const { core, ring } = this;
    const { trace } = core.bus;
    core.set(Reg.TDT, value & 0xffff);
    trace.instant(Kind.Doorbell, Reg.TDT, value);
    trace.instant(Kind.RingTail, value & 0xffff, core.get(Reg.TDH));
    if (ring.size > 0 && ring.tail >= ring.size) core.aside(Kind.DeviceMisused, Reg.TDT, value);
    if (ring.upToTail(ring.head) > 0) this.emptyTold = false;
    this.fetch.granted(trace.cause);
    this.run();
  }

  /** TCTL was written. */
  controlWritten(value: number): void {
    const { core } = this;
    const before = this.enabled;
    core.set(Reg.TCTL, value);
    if (!before && this.enabled) this.fetch.granted(core.bus.trace.cause);
    this.resume();
  }

  /** The ring's base, length or head was written: what is on the chip of the old one is void (13.4.39). */
  ringChanged(): void {
    const { core, timers } = this;
    this.fetch.reset();
    this.writeBack.reset();
    this.dma.forget(Channel.TransmitData);
    this.work = undefined;
    this.assembly.reset();
    timers.stop(Timer.Transmit);
    this.timeSpent = false;
    this.emptyTold = this.ring.upToTail(this.ring.head) === 0;
    this.fetch.granted(core.bus.trace.cause);
    this.run();
  }

  /** Goes on where it can: the transmitter was turned on, the function became a bus master, a threshold changed. */
  resume(): void {
    this.sender.drain();
    this.writeBack.write();
    this.run();
  }

  /** `Timer.Transmit`: the own work on a packet is done. */
  workDone(): void {
    this.timeSpent = true;
    if (this.fetch.first) this.fetch.first.cause = this.core.bus.trace.cause;
    this.run();
  }

  /** Whether the transmitter is on. */
  get enabled(): boolean {
    return (this.core.get(Reg.TCTL) & Tctl.EN) !== 0;
  }

  /** CTRL.RST; the registers are reset already. */
  reset(): void {
    this.sender.reset();
    this.contexts = NO_CONTEXTS;
    this.ringChanged();
  }

  saveHardware(): TransmitterHardware {
    const { work, contexts, timeSpent, emptyTold } = this;
    return {
      fetch: this.fetch.saveHardware(),
      writeBack: this.writeBack.saveHardware(),
      assembly: this.assembly.saveHardware(),
      buffer: this.sender.saveHardware(),
      ...(work && {
        work: { index: work.descriptor.index, bytes: work.descriptor.bytes, done: work.done },
      }),
      contexts,
      timeSpent,
      emptyTold,
    };
  }

  saveRun(): TransmitterRun {
    const { work } = this;
    return {
      fetch: this.fetch.saveRun(),
      writeBack: this.writeBack.saveRun(),
      sender: this.sender.saveRun(),
      work: { fetched: work?.descriptor.cause ?? 0, last: work?.cause ?? 0 },
    };
  }

  load(hardware: TransmitterHardware, run: TransmitterRun | undefined): void {
    const { work } = hardware;
    this.fetch.load(hardware.fetch, run?.fetch);
    this.writeBack.load(hardware.writeBack, run?.writeBack);
    this.assembly.load(hardware.assembly);
    this.sender.load(hardware.buffer, run?.sender);
    this.work = work && {
      descriptor: { index: work.index, bytes: work.bytes, cause: run?.work.fetched ?? 0 },
      parsed: parsed(work.bytes),
      done: work.done,
      cause: run?.work.last ?? 0,
    };
    this.contexts = hardware.contexts;
    this.timeSpent = hardware.timeSpent;
    this.emptyTold = hardware.emptyTold;
  }

  /** Most bytes of a packet. */
  private get longest(): number {
    return Math.min(TRANSMIT_MAX, this.core.packetBuffer().transmit - RESERVED);
  }

  /** What the MAC does to the frames of a packet, by its last descriptor. */
  private endOf(last: DataDescriptor): FrameEnd {
    const { core } = this;
    const { kind, command, checksumStart, checksumOffset, special } = last;
    const tags = (command & TxCmd.VLE) !== 0 && (core.get(Reg.CTRL) & Ctrl.VME) !== 0;
    const sums = kind === 'legacy' && (command & TxCmd.IC) !== 0;
    return {
      tag: tags ? { type: core.get(Reg.VET), control: special } : undefined,
      pad: (core.get(Reg.TCTL) & Tctl.PSP) !== 0,
      checksum: sums ? { start: checksumStart, offset: checksumOffset, end: 0 } : undefined,
      ownFcs: (command & TxCmd.IFCS) === 0,
    };
  }

  private run(): void {
    let more = true;
    while (more) more = this.step();
    // A threshold above what the chip can hold is never reached.
    if (this.fetch.full) this.writeBack.flush(0);
    this.fetch.fetch();
  }

  /** One step; false when the next one waits for something. */
  private step(): boolean {
    if (this.dma.busy(Channel.TransmitData)) return false;
    const work = this.work ?? this.takeNext();
    if (!work) return false;
    this.core.bus.trace.cause = work.cause;
    const { parsed } = work;
    if (parsed?.kind !== undefined && parsed.kind !== 'context') return this.data(work, parsed);
    if (parsed) this.contexts = { ...this.contexts, [contextOf(parsed)]: parsed.context };
    else this.endPacket(DropReason.DmaAbort);
    this.retire(work, parsed?.command ?? 0);
    return true;
  }

  /** The next descriptor on the chip; before the first one of a packet the transmitter's own work has to be done. */
  private takeNext(): Work | undefined {
    const { core, fetch, timers } = this;
    const { first } = fetch;
    if (!first || !this.enabled) return undefined;
    const cycles = core.cycles(core.timing.transmitNanoseconds);
    if (cycles > 0 && !this.assembly.begun && !this.timeSpent) {
      if (!timers.running(Timer.Transmit)) timers.work(Timer.Transmit, cycles, first.cause);
      return undefined;
    }
    fetch.shift();
    this.work = { descriptor: first, parsed: parsed(first.bytes), done: 0, cause: first.cause };
    return this.work;
  }

  /** A data descriptor: fetches what is left of its data, or is done with it. */
  private data(work: Work, descriptor: DataDescriptor): boolean {
    const { assembly, dma, longest } = this;
    if (!assembly.begun) assembly.begin(planOf(descriptor, this.contexts[contextOf(descriptor)]), longest);
    // A null address transfers no data (3.3.3).
    const length = descriptor.address === 0 ? 0 : descriptor.length;
    const remaining = assembly.broken === 0 ? length - work.done : 0;
    if (remaining === 0) {
      if ((descriptor.command & TxCmd.EOP) !== 0) this.finishPacket(work, descriptor);
      this.retire(work, descriptor.command);
      return true;
    }
    if (assembly.segmentFull) this.queue(work, assembly.takeSegment(this.endOf(descriptor)));
    const count = assembly.next(remaining);
    if (assembly.gathered + count > longest) {
      assembly.broken = DropReason.Oversize;
      return true;
    }
    if (!this.sender.buffer.fits(assembly.gathered + count) || !dma.allowed(Channel.TransmitData))
      return false;
    dma.read(Channel.TransmitData, descriptor.address + work.done, count, work.descriptor.cause);
    return false;
  }

  private dataEnded(result: DmaResult): void {
    const { work, assembly } = this;
    if (!work) return;
    if (isFault(result)) {
      // A function that was taken off the bus meanwhile fetches again when it is a master again.
      if (!this.dma.allowed(Channel.TransmitData)) return;
      assembly.broken = DropReason.DmaAbort;
    } else {
      assembly.add(result);
      work.done += result.length;
    }
    work.cause = this.core.bus.trace.cause;
    this.run();
  }

  private finishPacket(work: Work, last: DataDescriptor): void {
    const { assembly } = this;
    const frame = assembly.finish(this.endOf(last));
    if (assembly.segmenting && typeof frame !== 'number') this.core.count(Stat.TSCTC);
    if (frame instanceof Uint8Array) this.queue(work, frame);
    this.endPacket(typeof frame === 'number' ? frame : 0);
  }

  /** The packet is over. @param reason why it was lost; 0: it was not */
  private endPacket(reason: number): void {
    if (reason !== 0) this.core.aside(Kind.PacketDrop, this.assembly.gathered, reason);
    this.assembly.reset();
    this.timeSpent = false;
  }

  private queue(work: Work, frame: Uint8Array): void {
    this.sender.buffer.push({ frame, size: frame.length, cause: work.cause });
    this.sender.drain();
    this.core.bus.trace.cause = work.cause;
  }

  /** The descriptor is done: its data is in the packet buffer. TDH counts those (3.4). */
  private retire(work: Work, command: number): void {
    const { core, ring, writeBack } = this;
    const { index, bytes } = work.descriptor;
    this.work = undefined;
    ring.head = ring.after(index);
    core.aside(Kind.RingHead, ring.head, ring.tail);
    const report = (command & TxCmd.RS) !== 0;
    const bursts = ring.threshold('writeBack') > 0;
    // With a threshold, descriptors gather from the first one that asks for a report on (13.4.43).
    if (report || (bursts && writeBack.held > 0)) {
      const delayed = (command & TxCmd.IDE) !== 0;
      const mark = report ? (delayed ? Mark.Delayed : Mark.Report) : Mark.None;
      writeBack.add({ index, bytes: doneOf(bytes), mark, cause: work.cause });
    }
    // The delay timer sees to it that they do not wait for ever for more of them (3.4.2).
    const alone = bursts && writeBack.held > 0 && !this.interrupts.waits(TRANSMIT_DELAY);
    if (alone && core.get(Reg.TIDV) !== 0) this.interrupts.delayed(TRANSMIT_DELAY);
    this.noticeLow();
    this.noticeEmpty();
  }

  private written(used: readonly Used[], ok: boolean, signals: number): void {
    const { trace } = this.core.bus;
    const { cause } = trace;
    const marks = used.map(({ mark }) => mark);
    const now = (ok && marks.includes(Mark.Report) ? Cause.TXDW : 0) | signals;
    if (now !== 0) this.interrupts.raise(now);
    // After a flush by the delay's end there is nothing left to delay.
    if (ok && signals === 0 && marks.includes(Mark.Delayed)) this.interrupts.delayed(TRANSMIT_DELAY);
    trace.cause = cause;
    this.noticeEmpty();
    trace.cause = cause;
    this.run();
  }

  /** TXD_LOW: what is left to do has come down to the threshold, eight descriptors a unit (13.4.43). */
  private noticeLow(): void {
    const { core, ring } = this;
    const threshold = 8 * (core.get(Reg.TXDCTL) >>> 25);
    if (ring.upToTail(ring.head) === threshold) this.interrupts.raise(Cause.TXD_LOW);
  }

  /** TXQE: the head has met the tail (3.4.3), and the reports asked for are written. */
  private noticeEmpty(): void {
    const { ring, writeBack } = this;
    if (this.emptyTold || ring.head !== ring.tail || writeBack.active) return;
    this.emptyTold = true;
    this.interrupts.raise(Cause.TXQE);
  }
}

/** What the first descriptor of a packet says of the whole. */
function planOf({ kind, command, options }: DataDescriptor, context: Context): PacketPlan {
  return { context, options, segmenting: kind === 'data' && (command & TxCmd.TSE) !== 0 };
}

/** Which context a descriptor sets or uses. */
function contextOf({ command }: { command: number }): keyof Contexts {
  return (command & TxCmd.TSE) !== 0 ? 'segmentation' : 'checksum';
}

function parsed(bytes: Uint8Array): Work['parsed'] {
  return bytes.length === 0 ? undefined : parseDescriptor(bytes);
}

/** The descriptor with DD set. */
function doneOf(bytes: Uint8Array): Uint8Array {
  const done = bytes.slice();
  done[STATUS_AT] |= STATUS_DD;
  return done;
}
