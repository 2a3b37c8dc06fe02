/** One vCPU: the `Cpu` contract over a register block of the core. */
import type { Inspectable, StateNode, StatePath } from '../inspect';
import type { Cycles } from '../time/event-queue';
import * as L from './core/state/layout';
import type { CoreExports } from './core-instance';
import type { CoreStopPoints, PendingAccess } from './core-stops';
import { CpuRegisters } from './cpu-registers';
import { cpuAt } from './inspect/cpu-view';
import type { Jit } from './jit/jit';
import {
  CPU_STATE_VERSION,
  checkCpuHardware,
  checkCpuRun,
  readHandlers,
  readRegisters,
  writeHandlers,
  writeRegisters,
  type CpuHardware,
  type CpuState,
} from './cpu-state';
import { describeStop } from './fault-report';
import { MissingInstructions } from './missing';
import { initState, longModeState, powerUpState, protectedModeState, startUpState } from './start-states';
import {
  PortForm,
  StopReason,
  type Cpu,
  type CpuCallouts,
  type FaultReport,
  type MissingInstruction,
} from './types';

/** Longest stretch inside the core, in cycles: the engine swaps in optimised code only between calls. */
const SLICE = 4_000_000;
/** Cycles by which the present may lie beyond the target before a new target is set: what a 32-bit count holds. */
const LONGEST_OVERRUN = 0x40000000;
/** Bits of C_WINDOW: who waits for the guest to be able to take what. */
const WINDOW_INTERRUPT = 1;
const WINDOW_NMI = 2;
const NMI_VECTOR = 2;
/** RFLAGS.IF. */
const FLAG_IF = 0x200;

const NO_CALLOUTS: CpuCallouts = {
  mmioRead: missing,
  mmioWrite: missing,
  portIn: missing,
  portOut: missing,
  msrRead: () => undefined,
  msrWrite: () => false,
  cpuid: () => ({ eax: 0, ebx: 0, ecx: 0, edx: 0 }),
  hlt: () => undefined,
  vmcall: () => false,
  cr8Read: () => 0,
  cr8Write: () => undefined,
  interruptDelivered: () => undefined,
  interruptReturned: () => undefined,
};

function missing(): never {
  throw new Error('the vCPU has no call-outs: set cpu.callouts before the first run');
}

/** A vCPU of a `MachineCore`. */
export class VirtualCpu extends CpuRegisters implements Cpu, Inspectable {
  portForm: PortForm = PortForm.Dx;
  private called: CpuCallouts = NO_CALLOUTS;
  /**
   * C_BUDGET: −1 − instructions retired since C_RETIRED, and cycles left − 1. Small views with literal indices: these are
   * read and written several times for each call-out.
   */
  private readonly budget: Int32Array;
  /** C_TARGET, C_RETIRED, C_SHADOW. */
  private readonly clock: Float64Array;
  /** C_SHADOW_SS. */
  private readonly stackShadow: Float64Array;
  /** C_BEGUN. */
  private readonly begun: Float64Array;
  /** C_FLAGS, low half. */
  private readonly systemFlags: Int32Array;
  private deadline: Cycles = 0;
  private attention = false;
  private running = false;
  private report: FaultReport | undefined;
  private readonly missing = new MissingInstructions();
  /** Where it was last asked whether to stop before an instruction: the count of those retired, and the linear address. */
  private readonly asked = { instructions: -1, address: 0n };
  /** The running call goes on with an instruction that has begun. */
  private goesOn = false;
  /** Watched accesses since the last boundary. */
  private accesses: PendingAccess[] = [];
  /** Nothing more will run: why. */
  private dead: StopReason | undefined;

  constructor(
    index: number,
    core: CoreExports,
    buffer: ArrayBuffer,
    memory: Uint8Array,
    exceptionCost: number,
    private readonly stops: CoreStopPoints,
    private readonly jit: Jit | undefined,
  ) {
    super(index, core, buffer, memory);
    this.budget = new Int32Array(buffer, this.base + L.C_BUDGET, 2);
    this.clock = new Float64Array(buffer, this.base + L.C_TARGET, 3);
    this.stackShadow = new Float64Array(buffer, this.base + L.C_SHADOW_SS, 1);
    this.begun = new Float64Array(buffer, this.base + L.C_BEGUN, 1);
    this.systemFlags = new Int32Array(buffer, this.base + L.C_FLAGS, 1);
    this.u64[L.C_EXCEPTION_COST / 8] = BigInt(exceptionCost) << 32n;
    powerUpState(this.views);
    core.updateMode(this.base);
    this.clock[2] = -1;
    this.begun[0] = -1;
    this.budget[0] = -1;
    this.setBudget(0, 0);
  }

