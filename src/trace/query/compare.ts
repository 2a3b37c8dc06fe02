/** Runs side by side: what each cost in total and for each packet. Every figure is derived from a trace and its exact counts. */
import type { PlacedDistribution } from '../../protocol/difference';
import type { RunState } from '../model';
import { isExit, Kind, kindRow, kinds } from '../vocabulary/events';
import { coveredBetween } from './cumulate';
import { eventsOfFigure } from './figure-kinds';
import { ARRIVALS, WINDOWS, interruptExits, type InterruptExits } from './interrupt-exits';
import { packetLatency } from './latency';
import type { TraceStore } from './store';
import { summarise } from './summary';

/** What the numbers of a row are. */
export type ComparisonUnit =
  'count' | 'cycles' | 'seconds' | 'perSecond' | 'perPacket' | 'cyclesPerPacket' | 'perInterrupt';

/** One figure of all runs. */
export interface ComparisonRow {
  /** Name of the figure: `exits.HLT`, `perPacket.userExits`. */
  figure: string;
  unit: ComparisonUnit;
  /** By run; null: the run has no such figure, as without packets, or its trace does not hold what it needs. */
  values: (number | null)[];
  /** Each value in terms of the first run's; null where one of them is not there or that is 0. */
  ratios: (number | null)[];
  /** Finds the events that the figure is made of, in each trace; absent: of none in particular. */
  query?: string;
  /** By run: the event whose value this is, for a percentile; null: none. */
  rows?: (number | null)[];
}

/** A run that is compared. */
export interface ComparedRun {
  /** For its column. */
  name: string;
  title: string;
  state: RunState;
  traceHash: string;
}

/** The table. */
export interface Comparison {
  runs: ComparedRun[];
  rows: ComparisonRow[];
}

type Figures = Map<string, { unit: ComparisonUnit; value: number | null; row?: number }>;

/** The comparison of some runs with the first of them. */
export function compareRuns(runs: readonly { name: string; store: TraceStore }[]): Comparison {
  const figures = runs.map(({ store }) => figuresOf(store));
  return {
    runs: runs.map(({ name, store: { meta } }) => ({
      name,
      title: meta.title,
      state: meta.state,
      traceHash: meta.traceHash ?? '',
    })),
    rows: namesOf(figures).map(({ figure, unit }) => {
      // A kind of exit that a run has not had is one that it had no times.
      const absent = figure.startsWith('exits.') ? 0 : null;
      const values = figures.map((each) => each.get(figure)?.value ?? absent);
      const [first] = values;
      const ratios = values.map((value) => (value === null || !first ? null : value / first));
      const query = queryOf(figure);
      const rows = figures.map((each) => each.get(figure)?.row ?? null);
      return {
        ...{ figure, unit, values, ratios },
        ...(query !== undefined && { query }),
        ...(rows.some((row) => row !== null) && { rows }),
      };
    }),
  };
}

/** Which figure's events a figure is made of, where these are not its own. */
const MADE_OF: Readonly<Record<string, string>> = {
  'packets.rate': 'packets',
  'perInterrupt.exits': 'exits',
  'perPacket.exits': 'exits',
  'perPacket.userExits': 'userExits',
  'perPacket.interrupts': 'interrupts.handled',
  'perPacket.notifications': 'notifications',
  'perPacket.hostCycles': 'hostCycles',
};

/** Kinds of events of figures that a summary has not. */
const KINDS_OF: Readonly<Record<string, () => readonly number[]>> = {
  packets: () => [Kind.PacketTx, Kind.PacketRx],
  notifications: () => [Kind.VirtqKick],
  'notifications.suppressed': () => [Kind.VirtqSuppressed],
  'perInterrupt.arrival': () => exitsOf(ARRIVALS),
  'perInterrupt.window': () => exitsOf(WINDOWS),
  'perInterrupt.end': () => [Kind.IrqEoi],
  hostCycles: () => [Kind.SchedRun, ...[...kinds.keys()].filter(isHostMode)],
};

