/**
 * The head of a line of a text trace: who, on which CPU, when, which event. Three tools print it in three ways:
 *
 *     comm-pid     (tgid) [007] d..1. 22149.949586: kvm_entry: vcpu 0, rip 0x…      ftrace's `trace` file; trace-cmd report
 *     comm  pid/tid [007] 22149.949586:    kvm:kvm_entry: vcpu 0, rip 0x…           perf script
 *     22149.949586: kvm_entry: vcpu 0, rip 0x…                                      cut out of either
 *
 * With a clock that counts cycles the time is one number, and may touch the bracket.
 */

/** Which tool prints lines like this. */
export type LineForm = 'ftrace' | 'perf' | 'bare';

/** A line whose head was understood. */
export interface TraceLine {
  form: LineForm;
  /** Name of the thread; empty where the line has none. */
  comm: string;
  /** Number of the thread; -1 where the line has none. */
  pid: number;
  /** Number of its process; -1 where the line does not say. */
  process: number;
  /** -1 where the line has none. */
  cpu: number;
  /** As printed: seconds with decimals, or a number of cycles. */
  time: string;
  /** `kvm_exit`, without the system that `perf script` puts before it. */
  event: string;
  args: string;
}

/** A tracer's note that it has lost events of a CPU. */
export interface LostNote {
  cpu: number;
  /** How many; undefined where it does not know. */
  count: number | undefined;
}

// A thread's name is at most 15 characters, but for kernel threads that ftrace completes.
const FTRACE =
  /^\s*(.{1,64}?)-(\d{1,10})\s+(?:\(\s*(\d{1,10}|-+)\)\s+)?\[(\d{1,5})\]\s*(?:[\w.#!+$*]{4,8}\s+)?(\d{1,20}(?:\.\d{1,9})?):\s*(.*)$/;
const PERF =
  /^\s*(.{1,64}?)\s+(-?\d{1,10})(?:\/(-?\d{1,10}))?\s+(?:\[(\d{1,5})\]\s+)?(?:[\w.#]{4,8}\s+)?(\d{1,20}\.\d{1,9}):\s+(?:\d{1,20}\s+)?([\w-]+:[\w-]+:.*)$/;
const BARE = /^\s*(\d{1,20}\.\d{1,9}|\d{9,20}):\s+(.*)$/;
const EVENT = /^(?:[\w-]{1,64}:)?([\w.-]{1,128}):(?:\s+(.*))?$/;

type Head = Omit<TraceLine, 'event' | 'args'> & { rest: string };

function number(text: string | undefined): number {
  const value = text === undefined ? NaN : Number(text);
  return Number.isFinite(value) ? value : -1;
}

const heads: Record<LineForm, (text: string) => Head | undefined> = {
  ftrace: (text) => {
    const found = FTRACE.exec(text);
    if (!found) return undefined;
    const [, comm = '', pid, process, cpu, time = '', rest = ''] = found;
    return {
      form: 'ftrace',
      comm: comm.trim(),
      pid: number(pid),
      process: number(process),
      cpu: number(cpu),
      time,
      rest,
    };
  },
  perf: (text) => {
    const found = PERF.exec(text);
    if (!found) return undefined;
    const [, comm = '', first, second, cpu, time = '', rest = ''] = found;
    // With both numbers the first is the process.
    const [process, pid] = second === undefined ? [undefined, first] : [first, second];
    return {
      form: 'perf',
      comm: comm.trim(),
      pid: number(pid),
      process: number(process),
      cpu: number(cpu),
      time,
      rest,
    };
  },
  bare: (text) => {
    const found = BARE.exec(text);
    if (!found) return undefined;
    const [, time = '', rest = ''] = found;
    return { form: 'bare', comm: '', pid: -1, process: -1, cpu: -1, time, rest };
  },
};
const forms: readonly LineForm[] = ['ftrace', 'perf', 'bare'];

/**
 * A line of an event, undefined for any other.
 * @param likely the form of the line before
 */
export function parseLine(text: string, likely: LineForm): TraceLine | undefined {
  let head = heads[likely](text);
  for (const form of forms) if (!head && form !== likely) head = heads[form](text);
  const event = head && EVENT.exec(head.rest);
  if (!head || !event) return undefined;
  const { rest: _, ...who } = head;
  return { ...who, event: event[1] ?? '', args: (event[2] ?? '').trim() };
}

// `CPU:2 [LOST 12 EVENTS]` of ftrace, `CPU:2 [12 EVENTS DROPPED]` of trace-cmd.
const LOST = /^\s*CPU:\s*(\d{1,5}) \[(?:LOST )?(?:(\d{1,15}) )?EVENTS(?: DROPPED)?\]\s*$/;
const PERF_LOST =
  /^\s*.{1,64}?\s+-?\d{1,10}(?:\/-?\d{1,10})?\s+\[(\d{1,5})\]\s+\d{1,20}\.\d{1,9}:\s+PERF_RECORD_LOST(?:_SAMPLES)?\s+(?:lost\s+)?(\d{1,15})/;

/** What a line says about lost events; undefined when it says nothing of them. */
export function parseLost(text: string): LostNote | undefined {
  const found = text.includes('EVENTS') ? LOST.exec(text) : PERF_LOST.exec(text);
  if (!found) return undefined;
  return { cpu: number(found[1]), count: found[2] === undefined ? undefined : number(found[2]) };
}

/** What stands before and between the events and is none: `cpus=20`, `version = 6`, comments, marks of buffers. */
const HEADER =
  /^\s*(?:#.*|cpus=\d+|version = \d+|trace-cmd version.*|CPU:?\s*\d+ is empty|CPU \d+: .*|-{3,}.*-{3,}|=+|\S+\.dat:?|CPU:\d+ \[SUBBUFFER START\].*)?$/;

/** Whether a line is a header, a comment or empty. */
export function isHeader(text: string): boolean {
  return HEADER.test(text);
}
