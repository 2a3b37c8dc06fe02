/** How figures and problems look in a terminal. */
import { isAbsolute, relative } from 'node:path';
import type { Problem } from '../protocol/problem';
import { breakingText, type TraceTables } from '../scenario/breaking-events';
import { unknownCount, type ForeignSource } from '../trace/exchange/foreign-source';
import type { RunState } from '../trace/model';
import { NO_COLOURS, type Paint } from './paint';
import type { ExpectationResult, Summary, SummaryCounts } from '../trace/query/summary';

/** What a summary is printed with. */
export interface SummaryContext {
  title: string;
  state: RunState;
  /** Why the run ended, where there is more to say than that it did. */
  message?: string;
  frequencyHz: number;
  /** By which events are told. */
  tables?: TraceTables;
  /** Of an imported trace. */
  source?: ForeignSource | undefined;
}

const STATES: Record<RunState, string> = {
  running: 'still running when this was written',
  finished: 'finished',
  cancelled: 'stopped by the user',
  crashed: 'the guest crashed',
  failed: 'Trapline failed',
  truncated: 'the trace is not complete',
};

/** Holds the longest name of an exit that guests get to see. */
const LABEL_WIDTH = 24;

/** `file:line:col: error: message`, as compilers print it; the path is relative to `cwd` where the file lies below it. */
export function printProblem(problem: Problem, cwd: string): string {
  return `${shortPath(problem.file, cwd)}:${problem.line}:${problem.column}: ${problem.severity}: ${problem.message}`;
}

/** A path as a reader in `cwd` would write it. */
export function shortPath(file: string, cwd: string): string {
  const short = relative(cwd, file);
  return short === '' || short.startsWith('..') || isAbsolute(short) ? file : short;
}

/** A whole number with groups of three digits. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** A time with the unit that shows it best: `1.234 ms`. */
export function time(seconds: number): string {
  const units: [number, string][] = [
    [1, 's'],
    [1e-3, 'ms'],
    [1e-6, 'µs'],
  ];
  const [size, unit] = units.find(([each]) => seconds >= each) ?? [1e-9, 'ns'];
  return `${Number((seconds / size).toPrecision(4))} ${unit}`;
}

/** The figures of a run for a program; ends with a line break. */
export function printJson(summary: Summary): string {
  const { guestInstructions, cycles, simulatedSeconds, wallSeconds, events, traceHash, ...rest } = summary;
  const ordered = { guestInstructions, cycles, simulatedSeconds, wallSeconds, events, traceHash, ...rest };
  return `${JSON.stringify(ordered, null, 2)}\n`;
}

/** The figures of a run for a reader; ends with a line break. */
export function printSummary(summary: Summary, context: SummaryContext, paint: Paint = NO_COLOURS): string {
  const { title, state, message, frequencyHz, tables, source } = context;
  const stateText = message === undefined ? STATES[state] : `${STATES[state]}: ${message}`;
  const isBad = state === 'crashed' || state === 'failed';
  const lines = [
    paint.strong(title),
    ...(source
      ? foreignRows(summary, source, frequencyHz)
      : [
          row('state', isBad ? paint.bad(stateText) : stateText),
          row(
            'simulated time',
            `${time(summary.simulatedSeconds)}, ${count(summary.cycles)} cycles at ${frequencyHz / 1e9} GHz`,
          ),
        ]),
    ...countRows(summary, source !== undefined),
    ...(summary.vms.length > 1 || summary.vms.some(({ exitCode }) => exitCode !== undefined)
      ? vmRows(summary, source !== undefined)
      : []),
    ...(summary.host.overwritten > 0
      ? [row('host overwritten', `${count(summary.host.overwritten)} times by a device of a VM`)]
      : []),
    ...(summary.host.vfRefusals > 0
      ? [row('host refused', `${count(summary.host.vfRefusals)} requests of virtual functions`)]
      : []),
    ...missingRows(summary),
    row('events', count(summary.events)),
    row('trace hash', summary.traceHash === '' ? 'none' : summary.traceHash),
    ...(summary.wallSeconds === undefined ? [] : [row('wall time', time(summary.wallSeconds))]),
    ...(summary.expectations.length === 0
      ? []
      : ['expectations', ...summary.expectations.map((each) => printExpectation(each, tables, paint))]),
  ];
  return `${lines.join('\n')}\n`;
}

/** `  ✓ packets.rx: 64`; of one that failed, with the event that broke it in a line of its own. */
export function printExpectation(
  { figure, expected, actual, held, event }: ExpectationResult,
  tables?: TraceTables,
  paint: Paint = NO_COLOURS,
): string {
  const wanted = `${figure}: ${expected}`;
  const broken = event && tables ? `\n      ${breakingText(event, tables).replaceAll('\u2009', ' ')}` : '';
  if (!held)
    return `  ${paint.bad(`✗ ${wanted}, but ${actual === null ? 'there is no such figure' : actual}`)}${broken}`;
  return `  ${paint.good('✓')} ${wanted}${String(actual) === expected ? '' : ` (${actual})`}`;
}

