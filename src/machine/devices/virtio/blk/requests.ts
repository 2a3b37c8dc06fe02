/** What each type of request does (5.2.6). What it does to the medium is done when its data are there; then it takes its time. */
import { mergedRanges } from '../../storage/ranges';
import {
  BlkFeature,
  BlkStatus,
  ID_BYTES,
  MOST_RANGES,
  MOST_RANGE_SECTORS,
  Range,
  RequestType,
  SECTOR,
  UNMAP,
} from './constants';
import type { Medium } from './medium';

/** What a request asks for. */
export interface Asked {
  readonly type: number;
  /** Its first sector; not exact from 2^53 on. */
  readonly sector: number;
  /** Bytes of the driver's data, which stand behind the header. */
  readonly readable: number;
  /** Bytes of room for the device's data, which stands before the status. */
  readonly writable: number;
}

/** Why a request fails. */
export interface Refusal {
  readonly status: BlkStatus;
}

/** One type of request. */
export interface RequestKind {
  /** Which way its data go, as the driver has it: `out` to the device. */
  readonly direction: 'none' | 'out' | 'in';
  /** The request comes in one piece, or not at all. */
  readonly whole?: true;
  /** Looks at a request before anything is done: bytes of its data, or why it is refused. */
  check(asked: Asked): number | Refusal;
  /** Nanoseconds that the medium takes. */
  nanoseconds(): number;
  /** Does something with data of the driver's, from byte `at` of them on. */
  take(asked: Asked, at: number, bytes: Uint8Array): BlkStatus;
  /** Data for the driver. */
  give(asked: Asked, at: number, length: number): Uint8Array;
}

/** What requests depend on. */
export interface RequestContext {
  readonly medium: Medium;
  has(feature: number): boolean;
  /** Whether writes are done when they are in the cache (5.2.6.2); otherwise they go through it. */
  writeback(): boolean;
}

/** A range of a DISCARD or a WRITE_ZEROES, in sectors. */
interface Segment {
  readonly first: number;
  readonly blocks: number;
  readonly flags: number;
}

const ACCEPTED = BlkStatus.OK;
const NO_DATA = new Uint8Array(0);
const FOUR_GIB = 0x1_0000_0000;

const without = {
  take: () => ACCEPTED,
  give: () => NO_DATA,
};

/** Requests by type; all others are not supported. */
export function requestKinds(context: RequestContext): ReadonlyMap<number, RequestKind> {
  const { medium } = context;
  const { timing, readOnly } = medium.options;
  const { image } = medium;
  const writeTime = (): number =>
    timing.writeNanoseconds + (context.writeback() ? 0 : timing.flushNanoseconds);
  const within = (sector: number, bytes: number): number | Refusal =>
    bytes % SECTOR === 0 && medium.holds(sector, bytes / SECTOR) ? bytes : { status: BlkStatus.IOERR };

  return new Map<number, RequestKind>([
    [
      RequestType.IN,
      {
        ...without,
        direction: 'in',
        check: ({ sector, writable }) => within(sector, writable),
        nanoseconds: () => timing.readNanoseconds,
        give: ({ sector }, at, length) => image.read(sector * SECTOR + at, length),
      },
    ],
    [
      RequestType.OUT,
      {
        ...without,
        direction: 'out',
        check: ({ sector, readable }) => (readOnly ? { status: BlkStatus.IOERR } : within(sector, readable)),
        nanoseconds: writeTime,
        take: ({ sector }, at, bytes) => {
          image.write(sector * SECTOR + at, bytes);
          return ACCEPTED;
        },
      },
    ],
    [
      RequestType.FLUSH,
      {
        ...without,
        direction: 'none',
        check: () => 0,
        nanoseconds: () => (context.writeback() ? timing.flushNanoseconds : 0),
      },
    ],
    [
      RequestType.GET_ID,
      {
        ...without,
        direction: 'in',
        check: ({ writable }) => Math.min(writable, ID_BYTES),
        nanoseconds: () => 0,
        give: (_asked, at, length) => medium.id.slice(at, at + length),
      },
    ],
    [RequestType.DISCARD, ranges(context, BlkFeature.DISCARD, 0, writeTime)],
    [RequestType.WRITE_ZEROES, ranges(context, BlkFeature.WRITE_ZEROES, UNMAP, writeTime)],
  ]);
}

/**
 * Both have their ranges read as zeros afterwards, which a discard need not. All ranges, or none where one of them is wrong.
 * @param allowed flags that a range may have (5.2.6.2)
 */
function ranges(
  { medium, has }: RequestContext,
  feature: number,
  allowed: number,
  nanoseconds: () => number,
): RequestKind {
  return {
    ...without,
    direction: 'out',
    whole: true,
    nanoseconds,
    check: ({ readable }) => {
      if (!has(feature) || readable > MOST_RANGES * Range.bytes) return { status: BlkStatus.UNSUPP };
      if (readable === 0 || readable % Range.bytes !== 0) return { status: BlkStatus.IOERR };
      return medium.options.readOnly ? { status: BlkStatus.IOERR } : readable;
    },
    take: (_asked, _at, bytes) => {
      const segments = segmentsOf(bytes);
      if (segments.some(({ flags }) => (flags & ~allowed) !== 0)) return BlkStatus.UNSUPP;
      const fits = segments.every(
        ({ first, blocks }) => blocks <= MOST_RANGE_SECTORS && medium.holds(first, blocks),
      );
      if (!fits) return BlkStatus.IOERR;
      for (const { first, blocks } of mergedRanges(segments))
        medium.image.clear(first * SECTOR, blocks * SECTOR);
      return ACCEPTED;
    },
  };
}

function segmentsOf(bytes: Uint8Array): Segment[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / Range.bytes }, (_, i) => ({
    first: longAt(view, i * Range.bytes + Range.sector),
    blocks: view.getUint32(i * Range.bytes + Range.sectors, true),
    flags: view.getUint32(i * Range.bytes + Range.flags, true),
  }));
}

/** 64 bits; from 2^53 on not exact, but never below that. */
export function longAt(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * FOUR_GIB;
}
