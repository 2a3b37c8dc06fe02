/** vCPUs that follow scripts, and the world around them: for what no sample driver does. */
import { Disposition, NO_INTERCEPTS, type CpuPolicy } from '../../../src/machine/x86/policy';
import {
  PortForm,
  StopReason,
  type Cpu,
  type CpuCallouts,
  type CpuVendor,
  type CoreStops,
} from '../../../src/machine/x86/types';
import { Lapic } from '../../../src/machine/interrupts/lapic-registers';
import type { PhysicalMemory } from '../../../src/machine/memory/physical-memory';
import { Kind, exitKind, kinds } from '../../../src/trace/vocabulary/events';
import { Recorder } from '../../../src/trace/record/recorder';
import { costKeys, type Costs } from '../../../src/vmm/cost-keys';
import type { BootState } from '../../../src/vmm/boot';
import type { InterruptMode } from '../../../src/vmm/interrupt-modes';
import { Host, type Site } from '../../../src/vmm/host';
import { KvmVm } from '../../../src/vmm/kvm/vm';

/** Every leg takes 10 cycles, so that the middle of each can be hit. */
export const costs: Costs = Object.fromEntries(Object.keys(costKeys).map((key) => [key, 10])) as Costs;
/** No device: a user exit. */
export const NOWHERE = 0xe000_0000;
const NO_MEMORY: PhysicalMemory = {
  size: 4096,
  contains: () => false,
  read: (_address, length) => new Uint8Array(length),
  write: () => undefined,
};

export type Step = (cpu: ScriptCpu) => void;

export const halt: Step = (cpu) => cpu.callouts.hlt();

function unused(): never {
  throw new Error('not part of this script');
}

/** Nothing that comes after it in a step is executed. */
const ABANDONED = new Error('abandoned');

/** Executes one step a cycle; afterwards it spins. */
export class ScriptCpu implements Cpu {
  private installed!: CpuCallouts;
  interruptsOn = true;
  resultHigh = 0;
  readonly ripLow = 0x1000;
  readonly ripHigh = 0;
  readonly efer = 0n;
  readonly delivered: { vector: number; time: number; interruptsOn: boolean }[] = [];
  private time = 0;
  private deadline = 0;
  private attention = false;
  private window = false;
  private nmiWindow = false;
  private nmiInService = false;
  private retired = 0;
  /** Resets and start-ups, in order: 'power-up', 'init', or the page. */
  readonly starts: (number | 'init' | 'power-up')[] = [];

  constructor(
    private steps: Step[],
    readonly index = 0,
    /** Steps by start-up page. */
    private readonly pages: Record<number, Step[]> = {},
  ) {}

  /** As the core has them: each call-out that may give its step up is counted. */
  get callouts(): CpuCallouts {
    return this.installed;
  }

  set callouts(callouts: CpuCallouts) {
    const counted =
      <A extends unknown[], R>(call: (...args: A) => R) =>
      (...args: A): R => {
        this.accessIndex += 1;
        return call.apply(callouts, args);
      };
    const same: Record<string, unknown> = {};
    for (const name of ['cpuid', 'hlt', 'vmcall', 'cr8Read', 'cr8Write', 'tscChanged'] as const)
      same[name] = callouts[name]?.bind(callouts);
    this.installed = {
      ...(same as unknown as CpuCallouts),
      interruptDelivered: (vector) => callouts.interruptDelivered(vector),
      interruptReturned: (handler) => callouts.interruptReturned(handler),
      mmioRead: counted(callouts.mmioRead),
      mmioWrite: counted(callouts.mmioWrite),
      portIn: counted(callouts.portIn),
      portOut: counted(callouts.portOut),
      msrRead: counted(callouts.msrRead),
      msrWrite: counted(callouts.msrWrite),
      intercepted: counted((...args) => callouts.intercepted?.(...args) ?? Disposition.Proceed),
    };
  }