function row(label: string, text: string): string {
  return `  ${label.padEnd(LABEL_WIDTH)}${text}`;
}

const CLOCKS: Record<ForeignSource['clock'], string> = {
  microseconds: 'of microseconds',
  nanoseconds: 'of nanoseconds',
  cycles: 'of cycles',
};

/** What takes the place of the run's own figures for a trace of another tool. */
function foreignRows(summary: Summary, source: ForeignSource, frequencyHz: number): string[] {
  const clock = source.clock === 'cycles' ? ` at ${Number((frequencyHz / 1e9).toPrecision(4))} GHz` : '';
  return [
    row(
      'recorded time',
      `${time(summary.simulatedSeconds)} by a clock ${CLOCKS[source.clock]}${clock}, from ${source.epoch}`,
    ),
    row(
      'lines',
      `${count(source.lines)}: ${count(source.events)} of events, ${count(source.headers)} of headers`,
    ),
    row('not understood', unknownCount(source) === 0 ? 'none' : `${count(unknownCount(source))} lines`),
    ...source.unknown.map(({ reason, count: n, line }) =>
      row(`  ${count(n)}`, `${reason} (first in line ${count(line)})`),
    ),
  ];
}

function countRows(counts: SummaryCounts, foreign: boolean): string[] {
  const { exits, interrupts, iommu, packets } = counts;
  const reasons = Object.entries(exits).sort(([x, n], [y, m]) => m - n || (x < y ? -1 : 1));
  const total = reasons.reduce((sum, [, n]) => sum + n, 0);
  return [
    ...(foreign ? [] : [row('guest instructions', count(counts.guestInstructions))]),
    row('VM exits', count(total)),
    ...reasons.map(([reason, n]) => row(`  ${reason}`, count(n))),
    row('user exits', count(counts.userExits)),
    row('interrupts', fields(interrupts)),
    ...(iommu.translations + iommu.faults > 0 ? [row('IOMMU', fields(iommu))] : []),
    ...(foreign ? [] : [row('packets', fields(packets))]),
  ];
}

function vmRows(summary: Summary, foreign: boolean): string[] {
  return summary.vms.map((vm) => {
    const exits = Object.values(vm.exits).reduce((sum, n) => sum + n, 0);
    const end = vm.exitCode === undefined ? 'has not ended itself' : `exit code ${vm.exitCode}`;
    const figures = `${count(exits)} VM exits, ${count(vm.userExits)} user exits`;
    return row(vm.name, foreign ? figures : `${end}, ${figures}`);
  });
}

/** Instructions that guests tried and vCPUs do not have: a guest that ends in #UD may have had nothing else wrong. */
function missingRows(summary: Summary): string[] {
  return summary.vms.flatMap(({ name, missingInstructions: list }) => {
    if (list === undefined || list.length === 0) return [];
    const kinds = list.map(({ mnemonic, count: n, rip }) => `${mnemonic} ×${count(n)} (first at ${rip})`);
    const what = list.length === 1 ? 'an instruction' : `${list.length} instructions`;
    return [
      `  ${name}: the guest tried ${what} this vCPU does not have: ${kinds.join(', ')}; each raised #UD`,
    ];
  });
}

function fields(values: Record<string, number>): string {
  return Object.entries(values)
    .map(([name, n]) => `${name} ${count(n)}`)
    .join(', ');
}

/** Puts a VM's name before each line that it prints, whatever pieces the lines come in. */
export class SerialPrinter {
  private readonly pending = new Map<number, string>();

  constructor(private readonly write: (line: string) => void) {}

  /** Takes a piece of what a VM prints. */
  add(vm: number, name: string, text: string): void {
    const lines = ((this.pending.get(vm) ?? '') + text).split('\n');
    this.pending.set(vm, lines.pop()!);
    for (const line of lines) this.print(name, line);
  }

  /** Prints what stands in lines without an end. */
  flush(nameOf: (vm: number) => string): void {
    for (const [vm, text] of this.pending) if (text !== '') this.print(nameOf(vm), text);
    this.pending.clear();
  }

  /** Control characters are shown, not sent: a guest must not drive the terminal. */
  private print(name: string, line: string): void {
    const shown = line.replace(/\r$/, '').replace(/\p{Cc}/gu, (c) => (c === '\t' ? c : hexEscape(c)));
    this.write(`${name} | ${shown}\n`);
  }
}

function hexEscape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
