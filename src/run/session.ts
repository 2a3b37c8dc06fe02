/**
 * A run as a thing, in the caller's own thread: built from a job, advanced slice by slice, ended once. The worker, the
 * tests and the bench drive the same class, so that all of them record the same trace.
 */
import type { RunEnd, RunJob, RunProgress } from '../protocol/run';
import type { GuestImage } from '../guest/image';
import { imageOf } from './guest-image';
import { buildMachine, type BuiltMachine, type MachineEvents } from '../scenario/build';
import { evaluateExpectations } from '../scenario/expectations';
import { loadScenario } from '../scenario/load';
import type { Scenario } from '../scenario/schema';
import { isExit, kinds } from '../trace/vocabulary/events';
import { readCapture } from '../trace/exchange/capture';
import { FrameLog, NO_FRAMES, type FrameBatch } from '../trace/exchange/frames';
import type { RunState, TraceDelta, TraceMeta } from '../trace/model';
import { Recorder } from '../trace/record/recorder';
import { summarise, type StandingCpu } from '../trace/query/summary';
import { SnapshotError } from '../trace/snapshot-error';
import { vectorAdvice } from '../machine/x86/missing';
import type { Guest } from '../vmm/guest';
import { checksumOf } from './checksum';
import {
  RUN_SNAPSHOT_VERSION,
  flattened,
  sealed,
  verifySnapshot,
  type RunIdentity,
  type RunSnapshot,
  type SessionState,
} from './snapshot';

/**
 * Cycles between two looks at the world outside: a few milliseconds of wall time where the guest computes without an exit,
 * less where it does I/O. Where slices end changes nothing in the trace.
 */
const SLICE_CYCLES = 1_000_000;

/** Guest output is handed on in pieces of about this many characters, or at a line's end. */
const SERIAL_PIECE = 256;
const LINE_FEED = 10;

/** Whether a kind is recorded, by the names of kinds and groups that the scenario lists. */
function recordedKinds(listed: 'all' | readonly string[]): (kind: number) => boolean {
  if (listed === 'all') return () => true;
  const names = new Set(listed);
  return (id) => {
    const kind = kinds.get(id);
    return kind !== undefined && (names.has(kind.name) || names.has(kind.group));
  };
}

/** Turns an address of a guest into a place of its source, for a sentence; empty where nothing is known. */
type Where = (guest: number, rip: bigint) => string;

/** Which guests were switched off or failed for want of instructions, for a reader; undefined when none was. */
function stoppedMessage(guests: readonly Guest[], where: Where): string | undefined {
  const sentences = guests.flatMap((guest) => {
    const { name, end } = guest;
    if (end?.how === 'stopped') return [`${name} ${end.what}.`];
    const failed = end?.how === 'exited' && end.code !== 0;
    const advice = failed ? adviceFor(guest, where) : undefined;
    return advice === undefined ? [] : [`${name}: ${advice}`];
  });
  return sentences.length > 0 ? sentences.join(' ') : undefined;
}

/** What would help a guest that failed for want of instructions; undefined where nothing is known. */
function adviceFor({ missingInstructions, index }: Guest, where: Where): string | undefined {
  return vectorAdvice(missingInstructions, (rip) => where(index, rip));
}

/** What happened to a guest that can't go on. */
function crashMessage(guest: Guest, where: Where): string {
  const { end, name, index } = guest;
  const report = end?.how === 'crashed' ? end.report : undefined;
  if (!report) return `${name} crashed`;
  const code = report.disassembly ? ` (${report.disassembly}; bytes ${report.bytes})` : '';
  const advice = adviceFor(guest, where);
  // The return address is behind the call: the byte before it belongs to the caller's line.
  const caller = report.returnAddress === undefined ? '' : where(index, BigInt(report.returnAddress) - 1n);
  const from = caller === '' ? '' : `, called${caller}`;
  const said = `${name}: ${report.message} at RIP ${report.rip}${code}${where(index, BigInt(report.rip))}${from}`;
  return advice === undefined ? said : `${said}. ${advice}`;
}

/** See `RunIdentity`. */
function disksOf({ guests }: RunJob): Pick<RunIdentity, 'images'> {
  const images = guests.map(({ images: own = [] }) => own);
  return images.some(({ length }) => length > 0) ? { images: checksumOf(images) } : {};
}

/** One run. */
export class RunSession {
  /** What the run is recorded by, and what it runs on: for run control, which saves and moves them piece by piece. */
  readonly recorder: Recorder;
  readonly machine: BuiltMachine;
  private readonly scenario: Scenario;
  /** Of the guests, in order. */
  readonly images: readonly GuestImage[];
  private serialPending: string[] = [];
  private readonly frames = new FrameLog();
  private readonly captures: string[];
  private readonly startedAt = performance.now();
  private state: RunState = 'running';
  private message: string | undefined;
  private unfinished: string | undefined;
  private sliceEnd = 0;
  /** What the disks begin with, as the run's identity has it. */
  private readonly disks: Pick<RunIdentity, 'images'>;
  /** The snapshot that changes are counted from. */
  private latest: RunSnapshot | undefined;

