/** Interrupts of a vCPU under KVM in the corners that no sample driver goes to, on a CPU that follows a script. */
import { describe, expect, it } from 'vitest';
import { Reg, StopReason, type Cpu, type CpuCallouts } from '../../../src/machine/cpu/types';
import { Lapic, LAPIC_BASE } from '../../../src/machine/interrupts/lapic-registers';
import type { PhysicalMemory } from '../../../src/machine/memory/physical-memory';
import { Kind, exitKind, kinds } from '../../../src/trace/events';
import { Recorder } from '../../../src/trace/recorder';
import { VmxExit } from '../../../src/trace/vmx-exit-reasons';
import { costKeys, type Costs } from '../../../src/vmm/cost-keys';
import { Host } from '../../../src/vmm/host';
import { MARK_HYPERCALL } from '../../../src/vmm/kvm/hypercalls';
import { KvmVm } from '../../../src/vmm/kvm/vm';

/** Every leg takes 10 cycles, so that the middle of each can be hit. */
const costs = Object.fromEntries(Object.keys(costKeys).map((key) => [key, 10])) as Costs;
/** No device: a user exit. */
const NOWHERE = 0xe000_0000;
const NO_MEMORY: PhysicalMemory = {
  size: 0,
  contains: () => false,
  read: (_address, length) => new Uint8Array(length),
  write: () => undefined,
};

type Step = (cpu: ScriptCpu) => void;

const halt: Step = (cpu) => cpu.callouts.hlt();

function unused(): never {
  throw new Error('not part of this script');
}

/** Executes one step a cycle; afterwards it spins. */
class ScriptCpu implements Cpu {
  readonly index = 0;
  callouts!: CpuCallouts;
  interruptsOn = true;
  resultHigh = 0;
  readonly ripLow = 0x1000;
  readonly ripHigh = 0;
  readonly delivered: { vector: number; time: number; interruptsOn: boolean }[] = [];
  private time = 0;
  private deadline = 0;
  private attention = false;
  private window = false;
  private retired = 0;

  constructor(private readonly steps: Step[]) {}