  run(deadline: number): StopReason {
    this.deadline = deadline;
    for (;;) {
      if (this.attention) {
        this.attention = false;
        return StopReason.Attention;
      }
      if (this.nmiWindow && this.nmiAllowed()) return StopReason.NmiWindow;
      if (this.window && this.interruptsOn) return StopReason.InterruptWindow;
      if (this.time >= this.deadline) return StopReason.Deadline;
      const step = this.steps.shift();
      this.accessIndex = -1;
      try {
        step?.(this);
      } catch (thrown) {
        if (thrown !== ABANDONED || !step) throw thrown;
        this.steps.unshift(step);
        return StopReason.Abandoned;
      }
      this.time += 1;
      this.retired += 1;
      if (step === halt) return StopReason.Halted;
    }
  }
  now = (): number => this.time;
  setNow(time: number): void {
    this.time = time;
  }
  advance(cycles: number): void {
    this.time += cycles;
  }
  limitDeadline(deadline: number): void {
    this.deadline = Math.min(this.deadline, deadline);
  }
  requestAttention(): void {
    this.attention = true;
  }
  requestInterruptWindow(wanted: boolean): void {
    this.window = wanted;
  }
  interruptible = (): boolean => this.interruptsOn;
  interruptsEnabled = (): boolean => this.interruptsOn;
  deliverInterrupt(vector: number): void {
    this.delivered.push({ vector, time: this.time, interruptsOn: this.interruptsOn });
    this.interruptsOn = false;
    this.callouts.interruptDelivered(vector);
  }
  readonly registers = new Map<number, bigint>();
  privilege = 0;
  getReg = (reg: number): bigint => this.registers.get(reg) ?? 0n;
  setReg = (reg: number, value: bigint): void => void this.registers.set(reg, value);
  setRip = (): void => undefined;
  rflags = (): bigint => (this.interruptsOn ? 0x202n : 2n);
  instructions = (): number => this.retired;
  cpl = (): number => this.privilege;
  faultReport = (): undefined => undefined;
  peekVirtual = (): undefined => undefined;
  physicalOf = (address: bigint): number => Number(address);
  idtr = { base: 0n, limit: 0xfff };
  startLongMode = (): void => undefined;
  abandonInstruction(): never {
    throw ABANDONED;
  }
  nmiAllowed = (): boolean => !this.nmiInService;
  requestNmiWindow(wanted: boolean): void {
    this.nmiWindow = wanted;
  }
  deliverNmi(): void {
    this.delivered.push({ vector: 2, time: this.time, interruptsOn: this.interruptsOn });
    this.nmiInService = true;
    this.callouts.interruptDelivered(2);
  }
  /** IRET of an NMI's handler. */
  endNmi(): void {
    this.nmiInService = false;
    this.callouts.interruptReturned(0);
  }
  startProtectedMode = unused;
  powerUp(): void {
    this.starts.push('power-up');
  }

  init(): void {
    this.starts.push('init');
    this.steps = [];
    this.interruptsOn = false;
    this.nmiInService = false;
  }
  startUp(page: number): void {
    this.starts.push(page);
    this.steps = [...(this.pages[page] ?? [])];
  }
  policy: CpuPolicy = NO_INTERCEPTS;
  translation = {};
  flushTranslations = unused;
  accessIndex = -1;
  iterations = 0;
  portForm: PortForm = PortForm.Dx;
  tscOffset = 0n;
  timeOfTsc = (value: bigint): number => Number(value);
  injectException = unused;
  /** It keeps none. */
  readMsr = (): undefined => undefined;
  writeMsr = (): boolean => false;
  readControl = (): bigint => 0n;
  writeControl = unused;
  segments = unused;
  mode = (): 'long' => 'long';
  missingInstructions = unused;
  save = (): never => {
    throw new Error('a script is not saved');
  };
  load = (): void => undefined;
  adopt = (): void => undefined;
}