  /**
   * Makes `time` the present and lets the core run for `cycles`. In the core now = target − remaining; the instruction
   * count is folded into C_RETIRED so that the packed counter starts afresh.
   */
  private setBudget(time: Cycles, cycles: number): void {
    const { budget, clock } = this;
    clock[1] += -1 - budget[0];
    clock[0] = time + cycles;
    budget[0] = -1;
    budget[1] = cycles - 1;
  }

  get callouts(): CpuCallouts {
    return this.called;
  }

  /** The core leaves out the optional ones on its own paths, so that they cost nothing. */
  set callouts(callouts: CpuCallouts) {
    this.called = callouts;
    this.i32[L.C_PRIVILEGE_TOLD / 4] = callouts.privilegeChanged === undefined ? 0 : 1;
  }

  now(): Cycles {
    return this.clock[0] - (this.budget[1] + 1);
  }

  setNow(time: Cycles): void {
    if (this.running) throw new Error(`cpu ${this.index}: setNow during a run; use advance`);
    if (time < this.now())
      throw new RangeError(`cpu ${this.index}: time cannot go back from ${this.now()} to ${time}`);
    this.setBudget(time, 0);
  }

  advance(cycles: Cycles): void {
    // Less remaining and the same target: time has gone on. Beyond the target the core stops at the next boundary.
    const left = this.budget[1] - cycles;
    if (left >= -LONGEST_OVERRUN) this.budget[1] = left;
    else this.setBudget(this.now() + cycles, 0);
  }

  limitDeadline(deadline: Cycles): void {
    if (deadline >= this.deadline) return;
    this.deadline = deadline;
    if (this.running) this.limitTarget(deadline);
  }

  requestAttention(): void {
    this.attention = true;
    if (this.running) this.limitTarget(0);
  }

  /** Brings the target forward to `target`, or to now when that is past. */
  private limitTarget(target: Cycles): void {
    const { budget, clock } = this;
    const left = budget[1];
    if (left < 0) return;
    const cut = Math.min(clock[0] - target, left + 1);
    if (cut <= 0) return;
    clock[0] -= cut;
    budget[1] = left - cut;
  }

  requestInterruptWindow(wanted: boolean): void {
    this.requestWindow(WINDOW_INTERRUPT, wanted);
  }

  requestNmiWindow(wanted: boolean): void {
    this.requestWindow(WINDOW_NMI, wanted);
  }

  private requestWindow(bit: number, wanted: boolean): void {
    const other = this.i32[L.C_WINDOW / 4] & ~bit;
    this.i32[L.C_WINDOW / 4] = wanted ? other | bit : other;
    // Within a call-out the guest may become interruptible with this very instruction.
    if (wanted && this.running) this.limitTarget(0);
  }

  run(deadline: Cycles, begun = false): StopReason {
    if (this.dead !== undefined) return this.dead;
    this.deadline = deadline;
    this.report = undefined;
    this.goesOn = begun;
    for (;;) {
      const time = this.now();
      if (!begun && this.stops.wanted) return StopReason.Stopped;
      if (this.attention) {
        this.attention = false;
        return StopReason.Attention;
      }
      const waiting = this.i32[L.C_WINDOW / 4];
      if (waiting & WINDOW_NMI && this.nmiAllowed()) return StopReason.NmiWindow;
      if (waiting & WINDOW_INTERRUPT && this.interruptible()) return StopReason.InterruptWindow;
      if (time >= this.deadline) return StopReason.Deadline;
      // In an interrupt shadow with somebody waiting: one instruction, then look again.
      const inShadow = waiting !== 0 && this.inShadow();
      this.setBudget(time, inShadow ? 1 : Math.min(SLICE, this.deadline - time));
      this.jit?.flush();
      this.running = true;
      let stop: number;
      try {
        stop = this.i32[L.C_DEBUG / 4] ? this.core.runDebugged(this.base) : this.core.run(this.base);
      } finally {
        this.running = false;
      }
      if (this.accesses.length > 0) this.tellAccesses(stop !== L.STOP_ABANDONED);
      if (stop === L.STOP_BOUNDARY) continue;
      if (stop === L.STOP_HALTED) return StopReason.Halted;
      if (stop === L.STOP_BREAKPOINT) return StopReason.Stopped;
      if (stop === L.STOP_ABANDONED) {
        this.beginHere();
        return StopReason.Abandoned;
      }
      this.report = describeStop(this, stop, this.u32[L.C_CHAIN / 4], this.i32[L.C_REASON / 4]);
      if (stop === L.STOP_SHUTDOWN) this.dead = StopReason.Shutdown;
      return stop === L.STOP_SHUTDOWN ? StopReason.Shutdown : StopReason.Unsupported;
    }
  }