  run(deadline: number): StopReason {
    this.deadline = deadline;
    for (;;) {
      if (this.attention) {
        this.attention = false;
        return StopReason.Attention;
      }
      if (this.window && this.interruptsOn) return StopReason.InterruptWindow;
      if (this.time >= this.deadline) return StopReason.Deadline;
      const step = this.steps.shift();
      step?.(this);
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
  startLongMode = (): void => undefined;
  abandonInstruction = unused;
  nmiAllowed = unused;
  requestNmiWindow = unused;
  deliverNmi = unused;
  startProtectedMode = unused;
  init = unused;
  startUp = unused;
  mode = unused;
  missingInstructions = unused;
  save = (): never => {
    throw new Error('a script is not saved');
  };
  load = (): void => undefined;
}

interface Outcome {
  cpu: ScriptCpu;
  /** Names of exits and of interrupt events, in order. */
  story: string[];
}

/** Runs a script; `arrivals` are vectors that reach the LAPIC at their times. */
function play(steps: Step[], arrivals: [time: number, vector: number][]): Outcome {
  const recorder = new Recorder();
  const host = new Host(recorder, costs, 1e9);
  const cpu = new ScriptCpu(steps);
  const vm = new KvmVm(host, 0, 'vm0', { memory: NO_MEMORY, cpus: [cpu] });
  const lapic = vm.irqchip.lapicFor(0);
  lapic.write(Lapic.Svr, 4, 0x1ff);
  const world = { eventTargetId: 'world', onEvent: (vector: number) => void lapic.accept(vector, false) };
  host.queue.register(world);
  for (const [time, vector] of arrivals) host.queue.schedule(time, world, vector);
  vm.vcpus[0].start();
  host.run(1_000, Infinity);
  recorder.finish(host.elapsed);
  const told = new Set<number>([Kind.IrqWindow, Kind.IrqInject, Kind.IrqDeliver]);
  const story = recorder
    .takeDelta()
    .chunks.flatMap(({ kind }) => [...kind])
    .filter((kind) => told.has(kind) || kinds.get(kind)!.group === 'exit')
    .map((kind) => kinds.get(kind)!.name);
  return { cpu, story };
}

const exit = (reason: number): string => kinds.get(exitKind(reason))!.name;
const spin: Step = () => undefined;
const read: Step = (cpu) => void cpu.callouts.mmioRead(NOWHERE, 4);
const sti: Step = (cpu) => void (cpu.interruptsOn = true);
const endOfInterrupt: Step = (cpu) => cpu.callouts.mmioWrite(LAPIC_BASE + Lapic.Eoi, 4, 0, 0);

describe('an interrupt that arrives while the vCPU is in the host', () => {
  it('is injected by the entry that follows, without a kick', () => {
    const { story, cpu } = play([read], [[35, 0x40]]);
    expect(story).toEqual([exit(VmxExit.EPT_VIOLATION), 'irq.inject', 'irq.deliver']);
    expect(cpu.delivered).toMatchObject([{ vector: 0x40, interruptsOn: true }]);
  });

  it('gives way to a higher one that arrives before the entry', () => {
    const { cpu } = play(
      [read, spin, endOfInterrupt, sti],
      [
        [35, 0x40],
        [45, 0x80],
      ],
    );
    expect(cpu.delivered.map(({ vector }) => vector)).toEqual([0x80, 0x40]);
  });

  it('ends the first exit of an instruction that exits twice before the second begins', () => {
    const readAndWrite: Step = (cpu) => {
      cpu.callouts.mmioRead(NOWHERE, 4);
      cpu.callouts.mmioWrite(NOWHERE, 4, 0, 0);
    };
    const { story } = play([readAndWrite], [[35, 0x40]]);
    // At the first entry it has not arrived by the machine's order: what the instruction does is done at once.
    expect(story).toEqual([
      exit(VmxExit.EPT_VIOLATION),
      exit(VmxExit.EPT_MISCONFIG),
      'irq.inject',
      'irq.deliver',
    ]);
  });
});

describe('an interrupt that arrives while the vCPU is in the guest', () => {
  it('kicks it', () => {
    const { story } = play([], [[35, 0x40]]);
    expect(story).toEqual([exit(VmxExit.EXTERNAL_INTERRUPT), 'irq.inject', 'irq.deliver']);
  });

  it('kicks it also when the entry has just injected another', () => {
    // Awake at 100 + kvm.wake, then the entry of 20 cycles: the second arrives in its midst, its kick before its end.
    const { story, cpu } = play(
      [halt, spin, spin, sti],
      [
        [100, 0x40],
        [115, 0x80],
      ],
    );
    expect(story).toEqual([
      exit(VmxExit.HLT),
      'irq.inject',
      'irq.deliver',
      exit(VmxExit.EXTERNAL_INTERRUPT),
      'irq.window',
      exit(VmxExit.INTERRUPT_WINDOW),
      'irq.inject',
      'irq.deliver',
    ]);
    expect(cpu.delivered.map(({ vector }) => vector)).toEqual([0x40, 0x80]);
  });
});

describe('an instruction that ends in a fault', () => {
  /** #GP through an interrupt gate. */
  const rdmsrOfNothing: Step = (cpu) => {
    expect(cpu.callouts.msrRead(0x999)).toBeUndefined();
    cpu.interruptsOn = false;
  };

  it('keeps a vector that is pending until its handler lets interrupts in', () => {
    const cli: Step = (cpu) => void (cpu.interruptsOn = false);
    const inShadowOfSti: Step = (cpu) => {
      cpu.interruptsOn = true;
      rdmsrOfNothing(cpu);
    };
    const wait = Array.from({ length: 120 }, () => spin);
    const { cpu, story } = play([cli, ...wait, inShadowOfSti, spin, spin, sti], [[20, 0x40]]);
    expect(cpu.delivered).toMatchObject([{ vector: 0x40, interruptsOn: true }]);
    expect(story.filter((name) => name === 'irq.inject')).toHaveLength(1);
    expect(story).toContain(exit(VmxExit.MSR_READ));
  });

  it('keeps a vector that was injected into it', () => {
    const pushOfDevice: Step = (cpu) => {
      cpu.callouts.mmioRead(LAPIC_BASE + Lapic.Version, 4);
      cpu.interruptsOn = false; // #PF: the stack is not mapped
    };
    const selfIpi: Step = (cpu) => {
      cpu.callouts.mmioWrite(LAPIC_BASE + Lapic.IcrLow, 4, 0x40 | (1 << 18), 0);
      cpu.interruptsOn = false; // #PF on the other half of the store
    };
    for (const faulting of [selfIpi, pushOfDevice]) {
      const { cpu } = play([faulting, spin, spin, sti], [[25, 0x41]]);
      expect(cpu.delivered.length).toBeGreaterThan(0);
      for (const each of cpu.delivered) expect(each.interruptsOn).toBe(true);
    }
  });
});

describe('the task priority', () => {
  it('lets a vector that it held back in at once when CR8 falls, by the TPR threshold', () => {
    const raise: Step = (cpu) => cpu.callouts.cr8Write(15);
    const lower: Step = (cpu) => cpu.callouts.cr8Write(3);
    const wait = Array.from({ length: 60 }, () => spin);
    const { story, cpu } = play([raise, ...wait, lower], [[30, 0x40]]);
    expect(story).toEqual([exit(VmxExit.TPR_BELOW_THRESHOLD), 'irq.inject', 'irq.deliver']);
    // 62 instructions, then exit, dispatch, entry and injection.
    expect(cpu.delivered[0]?.time).toBe(62 + 4 * 10);
  });

  it('causes nothing when nothing is held back', () => {
    const lower: Step = (cpu) => cpu.callouts.cr8Write(3);
    expect(play([lower], []).story).toEqual([]);
  });
});

describe('a hypercall', () => {
  const call =
    (privilege: number, number: bigint): Step =>
    (cpu) => {
      cpu.privilege = privilege;
      cpu.setReg(Reg.RAX, number);
      cpu.callouts.vmcall();
    };

  it('is served in ring 0, refused to user space, and unknown by any other number', () => {
    const answer = (step: Step): bigint => play([step], []).cpu.getReg(Reg.RAX);
    expect(answer(call(0, MARK_HYPERCALL))).toBe(0n);
    expect(answer(call(3, MARK_HYPERCALL))).toBe(-1n); // KVM_EPERM
    expect(answer(call(0, 77n))).toBe(-1000n); // KVM_ENOSYS
  });
});
