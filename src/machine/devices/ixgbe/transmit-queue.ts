/**
 * One transmit queue (7.2.1 to 7.2.3): it fetches the data of descriptor after descriptor, several transfers at a time, puts packets
 * together as the data comes and hands whole frames on. A descriptor whose data is there is done: TDH passes it, and it is written
 * back, or the head in its place, where RS asks for it.
 */
import type { DmaResult } from '../../bus';
import { Kind } from '../../../trace/vocabulary/events';
import { PacketAssembly, type AssemblyHardware, type FrameEnd } from '../intel-nic/assemble';
import { isFault, type Dma } from '../intel-nic/dma';
import { DescriptorFetch, type FetchHardware, type FetchRun } from '../intel-nic/fetch';
import { NO_CONTEXT } from '../intel-nic/offload';
import { Ring, type Threshold } from '../intel-nic/ring';
import { WriteBack, type Used, type WriteBackHardware, type WriteBackRun } from '../intel-nic/writeback';
import { DropReason, HEAD_WRITE_BACK, IN_FLIGHT, LONGEST, ON_CHIP, Qdctl, TxCmd, Use, USES } from './bits';
import type { IxgbeCore } from './core';
import { frameEnd } from './frame-end';
import { QueueReg, ringRegisters, transmitBase } from './queue-registers';
import { parseDescriptor, type DataDescriptor, type TransmitContext } from './transmit-descriptors';

/** A descriptor on its way through the queue. */
interface Piece {
  index: number;
  /** Its 16 bytes; none when they could not be read. */
  descriptor: Uint8Array;
  /** Its data, as soon as it is there; a fault is none. */
  data: Uint8Array | undefined;
  failed: boolean;
  /** Bytes of the data that are part of a packet. */
  done: number;
}

/** What the hardware has of a `TransmitQueue`. */
export interface TransmitQueueHardware {
  fetch: FetchHardware;
  writeBack: WriteBackHardware;
  assembly: AssemblyHardware;
  pieces: Piece[];
  contexts: TransmitContext[];
}

/** What the run has of it. */
export interface TransmitQueueRun {
  fetch: FetchRun;
  writeBack: WriteBackRun;
  causes: number[];
}

/** Whose queue it is. */
export interface TransmitQueueOwner {
  /** Whether packets may be begun: the transmitter is on, and there is room in the packet buffer. */
  admits(queue: number): boolean;
  /** A frame for the wire or for other pools. */
  send(queue: number, frame: Uint8Array): void;
  /** What was asked to be reported is in memory: the queue's interrupt cause. */
  done(queue: number): void;
  /** Used descriptors wait for others, or for the end of the interval of the queue's interrupt. */
  waits(queue: number): void;
}

const NOTHING: TransmitContext = { headers: NO_CONTEXT, vlan: 0 };
/** Byte 12 of a transmit descriptor: its status. */
const STATUS_AT = 12;
const STATUS_DD = 1;
/** `Used.mark`. */
const Mark = { none: 0, report: 1 } as const;
/** The thresholds of TXDCTL: seven bits each (8.2.3.9.10). */
const SHIFT: Readonly<Record<Threshold, number>> = { prefetch: 0, host: 8, writeBack: 16 };
const THRESHOLD_MASK = 0x7f;
const NO_DATA = new Uint8Array(0);

/** The queue. */
export class TransmitQueue {
  private readonly base: number;
  readonly ring: Ring;
  private readonly fetch: DescriptorFetch;
  private readonly writeBack: WriteBack;
  private readonly channel: number;
  private readonly headChannel: number;
  private readonly assembly = new PacketAssembly();
  private pieces: Piece[] = [];
  /** Rows of the pieces: of the fetch of each, or of its data. */
  private causes: number[] = [];
  private contexts: TransmitContext[] = [NOTHING, NOTHING];
  private settling = false;

  constructor(
    private readonly index: number,
    private readonly core: IxgbeCore,
    private readonly dma: Dma,
    private readonly owner: TransmitQueueOwner,
  ) {
    this.base = transmitBase(index);
    this.channel = index * USES + Use.TransmitData;
    this.headChannel = index * USES + Use.Head;
    this.ring = new Ring(
      core,
      ringRegisters(this.base),
      (which) => (this.control >> SHIFT[which]) & THRESHOLD_MASK,
    );
    this.writeBack = new WriteBack(this.ring, dma, index * USES + Use.TransmitWriteBack, {
      written: (used, ok) => this.written(used, ok),
      nothingToWrite: () => undefined,
    });
    this.fetch = new DescriptorFetch(this.ring, dma, index * USES + Use.TransmitFetch, {
      enabled: () => this.enabled,
      onChip: ON_CHIP.transmit,
      held: () => this.writeBack.held + this.pieces.length,
      cause: () => core.traceOf(index).cause,
      fetched: () => this.run(),
      failed: (count) => {
        this.fetch.skip(count);
        this.run();
      },
    });
    dma.onEnd(this.channel, (result) => this.dataEnded(result));
    dma.onEnd(this.headChannel, (result) => this.headEnded(result));
  }

