/**
 * The rows of a whole exit for a register access, from the exit to the guest's next span, where nothing comes in between: known
 * beforehand, so that they are recorded in one piece. They are those that `ExitTimeline` records leg by leg.
 */
import type { Region } from '../../machine/address-map';
import type { Cycles } from '../../machine/time/event-queue';
import { CAUSE_GIVEN, CAUSE_NONE, type PatternRow } from '../../trace/fold';
import type { RowPattern } from '../../trace/model';
import type { Tracer } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import type { Costs } from '../cost-keys';
import type { ExitWay } from './exit-way';
import type { KvmRegion } from './region';

/** The rows of one sort of access. */
export interface ExitRows {
  readonly pattern: RowPattern;
  /** Index of the span in QEMU, and of the access. */
  readonly user: number;
  readonly access: number;
  /** Cycles of the way back to KVM, and of the entry. */
  readonly userEnter: Cycles;
  readonly entry: Cycles;
  /** Kind of the guest's span. */
  readonly guest: number;
}

/** What makes one sort of access. */
interface Sort {
  way: ExitWay;
  /** The vCPU's track, and the unit's. */
  track: number;
  unit: number;
  /** Kinds of the access and of the guest's span. */
  access: number;
  guest: number;
  /** What the register's offset is less than the exit's argument. */
  aLess: number;
}

/** Kinds of the rows of accesses, by `Access`. */
const ACCESS_KINDS = [Kind.MmioRead, Kind.MmioWrite, Kind.PioIn, Kind.PioOut] as const;
/** Index of the exit's row, of which everything is a consequence. */
const EXIT = 0;

function rowsOf({ way, track, unit, access, guest, aLess }: Sort, costs: Costs): PatternRow[] {
  const left = way.cycles + (way.toUser ? costs['user.enter'] : 0);
  const entered = left + costs['entry.hardware'];
  const leg = (kind: number, offset: Cycles, duration: Cycles): PatternRow => ({
    track,
    kind,
    offset,
    duration,
    cause: EXIT,
  });
  const exit = { ...leg(way.kind, 0, entered), cause: CAUSE_GIVEN, aLess: 0, b: true };
  const kernel = leg(Kind.KvmHandle, 0, way.kernel);
  const userAt = way.kernel + way.userExit;
  const toUser = way.toUser
    ? [
        leg(Kind.UserExit, way.kernel, way.userExit),
        { ...leg(Kind.QemuHandle, userAt, way.cycles - userAt), endsAt: 5 },
      ]
    : [];
  const register = { ...leg(access, way.cycles, 0), track: unit, aLess, b: true };
  const fromUser = way.toUser ? [leg(Kind.UserEnter, way.cycles, costs['user.enter'])] : [];
  const entry = leg(Kind.Entry, left, costs['entry.hardware']);
  const inGuest = { ...leg(guest, entered, 0), cause: CAUSE_NONE };
  const rest = [kernel, ...toUser, register, ...fromUser, entry, inGuest];
  return [{ ...exit, endsAt: rest.length }, ...rest];
}

/** Those of one region, one kind of access and one kind of guest code; valid while the region and its track are where they were. */
interface Known {
  base: number;
  unit: number;
  rows: ExitRows | undefined;
}

/** The rows of all accesses of one vCPU. */
export class ExitRowTable {
  private readonly known = new Map<Region<KvmRegion>, (Known | undefined)[]>();
  private lastRegion: Region<KvmRegion> | undefined;
  private last: (Known | undefined)[] = [];

  /** @param track the vCPU's */
  constructor(
    private readonly tracer: Tracer,
    private readonly costs: Costs,
    private readonly track: number,
  ) {}

  /**
   * Rows of an access; undefined: they have to be recorded leg by leg.
   *
   * @param kind as of `Access`
   * @param a the exit's first argument
   * @param guest kind of the guest's span
   */
  of(
    region: Region<KvmRegion>,
    way: ExitWay,
    kind: number,
    address: number,
    a: number,
    guest: number,
  ): ExitRows | undefined {
    const ofRegion = region === this.lastRegion ? this.last : this.ofRegion(region);
    const sort = kind * 2 + (guest === Kind.GuestUser ? 1 : 0);
    const known = ofRegion[sort];
    const { base } = region;
    const { track: unit } = region.tag.lane;
    if (known && known.base === base && known.unit === unit) return known.rows;
    const aLess = a - (address - base + region.tag.offset);
    const rows = this.make({ way, track: this.track, unit, access: ACCESS_KINDS[kind], guest, aLess });
    ofRegion[sort] = { base, unit, rows };
    return rows;
  }

  private ofRegion(region: Region<KvmRegion>): (Known | undefined)[] {
    let ofRegion = this.known.get(region);
    if (!ofRegion) this.known.set(region, (ofRegion = []));
    this.lastRegion = region;
    this.last = ofRegion;
    return ofRegion;
  }

  private make(sort: Sort): ExitRows | undefined {
    const { costs } = this;
    const pattern = this.tracer.addPattern(rowsOf(sort, costs));
    if (!pattern) return undefined;
    return {
      pattern,
      user: 3,
      access: sort.way.toUser ? 4 : 2,
      userEnter: costs['user.enter'],
      entry: costs['entry.hardware'],
      guest: sort.guest,
    };
  }
}
