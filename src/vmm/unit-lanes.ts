/** The lanes of the units of one board or bus: a track for each unit once it is used. */
import type { Stateful } from '../machine/bus';
import type { BoardUnit, UnitClass } from '../machine/platform/environment';
import { requireVersion } from '../machine/snapshot';
import type { TrackType } from '../trace/model';
import { Kind } from '../trace/vocabulary/events';
import type { Site } from './host';

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

/** Whose units they are. */
export interface LaneOwner {
  /** Unique in the run: `vm0`. */
  readonly name: string;
  /** Heading that the tracks stand under. */
  readonly group: string;
  /** Index of the VM; -1: the host. */
  readonly vm: number;
}

/** Snapshot of `UnitLanes`. */
export interface UnitLanesState {
  version: 1;
  /** By the unit's name. */
  tracks: Record<string, number>;
}

/** The lanes. */
export class UnitLanes implements Stateful<UnitLanesState> {
  private readonly tracks = new Map<string, number>();
  private readonly units = new Map<string, BoardUnit>();
  private readonly lanes = new Map<string, UnitLane>();

  constructor(
    protected readonly site: Site,
    private readonly owner: LaneOwner,
  ) {
    site.units.keep(`${owner.name}/lanes`, this);
  }

  /** Makes a unit known by its name, before anybody asks for its track. */
  know(unit: BoardUnit): void {
    this.units.set(unit.name, unit);
  }

  /** The track of a unit, which is made now if it does not exist yet. */
  trackOf(unit: BoardUnit): number {
    const known = this.tracks.get(unit.name);
    if (known !== undefined) return known;
    const type = CONTROLLERS.has(unit.class) ? 'irqchip' : 'device';
    return this.add(unit.name, type, unit);
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

  /** The track of a unit, by its name, likewise. */
  trackNamed(name: string): number {
    const unit = this.units.get(name);
    if (!unit) throw new RangeError(`${this.owner.name} has no unit '${name}' on its board`);
    return this.trackOf(unit);
  }

  /** The track of a device's DMA, likewise. */
  dmaTrackOf(unit: BoardUnit): number {
    return this.tracks.get(`${unit.name}/dma`) ?? this.add(`${unit.name}/dma`, 'dma', { name: unit.name });
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

  save(): UnitLanesState {
    return { version: 1, tracks: Object.fromEntries(this.tracks) };
  }

  load(state: UnitLanesState): void {
    requireVersion('the lanes of a board', state.version, 1);
    this.tracks.clear();
    for (const [name, track] of Object.entries(state.tracks)) this.tracks.set(name, track);
    for (const [name, lane] of this.lanes) lane.set(this.tracks.get(name) ?? -1);
  }

  private add(
    key: string,
    type: TrackType,
    unit: Pick<BoardUnit, 'name' | 'reasons'> & Partial<Pick<BoardUnit, 'registers' | 'fields'>>,
  ): number {
    const { vm, group } = this.owner;
    const { name, reasons } = unit;
    const registers = unit.registers?.();
    const fields = unit.fields?.();
    const track = this.site.tracer.addTrack({
      type,
      name,
      group,
      vm,
      ...(registers && { registers }),
      ...(fields && Object.keys(fields).length > 0 && { fields }),
      ...(reasons && { reasons }),
    });
    this.tracks.set(key, track);
    return track;
  }
}
