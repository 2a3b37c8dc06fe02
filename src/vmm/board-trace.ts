/** The lanes of one board: a track for each unit once it is used, and the interrupts on their ways between them. */
import type { Stateful } from '../machine/bus';
import { DeliveryMode, type IpiMessage } from '../machine/interrupts/message';
import type { FabricObserver, MessageSource } from '../machine/interrupts/sinks';
import type { BoardUnit, UnitClass } from '../machine/platform/environment';
import { requireVersion } from '../machine/snapshot';
import type { TrackType } from '../trace/model';
import { Kind } from '../trace/vocabulary/events';
import type { InterruptLane } from './cpu/interrupt-lane';
import type { Site } from './host';

/** How IPIs that are not vectors are shown: kind and arguments. */
const ipiRows: Record<number, (message: IpiMessage) => readonly [kind: number, a: number, b: number]> = {
  [DeliveryMode.Init]: ({ destination }) => [Kind.IpiInit, destination, 0],
  [DeliveryMode.StartUp]: ({ vector, destination }) => [Kind.IpiStartUp, vector, destination],
  [DeliveryMode.Nmi]: ({ destination }) => [Kind.IpiNmi, destination, 0],
};

/** Units whose lanes are those of interrupt controllers. */
const CONTROLLERS: ReadonlySet<UnitClass> = new Set(['lapic', 'ioapic', 'pic', 'pit']);

/** The lane of one unit: its track, which is made when it is first asked for. Asked at every register access. */
export class UnitLane {
  private known = -1;

  constructor(private readonly make: () => number) {}

  get track(): number {
    return this.known >= 0 ? this.known : (this.known = this.make());
  }

  /** It has this track; -1: none yet. */
  set(track: number): void {
    this.known = track;
  }
}

/** Snapshot of a `BoardTrace`. */
export interface BoardTraceState {
  version: 1;
  /** By the unit's name. */
  tracks: Record<string, number>;
}

/** One board's lanes. */
export class BoardTrace implements FabricObserver, Stateful<BoardTraceState> {
  private readonly tracks = new Map<string, number>();
  private readonly units = new Map<string, BoardUnit>();
  private readonly lanes = new Map<string, UnitLane>();

  /** @param guest index and name of the guest whose board it is */
  constructor(
    private readonly site: Site,
    private readonly guest: { index: number; name: string },
    private readonly cpus: readonly InterruptLane[],
  ) {
    site.units.keep(`${guest.name}/lanes`, this);
  }

  /** Makes a unit of the board known by its name, before anybody asks for its track. */
  know(unit: BoardUnit): void {
    this.units.set(unit.name, unit);
  }

  /** The track of a unit, which is made now if it does not exist yet. */
  trackOf(unit: BoardUnit): number {
    const known = this.tracks.get(unit.name);
    if (known !== undefined) return known;
    const type = CONTROLLERS.has(unit.class) ? 'irqchip' : 'device';
    return this.add(unit.name, type, unit.registers(), unit.name, unit.reasons);
  }

  /** The lane of a unit. */
  laneOf(unit: BoardUnit): UnitLane {
    const known = this.lanes.get(unit.name);
    if (known) return known;
    this.know(unit);
    const lane = new UnitLane(() => this.trackOf(unit));
    this.lanes.set(unit.name, lane);
    return lane;
  }

  /** The track of a unit of the board, by its name, likewise. */
  trackNamed(name: string): number {
    const unit = this.units.get(name);
    if (!unit) throw new RangeError(`${this.guest.name} has no unit '${name}' on its board`);
    return this.trackOf(unit);
  }

  /** The track of a device's DMA, likewise. */
  dmaTrackOf(unit: BoardUnit): number {
    return this.tracks.get(`${unit.name}/dma`) ?? this.add(`${unit.name}/dma`, 'dma', undefined, unit.name);
  }

  message(source: MessageSource, vector: number, deliver: () => void): void {
    const { tracer, island } = this.site;
    const before = tracer.cause;
    tracer.cause =
      source.from === 'ioapic'
        ? tracer.instant(island.now(), this.trackNamed('IOAPIC'), Kind.IoapicRoute, source.pin, vector)
        : tracer.instant(island.now(), this.trackNamed('LAPIC'), Kind.Msi, source.address, source.data);
    deliver();
    tracer.cause = before;
  }

  ipi(sender: number, message: IpiMessage, send: () => number): number {
    const { tracer, island } = this.site;
    const { vector, destination } = message;
    const [kind, a, b] = ipiRows[message.mode]?.(message) ?? [Kind.IpiSend, vector, destination];
    const before = tracer.cause;
    tracer.cause = tracer.instant(island.now(), this.cpus[sender].track, kind, a, b);
    const reached = send();
    // One hypercall sends several: each hangs on what the sender is at.
    tracer.cause = before;
    return reached;
  }

  accepted(cpu: number, vector: number): void {
    this.cpus[cpu].accepted(vector);
  }

  ended(cpu: number, vector: number): void {
    const { tracer, island } = this.site;
    tracer.cause = tracer.instant(island.now(), this.cpus[cpu].track, Kind.IrqEoi, vector, 0);
  }

  /** A configuration access, on the lane of configuration space. */
  configAccess(
    unit: BoardUnit,
    requester: number | undefined,
    isWrite: boolean,
    offset: number,
    value: number,
  ): void {
    const { tracer, island } = this.site;
    const kind = isWrite ? Kind.CfgWrite : Kind.CfgRead;
    const where = (requester ?? 0xffff) * 0x1000 + offset;
    tracer.cause = tracer.instant(island.now(), this.trackOf(unit), kind, where, value);
  }

  save(): BoardTraceState {
    return { version: 1, tracks: Object.fromEntries(this.tracks) };
  }

  load(state: BoardTraceState): void {
    requireVersion('the lanes of a board', state.version, 1);
    this.tracks.clear();
    for (const [name, track] of Object.entries(state.tracks)) this.tracks.set(name, track);
    for (const [name, lane] of this.lanes) lane.set(this.tracks.get(name) ?? -1);
  }

  private add(
    key: string,
    type: TrackType,
    registers: Record<string, string> | undefined,
    name: string,
    reasons?: Readonly<Record<string, string>>,
  ): number {
    const { index, name: group } = this.guest;
    const track = this.site.tracer.addTrack({
      type,
      name,
      group,
      vm: index,
      ...(registers && { registers }),
      ...(reasons && { reasons }),
    });
    this.tracks.set(key, track);
    return track;
  }
}
