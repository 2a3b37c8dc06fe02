/** What the explorer shows of single events and of windows. */
import type { ModeRole } from '../trace/vocabulary/events';

/** One event as a table row or a link of a chain. Times in cycles. */
export interface EventRow {
  row: number;
  start: number;
  duration: number;
  kind: number;
  /** Kind name: `exit.EPT_MISCONFIG`. */
  name: string;
  /** Track name: `vCPU 0`. */
  track: string;
  /** Its track's id: names repeat between VMs. */
  trackId: number;
  /** Arguments printed: `TDT ← 0x3`. */
  text: string;
  /** Where: `e1000.c:142`, empty when unknown. */
  place: string;
  /** Row of the cause, -1 none. */
  cause: number;
}

/** Everything about one event. */
export interface EventDetails extends EventRow {
  /** One sentence of meaning of the kind. */
  meaning: string;
  /** One sentence of what happened here. */
  sentence: string;
  /** Printed facts in order: duration, arguments, function … */
  facts: { name: string; value: string }[];
  file?: string;
  line?: number;
  symbol?: string;
  /** The guest instruction that it came from: hexadecimal with 0x, and the index of its VM. */
  rip?: string;
  vm?: number;
  /** Events directly caused by it. */
  consequences: number;
  /** Legs of an exit (or inner spans of any span): name and cycles. */
  legs: { name: string; kind: number; cycles: number; row: number }[];
}

/** How far the chain of an event is wanted: steps to its causes and to its consequences, and events in all. */
export interface ChainReach {
  back: number;
  forward: number;
  limit: number;
}

/** The causal chain through an event. */
export interface EventChain {
  /** Causes, the event itself and consequences in the order of the trace. */
  rows: EventRow[];
  /** There are causes further back than was asked for, and consequences further on. */
  moreBefore: boolean;
  moreAfter: boolean;
  /** There is more than the limit, within the steps that were asked for. */
  truncated: boolean;
}

/** A stretch of an operation's time: an event that goes on (`in`), or is waited for (`until`). Times in cycles. */
export interface PathLegRow {
  what: 'in' | 'until';
  event: EventRow;
  from: number;
  cycles: number;
}

/** The critical path of the operation that an event is part of: each moment of it belongs to one leg. Times in cycles. */
export interface OperationPath {
  from: number;
  to: number;
  legs: PathLegRow[];
  /** Rows of the events on the way, in order; those that took no time have no leg. */
  rows: number[];
}

/** An event that matches, and how many do. */
export interface FindResult {
  /** -1: none. */
  row: number;
  /** Its place among the matches, from 0 in the order of time; -1: none. */
  index: number;
  /** Matching events of the whole trace; so far, while not `complete`. */
  matches: number;
  /** The whole trace has been searched. Else ask again: the search goes on from where it is. */
  complete: boolean;
}

/** Where matches are: how many in each part of a stretch of time. */
export interface DensityResult {
  counts: number[];
  /** As in `FindResult`. */
  complete: boolean;
}

/** A page of the list of events: those that start in [from, to) and match, in the order of time. */
export interface EventTableQuery {
  from: number;
  to: number;
  /** Filter in the query language of `trace/query`; empty for all. */
  filter: string;
  offset: number;
  limit: number;
  /** An event or a time in cycles whose place in the list is wanted. */
  near?: { row: number } | { time: number };
  /** The page is to be that about `near` instead of that from `offset` on. */
  around?: boolean;
}
export interface EventTableResult {
  rows: EventRow[];
  /** Matching events in the window; so far, while not `complete`. */
  total: number;
  /** Place of the first of `rows`. */
  offset: number;
  /** The place of what was wanted, or of the nearest event in time. */
  near?: { index: number; row: number; exact: boolean };
  /** The whole trace has been searched. Else ask again: the search goes on from where it is. */
  complete: boolean;
  /** Share of the trace that has been searched, 0 to 1. */
  share: number;
}

/** Distribution of a duration in cycles. */
export interface Distribution {
  count: number;
  total: number;
  min: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/**
 * How a vector came to its handler. `injected`: the VMM put it into a VM entry. `posted`: by a descriptor or a backing page in
 * memory, without an exit. `recognised`: by a local APIC, a real one or one that the processor virtualises. `left`: the VMM left it to
 * the processor, and the trace does not tell what followed. `direct`: straight to the guest, past the VMM.
 */
export type DeliveryWay = 'injected' | 'posted' | 'recognised' | 'left' | 'direct';

/** Figures of a window. Every row has the query that finds its events. */
export interface TraceStatistics {
  from: number;
  to: number;
  /** Cycles by mode over all vCPUs of the window; `name` is what the mode is called in this trace. */
  modes: { mode: ModeRole; name: string; cycles: number; query: string }[];
  exits: (Distribution & { reason: string; kind: number; query: string })[];
  /** Cycles of work of each physical CPU; none where the trace does not say what CPUs do. */
  cpus: { cpu: string; busy: number; query: string }[];
  interrupts: { name: string; count: number; query: string }[];
  /** Steps that name a vector, by vector: `name` is that of their kind. */
  vectors: { vector: number; steps: { name: string; count: number; query: string }[] }[];
  /** In which ways vectors came to their handlers. */
  deliveries: { way: DeliveryWay; count: number; query: string }[];
  /** What units of an IOMMU did, by the device that they did it for. */
  translations: {
    unit: string;
    device: string;
    hits: number;
    walks: number;
    /** Reads of paging entries by the walks. */
    references: number;
    /** Of the walks. */
    cycles: number;
    query: string;
  }[];
  /** Durations of walks; absent: there are none. */
  walks?: Distribution;
  /** Refused accesses by device and reason. */
  faults: { unit: string; device: string; reason: string; count: number; query: string }[];
  /** Commands of block devices. */
  io: { submitted: number; completed: number };
  registers: { track: string; register: string; reads: number; writes: number; query: string }[];
  packets: {
    tx: number;
    rx: number;
    dropped: number;
    bytesTx: number;
    bytesRx: number;
    latency?: Distribution;
  };
  /** What each source line cost, most expensive first. */
  lines: { file: string; line: number; exits: number; cycles: number; query: string }[];
}

/** One stage of operations that took the same way: an event that goes on (`in`), or is waited for (`until`). */
export interface OperationStage extends Distribution {
  what: 'in' | 'until';
  kind: number;
  /** Kind name. */
  name: string;
  /** Row of the event at which it took longest. */
  slowest: number;
}

/** Operations that went through the same kinds of events in the same order. */
export interface OperationShape {
  /** Kind names of the first event and of the last. */
  begin: string;
  end: string;
  /** From the beginning of the first event to the end of the last. */
  total: Distribution;
  stages: OperationStage[];
  /** The slowest ones, slowest first: row of the last event, and cycles in all. */
  slowest: { row: number; cycles: number }[];
}

/** Operations of a window: each from a driver's access to the end of the handler that learns of it. */
export interface OperationStatistics {
  from: number;
  to: number;
  count: number;
  /** Most frequent first. */
  shapes: OperationShape[];
  /** How many more shapes there are, which are too rare to be listed. */
  others: number;
  /** All have been measured. Else there are no shapes yet: ask again, and it goes on from where it is. */
  complete: boolean;
  /** Share of the work that is done, 0 to 1. */
  share: number;
}
