/** `trapline run`: prepares, runs, prints, and says by its exit code whether all was as expected. */
import { resolve } from 'node:path';
import type { RunEnd, RunJob, RunListener, RunProgress } from '../protocol/run';
import { PacketFile, withFrames } from '../run/packet-file';
import { BreakingEvents } from '../scenario/breaking-events';
import { loadScenario } from '../scenario/load';
import type { FrameBatch } from '../trace/exchange/frames';
import type { RunState, TraceDelta, TraceGap, TraceMeta } from '../trace/model';
import { TraceStore } from '../trace/query/store';
import type { Summary } from '../trace/query/summary';
import { uncoveredExits } from '../trace/query/verdict';
import { gapSentence } from '../trace/vocabulary/gaps';
import type { Command } from './arguments';
import { ExitCode, type CliHost, type OutputFile } from './host';
import { COLOURS, NO_COLOURS } from './paint';
import { ProgressLine } from './progress-line';
import { printExpectation, printJson, printProblem, printSummary, SerialPrinter, shortPath } from './print';

type RunCommand = Extract<Command, { name: 'run' }>;

/** Runs a scenario. */
export async function runScenario(command: RunCommand, host: CliHost): Promise<ExitCode> {
  const stop = new AbortController();
  const unhook = host.onInterrupt(() => stop.abort());
  try {
    return await runUntil(command, host, stop.signal);
  } finally {
    unhook();
  }
}

async function runUntil(command: RunCommand, host: CliHost, signal: AbortSignal): Promise<ExitCode> {
  const placed = (file: string | undefined) => (file === undefined ? undefined : resolve(host.cwd, file));
  const [out, captured] = [placed(command.trace), placed(command.packets)];
  try {
    if (out !== undefined) await host.checkWritable(out, 'trace');
    if (captured !== undefined) await host.checkWritable(captured, 'capture');
  } catch (error) {
    host.err(`error: ${messageOf(error)}\n`);
    return ExitCode.BadInput;
  }
  const environment = { ...host.environment, compiler: command.compiler || host.environment.compiler };
  const prepared = await host
    .prepareRun({
      ...environment,
      file: resolve(host.cwd, command.file),
      signal,
      log: (line) => (command.quiet ? undefined : host.err(`${line}\n`)),
    })
    .catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return undefined;
    });
  if (signal.aborted || !prepared) return interrupted(host);
  for (const problem of prepared.problems) {
    if (!prepared.ok || !command.quiet) host.err(`${printProblem(problem, host.cwd)}\n`);
  }
  if (!prepared.ok) return ExitCode.BadInput;

  const packets = captured === undefined ? undefined : new PacketOutput(captured, prepared.job, host);
  const progress = progressLine(command, host, prepared.job);
  const recording = new Recording(out !== undefined, command, host, {
    ...(packets && { packets: packets.packets }),
    ...(progress && { progress }),
  });
  const job = packets ? withFrames(prepared.job) : prepared.job;
  const handle = host.startRun(job, environment, recording);
  const cancel = (): void => handle.cancel();
  signal.addEventListener('abort', cancel);
  let end: RunEnd | undefined;
  let failure: string | undefined;
  try {
    end = await handle.ended;
  } catch (error) {
    failure = messageOf(error);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
  progress?.clear();
  recording.finish(end, signal.aborted ? 'cancelled' : 'failed', failure);
  let written = (await packets?.finish(command.quiet)) ?? true;
  if (out !== undefined && recording.store)
    written = (await write(out, recording.store, command, host)) && written;
  if (!end) {
    if (signal.aborted) return interrupted(host);
    host.err(`error: ${failure}\n`);
    return ExitCode.Internal;
  }
  report(command, host, { ...end, summary: recording.explained(end.summary) });
  return written ? verdict(end.meta, end.summary) : ExitCode.BadInput;
}

function interrupted(host: CliHost): ExitCode {
  host.err('stopped by the user\n');
  return ExitCode.Interrupted;
}

/** Only on a terminal, and only where the reader has not asked for quiet. */
function progressLine(
  { quiet }: RunCommand,
  host: CliHost,
  { scenarioText, scenarioFile }: RunJob,
): ProgressLine | undefined {
  const { terminal } = host;
  if (!terminal || quiet) return undefined;
  const loaded = loadScenario(scenarioText, scenarioFile);
  const stopSeconds = loaded.ok ? loaded.scenario.stop.afterMs / 1000 : undefined;
  return new ProgressLine(terminal, (text) => host.err(text), stopSeconds);
}

/** Who hears of a run beside its trace. */
interface RecordedBeside {
  packets?: PacketFile;
  progress?: ProgressLine;
}

/** Takes what the run tells: prints what the guest prints, and keeps the trace where it is wanted. */
class Recording implements RunListener {
  store: TraceStore | undefined;
  private readonly serialPrinter: SerialPrinter;
  private names: string[] = [];
  private progress: RunProgress | undefined;
  /** The trace's tables as they grow, and what its rows tell of the scenario's expectations. */
  private meta: TraceMeta | undefined;
  private breaking: BreakingEvents | undefined;

  constructor(
    private readonly keep: boolean,
    private readonly command: RunCommand,
    host: CliHost,
    private readonly beside: RecordedBeside,
  ) {
    this.serialPrinter = new SerialPrinter((line) => {
      this.beside.progress?.clear();
      if (command.json) host.err(line);
      else host.out(line);
    });
  }

