/**
 * The figures of a run, all counted from its events. The same function serves a finished run, a running one and a file:
 * it reads nothing but the exact counts and the machine's facts of a `TraceMeta`.
 */
import { ForeignKind, Kind, kindRow } from '../vocabulary/events';
import type { RunFacts, TraceGap, TraceMeta } from '../model';

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
}

type CountRow = TraceMeta['counts'][number];

function totalOf(rows: readonly CountRow[], kind: number): number {
  return rows.reduce((sum, row) => (row[1] === kind ? sum + row[2] : sum), 0);
}

function countsOf(
  rows: readonly CountRow[],
  sums: readonly CountRow[],
  guestInstructions: number,
): SummaryCounts {
  const byKind = new Map<number, number>();
  for (const [, kind, count] of rows) byKind.set(kind, (byKind.get(kind) ?? 0) + count);
  const n = (kind: number): number => byKind.get(kind) ?? 0;
  const exits: Record<string, number> = {};
  for (const kind of [...byKind.keys()].sort((x, y) => x - y)) {
    const { reason } = kindRow(kind);
    if (reason !== undefined) exits[reason] = (exits[reason] ?? 0) + n(kind);
  }
  return {
    guestInstructions,
    exits,
    userExits: n(Kind.UserExit),
    interrupts: {
      raised: n(Kind.IrqRaise),
      injected: n(Kind.IrqInject),
      posted: n(Kind.IrqPost) + n(Kind.AvicPost) + n(ForeignKind.ApicvPost),
      handled: n(Kind.Handler),
    },
    iommu: {
      translations: n(Kind.IommuHit) + n(Kind.IommuWalk),
      iotlbHits: n(Kind.IommuHit),
      iotlbMisses: n(Kind.IommuWalk),
      walkReferences: totalOf(sums, Kind.IommuWalk),
      faults: n(Kind.IommuFault),
    },
    packets: { tx: n(Kind.PacketTx), rx: n(Kind.PacketRx), dropped: n(Kind.PacketDrop) },
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
      overwritten: totalOf(meta.counts, Kind.HostOverwritten),
      vfRefusals: totalOf(meta.counts, Kind.VfRefused),
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