  /**
   * @param serial receives the guests' console output
   * @param receiverHashes leaves the trace hash to whoever takes the deltas (`HashCollector`)
   * @throws Error with a message for a reader when the job cannot be built
   */
  constructor(
    private readonly job: RunJob,
    private readonly serial: (vm: number, text: string) => void = () => undefined,
    private readonly receiverHashes = false,
  ) {
    const loaded = loadScenario(job.scenarioText, job.scenarioFile);
    if (!loaded.ok) throw new Error(loaded.problems.map((problem) => problem.message).join('\n'));
    this.scenario = loaded.scenario;
    this.disks = disksOf(job);
    this.images = job.guests.map(imageOf);
    const guests = this.images.map((image, index) => {
      const { boot, images = [] } = job.guests[index];
      return { image, boot, images: new Map(images.map(({ device, bytes }) => [device, bytes])) };
    });
    this.recorder = new Recorder({
      records: recordedKinds(this.scenario.trace.kinds),
      maxEvents: this.scenario.trace.maxEvents,
      receiverHashes,
      resolvePlace: (vm, rip) => this.images[vm]?.resolve(BigInt(rip)),
    });
    const events: MachineEvents = { serial: (vm, byte) => this.onSerial(vm, byte) };
    if (job.handsOutFrames) events.frame = (link, time, frame) => this.frames.add(link, time, frame);
    const captures = Object.entries(job.captures ?? {});
    this.captures = captures.map(([file, bytes]) => `${file} ${checksumOf(bytes)}`);
    const core = new WebAssembly.Module(job.core);
    const read = new Map(captures.map(([file, bytes]) => [file, readCapture(bytes).frames]));
    this.machine = buildMachine(this.scenario, guests, core, this.recorder, events, read);
  }

  /**
   * A session that goes on where another one stood, in whatever thread or process that was.
   *
   * @param job the one that the snapshot's run was started with
   * @throws SnapshotError when the snapshot is of another job or program, or damaged
   */
  static restore(
    job: RunJob,
    snapshot: RunSnapshot,
    serial?: (vm: number, text: string) => void,
    receiverHashes?: boolean,
  ): RunSession {
    const session = new RunSession(job, serial, receiverHashes);
    session.rewind(snapshot);
    return session;
  }

  /** Advances one slice; false when the run is over (then call `end`). */
  step(): boolean {
    const goesOn = this.runTo(this.sliceEnd + SLICE_CYCLES);
    // A long exit may have carried the vCPU past several slices.
    this.sliceEnd = Math.max(
      this.sliceEnd,
      Math.floor(this.machine.host.elapsed / SLICE_CYCLES) * SLICE_CYCLES,
    );
    return goesOn;
  }

  /**
   * Advances to the first instruction boundary at or after a time; false when the run is over. Where a run is stopped in
   * this way changes nothing in its trace.
   *
   * @param cycles simulated time, a whole number; a time that is past lets nothing happen
   * @throws RangeError for a time that is not whole
   */
  runTo(cycles: number): boolean {
    if (!Number.isSafeInteger(cycles))
      throw new RangeError(`runTo(${cycles}): give a whole number of cycles`);
    this.sliceEnd = Math.max(this.sliceEnd, cycles);
    return this.advance(cycles, Infinity);
  }

  /**
   * Advances by a number of guest instructions, of all vCPUs together; false when the run is over. With 1 it stops at every
   * instruction boundary. Changes nothing in the trace either.
   *
   * @throws RangeError for a number that is not whole
   */
  runInstructions(count: number): boolean {
    if (!Number.isSafeInteger(count))
      throw new RangeError(`runInstructions(${count}): give a whole number of instructions`);
    return this.advance(this.machine.stopTime, this.instructions + count);
  }

  /** Guest instructions retired so far, by all vCPUs. */
  get instructions(): number {
    return this.machine.host.instructions;
  }

