/** Which event broke an expectation: the first beyond its bound, the last of too few, or the end where there was none at all. */
import { loadScenario } from './load';
import { evaluateExpectations, mostOf } from './expectations';
import type { Expectation } from './schema';
import type { TraceChunk, TraceMeta } from '../trace/model';
import { formatPlace } from '../trace/query/arguments';
import { eventsOfFigure } from '../trace/query/figure-kinds';
import type { TraceStore } from '../trace/query/store';
import { summarise, type BreakingEvent, type ExpectationResult, type Summary } from '../trace/query/summary';
import { KIND_LIMIT } from '../trace/vocabulary/events';
import { formatCount, formatTime } from '../trace/vocabulary/format';

type Seen = Omit<BreakingEvent, 'what'>;

/** By which an event is told. */
export type TraceTables = Pick<TraceMeta, 'frequencyHz' | 'tracks' | 'places'>;

/** What is kept of one figure while rows come in. */
interface Watch {
  /** VM whose events count; -1: all. */
  readonly vm: number;
  readonly most: number;
  /** Column that is summed up; absent: events are counted. */
  readonly sum?: 'a' | 'b';
  total: number;
  last: Seen | undefined;
  /** The first beyond the bound. */
  excess: Seen | undefined;
}

/** Looks at all rows of a run, in their order, with an eye on what a scenario expects. */
export class BreakingEvents {
  private readonly watches = new Map<string, Watch>();
  /** Position in `byKind` plus 1; 0: nobody watches the kind. */
  private readonly watched = new Uint16Array(KIND_LIMIT);
  private readonly byKind: Watch[][] = [];
  private end: Seen | undefined;
  /** Last events of the VMs that are asked for by name. */
  private readonly ends = new Map<number, Seen | undefined>();
  /** Times in cycles that the run was to end by, each with the first event behind it. */
  private readonly deadlines: { readonly figure: string; readonly cycles: number; first?: Seen }[] = [];

  /** @param meta tables of the trace: those of its tracks may grow meanwhile */
  constructor(
    private readonly expect: Readonly<Record<string, Expectation>>,
    private readonly meta: () => Pick<TraceMeta, 'frequencyHz' | 'tracks' | 'facts'>,
  ) {
    for (const [figure, expectation] of Object.entries(expect)) this.watch(figure, mostOf(expectation));
  }

  /** Takes the next rows. @param length how many of the chunk's are rows */
  take(chunk: TraceChunk, length = chunk.start.length): void {
    if (length === 0) return;
    const { kind, track } = chunk;
    const { tracks } = this.meta();
    for (let i = 0; i < length; i++) {
      const index = this.watched[kind[i] ?? 0];
      if (index === undefined || index === 0) continue;
      for (const watch of this.byKind[index - 1] ?? []) {
        if (watch.vm < 0 || tracks[track[i] ?? 0]?.vm === watch.vm) count(watch, chunk, i);
      }
    }
    this.end = seenAt(chunk, length - 1);
    for (const vm of this.ends.keys()) {
      for (let i = length - 1; i >= 0; i--) {
        if (tracks[track[i] ?? 0]?.vm !== vm) continue;
        this.ends.set(vm, seenAt(chunk, i));
        break;
      }
    }
    for (const deadline of this.deadlines) {
      if (deadline.first) continue;
      const at = chunk.start.subarray(0, length).findIndex((start) => start > deadline.cycles);
      if (at >= 0) deadline.first = seenAt(chunk, at);
    }
  }

  /** The results with their events. To be asked when all rows have been taken. */
  explain(results: readonly ExpectationResult[]): ExpectationResult[] {
    return results.map((result) => {
      const event = result.held ? undefined : this.of(result);
      return event ? { ...result, event } : result;
    });
  }