function exitsOf(reasons: ReadonlySet<string>): number[] {
  return [...kinds.values()].flatMap(({ id, reason }) => (reason !== undefined && reasons.has(reason) ? [id] : []));
}

/** The query that finds what a figure is made of. */
function queryOf(figure: string): string | undefined {
  const source = MADE_OF[figure] ?? figure;
  if (source === 'exits') return 'group:exit';
  const found = KINDS_OF[source]?.() ?? eventsOfFigure(source)?.kinds ?? [];
  return found.length === 0 ? undefined : `kind:${found.map((kind) => kindRow(kind).name).join(',')}`;
}

/** All figures that any run has, in the order of the first that has each; exits by reason stand together, the most frequent first. */
function namesOf(figures: readonly Figures[]): { figure: string; unit: ComparisonUnit }[] {
  const names = new Map<string, ComparisonUnit>();
  const reasons = new Map<string, number>();
  for (const each of figures)
    for (const [figure, { unit, value }] of each) {
      if (figure.startsWith('exits.')) reasons.set(figure, (reasons.get(figure) ?? 0) + (value ?? 0));
      else names.set(figure, unit);
    }
  const byReason = [...reasons].sort(([x, n], [y, m]) => m - n || (x < y ? -1 : 1));
  return [...names].flatMap(([figure, unit]) => [
    { figure, unit },
    ...(figure === 'exits' ? byReason.map(([reason]) => ({ figure: reason, unit: 'count' as const })) : []),
  ]);
}

function figuresOf(store: TraceStore): Figures {
  const { meta, rows } = store;
  const summary = summarise(meta, rows);
  const figures: Figures = new Map();
  const add = (figure: string, unit: ComparisonUnit, value: number | null, row = -1): void =>
    void figures.set(figure, { unit, value, ...(row >= 0 && { row }) });
  const exits = Object.values(summary.exits).reduce((sum, n) => sum + n, 0);
  const packets = summary.packets.tx + summary.packets.rx;
  const { raised, injected, posted, handled } = summary.interrupts;
  const kicks = countOf(store, Kind.VirtqKick);
  const complete = recordedWholly(store);
  const cycles = complete ? hostCycles(store) : null;
  add('simulatedSeconds', 'seconds', summary.simulatedSeconds);
  add('packets', 'count', packets);
  add('packets.tx', 'count', summary.packets.tx);
  add('packets.rx', 'count', summary.packets.rx);
  add('packets.dropped', 'count', summary.packets.dropped);
  add('packets.rate', 'perSecond', complete ? packetRate(store) : null);
  add('exits', 'count', exits);
  for (const [reason, n] of Object.entries(summary.exits)) add(`exits.${reason}`, 'count', n);
  add('userExits', 'count', summary.userExits);
  add('interrupts.raised', 'count', raised);
  add('interrupts.injected', 'count', injected);
  add('interrupts.posted', 'count', posted);
  add('interrupts.handled', 'count', handled);
  add('notifications', 'count', kicks);
  add('notifications.suppressed', 'count', countOf(store, Kind.VirtqSuppressed));
  add('hostCycles', 'cycles', cycles);
  const per = (value: number | null): number | null =>
    packets === 0 || value === null ? null : value / packets;
  addInterruptExits(complete ? interruptExits(store) : undefined, add);
  add('perPacket.exits', 'perPacket', per(exits));
  add('perPacket.userExits', 'perPacket', per(summary.userExits));
  add('perPacket.interrupts', 'perPacket', per(handled));
  add('perPacket.notifications', 'perPacket', per(kicks));
  add('perPacket.hostCycles', 'cyclesPerPacket', per(cycles));
  const latency = complete ? packetLatency(store) : undefined;
  for (const stretch of ['send', 'receive', 'roundTrip'] as const)
    for (const percentile of ['p50', 'p90', 'p99'] as const)
      add(
        `latency.${stretch}.${percentile}`,
        'seconds',
        secondsOf(latency?.[stretch], percentile, meta.frequencyHz),
        latency?.[stretch].rows[percentile],
      );
  add('latency.unreported', 'count', latency?.unreported ?? null);
  return figures;
}

