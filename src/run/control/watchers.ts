/** The points of a run control, set at the host and at the recorder: what was hit since the run went on. */
import type { RecordedRow, RowNews, RowWatch } from '../../trace/record/row-watch';
import type { DataRange, Hit } from '../../vmm/stops';
import type { RunSession } from '../session';
import type { ControlledCpu, PointHit, StopPoint } from './control';
import { EventQuery } from './live-row';
import { sameBytes } from './sharing';

type DataPoint = Extract<StopPoint, { kind: 'data' }>;
type DataHit = Extract<Hit, { kind: 'data' }>;

interface EventPoint {
  readonly point: StopPoint;
  readonly query: EventQuery;
}

/** Which accesses a data point is about. */
const ACCESSES: Record<DataPoint['access'], { read: boolean; write: boolean }> = {
  read: { read: true, write: false },
  write: { read: false, write: true },
  access: { read: true, write: true },
  change: { read: false, write: true },
};

export class Watchers {
  private points: readonly StopPoint[] = [];
  private events: EventPoint[] = [];
  private found: PointHit[] = [];
  /** Points count. */
  private on = false;
  /** Says of each row that is recorded whether the run is to stop after it. */
  private stopsAfter: ((row: RecordedRow) => boolean) | undefined;

  /**
   * @param counts whether a hit at this very moment counts, before its point's condition is asked
   * @param cpus of the run
   */
  constructor(
    private readonly session: RunSession,
    private readonly cpus: readonly ControlledCpu[],
    private readonly counts: (hit: Hit) => boolean,
  ) {
    const { stops } = session.machine.host;
    stops.onHit = (hit) => this.onHit(hit);
  }

  /** Replaces all points. @throws QueryError, RangeError; nothing changes then */
  set(points: readonly StopPoint[]): void {
    const { recorder, machine } = this.session;
    const { frequencyHz } = machine.host;
    const events = points.flatMap((point) =>
      point.kind === 'event' ? [{ point, query: new EventQuery(point.query, frequencyHz, recorder) }] : [],
    );
    try {
      this.place(points);
    } catch (error) {
      this.apply();
      throw error;
    }
    this.points = points;
    this.events = events;
    this.apply();
  }

  /** Something was hit. */
  get hit(): boolean {
    return this.found.length > 0;
  }

  /** What was hit since the last call. */
  take(): PointHit[] {
    const hits = this.found;
    this.found = [];
    return hits;
  }

  /** Points count from here on, or do not. */
  turn(on: boolean): void {
    if (this.on === on) return;
    this.on = on;
    this.apply();
  }

  /** The session has gone to another moment. */
  moved(): void {
    for (const { query } of this.events) query.forget();
  }

  /** Lets something run that stops after a row. */
  until<T>(stopsAfter: (row: RecordedRow) => boolean, run: () => T): T {
    this.stopsAfter = stopsAfter;
    this.watchRows();
    try {
      return run();
    } finally {
      this.stopsAfter = undefined;
      this.watchRows();
    }
  }

  private apply(): void {
    this.place(this.on ? this.points : []);
    this.watchRows();
  }

  private place(points: readonly StopPoint[]): void {
    const { stops } = this.session.machine.host;
    stops.setCode(this.codeOf(points));
    stops.setData(
      points.flatMap((point): DataRange[] =>
        point.kind === 'data'
          ? [{ vm: point.vm, address: point.address, length: point.length, ...ACCESSES[point.access] }]
          : [],
      ),
    );
  }

  private codeOf(points: readonly StopPoint[]): { vm: number; cpu?: number; address: bigint }[] {
    return points.flatMap((point) => {
      if (point.kind !== 'code') return [];
      const { vm, address, cpu } = point;
      const number = cpu === undefined ? undefined : this.cpus[cpu]?.number;
      return [{ vm, address, ...(number !== undefined && { cpu: number }) }];
    });
  }

  private watchRows(): void {
    const { recorder } = this.session;
    const events = this.on ? this.events : [];
    recorder.watch = events.length > 0 || this.stopsAfter ? this.rowWatch() : undefined;
  }

  private rowWatch(): RowWatch {
    return {
      looksAt: (kind) =>
        this.stopsAfter !== undefined || this.events.some(({ query }) => query.looksAt(kind)),
      told: (row, news) => this.told(row, news),
    };
  }

  private told(row: RecordedRow, news: RowNews): void {
    if (news === 'recorded' && this.stopsAfter?.(row)) this.session.machine.host.stops.request();
    if (!this.on) return;
    for (const { point, query } of this.events) {
      if (!query.told(row, news)) continue;
      this.hitPoint(point, { id: point.id, cpu: this.cpuOfTrack(row.track), row: row.row });
    }
  }

  private onHit(hit: Hit): boolean {
    if (!this.on || !this.counts(hit)) return false;
    const before = this.found.length;
    if (hit.kind === 'code') {
      const cpu = this.cpus.findIndex(({ vm, number }) => vm === hit.vm && number === hit.cpu);
      for (const point of this.points) {
        const fits =
          point.kind === 'code' &&
          point.vm === hit.vm &&
          BigInt.asUintN(64, point.address) === hit.address &&
          (point.cpu === undefined || point.cpu === cpu);
        if (fits) this.hitPoint(point, { id: point.id, cpu });
      }
    } else {
      for (const point of this.points)
        if (point.kind === 'data' && touches(point, hit)) this.hitPoint(point, this.dataHit(point, hit));
    }
    return this.found.length > before;
  }

  private hitPoint(point: StopPoint, hit: PointHit): void {
    if (point.when && !point.when(hit)) return;
    this.found.push(hit);
    this.session.machine.host.stops.request();
  }

  private dataHit({ id }: DataPoint, hit: DataHit): PointHit {
    const { vm, cpu, who, write, address, length, before, after } = hit;
    return {
      id,
      cpu: this.cpus.findIndex((each) => each.vm === vm && each.number === (cpu ?? 0)),
      access: { who, isDevice: cpu === undefined, write, address, length, before, after },
    };
  }

  /** The vCPU that a track is of, or the first of its VM. */
  cpuOfTrack(track: number): number {
    const { vm = -1, name = '' } = this.session.recorder.trackAt(track) ?? {};
    const number = Number(/\d+$/.exec(name)?.[0] ?? 0);
    const own = this.cpus.findIndex((cpu) => cpu.vm === vm && cpu.number === number && name.includes('CPU'));
    return own >= 0
      ? own
      : Math.max(
          0,
          this.cpus.findIndex((cpu) => cpu.vm === vm),
        );
  }
}

/** Whether an access is what a point is about. */
function touches(point: DataPoint, { vm, address, length, write, before, after }: DataHit): boolean {
  const wanted = ACCESSES[point.access];
  if (vm !== point.vm || !(write ? wanted.write : wanted.read)) return false;
  const from = Math.max(address, point.address) - address;
  const to = Math.min(address + length, point.address + point.length) - address;
  if (from >= to) return false;
  return point.access !== 'change' || !sameBytes(before.slice(from, to), after.slice(from, to));
}
