/** What a trace consists of besides its columns: the tables that make it explain itself alone. */
import type { ForeignSource } from './exchange/foreign-source';
import type { BitField } from './vocabulary/kind-row';

/** What a track stands for; decides its lanes in the explorer. */
export const trackTypes = [
  'vcpu',
  'interrupts',
  'device',
  'dma',
  'irqchip',
  'thread',
  'link',
  'iommu',
  /** What one domain of an IOMMU translates. */
  'domain',
  /** A physical CPU. */
  'cpu',
] as const;
/** Whose lane it is. */
export type TrackType = (typeof trackTypes)[number];

/** One lane of the timeline. */
export interface Track {
  id: number;
  type: TrackType;
  /** Shown at the lane: `vCPU 0`, `e1000`, `migration thread`. */
  name: string;
  /** Heading it stands under: `vm0`, `host`, `network`. */
  group: string;
  /** Index of the VM it belongs to; -1 for the host. */
  vm: number;
  /** Register names by offset (decimal string), for printing `mmio.*`, `pio.*` and `cfg.*` events of a device. */
  registers?: Record<string, string>;
  /** What the bits of registers mean, by the registers' names: those that are described. */
  fields?: Record<string, readonly BitField[]>;
  /** Names of locks by number (decimal string), for printing `lock.wait` events of a thread. */
  locks?: Readonly<Record<string, string>>;
  /** Reasons by number (decimal string), for printing `packet.drop` events of a device. */
  reasons?: Record<string, string>;
}

/** A guest instruction, resolved as far as the guest's debug information goes. */
export interface Place {
  /** Dense from 1. */
  id: number;
  vm: number;
  /** Hexadecimal with 0x. */
  rip: string;
  symbol?: string;
  /** As the debug information has it, made absolute. */
  file?: string;
  /** 1-based. */
  line?: number;
}

/** How a run stands or ended. */
export type RunState = 'running' | 'finished' | 'cancelled' | 'crashed' | 'failed' | 'truncated';

/** Everything about a trace but its rows; kept as Arrow schema metadata. */
export interface TraceMeta {
  /** Version of this layout. */
  version: 1;
  title: string;
  state: RunState;
  /** Set when `state` is crashed, failed or truncated: what happened, for a reader. */
  message?: string;
  /** Cycles per second. */
  frequencyHz: number;
  tracks: Track[];
  places: Place[];
  /** The scenario file's text, and its name without folder. */
  scenarioText: string;
  scenarioName: string;
  /** The cost profile as used: figure → cycles. */
  costs: Record<string, number>;
  /** Per VM: name, SHA-256 of the guest ELF, its build id if any. */
  guests: { vm: string; sha256: string; buildId?: string }[];
  /** 16 hexadecimal digits; absent while running. */
  traceHash?: string;
  /** Facts that the rows cannot give (see `RunFacts`). */
  facts: RunFacts;
  /** Exact numbers of events by track and kind, counted also when recording was filtered: [track, kind, count]. */
  counts: [track: number, kind: number, count: number][];
  /** Exact totals of the argument that a kind names in `KindRow.sum`: [track, kind, total]. */
  sums: [track: number, kind: number, total: number][];
  /** Where events are missing, in order of time; empty: the trace is complete. */
  gaps: TraceGap[];
  /** Of a trace of another tool: which file it was, and what was made of its lines. Such a trace has no scenario and no guests. */
  source?: ForeignSource;
}

/** A stretch of time of which events are missing, though they are counted. */
export interface TraceGap {
  /** Cycles. */
  from: number;
  /** Cycles; absent: to the end. */
  to?: number;
  /**
   * Recording stopped at the limit of events; the file is cut short; the run ended without handing over the rest; the tracer that
   * an imported trace is of had no room left.
   */
  why: 'limit' | 'cut' | 'lost' | 'dropped';
  /** Of a limit: how many events it allows. */
  limit?: number;
  /** Of dropped events: the physical CPU whose they are, and how many they are as far as the tracer knew. */
  cpu?: number;
  dropped?: number;
}

/** Figures kept by the machine itself. */
export interface RunFacts {
  /** Simulated end of the run in cycles. */
  cycles: number;
  /** Per VM. */
  vms: {
    name: string;
    guestInstructions: number;
    exitCode?: number;
    /** What the guest tried and its vCPUs do not have, each #UD: mnemonic, linear RIP of the first one, how often. */
    missingInstructions?: { mnemonic: string; rip: string; count: number }[];
  }[];
}

/** A stretch of consecutive rows, column by column; all arrays have the same length. */
export interface TraceChunk {
  /** Row number of the first row. */
  firstRow: number;
  start: Float64Array;
  duration: Uint32Array;
  track: Uint16Array;
  kind: Uint16Array;
  /** Place id, 0 none. */
  rip: Uint32Array;
  a: Uint32Array;
  b: Uint32Array;
  cause: Uint32Array;
}

/** A group of rows that comes often: `PatternRow`s (`fold.ts`) as columns. */
export interface RowPattern {
  /** Dense from 0. */
  readonly id: number;
  readonly track: Uint16Array;
  readonly kind: Uint16Array;
  readonly offset: Uint32Array;
  readonly duration: Uint32Array;
  readonly cause: Int8Array;
  readonly aShift: Uint8Array;
  readonly aLess: Float64Array;
  /** 0xffffffff where the row has the argument, otherwise 0. */
  readonly aMask: Uint32Array;
  readonly bMask: Uint32Array;
  /** 0 where the end is known at the beginning. */
  readonly endsAt: Uint8Array;
}

/** What a running recorder hands out from time to time: new rows, and late values of rows handed out before. */
export interface TraceDelta {
  /** Before all else: rows from this one on are discarded, for the run has been given another future; absent: none are. */
  truncated?: number;
  chunks: TraceChunk[];
  /** Rows whose duration or arguments were filled in after they were handed out: four parallel columns. */
  patches: { row: Uint32Array; duration: Uint32Array; a: Uint32Array; b: Uint32Array };
  /** All rows whose span is still open, ascending: their `duration` is not known yet. */
  open: Uint32Array;
  /** Tables entries that are new since the last delta. */
  tracks: Track[];
  places: Place[];
  /**
   * For a receiver that computes the trace hash: hashes of blocks that are final, and the indices of those among `chunks`
   * that are whole, final and not hashed yet.
   */
  hashes?: { known: (readonly [block: number, h1: number, h2: number])[]; unhashed: number[] };
  /**
   * For such a receiver too: groups of rows that it has to write into their chunks before it looks at these (`unfoldDelta`), by
   * the chunk's place in `chunks`.
   */
  folds?: { patterns: readonly RowPattern[]; entries: Record<number, Uint32Array> };
}
