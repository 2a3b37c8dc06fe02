/**
 * Where a device is plugged into a physical bus: its DMA goes on by itself while CPUs run, its interrupt pin is a wire, its
 * messages are writes behind those of its data (PCI Express Base Specification, 2.4.1).
 */
import type {
  BusDevice,
  DeviceBus,
  DeviceTrace,
  DmaFault,
  DmaPort,
  DmaResult,
  IrqLine,
  MsiPort,
  Stateful,
} from '../../machine/bus';
import { isMsiAddress } from '../../machine/interrupts/message';
import type { DmaPiece, DmaTranslated } from '../../machine/memory/dma-translation';
import type { DmaMemory } from '../../machine/memory/dma-memory';
import type { DeviceSocket, SocketOptions } from '../../machine/platform/environment';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventHandle, EventTarget } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import type { Site } from '../host';
import { TrackTrace } from '../track-trace';

/** Where the socket is. */
export interface PhysicalPlace {
  /** Unique in the run: `pc/e1000`. */
  id: string;
  /** The device's track, and that of its DMA, which is made when there is some. */
  track: () => number;
  dmaTrack: () => number;
  /** What the trace calls the device. */
  who: string;
  memory: DmaMemory;
  /** The wire's level at a global system interrupt. */
  setPin(gsi: number, source: string, asserted: boolean): void;
  msi(requester: number, address: number, data: number): void;
}

/** A transaction on its way. */
export interface SavedTransaction {
  kind: 'read' | 'write' | 'message' | 'pin';
  requester: number;
  address: number;
  length: number;
  bytes?: Uint8Array;
  tag: number;
  /**
   * Where an access of memory was found to go when it began, or why it goes nowhere; or that it is an interrupt. Absent for what is
   * none.
   */
  way?: { pieces: readonly DmaPiece[] } | { fault: DmaFault } | { interrupt: number };
  /** Its row in the trace. */
  row: RowRef;
  /** The event of its end. */
  arrival: EventHandle;
}

/** What a transaction is before it has begun. */
type Request = Omit<SavedTransaction, 'way' | 'row' | 'arrival'>;

/** Snapshot of a `PhysicalSocket`. */
export interface PhysicalSocketState {
  version: 3;
  asserted: boolean;
  ioapicMessage: EventHandle;
  inFlight: SavedTransaction[];
  freeAt: Cycles;
}

const Event = { Arrival: 0, IoapicMessage: 1 } as const;
const NOTHING = new Uint8Array(0);
const BYTES_PER_UNIT = 64;
const MESSAGE_BYTES = 4;

