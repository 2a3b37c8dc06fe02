/** Text traces of Linux's tracing tools as traces: line by line, in memory that grows with the events alone. */
import type { TraceGap, TraceMeta } from '../../model';
import { DEFAULT_MAX_EVENTS, Recorder } from '../../record/recorder';
import { emptyMeta, TraceStore } from '../../query/store';
import type { ForeignSource } from '../foreign-source';
import { TraceClock } from './clock';
import type { EventContext, Tracepoints } from './event';
import { hostEvents, RELATED } from './host-events';
import { kvmExits, hostEvent } from './kvm-exits';
import { kvmInterrupts } from './kvm-interrupts';
import { LineSplitter, LONGEST_LINE } from './lines';
import { NumberReader } from './numbers';
import { Places } from './places';
import { Scene } from './scene';
import { isHeader, parseLine, parseLost, type LineForm, type TraceLine } from './trace-line';
import { UnknownLineCounter } from './unknown-lines';

/** How a text trace is read. */
export interface ImportOptions {
  /** Name of the file, without folder: the trace's title. */
  file: string;
  /** Ticks a second of a clock that counts cycles (`x86-tsc`); without it the file's own waits tell, if there are any. */
  frequencyHz?: number;
  /** Rows after which events are only counted. */
  maxEvents?: number;
}

/** A file that cannot be imported; the message says why and what to do, without naming the file. */
export class ImportError extends Error {
  override readonly name = 'ImportError';
}

/** What is known by its first bytes and is no text. */
const binaries: readonly [magic: string, what: string][] = [
  ['\x17\x08Dtracing', 'it is a recording of trace-cmd: print it with “trace-cmd report -i FILE > FILE.txt”'],
  ['PERFILE2', 'it is a recording of perf: print it with “perf script -i FILE > FILE.txt”'],
  ['2ELIFREP', 'it is a recording of perf: print it with “perf script -i FILE > FILE.txt”'],
  ['\x1f\x8b', 'it is compressed: unpack it with gunzip first'],
  ['\x28\xb5\x2f\xfd', 'it is compressed: unpack it with unzstd first'],
  ['\xfd7zXZ', 'it is compressed: unpack it with unxz first'],
  ['ARROW1', 'it is an Arrow file, perhaps a trace that Trapline opens as it is'],
];
const MAGIC_LENGTH = 16;

/** Rows between two hand-outs to the store. */
const DELTA_ROWS = 65_536;
/** Regions of lost events that are kept apart. */
const MOST_GAPS = 10_000;

const tracepoints = new Map(
  Object.entries<Tracepoints[string]>({ ...kvmExits, ...kvmInterrupts, ...hostEvents }),
);

/** Takes a text trace in pieces. */
export class TraceImporter {
  private readonly recorder: Recorder;
  private readonly scene: Scene;
  private readonly clock: TraceClock;
  private readonly numbers = new NumberReader();
  private readonly unknown = new UnknownLineCounter();
  private readonly lines = new LineSplitter((text, cut) => this.take(text, cut));
  private readonly store: TraceStore;
  private readonly context: EventContext;
  private first = '';
  private form: LineForm = 'ftrace';
  private formsSeen = false;
  private lineCount = 0;
  private events = 0;
  private headers = 0;
  private lostNotes = 0;
  private end = 0;
  private handed = 0;
  private readonly gaps: TraceGap[] = [];
  /** By CPU: time of its last event, and what it has lost since. */
  private readonly lastOn = new Map<number, number>();
  private readonly losing = new Map<number, { from: number; count: number | undefined }>();

  constructor(private readonly options: ImportOptions) {
    const recorder = new Recorder({ maxEvents: options.maxEvents ?? DEFAULT_MAX_EVENTS });
    this.recorder = recorder;
    this.scene = new Scene(recorder, new Places(recorder));
    this.clock = new TraceClock(options.frequencyHz);
    this.store = new TraceStore(emptyMeta(options.file, options.frequencyHz ?? 1));
    this.context = {
      recorder,
      scene: this.scene,
      clock: this.clock,
      numbers: this.numbers,
      isa: undefined,
      time: 0,
      cpu: -1,
      thread: this.scene.thread(-1, '', -1),
      event: '',
      vcpu: undefined,
    };
  }

  /** @throws ImportError for what is no text trace */
  push(bytes: Uint8Array): void {
    if (this.first.length < MAGIC_LENGTH) this.lookAt(bytes);
    this.lines.push(bytes);
  }

  /**
   * The file is over.
   * @throws ImportError when none of its lines is an event
   */
  finish(): TraceStore {
    this.lines.finish();
    const { recorder, store, scene, clock } = this;
    if (this.events === 0) throw new ImportError(this.nothingFound());
    for (const vcpu of scene.vcpus) vcpu.finish(this.end);
    recorder.finish(this.end);
    store.append(recorder.takeDelta());
    const { tracks, places, counts, sums, gaps } = recorder.tables();
    for (const [cpu, { from, count }] of this.losing)
      this.addGap({ from, to: this.end, ...lossOf(cpu, count) });
    const meta: TraceMeta = {
      ...emptyMeta(this.options.file, clock.frequency.hz),
      state: 'finished',
      tracks: tracks.map((track) => scene.named(track)),
      places,
      counts,
      sums,
      gaps: [...this.gaps, ...gaps].sort((x, y) => x.from - y.from),
      traceHash: recorder.traceHash(),
      facts: { cycles: this.end, vms: scene.vms.map(({ name }) => ({ name, guestInstructions: 0 })) },
      source: this.source(),
    };
    store.setMeta(meta);
    return store;
  }