  /** TXDCTL.ENABLE. */
  get enabled(): boolean {
    return (this.control & Qdctl.ENABLE) !== 0;
  }

  /** TDT was written: there is something to send. */
  tailWritten(value: number): void {
    const { core, ring, index } = this;
    const trace = core.traceOf(index);
    core.set(this.base + QueueReg.tail, value & 0xffff);
    trace.instant(Kind.TransmitTail, index, value & 0xffff);
    if (ring.size > 0 && ring.tail >= ring.size)
      core.asideOf(index, Kind.DeviceMisused, this.base + QueueReg.tail, value);
    this.fetch.granted(trace.cause);
    this.run();
  }

  /** TXDCTL was written. */
  controlWritten(value: number): void {
    const before = this.enabled;
    this.core.set(this.base + QueueReg.control, (value & ~Qdctl.FLUSH) >>> 0);
    if (before && !this.enabled) this.reset();
    if (!before && this.enabled) this.fetch.granted(this.core.traceOf(this.index).cause);
    if ((value & Qdctl.FLUSH) !== 0) this.flush();
    this.writeBack.write();
    this.run();
  }

  /** Writes used descriptors back that wait for others: the interval of the queue's interrupt is over. */
  flush(): void {
    this.writeBack.flush(0);
  }

  /** The queue was turned off: what is on the chip is void. */
  reset(): void {
    this.fetch.reset();
    this.writeBack.reset();
    this.dma.forget(this.channel);
    this.dma.forget(this.headChannel);
    this.assembly.reset();
    this.pieces = [];
    this.causes = [];
    this.contexts = [NOTHING, NOTHING];
  }

  /** The ring's base, length or head was written. */
  ringChanged(): void {
    this.reset();
    if (!this.enabled) return;
    this.fetch.granted(this.core.traceOf(this.index).cause);
    this.run();
  }

  /** Goes on where it can: the function became a bus master, or there is room in the packet buffer. */
  resume(): void {
    this.fetch.retry();
    this.writeBack.write();
    this.run();
  }

  saveHardware(): TransmitQueueHardware {
    return {
      fetch: this.fetch.saveHardware(),
      writeBack: this.writeBack.saveHardware(),
      assembly: this.assembly.saveHardware(),
      pieces: this.pieces.map((piece) => ({ ...piece })),
      contexts: this.contexts.slice(),
    };
  }

  saveRun(): TransmitQueueRun {
    return {
      fetch: this.fetch.saveRun(),
      writeBack: this.writeBack.saveRun(),
      causes: this.causes.slice(),
    };
  }

  load(hardware: TransmitQueueHardware, run: TransmitQueueRun | undefined): void {
    this.fetch.load(hardware.fetch, run?.fetch);
    this.writeBack.load(hardware.writeBack, run?.writeBack);
    this.assembly.load(hardware.assembly);
    this.pieces = hardware.pieces.map((piece) => ({ ...piece }));
    this.causes = run?.causes.slice() ?? this.pieces.map(() => 0);
    this.contexts = hardware.contexts.slice();
  }

  private get control(): number {
    return this.core.get(this.base + QueueReg.control);
  }

  private run(): void {
    this.settle();
    while (this.begin());
    // A threshold above what the chip can hold is never reached.
    if (this.fetch.full) this.writeBack.flush(0);
    this.fetch.fetch();
  }

  /** Begins with the next descriptor; false when there is none, or it has to wait. */
  private begin(): boolean {
    const { dma, channel, fetch, pieces, index } = this;
    const { first } = fetch;
    if (!first || pieces.length >= IN_FLIGHT || !this.enabled || !this.owner.admits(index)) return false;
    const parsed = parsedOf(first.bytes);
    const length = parsed && parsed.kind !== 'context' ? parsed.length : 0;
    if (length > 0 && !dma.allowed(channel)) return false;
    fetch.shift();
    const data = length > 0 ? undefined : NO_DATA;
    pieces.push({ index: first.index, descriptor: first.bytes, data, failed: !parsed, done: 0 });
    this.causes.push(first.cause);
    if (parsed && parsed.kind !== 'context' && length > 0)
      dma.read(channel, parsed.address, length, first.cause);
    this.settle();
    return true;
  }

  private dataEnded(result: DmaResult): void {
    const at = this.pieces.findIndex(({ data }) => data === undefined);
    if (at < 0) return;
    const piece = this.pieces[at];
    this.causes[at] = this.core.traceOf(this.index).cause;
    this.pieces[at] = isFault(result)
      ? { ...piece, data: NO_DATA, failed: true }
      : { ...piece, data: result };
    this.settle();
    this.run();
  }

  /** Uses up what is there, in the descriptors' order. */
  private settle(): void {
    // Room in the packet buffer may have the queue go on while it is at work.
    if (this.settling) return;
    this.settling = true;
    while (this.useFirst());
    this.settling = false;
  }

