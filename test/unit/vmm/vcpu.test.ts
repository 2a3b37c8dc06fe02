/** Interrupts of a vCPU under KVM in the corners that no sample driver goes to, on a CPU that follows a script. */
import { describe, expect, it } from 'vitest';
import { Reg } from '../../../src/machine/x86/types';
import { Lapic, LAPIC_BASE } from '../../../src/machine/interrupts/lapic-registers';
import { VmxExit } from '../../../src/trace/vocabulary/vmx-exit-reasons';
import { MARK_HYPERCALL } from '../../../src/vmm/cpu/mark';
import { NOWHERE, ScriptCpu, ScriptMachine, exit, halt, storyOf, type Step } from './script-cpu';

/** Runs a script; `arrivals` are vectors that reach the LAPIC at their times. */
function play(
  steps: Step[],
  arrivals: [time: number, vector: number][],
): { cpu: ScriptCpu; story: string[] } {
  const cpu = new ScriptCpu([...steps]);
  const machine = new ScriptMachine([cpu]);
  const lapic = machine.vm.lapic(0);
  for (const [time, vector] of arrivals)
    machine.at(time, `arrival at ${time}`, () => void lapic.accept(vector, false));
  machine.run(1_000);
  return { cpu, story: storyOf(machine.finish().rows) };
}

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

  it('is injected behind an instruction with two accesses, which is one exit', () => {
    const readAndWrite: Step = (cpu) => {
      cpu.callouts.mmioRead(NOWHERE, 4);
      cpu.callouts.mmioWrite(NOWHERE, 4, 0, 0);
    };
    // In the legs of the read, and in those of the write.
    for (const time of [35, 75]) {
      const { story, cpu } = play([readAndWrite], [[time, 0x40]]);
      expect(story).toEqual([exit(VmxExit.EPT_VIOLATION), 'irq.inject', 'irq.deliver']);
      // Exit, dispatch, two kinds of work in KVM; two user exits; entry and injection; the instruction.
      expect(cpu.delivered).toMatchObject([{ vector: 0x40, time: 4 * 10 + 2 * 30 + 2 * 10 + 1 }]);
    }
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