  started(meta: TraceMeta): void {
    this.names = meta.facts.vms.map(({ name }) => name);
    if (this.keep) this.store = new TraceStore(meta);
    const tables = { ...meta, tracks: [...meta.tracks] };
    this.meta = tables;
    const loaded = loadScenario(meta.scenarioText, meta.scenarioName);
    if (loaded.ok) this.breaking = new BreakingEvents(loaded.scenario.expect, () => tables);
    const { packets, progress } = this.beside;
    packets?.started(meta);
    progress?.begin(meta.frequencyHz);
  }

  frames(frames: FrameBatch): Promise<void> {
    return this.beside.packets?.frames(frames) ?? Promise.resolve();
  }

  delta(delta: TraceDelta, progress: RunProgress): void {
    for (const track of delta.tracks) if (this.meta) this.meta.tracks[track.id] = track;
    for (const chunk of delta.chunks) this.breaking?.take(chunk);
    this.store?.append(delta);
    this.progress = progress;
    this.beside.progress?.tell(progress);
  }

  serial(vm: number, text: string): void {
    if (!this.command.quiet) this.serialPrinter.add(vm, this.nameOf(vm), text);
  }

  /** The summary with the events that broke expectations. */
  explained(summary: Summary): Summary {
    const { expectations } = summary;
    return { ...summary, expectations: this.breaking?.explain(expectations) ?? expectations };
  }

  /** The run is over: takes its last tables, or puts down what is known when there are none. */
  finish(end: RunEnd | undefined, state: RunState, message: string | undefined): void {
    this.serialPrinter.flush((vm) => this.nameOf(vm));
    if (end) return this.store?.setMeta(end.meta);
    if (!this.store) return;
    const { meta } = this.store;
    const { cycles, counts } = this.progress ?? { cycles: 0, counts: [] };
    const facts = { ...meta.facts, cycles: Math.max(cycles, meta.facts.cycles) };
    const lost: TraceGap = { from: this.store.endWithoutFacts, why: 'lost' };
    const gaps = [...(this.progress?.gaps ?? []), lost];
    this.store.setMeta({ ...meta, state, ...(message !== undefined && { message }), facts, counts, gaps });
  }

  private nameOf(vm: number): string {
    return this.names[vm] ?? `vm${vm}`;
  }
}

/** The capture of a run on its way to its file. */
class PacketOutput {
  readonly packets: PacketFile;
  private readonly output: OutputFile;

  constructor(
    private readonly file: string,
    job: RunJob,
    private readonly host: CliHost,
  ) {
    this.output = host.createFile(file, 'capture');
    this.packets = new PacketFile(job, `Trapline ${host.version}`, (bytes) => this.output.write(bytes));
  }

  /** Puts the capture in its place, with what passed until the run ended. False, after an error message: it could not be. */
  async finish(quiet: boolean): Promise<boolean> {
    if (!this.packets.begun) {
      await this.output.abandon();
      return true;
    }
    try {
      await this.packets.finished();
      await this.output.finish();
    } catch (error) {
      await this.output.abandon();
      this.host.err(`error: ${messageOf(error)}\n`);
      return false;
    }
    if (!quiet) this.host.err(`packets written to ${shortPath(this.file, this.host.cwd)}\n`);
    return true;
  }
}

async function write(out: string, store: TraceStore, command: RunCommand, host: CliHost): Promise<boolean> {
  try {
    await host.writeTrace(out, store);
  } catch (error) {
    host.err(`error: ${messageOf(error)}\n`);
    return false;
  }
  if (!command.quiet) host.err(`trace written to ${shortPath(out, host.cwd)}\n`);
  return true;
}

function report(command: RunCommand, host: CliHost, { meta, summary }: RunEnd): void {
  if (command.json) host.out(printJson(summary));
  else if (!command.quiet) {
    const paint = host.colours === true ? COLOURS : NO_COLOURS;
    host.out(printSummary(summary, { ...meta, tables: meta }, paint));
  }
  const failed = summary.expectations.filter(({ held }) => !held);
  if (command.quiet && !command.json)
    for (const each of failed) host.err(`${printExpectation(each, meta).trim()}\n`);
  for (const { name, exitCode } of uncoveredExits(summary)) {
    host.err(
      `error: ${name} ended with exit code ${exitCode}. If that is right, expect it: "vms.${name}.exitCode": ${exitCode}\n`,
    );
  }
  if (summary.unfinished !== undefined) host.err(`error: ${unfinishedSentence(summary.unfinished)}\n`);
  warnOfGaps(meta, command.file, host);
  if (meta.state === 'crashed' && (command.json || command.quiet))
    host.err(`error: ${meta.message ?? 'the guest crashed'}\n`);
}

function unfinishedSentence(who: string): string {
  return `not ended when the time was up: ${who}. Raise "stop.afterMs", or take "stop.when": "time" for guests that are not to end.`;
}

function verdict(meta: TraceMeta, summary: Summary): ExitCode {
  if (meta.state === 'crashed') return ExitCode.Crashed;
  if (meta.state === 'cancelled') return ExitCode.Interrupted;
  if (meta.state === 'failed') return ExitCode.Internal;
  const failed = summary.expectations.some(({ held }) => !held) || uncoveredExits(summary).length > 0;
  if (summary.unfinished !== undefined) return ExitCode.Failed;
  return failed ? ExitCode.Failed : ExitCode.Held;
}

/** Says where a trace is incomplete, and what to do. */
export function warnOfGaps(meta: TraceMeta, file: string, host: CliHost): void {
  for (const gap of meta.gaps) host.err(`warning: ${file}: ${gapSentence(gap, meta.frequencyHz)}\n`);
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
