/**
 * The vCPU beside QEMU's translator: one guest file, one machine each, by turns, so that whatever else the computer does
 * meets both. A figure is the median of the turns; a ratio is the median of the ratios within a turn.
 */
import { join } from 'node:path';
import { buildGuest, loops, type Guest, type Loop, type Rounds } from './guest';
import { runMachine, type MachineRun } from './machine';
import { qemuVersion, runQemu, type QemuRun } from './qemu';

/** Figures by name. */
export type Figures = Record<string, number>;

/** One loop in one manner: how it is run here and there, and what is told of it. */
interface Contest {
  loop: Loop;
  rounds: Rounds;
  /** Accesses to device registers are recorded here, and traced there. */
  recorded: boolean;
  /** Of a run: name of its figure, and what one second is divided into. */
  figure: string;
  qemuFigure: string;
  ratio: string;
  /** What one round counts for in the figure. */
  unitsPerRound: number;
}

const MILLION = 1_000_000;

// prettier-ignore
const contests: readonly Contest[] = [
  { loop: loops.alu, rounds: { warmUp: 8 * MILLION, measured: 40 * MILLION }, recorded: false,
    figure: 'vcpu.alu.mips', qemuFigure: 'qemu.alu.mips', ratio: 'vcpu.alu.ratioToQemu', unitsPerRound: loops.alu.length / MILLION },
  { loop: loops.calls, rounds: { warmUp: 8 * MILLION, measured: 40 * MILLION }, recorded: false,
    figure: 'vcpu.calls.mips', qemuFigure: 'qemu.calls.mips', ratio: 'vcpu.calls.ratioToQemu', unitsPerRound: loops.calls.length / MILLION },
  { loop: loops.mmio, rounds: { warmUp: 2 * MILLION, measured: 10 * MILLION }, recorded: false,
    figure: 'vcpu.mmio.readsPerSecond', qemuFigure: 'qemu.mmio.readsPerSecond', ratio: 'vcpu.mmio.ratioToQemu', unitsPerRound: 1 },
  { loop: loops.mmio, rounds: { warmUp: MILLION / 10, measured: MILLION }, recorded: true,
    figure: 'vcpu.mmio.readsPerSecondRecorded', qemuFigure: 'qemu.mmio.readsPerSecondTraced', ratio: 'vcpu.mmio.ratioToQemuTraced', unitsPerRound: 1 },
];

/** Recording is so much faster than QEMU's trace that it gets more to do. */
const RECORDED_ROUNDS: Rounds = { warmUp: 2 * MILLION, measured: 8 * MILLION };

function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[sorted.length >> 1] ?? NaN;
}

/** Options of `measureSideBySide`. */
export interface SideBySideOptions {
  core: Uint8Array<ArrayBuffer>;
  /** `test/perf/guest.S`. */
  source: string;
  /** For the guests and the trace; emptied by the caller. */
  directory: string;
  turns: number;
  /** Only loops of these names. */
  only?: readonly string[];
  /** Told what cannot be measured. */
  say(line: string): void;
}

/** Runs every contest `turns` times. Leaves QEMU's figures out where it is not installed. */
export async function measureSideBySide(options: SideBySideOptions): Promise<Figures> {
  const version = qemuVersion();
  if (!version) options.say('qemu-system-x86_64 is not installed: no figures of QEMU, and no ratios to it.');
  const module = new WebAssembly.Module(options.core);
  const wanted = contests.filter(({ loop }) => !options.only || options.only.includes(loop.name));
  const values: Record<string, number[]> = {};
  const note = (name: string, value: number): void => void (values[name] ??= []).push(value);
  for (let turn = 0; turn < options.turns; turn++) {
    for (const contest of wanted) {
      const { loop, recorded, unitsPerRound } = contest;
      const here = recorded ? RECORDED_ROUNDS : contest.rounds;
      const own = runMachine(module, await guestOf(options, loop, here), recorded);
      const rate = (here.measured * unitsPerRound) / own.seconds;
      note(contest.figure, rate);
      if (recorded) noteRecording(note, own, here);
      if (!version) continue;
      const there = contest.rounds;
      const traceFile = recorded ? join(options.directory, 'qemu-trace') : undefined;
      const other = await runQemu(await guestOf(options, loop, there), traceFile);
      const otherRate = (there.measured * unitsPerRound) / other.seconds;
      note(contest.qemuFigure, otherRate);
      note(contest.ratio, rate / otherRate);
      if (recorded) noteTrace(note, other, there);
    }
  }
  return Object.fromEntries(Object.entries(values).map(([name, each]) => [name, median(each)]));
}

const built = new Map<string, Promise<Guest>>();

function guestOf(options: SideBySideOptions, loop: Loop, rounds: Rounds): Promise<Guest> {
  const key = `${loop.name} ${rounds.warmUp} ${rounds.measured}`;
  const guest = built.get(key) ?? buildGuest(options.source, options.directory, loop, rounds);
  built.set(key, guest);
  return guest;
}

function noteRecording(note: (name: string, value: number) => void, run: MachineRun, rounds: Rounds): void {
  const reads = rounds.warmUp + rounds.measured;
  if (run.events !== reads) throw new Error(`${reads} reads, ${run.events} events of them`);
  note('trace.bytesPerEvent', run.bytesPerEvent);
}

function noteTrace(note: (name: string, value: number) => void, run: QemuRun, rounds: Rounds): void {
  note('qemu.trace.bytesPerEvent', run.traceBytes / (rounds.warmUp + rounds.measured));
}