  private source(): ForeignSource {
    const { clock } = this;
    return {
      file: this.options.file,
      form: this.form,
      clock: clock.kind ?? 'microseconds',
      frequency: clock.frequency.known,
      epoch: clock.epoch,
      lines: this.lineCount,
      events: this.events,
      headers: this.headers,
      lostNotes: this.lostNotes,
      unknown: this.unknown.all(),
      clipped: this.numbers.clipped,
    };
  }

  private nothingFound(): string {
    const [most] = this.unknown.all();
    const why = most ? ` Line ${most.line} is: “${most.example}”.` : '';
    return (
      'none of its lines is an event of KVM, of interrupts, of the scheduler or of an IOMMU as “trace-cmd report”, ' +
      `ftrace's “trace” file or “perf script” print them.${why}`
    );
  }

  /** What is no text is said at once, not after gigabytes. */
  private lookAt(bytes: Uint8Array): void {
    const more = bytes.subarray(0, MAGIC_LENGTH - this.first.length);
    this.first += String.fromCharCode(...more);
    const binary = binaries.find(([magic]) => this.first.startsWith(magic));
    if (binary) throw new ImportError(binary[1]);
    if (this.first.includes('\0')) throw new ImportError('it is no text');
  }

  private take(text: string, cut: boolean): void {
    this.lineCount += 1;
    if (cut) return this.refuse(`longer than ${LONGEST_LINE} characters`, text);
    const line = parseLine(text, this.form);
    if (!line) return this.takeOther(text);
    const reason = this.takeEvent(line);
    if (reason !== undefined) return this.refuse(reason, text);
    this.events += 1;
    if (this.recorder.rows - this.handed >= DELTA_ROWS) {
      this.handed = this.recorder.rows;
      this.store.append(this.recorder.takeDelta());
    }
  }

  private takeOther(text: string): void {
    const lost = parseLost(text);
    if (lost) {
      this.lostNotes += 1;
      const known = this.losing.get(lost.cpu);
      const count = known && known.count === undefined ? undefined : lost.count;
      this.losing.set(lost.cpu, {
        from: known?.from ?? this.lastOn.get(lost.cpu) ?? 0,
        count: count === undefined ? undefined : count + (known?.count ?? 0),
      });
    } else if (isHeader(text)) this.headers += 1;
    else this.refuse('no line of an event', text);
  }

  private refuse(reason: string, text: string): void {
    this.unknown.add(reason, this.lineCount, text);
  }

  /** @returns why a line is no event of the trace */
  private takeEvent(line: TraceLine): string | undefined {
    const { event, args, comm, pid, process, cpu, time: text } = line;
    const tracepoint = tracepoints.get(event);
    if (!tracepoint && !RELATED.test(event)) return `${event}, which Trapline has no kind for`;
    const groups = tracepoint?.pattern.exec(args);
    if (tracepoint && !groups) return `${event} with a text of another form`;
    const time = this.clock.ticks(text);
    if (time === undefined) return 'time of another clock than that of the first event';
    if (time < 0) return 'time before that of the first event';
    if (!this.formsSeen) this.form = line.form;
    this.formsSeen = true;
    const { context } = this;
    const thread = this.scene.thread(pid, comm, process);
    context.time = time;
    context.cpu = cpu;
    context.event = event;
    context.thread = thread;
    context.vcpu = thread.vcpu;
    this.endLoss(cpu, time);
    if (!tracepoint || !groups) hostEvent(context);
    else {
      const reason = tracepoint.act(context, groups);
      if (reason !== undefined) return reason;
    }
    this.end = Math.max(this.end, time);
    return undefined;
  }

  /** The first event after a loss ends the region in which events are missing. */
  private endLoss(cpu: number, time: number): void {
    if (cpu < 0) return;
    this.lastOn.set(cpu, time);
    const loss = this.losing.get(cpu);
    if (!loss) return;
    this.losing.delete(cpu);
    this.addGap({ from: loss.from, to: Math.max(loss.from, time), ...lossOf(cpu, loss.count) });
  }

  private addGap(gap: TraceGap): void {
    const last = this.gaps.at(-1);
    if (this.gaps.length < MOST_GAPS || !last) this.gaps.push(gap);
    else
      this.gaps[this.gaps.length - 1] = {
        from: last.from,
        to: Math.max(last.to ?? 0, gap.to ?? 0),
        why: 'dropped',
      };
  }
}

function lossOf(cpu: number, count: number | undefined): Pick<TraceGap, 'why' | 'cpu' | 'dropped'> {
  return { why: 'dropped', cpu, ...(count !== undefined && { dropped: count }) };
}

/**
 * Imports a text trace.
 * @param chunks the file, piece by piece
 * @throws ImportError for what is no text trace; what `chunks` throws
 */
export async function importTrace(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ImportOptions,
): Promise<TraceStore> {
  const importer = new TraceImporter(options);
  for await (const chunk of chunks) importer.push(chunk);
  return importer.finish();
}
