/** `monitor` commands: what a simulated machine tells and does beyond what GDB knows of. */
import type { Goal, MemorySpace, Moment, RunControl } from '../../run/control/control';
import type { StateNode, StateValue } from '../../machine/inspect';
import { summarise } from '../../trace/query/summary';
import type { TraceMeta } from '../../trace/model';
import { formatTime } from '../../trace/vocabulary/format';
import { GdbError } from './errors';
import type { GdbMotion } from './motion';
import { stretches, type GdbPoints } from './points';

/** A run as the server holds it. */
export interface GdbRun extends RunControl {
  /** The trace's tables as they stand at the present moment. */
  meta(): TraceMeta;
}

/** What commands work on. */
export interface MonitorWorld {
  readonly run: GdbRun;
  readonly points: GdbPoints;
  readonly motion: GdbMotion;
  readonly vm: number;
  /** The vCPU that GDB looks at. */
  cpu(): number;
  /** What GDB shows wrongly of that vCPU, if anything. */
  modeNote(): string | undefined;
  readonly settings: MonitorSettings;
}

/** Changed by commands. */
export interface MonitorSettings {
  /** Writes in the past discard the future that has been simulated; otherwise they are refused. */
  discardsFuture: boolean;
}

interface MonitorCommand {
  readonly name: string;
  readonly usage: string;
  readonly help: string;
  readonly run: (argument: string, world: MonitorWorld, kept: Kept) => string;
}

/** Marks that the user has set. */
interface Kept {
  readonly checkpoints: Moment[];
}

/** Longest dump of memory, in bytes, and most children of a node that are printed. */
const LONGEST_DUMP = 4096;
const MOST_NODES = 2000;
const MOST_CHECKPOINTS = 1000;
/** GDB keeps registers and the stack until a motion that it has asked for. */
const STALE =
  'GDB still shows what it has read before: give "maintenance flush register-cache" and "maintenance flush dcache".';

/** Commands of one session, with what they keep. */
export class Monitor {
  private readonly kept: Kept = { checkpoints: [] };

  constructor(private readonly world: MonitorWorld) {}

  /**
   * @returns what is printed
   * @throws GdbError, QueryError, RangeError with a message for a reader
   */
  execute(line: string): string {
    const [, name = '', argument = ''] = /^\s*(\S*)\s*([^]*?)\s*$/.exec(line) ?? [];
    const found = COMMANDS.filter((each) => each.name === name || each.name.startsWith(name));
    const command = found.find((each) => each.name === name) ?? (found.length === 1 ? found[0] : undefined);
    if (command && name !== '') return command.run(argument, this.world, this.kept);
    throw new GdbError(`There is no command "${name}". Those that there are: monitor help.`);
  }
}

const COMMANDS: readonly MonitorCommand[] = [
  { name: 'help', usage: 'help', help: 'Shows these commands.', run: () => helpText() },
  {
    name: 'exits',
    usage: 'exits',
    help: 'Counts of VM exits so far, by reason.',
    run: (_, { run }) => exitsText(run),
  },
  {
    name: 'devices',
    usage: 'devices',
    help: 'What the machine is made of.',
    run: (_, { run }) => nodeText(run, []),
  },
  {
    name: 'inspect',
    usage: 'inspect PATH',
    help: 'Registers, tables and rings, by names with slashes between: inspect vm0/e1000.',
    run: (path, { run }) =>
      nodeText(
        run,
        path.split('/').filter((each) => each !== ''),
      ),
  },
  { name: 'time', usage: 'time', help: 'The present moment.', run: (_, world) => timeText(world) },
  {
    name: 'goto',
    usage: 'goto TIME | row N | instruction N | checkpoint N | beginning | end',
    help: 'Goes to another moment, in either direction. TIME is in cycles, or with s, ms, us or ns.',
    run: goTo,
  },
  {
    name: 'stop',
    usage: 'stop QUERY',
    help: 'Stops after events that a query of the find box matches: stop reg:TDT.',
    run: (query, { points }) => {
      if (query === '') throw new GdbError('Say at which events: monitor stop irq.inject vector:0x20.');
      points.addEvent(query);
      return `Stops at “${query}”.`;
    },
  },
  {
    name: 'unstop',
    usage: 'unstop QUERY',
    help: 'Does so no more.',
    run: (query, { points }) =>
      points.removeEvent(query) ? `Does not stop at “${query}”.` : `No stop at “${query}” is set.`,
  },
  {
    name: 'stops',
    usage: 'stops',
    help: 'The queries at whose events the run stops.',
    run: (_, { points }) => points.events.join('\n') || 'None.',
  },
  {
    name: 'last-writer',
    usage: 'last-writer ADDRESS LENGTH',
    help: 'Who wrote to memory last, a vCPU or a device, and when. The run stays where it is.',
    run: lastWriter,
  },
  {
    name: 'checkpoint',
    usage: 'checkpoint',
    help: 'Marks the present moment, for goto checkpoint N.',
    run: (_, { run }, { checkpoints }) => {
      if (checkpoints.length >= MOST_CHECKPOINTS)
        throw new GdbError(`${MOST_CHECKPOINTS} checkpoints are set; no more can be.`);
      return `Checkpoint ${checkpoints.push(run.moment)}: ${momentText(run, run.moment)}.`;
    },
  },
  {
    name: 'checkpoints',
    usage: 'checkpoints',
    help: 'The marked moments.',
    run: (_, { run }, { checkpoints }) =>
      checkpoints.map((moment, index) => `${index + 1}: ${momentText(run, moment)}`).join('\n') || 'None.',
  },
  {
    name: 'xp',
    usage: 'xp ADDRESS LENGTH',
    help: 'Bytes of guest-physical memory.',
    run: (argument, { run, vm }) => {
      const { address, length } = stretchOf(argument, LONGEST_DUMP);
      return dump(run, { kind: 'physical', vm }, address, length);
    },
  },
  {
    name: 'past-writes',
    usage: 'past-writes refuse | discard',
    help: 'Whether a write at a moment in the past is refused, or discards what has been simulated since.',
    run: (argument, { settings }) => {
      settings.discardsFuture = choose(argument, { refuse: false, discard: true });
      return settings.discardsFuture
        ? 'Writes in the past discard what has been simulated since.'
        : 'Writes in the past are refused.';
    },
  },
  {
    name: 'step-interrupts',
    usage: 'step-interrupts over | into',
    help: 'Whether a step goes into the handler of an interrupt that comes before the instruction.',
    run: (argument, { motion }) => {
      motion.stepsIntoInterrupts = choose(argument, { over: false, into: true });
      return motion.stepsIntoInterrupts ? 'Steps go into handlers.' : 'Steps go over handlers.';
    },
  },
  {
    name: 'mode',
    usage: 'mode',
    help: 'Operating mode of the vCPU.',
    run: (_, { run, cpu, modeNote }) => {
      const { mode, cpl, activity } = run.registers(cpu());
      return [`${mode} mode, CPL ${cpl}, ${activity}.`, modeNote()].filter(Boolean).join('\n');
    },
  },
];