/** One device's place on the bus. */
export class PhysicalSocket
  implements DeviceSocket, DeviceBus, DmaPort, MsiPort, EventTarget, Stateful<PhysicalSocketState>
{
  readonly eventTargetId: string;
  readonly trace: DeviceTrace;
  readonly cyclesPerNanosecond: number;
  readonly bus: DeviceBus = this;
  readonly dma: DmaPort = this;
  readonly msi: MsiPort = this;
  readonly irq: IrqLine;
  readonly wire: IrqLine = { set: (asserted) => this.wireChanged(asserted) };
  private readonly timers: EventTarget;
  private device: BusDevice | undefined;
  private asserted = false;
  private inFlight: SavedTransaction[] = [];
  /** The pin's assertion has come to the IOAPIC, whose own message is on its way. */
  private ioapicMessage: EventHandle = 0;
  /** When the device's link is free for the data of the next transaction. */
  private freeAt: Cycles = 0;

  constructor(
    private readonly site: Site,
    private readonly place: PhysicalPlace,
    private readonly options: SocketOptions,
  ) {
    this.eventTargetId = `${place.id}/bus`;
    this.trace = new TrackTrace(site, place.track);
    this.cyclesPerNanosecond = site.frequencyHz / 1e9;
    this.irq = options.gate ?? this.wire;
    this.timers = {
      eventTargetId: `${place.id}/timers`,
      onEvent: (kind, arg) => this.device?.onEvent(kind, arg),
    };
    site.island.queue.register(this);
    site.island.queue.register(this.timers);
    site.units.keep(this.eventTargetId, this);
  }

  plug(device: BusDevice): void {
    this.device = device;
  }

  /** Global system interrupt that the wire leads to; undefined: there is none. */
  get gsi(): number | undefined {
    return this.options.gsi;
  }

  now(): Cycles {
    return this.site.island.now();
  }

  schedule(delay: Cycles, kind: number, arg?: number): EventHandle {
    return this.site.island.queue.schedule(this.now() + delay, this.timers, kind, arg);
  }

  cancel(handle: EventHandle): void {
    this.site.island.queue.cancel(handle);
  }

  read(requester: number, address: number, length: number, tag: number): void {
    this.begin({ kind: 'read', requester, address, length, tag });
  }

  write(requester: number, address: number, bytes: Uint8Array, tag: number): void {
    this.begin({ kind: 'write', requester, address, length: bytes.length, bytes, tag });
  }

  send(requester: number, address: number, data: number): void {
    this.begin({ kind: 'message', requester, address, length: MESSAGE_BYTES, tag: data });
  }

  /** The oldest transaction has come to its end, or what the IOAPIC makes of the pin to the local APIC. */
  onEvent(kind: number, gsi: number): void {
    if (kind === Event.IoapicMessage) {
      this.ioapicMessage = 0;
      this.place.setPin(gsi, this.place.id, true);
      return;
    }
    const done = this.inFlight.shift();
    if (!done) return;
    const { tracer, island, costs } = this.site;
    tracer.cause = done.row;
    if (done.kind === 'pin') {
      const arrival = island.now() + costs['irq.ioapic'];
      this.ioapicMessage = island.queue.schedule(arrival, this, Event.IoapicMessage, done.tag);
    } else if (done.kind === 'message') this.place.msi(done.requester, done.address, done.tag);
    else this.device?.onDma(done.tag, this.resultOf(done));
  }

  save(): PhysicalSocketState {
    const inFlight = this.inFlight.map((each) => ({ ...each }));
    const { asserted, ioapicMessage, freeAt } = this;
    return { version: 3, asserted, ioapicMessage, inFlight, freeAt };
  }

  /** The event queue's own snapshot brings the arrivals back. */
  load(state: PhysicalSocketState): void {
    requireVersion('a device socket', state.version, 3);
    this.asserted = state.asserted;
    this.ioapicMessage = state.ioapicMessage;
    this.inFlight = state.inFlight.map((each) => ({ ...each }));
    this.freeAt = state.freeAt;
  }

  /** The bus is reset, the device with it: what is on its way is lost, and the wire is low. */
  reset(): void {
    this.wire.set(false);
    for (const { arrival } of this.inFlight) this.site.island.queue.cancel(arrival);
    this.inFlight = [];
    this.freeAt = 0;
  }

  /** Data of one transaction follow those of the last; each takes the way to memory besides, and none overtakes another. */
  private begin(request: Request): void {
    const { costs, tracer, island } = this.site;
    const { address, length } = request;
    const moving = Math.ceil(length / BYTES_PER_UNIT) * costs['device.dmaPer64Bytes'];
    const start = Math.max(this.now(), this.freeAt);
    const before = tracer.cause;
    // What a translation tells becomes the cause of the transaction.
    const interrupt = this.interruptIn(request);
    const way = interrupt === undefined ? this.wayOf(request) : undefined;
    const end = start + (way?.cycles ?? 0) + costs['device.dmaSetup'] + moving;
    this.freeAt = start + moving;
    let row = tracer.cause;
    if (way && !('fault' in way)) {
      this.place.memory.landsAt(end);
      const kind = request.kind === 'read' ? Kind.DmaRead : Kind.DmaWrite;
      row = tracer.span(start, end - start, this.place.dmaTrack(), kind, address, length);
    }
    tracer.cause = before;
    const arrival = island.queue.schedule(end, this, Event.Arrival);
    const found = interrupt === undefined ? way && { way: foundIn(way) } : { way: { interrupt } };
    this.inFlight.push({ ...request, ...found, row, arrival });
  }

  /**
   * What a device writes by DMA to an address of interrupts is a message like any other, if it is one word (VT-d specification, 3.14
   * and 5.1): its data.
   */
  private interruptIn({ kind, address, bytes }: Request): number | undefined {
    const isOne = kind === 'write' && isMsiAddress(address) && address % MESSAGE_BYTES === 0;
    if (!isOne || bytes?.length !== MESSAGE_BYTES || !this.options.busMaster()) return undefined;
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  }

  look(requester: number, address: number, length: number): Uint8Array | undefined {
    return this.place.memory.look(requester, address, length);
  }

  /** Where an access of memory goes; undefined for what is none, and of a function that is no bus master. */
  private wayOf({ kind, requester, address, length }: Request): DmaTranslated | undefined {
    if ((kind !== 'read' && kind !== 'write') || !this.options.busMaster()) return undefined;
    return this.place.memory.translate(requester, address, length, kind === 'write');
  }

  private resultOf({ kind, requester, address, way, bytes, row }: SavedTransaction): DmaResult {
    if (!this.options.busMaster() || !way) return 'master-abort';
    if ('fault' in way) return way.fault;
    const { memory, who } = this.place;
    if ('interrupt' in way) {
      this.place.msi(requester, address, way.interrupt);
      this.site.tracer.cause = row;
      return NOTHING;
    }
    if (kind === 'read') return memory.readFrom(way.pieces, who);
    return memory.writeTo(requester, way.pieces, bytes ?? NOTHING, who);
  }

  private wireChanged(asserted: boolean): void {
    const { gsi } = this.options;
    if (asserted === this.asserted || gsi === undefined) return;
    this.asserted = asserted;
    const { tracer } = this.site;
    const before = tracer.cause;
    tracer.cause = tracer.instant(
      this.now(),
      this.place.track(),
      asserted ? Kind.IrqRaise : Kind.IrqLower,
      gsi,
      0,
    );
    // Assert_INTx is a posted message behind the data (2.2.8.1), and the IOAPIC sends one of its own. Deassert_INTx is there before
    // the answer of the read that caused it, which cannot overtake it (2.4.1), and takes an assertion back that is on its way.
    if (asserted) this.begin({ kind: 'pin', requester: 0, address: 0, length: MESSAGE_BYTES, tag: gsi });
    else this.deassert(gsi);
    tracer.cause = before;
  }

  private deassert(gsi: number): void {
    const { queue } = this.site.island;
    for (const { kind, arrival } of this.inFlight) if (kind === 'pin') queue.cancel(arrival);
    this.inFlight = this.inFlight.filter(({ kind }) => kind !== 'pin');
    queue.cancel(this.ioapicMessage);
    this.ioapicMessage = 0;
    this.place.setPin(gsi, this.place.id, false);
  }
}

function foundIn(way: DmaTranslated): { pieces: readonly DmaPiece[] } | { fault: DmaFault } {
  return 'fault' in way ? { fault: way.fault } : { pieces: way.pieces };
}