/** Name of an exit's kind. */
export const exit = (reason: number): string => kinds.get(exitKind(reason))!.name;

/** One row of a trace, told. */
export interface Told {
  name: string;
  start: number;
  track: string;
  /** Of the track: `vcpu`, `interrupts` … */
  type: string;
  a: number;
  /** Position of the row that it hangs on; below 0: none. */
  cause: number;
}

/** Nothing to load: a script needs no memory. */
const NO_STOPS: CoreStops = { listener: undefined, setBreakpoints: unused, setWatches: unused };

const NO_IMAGE: BootState = {
  start: { mode: 'long', entry: 0x1000n, stack: 0n, cr3: 0, rdi: 0n },
  pieces: [],
};

/** A VM of scripted vCPUs with their LAPICs on, each with a physical CPU of its own, and what it recorded. */
export class ScriptMachine {
  readonly recorder = new Recorder();
  readonly host: Host;
  readonly site: Site;
  readonly vm: KvmVm;

  constructor(
    readonly cpus: ScriptCpu[],
    options: {
      costs?: Partial<Costs>;
      passPorts?: { first: number; last: number }[];
      haltPollNs?: number;
      interrupts?: InterruptMode;
      vendor?: CpuVendor;
      memory?: PhysicalMemory;
    } = {},
  ) {
    this.host = new Host(this.recorder, { ...costs, ...options.costs }, 1e9);
    // One more for QEMU's main loop.
    this.site = this.host.addIsland([...cpus.map(({ index }) => index), cpus.length]);
    this.vm = new KvmVm(this.site, {
      index: 0,
      name: 'vm0',
      core: { memory: options.memory ?? NO_MEMORY, cpus, stops: NO_STOPS, guardStores: () => undefined },
      features: { x2apic: true, vendor: options.vendor ?? 'intel' },
      startSeconds: 0,
      tripleFault: 'stop',
      testDevices: false,
      serialInput: [],
      boot: NO_IMAGE,
      cmdline: '',
      devices: [],
      memoryBase: 0,
      passPorts: options.passPorts ?? [],
      haltPollNs: options.haltPollNs ?? 0,
      interrupts: options.interrupts ?? 'inject',
      serial: () => undefined,
    });
    cpus.forEach((_, id) => this.vm.lapic(id).write(Lapic.Svr, 4, 0x1ff));
  }

  /** Has work done at a time, as a device would. */
  at(time: number, id: string, work: () => void): void {
    const target = { eventTargetId: id, onEvent: work };
    this.site.island.queue.register(target);
    this.site.island.queue.schedule(time, target, 0);
  }

  /** Lets the first vCPU go, the others wait, and runs up to a time. */
  run(until: number): void {
    this.vm.boot();
    this.host.run(until, Infinity);
  }

  /** All that was recorded, in order. */
  finish(): { rows: Told[]; hash: string } {
    this.recorder.finish(this.host.elapsed);
    const { chunks, tracks } = this.recorder.takeDelta();
    const rows = chunks.flatMap((chunk) =>
      [...chunk.kind].map((kind, i) => ({
        name: kinds.get(kind)!.name,
        start: chunk.start[i],
        track: tracks[chunk.track[i]]?.name ?? '',
        type: tracks[chunk.track[i]]?.type ?? '',
        a: chunk.a[i],
        cause: chunk.cause[i] - 1,
      })),
    );
    return { rows, hash: this.recorder.traceHash() };
  }
}

const told = new Set<number>([Kind.IrqWindow, Kind.IrqInject, Kind.IrqDeliver, Kind.NmiInject]);

/** Names of exits and of interrupt events, in order. */
export function storyOf(rows: readonly Told[]): string[] {
  const names = new Set([...told].map((kind) => kinds.get(kind)!.name));
  return rows.filter(({ name }) => names.has(name) || name.startsWith('exit.')).map(({ name }) => name);
}