function helpText(): string {
  return COMMANDS.map(({ usage, help }) => `monitor ${usage}\n    ${help}`).join('\n');
}

function choose(argument: string, choices: Readonly<Record<string, boolean>>): boolean {
  const found = Object.hasOwn(choices, argument) ? choices[argument] : undefined;
  if (found === undefined) throw new GdbError(`Give one of: ${Object.keys(choices).join(', ')}.`);
  return found;
}

function exitsText(run: GdbRun): string {
  const { exits } = summarise(run.meta(), run.moment.rows);
  const rows = Object.entries(exits).sort(([, x], [, y]) => y - x);
  if (rows.length === 0) return 'No VM exits so far.';
  const width = Math.max(...rows.map(([, count]) => String(count).length));
  return rows.map(([reason, count]) => `${String(count).padStart(width)}  ${reason}`).join('\n');
}

function momentText({ frequencyHz }: RunControl, { cycles, instructions, rows }: Moment): string {
  return `${plain(formatTime(cycles, frequencyHz))} (cycle ${cycles}), ${instructions} instructions retired, ${rows} rows recorded`;
}

/** GDB prints what it is sent as bytes: spaces and signs of plain ASCII are right in every locale. */
function plain(text: string): string {
  return text.replaceAll('\u2009', ' ').replaceAll('µ', 'u');
}

function timeText({ run, cpu }: MonitorWorld): string {
  const { rip } = run.registers(cpu());
  const lines = [`${momentText(run, run.moment)}; vCPU ${cpu()} at 0x${rip.toString(16)}.`];
  if (run.hasFuture) lines.push(`The run has been simulated up to ${momentText(run, run.frontier)}.`);
  if (run.ended && !run.hasFuture) lines.push('The run is over.');
  return lines.join('\n');
}

const UNITS: Readonly<Record<string, number>> = { s: 1, ms: 1e-3, us: 1e-6, µs: 1e-6, ns: 1e-9 };