/** Exits for each interrupt that a guest has handled. */
function addInterruptExits(
  found: InterruptExits | undefined,
  add: (figure: string, unit: ComparisonUnit, value: number | null) => void,
): void {
  const { handled = 0, arrival = 0, window = 0, end = 0 } = found ?? {};
  const per = (exits: number): number | null => (handled === 0 ? null : exits / handled);
  add('perInterrupt.exits', 'perInterrupt', per(arrival + window + end));
  add('perInterrupt.arrival', 'perInterrupt', per(arrival));
  add('perInterrupt.window', 'perInterrupt', per(window));
  add('perInterrupt.end', 'perInterrupt', per(end));
}

function secondsOf(
  distribution: PlacedDistribution | undefined,
  percentile: 'p50' | 'p90' | 'p99',
  frequencyHz: number,
): number | null {
  return distribution && distribution.count > 0 ? distribution[percentile] / frequencyHz : null;
}

function countOf({ meta }: TraceStore, kind: number): number {
  return meta.counts.reduce((sum, [, counted, n]) => (counted === kind ? sum + n : sum), 0);
}

/**
 * Whether the rows are there that times are taken from, and not only counted: of exits, of what hosts do, of packets and of what
 * stands between them.
 */
function recordedWholly(store: TraceStore): boolean {
  if (store.meta.gaps.length > 0) return false;
  const found = new Map<number, number>();
  for (let row = 0; row < store.rows; row++) {
    const kind = store.kindOf(row);
    found.set(kind, (found.get(kind) ?? 0) + 1);
  }
  const counted = new Map<number, number>();
  for (const [, kind, n] of store.meta.counts) counted.set(kind, (counted.get(kind) ?? 0) + n);
  return [...counted].every(([kind, n]) => (found.get(kind) ?? 0) >= n || !timed(kind));
}

const TIMED_GROUPS: ReadonlySet<string> = new Set([
  ...['leg', 'interrupt', 'register', 'ring', 'dma', 'virtio', 'packet', 'thread', 'vmm'],
]);

function timed(kind: number): boolean {
  return isExit(kind) || TIMED_GROUPS.has(kindRow(kind).group);
}

/**
 * Cycles that physical CPUs worked for the guests, without the guests' own: those of vCPUs in the VMM's kernel and user-space
 * part and between them (the legs of exits), and those of the VMM's other threads while they ran (`sched.run`).
 */
function hostCycles(store: TraceStore): number {
  let cycles = 0;
  for (const { id, type } of store.meta.tracks) {
    if (type !== 'vcpu' && type !== 'thread') continue;
    for (const group of ['mode', 'leg', 'thread'] as const) {
      const stream = store.stream(id, group);
      if (!stream) continue;
      for (const covered of coveredBetween(store, stream, 0, store.endTime))
        if (type === 'thread' ? covered.kind === Kind.SchedRun : isHostMode(covered.kind))
          cycles += covered.cycles;
    }
  }
  return cycles;
}

function isHostMode(kind: number): boolean {
  const { mode } = kindRow(kind);
  return mode === 'vmm-kernel' || mode === 'vmm-user' || mode === 'transition';
}

/** Packets a second between the first and the last of a NIC. */
function packetRate(store: TraceStore): number | null {
  let [first, last, count] = [Infinity, -Infinity, 0];
  for (let row = 0; row < store.rows; row++) {
    const kind = store.kindOf(row);
    if (kind !== Kind.PacketTx && kind !== Kind.PacketRx) continue;
    const start = store.startOf(row);
    first = Math.min(first, start);
    last = Math.max(last, start);
    count += 1;
  }
  return last > first ? (count - 1) / ((last - first) / store.meta.frequencyHz) : null;
}