  private of({ figure, actual }: ExpectationResult): BreakingEvent | undefined {
    const { vm, rest } = this.parted(figure);
    const expectation = this.expect[figure];
    if (typeof actual !== 'number' || expectation === undefined) return undefined;
    const watch = this.watches.get(figure);
    if (watch) {
      // Rows that were not recorded are counted all the same: then nobody knows which was the one too many.
      if (watch.excess && watch.total === actual) return { ...watch.excess, what: 'excess' };
      return watch.last ? { ...watch.last, what: 'last' } : this.endOf(vm, 'none');
    }
    const deadline = this.deadlines.find((each) => each.figure === figure);
    if (deadline?.first) return { ...deadline.first, what: 'late' };
    return rest === 'exitCode' || deadline ? this.endOf(vm, 'end') : undefined;
  }

  private endOf(vm: number, what: 'none' | 'end'): BreakingEvent | undefined {
    const end = this.ends.get(vm) ?? this.end;
    return end && { ...end, what };
  }

  private watch(figure: string, most: number): void {
    const { vm, rest } = this.parted(figure);
    if (vm >= 0) this.ends.set(vm, undefined);
    if (rest === 'cycles') this.deadlines.push({ figure, cycles: most });
    if (rest === 'simulatedSeconds') this.deadlines.push({ figure, cycles: most * this.meta().frequencyHz });
    const events = eventsOfFigure(rest);
    if (!events) return;
    const { kinds, sum } = events;
    const watch: Watch = {
      vm,
      most,
      ...(sum && { sum }),
      total: 0,
      last: undefined,
      excess: undefined,
    };
    this.watches.set(figure, watch);
    for (const kind of kinds) {
      const index = this.watched[kind] ?? 0;
      if (index > 0) this.byKind[index - 1]?.push(watch);
      else this.watched[kind] = this.byKind.push([watch]);
    }
  }

  /** `vms.vm0.packets.rx` → VM 0, `packets.rx`. */
  private parted(figure: string): { vm: number; rest: string } {
    const [, name, rest] = /^vms\.([^.]+)\.(.+)$/.exec(figure) ?? [];
    if (name === undefined || rest === undefined) return { vm: -1, rest: figure };
    return { vm: this.meta().facts.vms.findIndex((vm) => vm.name === name), rest };
  }
}

function count(watch: Watch, chunk: TraceChunk, at: number): void {
  watch.total += watch.sum ? (chunk[watch.sum][at] ?? 0) : 1;
  watch.last = seenAt(chunk, at);
  if (watch.total > watch.most) watch.excess ??= watch.last;
}

function seenAt({ firstRow, start, track, rip }: TraceChunk, at: number): Seen {
  return { row: firstRow + at, cycles: start[at] ?? 0, track: track[at] ?? 0, place: rip[at] ?? 0 };
}

/** What the scenario of a trace expects, held against it, with the events that broke it. Empty where the scenario cannot be read. */
export function judge(
  store: TraceStore,
  summary: Summary = summarise(store.meta, store.rows),
): ExpectationResult[] {
  const loaded = loadScenario(store.meta.scenarioText, store.meta.scenarioName);
  if (!loaded.ok) return [];
  const { expect } = loaded.scenario;
  const results = evaluateExpectations(expect, summary);
  if (results.every(({ held }) => held)) return results;
  const events = new BreakingEvents(expect, () => store.meta);
  for (let index = 0, block = store.block(0); block !== undefined; block = store.block(++index)) {
    events.take(block, Math.min(block.start.length, store.rows - block.firstRow));
  }
  return events.explain(results);
}

/** How a breaking event is told. */
const SENTENCES: Record<BreakingEvent['what'], (event: string) => string> = {
  excess: (event) => `${event} was one too many`,
  late: (event) => `${event} was the first behind that`,
  last: (event) => `the last was ${event}`,
  none: (event) => `there was none up to ${event}`,
  end: (event) => `it ended behind ${event}`,
};

/** `event 812 at 12.3 µs (vCPU 0, e1000.c:142) was one too many`. */
export function breakingText(
  { row, cycles, track, place, what }: BreakingEvent,
  tables: TraceTables,
): string {
  const at = formatPlace(tables.places[place - 1]);
  const where = [tables.tracks[track]?.name ?? '', at].filter((each) => each !== '').join(', ');
  const time = formatTime(cycles, tables.frequencyHz);
  return SENTENCES[what](`event ${formatCount(row)} at ${time}${where === '' ? '' : ` (${where})`}`);
}