  /**
   * Advances to a time or to a number of guest instructions retired in all, whichever is first; false when the run is over. At the
   * number, everything has happened that comes before the next instruction.
   */
  advance(cycles: number, instructions: number): boolean {
    if (this.state !== 'running') return false;
    const { host, guests, stopTime } = this.machine;
    const budget = this.scenario.stop.afterInstructions ?? Infinity;
    const how = host.run(cycles, stopTime, Math.min(budget, instructions));
    if (how === 'budget' && this.instructions < budget) return true;
    if (how === 'running' || how === 'stopped') return true;
    const crashed = guests.find((vm) => vm.end?.how === 'crashed');
    if (crashed) this.stop('crashed', crashMessage(crashed, this.where));
    else if (how === 'deadlock') this.stop('crashed', this.deadlockMessage());
    else if (how === 'timeout') this.timeIsUp();
    else if (how === 'budget')
      this.stop('finished', `Stopped after ${this.scenario.stop.afterInstructions} guest instructions.`);
    else this.stop('finished', stoppedMessage(guests, this.where));
    return false;
  }

  /** Simulated cycles so far. */
  get elapsed(): number {
    return this.machine.host.elapsed;
  }

  /** Ends the run at the present boundary. */
  cancel(): void {
    if (this.state === 'running') this.stop('cancelled', 'Stopped by the user.');
  }

  /**
   * The run as plain data, at the present boundary. To be taken before `end`.
   *
   * @param base only what changed since that snapshot, which must be the latest taken or put in place here
   * @throws SnapshotError when `base` is another one
   */
  snapshot(base?: RunSnapshot): RunSnapshot {
    if (base && base !== this.latest) {
      throw new SnapshotError(
        'changes are known only since the latest snapshot taken or restored: give that one',
      );
    }
    const { host, memories } = this.machine;
    const { cycles, guestInstructions } = this.progress();
    this.latest = sealed({
      version: RUN_SNAPSHOT_VERSION,
      identity: this.identity(),
      cycles,
      instructions: guestInstructions,
      ...(base && { base }),
      ram: memories.map((memory) => (base ? memory.saveChanges() : memory.save())),
      recorder: this.recorder.save(base !== undefined),
      units: host.units.save(),
      session: this.accounts(),
    });
    return this.latest;
  }

  /** The session's own part of a snapshot. */
  accounts(): SessionState {
    return {
      state: this.state,
      ...(this.message !== undefined && { message: this.message }),
      sliceEnd: this.sliceEnd,
      serial: Array.from(this.machine.guests, (_, vm) => this.serialPending[vm] ?? ''),
      ...(this.frames.bytes > 0 && { frames: this.frames.peek() }),
    };
  }

  /** Puts the session's own part of a snapshot in place, once all else of it is. */
  takeAccounts({ state, message, sliceEnd, serial, frames }: SessionState): void {
    this.state = state;
    this.message = message;
    this.sliceEnd = sliceEnd;
    this.serialPending = [...serial];
    this.frames.load(frames ?? NO_FRAMES);
    this.latest = undefined;
  }

  /**
   * Goes back (or forth) to a snapshot of this run. What has been handed out before is not handed out again.
   * @throws SnapshotError, with nothing changed, when the snapshot is of another job or program, or damaged
   */
  rewind(snapshot: RunSnapshot): void {
    verifySnapshot(snapshot, this.identity());
    const { ram, units, recorder, session } = flattened(snapshot);
    const { host, memories } = this.machine;
    if (ram.length !== memories.length) {
      throw new SnapshotError(`the snapshot has RAM of ${ram.length} VMs, this run has ${memories.length}`);
    }
    host.units.load(units);
    memories.forEach((memory, vm) => memory.load(ram[vm]));
    this.recorder.load(recorder);
    this.takeAccounts(session);
    this.latest = snapshot;
  }

  /** Physical memory of a VM, for tests that ask the guest what it saw. */
  memory(vm: number): BuiltMachine['guests'][number]['memory'] {
    const found = this.machine.guests[vm];
    if (!found) throw new RangeError(`this run has no VM ${vm}`);
    return found.memory;
  }

  /** What has been recorded since the last call. */
  takeDelta(): TraceDelta {
    return this.recorder.takeDelta();
  }

  /** Frames that have passed the links since the last call; none unless the job asks for them. */
  takeFrames(): FrameBatch {
    return this.frames.take();
  }

  /** Bytes of the frames that wait to be taken. */
  get frameBytes(): number {
    return this.frames.bytes;
  }

  /** How far the run is. */
  progress(): RunProgress {
    const counts = this.recorder.counts();
    const exits = counts.reduce((sum, [, kind, count]) => (isExit(kind) ? sum + count : sum), 0);
    return {
      cycles: this.machine.host.elapsed,
      guestInstructions: this.instructions,
      events: this.recorder.rows,
      exits,
      counts,
      gaps: this.recorder.gaps(),
    };
  }