function whole(text: string, what: string): number {
  const value = /^(?:0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new GdbError(`"${text}" is no ${what}: give a whole number.`);
}

function goalOf(argument: string, { run }: MonitorWorld, { checkpoints }: Kept): Goal {
  const [first = '', second = ''] = argument.split(/\s+/);
  switch (first) {
    case 'row':
      return { kind: 'row', row: whole(second, 'row'), atInstruction: true };
    case 'instruction':
      return { kind: 'instructions', instructions: whole(second, 'number of instructions') };
    case 'beginning':
      return { kind: 'instructions', instructions: 0 };
    case 'end':
      return { kind: 'moment', moment: run.frontier };
    case 'checkpoint': {
      const moment = checkpoints[whole(second, 'checkpoint') - 1];
      if (!moment) throw new GdbError(`There is no checkpoint ${second}: see monitor checkpoints.`);
      return { kind: 'moment', moment };
    }
  }
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(s|ms|us|µs|ns)$/.exec(argument.replace(/\s+/g, '')) ?? [];
  if (digits === undefined || unit === undefined) return { kind: 'cycles', cycles: whole(first, 'time') };
  return { kind: 'cycles', cycles: Math.round(Number(digits) * (UNITS[unit] ?? 1) * run.frequencyHz) };
}

function goTo(argument: string, world: MonitorWorld, kept: Kept): string {
  const { run } = world;
  const stop = run.seek(goalOf(argument, world, kept));
  const interrupted = stop.reason === 'interrupted' ? 'Interrupted on the way.\n' : '';
  return `${interrupted}${timeText(world)}\n${STALE}`;
}

/** `ADDRESS LENGTH`. */
function stretchOf(argument: string, longest: number): { address: bigint; length: number } {
  const [, at, many] = /^(0x[0-9a-f]{1,16}|\d{1,20})\s+(0x[0-9a-f]{1,8}|\d{1,9})$/i.exec(argument) ?? [];
  if (at === undefined || many === undefined) throw new GdbError('Give an address and a number of bytes.');
  const length = Number(many);
  if (length < 1 || length > longest) throw new GdbError(`Give a number of bytes from 1 to ${longest}.`);
  return { address: BigInt(at), length };
}

const LAST_WRITER = -100;
/** Longest stretch whose last writer is looked for, in bytes. */
const LONGEST_WRITTEN = 4096;

function lastWriter(argument: string, { run, points, vm, cpu }: MonitorWorld): string {
  const { address, length } = stretchOf(argument, LONGEST_WRITTEN);
  const places = stretches(address, length).map(([start, bytes], index) => {
    const physical = run.translate(cpu(), start);
    if (physical === undefined) throw new GdbError(`Nothing is mapped at 0x${start.toString(16)}.`);
    return {
      id: LAST_WRITER - index,
      kind: 'data',
      vm,
      address: physical,
      length: bytes,
      access: 'write',
    } as const;
  });
  const start = run.moment;
  const { reason, hits, moment } = points.instead(places, () =>
    run.backward(undefined, { withPresent: true }),
  );
  const hit = hits.at(-1);
  const rip = hit && run.register(hit.cpu, 'rip');
  run.seek({ kind: 'moment', moment: start });
  if (reason === 'interrupted') return 'Interrupted.';
  const access = hit?.access;
  if (!access || rip === undefined) return 'Nobody has written there since the beginning of the run.';
  const what = access.isDevice
    ? `the device ${access.who}`
    : `${access.who}, by the instruction before 0x${rip.toString(16)},`;
  const bytes = `${access.length} ${access.length === 1 ? 'byte' : 'bytes'} at guest-physical 0x${access.address.toString(16)}`;
  return `Last written by ${what} at ${momentText(run, moment)}: ${bytes}.`;
}

function dump(run: RunControl, space: MemorySpace, address: bigint, length: number): string {
  const bytes = run.readMemory(space, address, length);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const digits = [...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, '0'));
    lines.push(`0x${(address + BigInt(at)).toString(16)}: ${digits.join(' ')}`);
  }
  if (bytes.length < length)
    lines.push(`0x${(address + BigInt(bytes.length)).toString(16)}: nothing is there.`);
  return lines.join('\n');
}

function valueText(value: StateValue): string {
  switch (value.kind) {
    case 'register': {
      const digits = `0x${value.value.toString(16).padStart(Math.ceil(value.bits / 4), '0')}`;
      const fields = (value.fields ?? []).flatMap(({ name, low, high, format }) => {
        const bits = BigInt.asUintN(high - low + 1, value.value >> BigInt(low));
        if (bits === 0n) return [];
        return [format === 'flag' ? name : `${name}=0x${bits.toString(16)}`];
      });
      return fields.length > 0 ? `${digits} [ ${fields.join(' ')} ]` : digits;
    }
    case 'number':
      return value.unit === undefined ? String(value.value) : `${value.value} ${value.unit}`;
    case 'address':
      return `0x${value.value.toString(16)}`;
    case 'text':
      return value.value;
    case 'flag':
      return value.value ? 'yes' : 'no';
  }
}

function nodeText(run: RunControl, path: readonly string[]): string {
  const node = run.inspect(path);
  if (!node) throw new GdbError(`The machine has nothing called "${path.join('/')}": see monitor devices.`);
  const lines: string[] = [];
  print(node, 0, lines);
  return plain(lines.join('\n'));
}

function print(node: StateNode, depth: number, lines: string[]): void {
  if (lines.length >= MOST_NODES) return;
  const { name, value, children = [], more = false } = node;
  const indent = '  '.repeat(depth);
  lines.push(
    `${indent}${name}${value ? ` = ${valueText(value)}` : ''}${more && children.length === 0 ? '/' : ''}`,
  );
  for (const child of children) print(child, depth + 1, lines);
}