  private useFirst(): boolean {
    const [piece] = this.pieces;
    if (!piece?.data) return false;
    const [cause] = this.causes;
    this.core.traceOf(this.index).cause = cause;
    if (!this.use(piece, piece.data)) return false;
    this.pieces.shift();
    this.causes.shift();
    this.retire(piece, cause);
    return true;
  }

  /** False while the rest of the data has to wait for room in the packet buffer. */
  private use(piece: Piece, data: Uint8Array): boolean {
    const { assembly } = this;
    const parsed = parsedOf(piece.descriptor);
    if (piece.failed) assembly.broken ||= DropReason.DmaAbort;
    if (!parsed) this.endPacket(assembly.broken);
    else if (parsed.kind === 'context') this.contexts[parsed.index] = parsed.context;
    else {
      this.beginPacket(parsed);
      if (!this.gather(parsed, piece, data)) return false;
      if ((parsed.command & TxCmd.EOP) !== 0) this.finish(parsed);
    }
    return true;
  }

  private beginPacket(parsed: DataDescriptor): void {
    const { assembly } = this;
    if (!assembly.begun) {
      const { broken } = assembly;
      assembly.begin(
        {
          context: this.contexts[parsed.index].headers,
          options: parsed.options,
          segmenting: parsed.kind === 'data' && (parsed.command & TxCmd.TSE) !== 0,
        },
        LONGEST,
      );
      assembly.broken ||= broken;
    }
  }

  /** Adds the data of a descriptor to the packet, cutting it into segments where it is to be cut. */
  private gather(descriptor: DataDescriptor, piece: Piece, data: Uint8Array): boolean {
    const { assembly, owner, index } = this;
    while (piece.done < data.length && assembly.broken === 0) {
      if (!owner.admits(index)) return false;
      if (assembly.segmentFull) owner.send(index, assembly.takeSegment(this.endOf(descriptor)));
      const count = assembly.next(data.length - piece.done);
      if (assembly.gathered + count > LONGEST) assembly.broken = DropReason.Oversize;
      else assembly.add(data.subarray(piece.done, piece.done + count));
      piece.done += count;
    }
    return true;
  }

  private finish(last: DataDescriptor): void {
    const frame = this.assembly.finish(this.endOf(last));
    if (frame instanceof Uint8Array) this.owner.send(this.index, frame);
    this.endPacket(typeof frame === 'number' ? frame : 0);
  }

  /** @param reason why it was lost; 0: it was not */
  private endPacket(reason: number): void {
    const { core, index, assembly } = this;
    if (reason !== 0) core.asideOf(index, Kind.PacketDrop, assembly.gathered, reason);
    assembly.reset();
  }

  private endOf(descriptor: DataDescriptor): FrameEnd {
    return frameEnd(this.core, this.index, descriptor, this.contexts[descriptor.index]);
  }

  /** The descriptor is done. */
  private retire({ index, descriptor }: Piece, cause: number): void {
    const { core, ring, writeBack } = this;
    ring.head = ring.after(index);
    core.asideOf(this.index, Kind.TransmitHead, this.index, ring.head);
    const report = (descriptor[11] & TxCmd.RS) !== 0;
    if ((core.get(this.base + QueueReg.headLow) & HEAD_WRITE_BACK) !== 0) {
      if (report) this.writeHead(cause);
      return;
    }
    // With a threshold, descriptors gather from the first one that asks for a report on (7.2.3.5.2).
    const gathers = ring.threshold('writeBack') > 0;
    if (!report && (!gathers || writeBack.held === 0)) return;
    writeBack.add({ index, bytes: doneOf(descriptor), mark: report ? Mark.report : Mark.none, cause });
    if (!writeBack.active) this.owner.waits(this.index);
  }

  /** TDWBAL: the head goes to memory as 32 bits (7.2.3.5.3). */
  private writeHead(cause: number): void {
    const { core, base, headChannel, ring } = this;
    const address = core.address(base + QueueReg.headLow);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, ring.head, true);
    this.dma.write(headChannel, address - (address % 4), bytes, cause);
  }

  private headEnded(result: DmaResult): void {
    if (!isFault(result)) this.owner.done(this.index);
  }

  private written(used: readonly Used[], ok: boolean): void {
    const trace = this.core.traceOf(this.index);
    const { cause } = trace;
    if (ok && used.some(({ mark }) => mark === Mark.report)) this.owner.done(this.index);
    trace.cause = cause;
    this.run();
  }
}

function parsedOf(bytes: Uint8Array): ReturnType<typeof parseDescriptor> | undefined {
  return bytes.length === 0 ? undefined : parseDescriptor(bytes);
}

/** The descriptor with DD set. */
function doneOf(bytes: Uint8Array): Uint8Array {
  const done = bytes.slice();
  done[STATUS_AT] |= STATUS_DD;
  return done;
}
