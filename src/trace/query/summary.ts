/**
 * The figures of a run, all counted from its events. The same function serves a finished run, a running one and a file:
 * it reads nothing but the exact counts and the machine's facts of a `TraceMeta`.
 */
import { kindRow } from '../vocabulary/events';
import type { RunFacts, TraceGap, TraceMeta } from '../model';
import { kindsCounted, kindsSummed, type CountedFigure, type SummedFigure } from './figure-kinds';

/** The figures that exist once per run and once per VM. */
export interface SummaryCounts {
  guestInstructions: number;
  /** VM exits by the name of their reason. */
  exits: Record<string, number>;
  /** Exits that the kernel's part of the VMM handed to user space. */
  userExits: number;
  interrupts: { raised: number; injected: number; posted: number; handled: number };
  iommu: {
    translations: number;
    iotlbHits: number;
    iotlbMisses: number;
    walkReferences: number;
    faults: number;
  };
  packets: { tx: number; rx: number; dropped: number };
}

/** What an expectation was, and what was found. */
export interface ExpectationResult {
  /** Path of the figure, as written: `exits.EPT_MISCONFIG`. */
  figure: string;
  /** As written, for a reader: `64`, `at most 800`. */
  expected: string;
  actual: number | string | null;
  held: boolean;
  /** Of one that did not hold: the event that broke it; absent: there is none. */
  event?: BreakingEvent;
}

/** The event at which an expectation was broken. */
export interface BreakingEvent {
  row: number;
  /** Time at which it began. */
  cycles: number;
  /** Track and place by their numbers in the trace's tables; place 0: none. */
  track: number;
  place: number;
  /**
   * The one too many; the first behind the time by which the run was to end; the last of too few; the last of all where there was
   * none; the last of all where the figure is of the end.
   */
  what: 'excess' | 'late' | 'last' | 'none' | 'end';
}

/** Where a vCPU stood. */
export interface StandingCpu {
  vm: string;
  cpu: number;
  /** Hexadecimal with 0x. */
  rip: string;
  file?: string;
  /** 1-based. */
  line?: number;
}

/** The JSON summary of the CLI. */
export interface Summary extends SummaryCounts {
  cycles: number;
  simulatedSeconds: number;
  /** Time the run took on the wall; absent for a trace file. */
  wallSeconds?: number;
  /** Recorded rows. */
  events: number;
  /**
   * Writes of devices into host memory that is not of the VM which they work for; requests of virtual functions that the driver of
   * their physical function refused.
   */
  host: { overwritten: number; vfRefusals: number };
  traceHash: string;
  /** Where events are missing from the trace; the figures count them all the same. */
  gaps: TraceGap[];
  vms: (SummaryCounts & Pick<RunFacts['vms'][number], 'name' | 'exitCode' | 'missingInstructions'>)[];
  expectations: ExpectationResult[];
  /** Which guests had not ended when the run's time was up, and where their CPUs were; absent: none, or nobody waited for it. */
  unfinished?: string;
  /** Where their vCPUs stood. */
  standing?: StandingCpu[];
}

type CountRow = TraceMeta['counts'][number];

function totalOf(rows: readonly CountRow[], kinds: readonly number[]): number {
  return rows.reduce((sum, [, kind, count]) => (kinds.includes(kind) ? sum + count : sum), 0);
}

function countsOf(
  rows: readonly CountRow[],
  sums: readonly CountRow[],
  guestInstructions: number,
): SummaryCounts {
  const n = (figure: CountedFigure): number => totalOf(rows, kindsCounted(figure));
  const total = (figure: SummedFigure): number => totalOf(sums, kindsSummed(figure));
  const exits: Record<string, number> = {};
  for (const [, kind, count] of [...rows].sort(([, x], [, y]) => x - y)) {
    const { reason } = kindRow(kind);
    if (reason !== undefined) exits[reason] = (exits[reason] ?? 0) + count;
  }
  return {
    guestInstructions,
    exits,
    userExits: n('userExits'),
    interrupts: {
      raised: n('interrupts.raised'),
      injected: n('interrupts.injected'),
      posted: n('interrupts.posted'),
      handled: n('interrupts.handled'),
    },
    iommu: {
      translations: n('iommu.translations'),
      iotlbHits: n('iommu.iotlbHits'),
      iotlbMisses: n('iommu.iotlbMisses'),
      walkReferences: total('iommu.walkReferences'),
      faults: n('iommu.faults'),
    },
    packets: { tx: n('packets.tx'), rx: n('packets.rx'), dropped: n('packets.dropped') },
  };
}

/** Figures of a run from its counts and facts. `rows` is the number of recorded rows. */
export function summarise(meta: TraceMeta, rows: number): Summary {
  const facts: RunFacts = meta.facts;
  const vmOfTrack = new Map(meta.tracks.map((track) => [track.id, track.vm]));
  const instructions = facts.vms.reduce((sum, vm) => sum + vm.guestInstructions, 0);
  return {
    ...countsOf(meta.counts, meta.sums, instructions),
    cycles: facts.cycles,
    simulatedSeconds: facts.cycles / meta.frequencyHz,
    events: rows,
    host: {
      overwritten: totalOf(meta.counts, kindsCounted('host.overwritten')),
      vfRefusals: totalOf(meta.counts, kindsCounted('host.vfRefusals')),
    },
    traceHash: meta.traceHash ?? '',
    gaps: meta.gaps,
    vms: facts.vms.map((vm, index) => ({
      name: vm.name,
      ...countsOf(
        meta.counts.filter(([track]) => vmOfTrack.get(track) === index),
        meta.sums.filter(([track]) => vmOfTrack.get(track) === index),
        vm.guestInstructions,
      ),
      ...(vm.exitCode !== undefined && { exitCode: vm.exitCode }),
      ...(vm.missingInstructions !== undefined && { missingInstructions: vm.missingInstructions }),
    })),
    expectations: [],
  };
}
