/** What leaves a guest of KVM by the policy, on a CPU that follows a script: its time, and what arrives meanwhile. */
import { describe, expect, it, vi } from 'vitest';
import { Disposition, Intercept } from '../../../src/machine/x86/policy';
import { VmxExit } from '../../../src/trace/vocabulary/vmx-exit-reasons';
import { Island } from '../../../src/vmm/threads/island';
import { NOWHERE, ScriptCpu, ScriptMachine, exit, storyOf, type Step } from './script-cpu';

const UD = 6 | (3 << 8);
const MOV_TO_CR4 = 4;
const MOV_TO_DR7 = 7;

/** An instruction that the policy intercepts, if it does; it then proceeds. */
const leaving =
  (reason: Intercept, detail: number): Step =>
  (cpu) => {
    expect(cpu.callouts.intercepted?.(reason, detail, 0x20, 0)).toBe(Disposition.Proceed);
  };
/** As the core does: the policy is asked anew at every execution. */
const debug: Step = (cpu) => {
  if (cpu.policy.instructions.includes(Intercept.DrAccess)) leaving(Intercept.DrAccess, MOV_TO_DR7)(cpu);
};
const cpuid: Step = (cpu) => void cpu.callouts.cpuid(0, 0);

/** Runs a script; a vector arrives at a time, if one is given. */
function play(steps: Step[], arrival?: number): { cpu: ScriptCpu; story: string[]; hash: string } {
  const cpu = new ScriptCpu([...steps]);
  const machine = new ScriptMachine([cpu]);
  if (arrival !== undefined)
    machine.at(arrival, 'arrival', () => void machine.vm.lapic(0).accept(0x40, false));
  machine.run(1_000);
  const { rows, hash } = machine.finish();
  return { cpu, story: storyOf(rows), hash };
}

const cases: [string, Intercept, number, number][] = [
  ['MOV to CR4', Intercept.CrAccess, MOV_TO_CR4, VmxExit.CR_ACCESS],
  ['#UD', Intercept.Exception, UD, VmxExit.EXCEPTION_NMI],
  ['INVD', Intercept.Invd, 0, VmxExit.INVD],
  ['WBINVD', Intercept.Wbinvd, 0, VmxExit.WBINVD],
  ['RDPMC', Intercept.Rdpmc, 0, VmxExit.RDPMC],
];

describe.each(cases)('%s', (_, reason, detail, kind) => {
  it('is one exit, and what arrives meanwhile is injected by its entry without a kick', () => {
    const { story, cpu } = play([leaving(reason, detail)], 25);
    expect(story).toEqual([exit(kind), 'irq.inject', 'irq.deliver']);
    // Exit, dispatch, handler, entry, injection, then the instruction.
    expect(cpu.delivered).toMatchObject([{ vector: 0x40, time: 5 * 10 + 1 }]);
  });

  it('in the midst of an instruction that KVM emulates is no exit', () => {
    const emulated: Step = (cpu) => {
      cpu.callouts.mmioRead(NOWHERE, 4);
      leaving(reason, detail)(cpu);
    };
    expect(play([emulated]).story).toEqual([exit(VmxExit.EPT_VIOLATION)]);
  });
});

describe('debug registers', () => {
  const script = [debug, debug, cpuid, debug, debug];
  const exits = [VmxExit.DR_ACCESS, VmxExit.CPUID, VmxExit.DR_ACCESS].map(exit);

  it('are the guest’s from its first access to its next exit', () => {
    expect(play(script).story).toEqual(exits);
  });

  it('are so also where everything waits for its time', () => {
    const { hash } = play(script);
    const mustWait = vi.spyOn(Island.prototype, 'mustWait').mockReturnValue(true);
    const waiting = play(script);
    mustWait.mockRestore();
    expect(waiting).toMatchObject({ story: exits, hash });
  });

  it('are not, when an interrupt comes first: the instruction is executed behind its handler', () => {
    const sti: Step = (cpu) => void (cpu.interruptsOn = true);
    const { story } = play([debug, sti, cpuid, debug], 25);
    expect(story).toEqual([exits[0], 'irq.inject', 'irq.deliver', exits[1], exits[2]]);
  });
});
