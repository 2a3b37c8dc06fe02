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
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { Costs } from '../cost-keys';
import { Access } from '../cpu/access-callouts';
import type { ExitWay } from './exit-way';
import { IO_FORM, PORT_SHIFT } from './qualification';
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

/** An access whose rows are wanted. */
export interface FoldedAccess {
  way: ExitWay;
  /** As of `Access`. */
  kind: number;
  address: number;
  /** The exit's first argument, and its qualification. */
  a: number;
  qualification: number;
  /** Kind of the guest's span. */
  guest: number;
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
  /** How the exit's qualification comes of its argument. */
  qualified: Pick<PatternRow, 'aLess' | 'aShift'>;
}

/** Kinds of the rows of accesses, by `Access`. */
const ACCESS_KINDS = [Kind.MmioRead, Kind.MmioWrite, Kind.PioIn, Kind.PioOut] as const;
/** By exit reason: where the exit's first argument stands in the qualification; undefined: there is none. */
const ARGUMENT_SHIFT: Partial<Record<number, number>> = {
  [VmxExit.APIC_ACCESS]: 0,
  [VmxExit.IO_INSTRUCTION]: PORT_SHIFT,
};
/** Index of the exit's row, of which everything is a consequence. */
const EXIT = 0;

function rowsOf({ way, track, unit, access, guest, aLess, qualified }: Sort, costs: Costs): PatternRow[] {
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
  const kernel = { ...leg(Kind.KvmHandle, 0, way.kernel), ...qualified };
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

/** How an exit's qualification comes of its first argument: what an access of a sort has beside it is always the same. */
function qualifiedBy(reason: number, a: number, qualification: number): Sort['qualified'] {
  const shift = ARGUMENT_SHIFT[reason];
  return shift === undefined ? {} : { aShift: shift, aLess: a * 2 ** shift - qualification };
}

/**
 * Number of an access's sort within its region: its kind, the guest's privilege and, for a port, what else its qualification
 * says: its size and the instruction.
 */
export function sortNumber(kind: number, qualification: number, guest: number): number {
  const sort = guest === Kind.GuestUser ? kind * 2 + 1 : kind * 2;
  return kind > Access.MmioWrite ? (qualification & IO_FORM) * 8 + sort : sort;
}

/** Those of one region, one kind of access and one kind of guest code; valid while the region and its track are where they were. */
export interface KnownRows {
  readonly base: number;
  readonly unit: number;
  /** Undefined: they have to be recorded leg by leg. */
  readonly rows: ExitRows | undefined;
}

/** The rows of all accesses of one vCPU. */
export class ExitRowTable {
  private readonly known = new Map<Region<KvmRegion>, (KnownRows | undefined)[]>();
  private lastRegion: Region<KvmRegion> | undefined;
  private last: (KnownRows | undefined)[] = [];

  /** @param track the vCPU's */
  constructor(
    private readonly tracer: Tracer,
    private readonly costs: Costs,
    private readonly track: number,
  ) {}

  /** Rows of a sort of accesses to a region; undefined: nobody has asked since it was moved. @param sort as of `sortNumber` */
  find(region: Region<KvmRegion>, sort: number): KnownRows | undefined {
    const ofRegion = region === this.lastRegion ? this.last : this.ofRegion(region);
    const known = ofRegion[sort];
    return known && known.base === region.base && known.unit === region.tag.lane.track ? known : undefined;
  }

  /** Finds out the rows of a sort of accesses from one of them. */
  add(region: Region<KvmRegion>, sort: number, access: FoldedAccess): KnownRows {
    const known = { base: region.base, unit: region.tag.lane.track, rows: this.make(region, access) };
    this.ofRegion(region)[sort] = known;
    return known;
  }

  private ofRegion(region: Region<KvmRegion>): (KnownRows | undefined)[] {
    let ofRegion = this.known.get(region);
    if (!ofRegion) this.known.set(region, (ofRegion = []));
    this.lastRegion = region;
    this.last = ofRegion;
    return ofRegion;
  }

  private make(region: Region<KvmRegion>, access: FoldedAccess): ExitRows | undefined {
    const { costs, track, tracer } = this;
    const { way, kind, address, a, qualification, guest } = access;
    const { lane, offset } = region.tag;
    const sort = {
      way,
      track,
      unit: lane.track,
      access: ACCESS_KINDS[kind],
      guest,
      aLess: a - (address - region.base + offset),
      qualified: qualifiedBy(way.reason, a, qualification),
    };
    const pattern = tracer.addPattern(rowsOf(sort, costs));
    if (!pattern) return undefined;
    return {
      pattern,
      user: 3,
      access: way.toUser ? 4 : 2,
      userEnter: costs['user.enter'],
      entry: costs['entry.hardware'],
      guest,
    };
  }
}