  /** From the core: the instruction at RIP may be a breakpoint, and is about to be executed. Whether the run stops before it. */
  reached(): boolean {
    const { asked, stops } = this;
    const address = this.codeAddress();
    if (!stops.stopsAt(this.index, address) || this.goesOn || this.isBegun()) return false;
    const instructions = this.instructions();
    if (asked.instructions === instructions && asked.address === address) return false;
    asked.instructions = instructions;
    asked.address = address;
    return stops.listener?.reached(this.index, address) ?? false;
  }

  /** From the core: bytes of a watched page are about to be accessed. */
  watched(address: number, length: number, write: boolean): void {
    const pending = this.stops.pending(address, length, write);
    if (!pending) return;
    this.settleAccess();
    this.accesses.push(pending);
    // Within a run: the boundary behind the instruction is looked at.
    if (this.running) this.limitTarget(0);
  }

  /** The last access has been made: what it has written stands in memory, until the next one. */
  private settleAccess(): void {
    const last = this.accesses.pop();
    if (last) this.accesses.push(this.stops.made(last));
  }

  /** @param happened false: the instruction was given up, and is executed anew */
  private tellAccesses(happened: boolean): void {
    this.settleAccess();
    const { accesses } = this;
    this.accesses = [];
    if (happened) for (const access of joined(accesses)) this.stops.tell(access, this.index);
  }

  /** The instruction at RIP has begun and is not over: see C_BEGUN. */
  private isBegun(): boolean {
    return this.begun[0] === this.instructions() && this.u64[L.C_BEGUN_RIP / 8] === this.u64[L.C_RIP / 8];
  }

  private beginHere(): void {
    this.begun[0] = this.instructions();
    this.u64[L.C_BEGUN_RIP / 8] = this.u64[L.C_RIP / 8];
  }

  private inShadow(): boolean {
    return this.clock[2] === this.instructions();
  }

  interruptible(): boolean {
    return (this.systemFlags[0] & FLAG_IF) !== 0 && !this.inShadow();
  }

  interruptsEnabled(): boolean {
    return (this.systemFlags[0] & FLAG_IF) !== 0;
  }

  deliverInterrupt(vector: number): void {
    this.deliver(vector, () => this.core.deliverExternal(this.base, vector));
  }

  nmiAllowed(): boolean {
    return this.i32[L.C_NMI / 4] === 0 && !this.inShadow();
  }

  deliverNmi(): void {
    this.deliver(NMI_VECTOR, () => this.core.deliverNmi(this.base));
  }

  injectException(vector: number, errorCode?: number, address = this.faultAddress()): void {
    const hasError = errorCode === undefined ? 0 : 1;
    const low = Number(address & 0xffffffffn);
    const high = Number((address >> 32n) & 0xffffffffn);
    this.enter(() => this.core.injectException(this.base, vector, hasError, errorCode ?? 0, low, high));
  }

  private deliver(vector: number, entering: () => number): void {
    if (this.enter(entering)) this.callouts.interruptDelivered(vector);
  }

  /** Enters a handler between runs. `entering` is 0, as is the answer, when the vCPU shut down or something else took its place. */
  private enter(entering: () => number): boolean {
    if (this.dead !== undefined) return false;
    this.i32[L.C_STOP / 4] = L.STOP_BOUNDARY;
    const entered = entering();
    if (this.accesses.length > 0) this.tellAccesses(true);
    if (entered) return true;
    const stop = this.i32[L.C_STOP / 4];
    if (stop === L.STOP_BOUNDARY) return false;
    this.report = describeStop(this, stop, this.u32[L.C_CHAIN / 4], this.i32[L.C_REASON / 4]);
    this.dead = stop === L.STOP_SHUTDOWN ? StopReason.Shutdown : StopReason.Unsupported;
    return false;
  }

  timeOfTsc(value: bigint): Cycles {
    const now = this.now();
    const counter = BigInt.asUintN(64, BigInt(now) + this.tscOffset);
    if (value <= counter) return now;
    const time = now + Number(value - counter);
    return time <= Number.MAX_SAFE_INTEGER ? time : Infinity;
  }

  instructions(): number {
    return this.clock[1] + (-1 - this.budget[0]);
  }

  faultReport(): FaultReport | undefined {
    return this.report;
  }

  save(): CpuState {
    if (this.running) throw new Error(`cpu ${this.index}: save during a run; stop at a boundary first`);
    const time = this.now();
    return {
      hardware: {
        version: CPU_STATE_VERSION,
        ...readRegisters(this.u64, this.u32, this.rflags(), time),
        cpl: this.cpl(),
        shadow: this.inShadow(),
        stackShadow: this.inShadow() && this.stackShadow[0] === this.instructions(),
        shutDown: this.dead === StopReason.Shutdown,
      },
      run: {
        time,
        instructions: this.instructions(),
        windowWanted: (this.i32[L.C_WINDOW / 4] & WINDOW_INTERRUPT) !== 0,
        nmiWindowWanted: (this.i32[L.C_WINDOW / 4] & WINDOW_NMI) !== 0,
        attention: this.attention,
        begun: this.isBegun(),
        handlers: readHandlers(this.u64, this.u32),
        missing: this.missing.list(),
      },
    };
  }