  /** The trace's tables as they stand. */
  meta(): TraceMeta {
    const { host, guests, costs } = this.machine;
    return {
      version: 1,
      title: this.scenario.title,
      state: this.state,
      ...(this.message !== undefined && { message: this.message }),
      frequencyHz: host.frequencyHz,
      ...this.recorder.tables(),
      scenarioText: this.job.scenarioText,
      scenarioName: this.job.scenarioFile.split(/[\\/]/).pop() ?? this.job.scenarioFile,
      costs,
      guests: this.images.map((image, index) => ({
        vm: guests[index]?.name ?? '',
        sha256: image.sha256,
        ...(image.buildId !== undefined && { buildId: image.buildId }),
      })),
      facts: {
        cycles: host.elapsed,
        vms: guests.map((vm) => ({
          name: vm.name,
          guestInstructions: vm.instructions,
          ...(vm.end?.how === 'exited' && { exitCode: vm.end.code }),
          ...(vm.missingInstructions.length > 0 && { missingInstructions: vm.missingInstructions }),
        })),
      },
    };
  }

  /** Closes what is open, and takes stock. */
  end(): { end: RunEnd; delta: TraceDelta } {
    this.recorder.finish(this.machine.host.elapsed);
    this.serialPending.forEach((_text, vm) => this.flushSerial(vm));
    const delta = this.takeDelta();
    const hash = this.receiverHashes ? {} : { traceHash: this.recorder.traceHash() };
    const meta: TraceMeta = { ...this.meta(), ...hash };
    const summary = summarise(meta, this.recorder.rows);
    summary.wallSeconds = (performance.now() - this.startedAt) / 1000;
    summary.expectations = evaluateExpectations(this.scenario.expect, summary);
    if (this.unfinished !== undefined) {
      summary.unfinished = this.unfinished;
      summary.standing = this.machine.guests.filter(({ end }) => !end).flatMap(this.standingCpus);
    }
    return { end: { meta, summary }, delta };
  }

  private identity(): RunIdentity {
    const { captures, disks } = this;
    const guests = this.images.map(({ sha256 }) => sha256);
    return {
      scenarioText: this.job.scenarioText,
      guests,
      ...disks,
      ...(captures.length > 0 && { captures }),
    };
  }

  private stop(state: RunState, message?: string): void {
    this.state = state;
    this.message = message;
  }

  /** `e1000.c:142 in e1000_transmit`, or nothing where the guest has no debug information. */
  private readonly where: Where = (guest, rip) => {
    const known = this.images[guest]?.resolve(rip);
    if (!known?.file) return known?.symbol ? ` in ${known.symbol}` : '';
    return ` at ${known.file}:${known.line}${known.symbol ? ` in ${known.symbol}` : ''}`;
  };

  /** A run that waits for its guests' ends has not got what it waited for. */
  private timeIsUp(): void {
    const { when, afterMs } = this.scenario.stop;
    const guests = this.machine.guests.filter(({ end }) => !end).map((guest) => this.standing(guest));
    if (when === 'guests-exit' && guests.length > 0) this.unfinished = guests.join('; ');
    const said = this.unfinished === undefined ? '' : ` Not ended: ${this.unfinished}.`;
    this.stop('finished', `Stopped after ${afterMs} ms of simulated time.${said}`);
  }

  /** `vm0, CPU 0 at spin.c:7 in main`, for a reader. */
  private standing({ name, index, rips }: Guest): string {
    const cpus = rips.map((rip, cpu) => {
      const place = this.where(index, rip);
      return `CPU ${cpu}${place === '' ? ` at 0x${rip.toString(16)}` : place}`;
    });
    return `${name}, ${cpus.join(', ')}`;
  }

  private readonly standingCpus = ({ name, index, rips }: Guest): StandingCpu[] =>
    rips.map((rip, cpu) => {
      const { file, line } = this.images[index]?.resolve(rip) ?? {};
      const place = { ...(file !== undefined && { file }), ...(line !== undefined && { line }) };
      return { vm: name, cpu, rip: `0x${rip.toString(16)}`, ...place };
    });

  private deadlockMessage(): string {
    const halted = this.machine.guests
      .filter((vm) => !vm.end)
      .map((vm) => `${vm.name}${this.where(vm.index, vm.rips[0] ?? 0n)}`);
    return (
      `${halted.join(', ')}: the guest halted and nothing is left that could wake it. ` +
      'Check that the interrupt it waits for is enabled in the device (IMS), unmasked in the IOAPIC, and that RFLAGS.IF is set.'
    );
  }

  private onSerial(vm: number, byte: number): void {
    const text = (this.serialPending[vm] ?? '') + String.fromCharCode(byte);
    this.serialPending[vm] = text;
    if (byte === LINE_FEED || text.length >= SERIAL_PIECE) this.flushSerial(vm);
  }

  private flushSerial(vm: number): void {
    const text = this.serialPending[vm] ?? '';
    this.serialPending[vm] = '';
    if (text.length > 0) this.serial(vm, text);
  }
}