  load({ hardware, run }: CpuState): void {
    checkCpuHardware(hardware);
    checkCpuRun(run);
    this.setState(hardware, run.time, run.instructions);
    writeHandlers(this.u64, this.u32, run.handlers);
    this.i32[L.C_WINDOW / 4] =
      (run.windowWanted ? WINDOW_INTERRUPT : 0) | (run.nmiWindowWanted ? WINDOW_NMI : 0);
    this.attention = run.attention;
    if (run.begun) this.beginHere();
    this.missing.load(run.missing);
  }

  inspect(path: StatePath): StateNode | undefined {
    return cpuAt(
      {
        hardware: () => this.save().hardware,
        linear: (address, length) => this.peekVirtual(address, length),
        physical: (address, length) => this.lookAtPhysical(address, length),
      },
      path,
    );
  }

  /** Time and count of instructions are this vCPU's own; the TSC goes on from what it showed. */
  adopt(hardware: CpuHardware): void {
    checkCpuHardware(hardware);
    this.setState(hardware, this.now(), this.instructions());
    writeHandlers(this.u64, this.u32, new BigUint64Array(0));
    this.i32[L.C_WINDOW / 4] = 0;
    this.attention = false;
  }

  private setState(hardware: CpuHardware, time: Cycles, instructions: number): void {
    if (this.running) throw new Error(`cpu ${this.index}: load during a run; stop at a boundary first`);
    writeRegisters(this.u64, this.u32, hardware, time);
    this.core.placeCpl(this.base, hardware.cpl);
    this.core.updateMode(this.base);
    this.setBudget(time, 0);
    this.clock[1] = instructions;
    this.clock[2] = hardware.shadow ? instructions : -1;
    this.stackShadow[0] = hardware.stackShadow ? instructions : -1;
    this.dead = hardware.shutDown ? StopReason.Shutdown : undefined;
    this.report = undefined;
    this.begun[0] = this.asked.instructions = -1;
    this.accesses = [];
    this.core.flushAllTranslations();
  }

  startLongMode(entry: bigint, stack: bigint, cr3: number): void {
    longModeState(this.views, entry, stack, cr3);
    this.begin();
  }

  startProtectedMode(entry: number, eax: number, ebx: number): void {
    protectedModeState(this.views, entry, eax, ebx);
    this.begin();
  }

  powerUp(): void {
    powerUpState(this.views);
    this.u64[L.C_TSC_OFFSET / 8] = BigInt.asUintN(64, -BigInt(this.now()));
    this.begin();
  }

  init(): void {
    initState(this.views);
    this.begin();
  }

  startUp(vector: number): void {
    startUpState(this.views, vector & 0xff);
    this.begin();
  }

  /** The register block holds a new beginning at CPL 0: what the core derives from it is worked out again. */
  private begin(): void {
    if (this.running)
      throw new Error(`cpu ${this.index}: start or INIT during a run; stop at a boundary first`);
    this.clock[2] = -1;
    this.stackShadow[0] = -1;
    this.begun[0] = this.asked.instructions = -1;
    this.dead = undefined;
    this.report = undefined;
    this.core.placeCpl(this.base, 0);
    this.core.updateMode(this.base);
    this.core.flushAllTranslations();
  }

  abandonInstruction(): void {
    // The delivery of an interrupt between runs belongs to no instruction: it goes on.
    if (this.running) this.core.abandon();
  }

  missingInstructions(): readonly MissingInstruction[] {
    return this.missing.list();
  }

  /** From the core: the instruction at RIP is not there. */
  noteMissing(mnemonic: number): void {
    this.missing.note(mnemonic, this.codeAddress());
  }
}

/** Accesses of one instruction, those to adjoining bytes in one: a store that crosses into another page comes byte by byte. */
function joined(accesses: readonly PendingAccess[]): PendingAccess[] {
  const whole: PendingAccess[] = [];
  for (const access of accesses) {
    const last = whole.at(-1);
    const adjoins = last?.write === access.write && last.address + last.before.length === access.address;
    if (!last || !adjoins) whole.push(access);
    else {
      const before = Uint8Array.of(...last.before, ...access.before);
      const after = Uint8Array.of(...(last.after ?? []), ...(access.after ?? []));
      whole[whole.length - 1] = { ...last, before, after };
    }
  }
  return whole;
}
