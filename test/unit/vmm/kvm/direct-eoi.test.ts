/** A hole in the MSR bitmap for the x2APIC's EOI register. */
import { describe, expect, it } from 'vitest';
import { ApicBase, ApicMsr, LAPIC_BASE, Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import type { InterruptMode } from '../../../../src/vmm/interrupt-modes';
import { ScriptCpu, ScriptMachine, costs, exit, type Step, type Told } from '../script-cpu';

const VECTOR = 0x41;
const msr = (register: number): number => ApicMsr.X2First + register / 16;
const spin: Step = () => undefined;
const spins = (count: number): Step[] => Array.from({ length: count }, () => spin);
const x2apic: Step = (cpu) =>
  void cpu.callouts.msrWrite(ApicMsr.Base, LAPIC_BASE + ApicBase.Enable + ApicBase.X2, 0);

/** A guest in x2APIC mode that gets a vector at 500, and whose handler writes a value to EOI. */
function play(
  interrupts: InterruptMode,
  level: boolean,
  value = 0,
): { rows: Told[]; accepted?: boolean; cpu: ScriptCpu; ended: boolean } {
  let accepted: boolean | undefined;
  const eoi: Step = (self) => void (accepted = self.callouts.msrWrite(msr(Lapic.Eoi), value, 0));
  const cpu = new ScriptCpu([x2apic, ...spins(600), eoi]);
  const machine = new ScriptMachine([cpu], { interrupts });
  machine.at(500, 'arrival', () => void machine.vm.lapic(0).accept(VECTOR, level));
  machine.run(2_000);
  const ended = machine.vm.lapic(0).highestInService() < 0;
  return { rows: machine.finish().rows, accepted, cpu, ended };
}
const counted = (rows: readonly Told[], reason: number): number =>
  rows.filter(({ name }) => name === exit(reason)).length;

describe('the EOI register of the x2APIC', () => {
  it.each([
    { interrupts: 'inject', level: false, exits: 1 },
    { interrupts: 'direct-eoi', level: false, exits: 0 },
    // The IOAPIC of the VM has to be told.
    { interrupts: 'direct-eoi', level: true, exits: 1 },
  ] as const)('by $interrupts, level $level: $exits exits', ({ interrupts, level, exits }) => {
    const { rows, ended } = play(interrupts, level);
    // The write that turns x2APIC mode on is one too.
    expect(counted(rows, VmxExit.MSR_WRITE)).toBe(1 + exits);
    expect(counted(rows, VmxExit.EXTERNAL_INTERRUPT)).toBe(1);
    expect(rows.filter(({ name, a }) => name === 'irq.eoi' && a === VECTOR)).toHaveLength(1);
    expect(ended).toBe(true);
  });

  it('takes what an access to the own local APIC takes', () => {
    const at = (interrupts: InterruptMode): number =>
      play(interrupts, false).rows.find(({ name }) => name === 'irq.eoi')!.start;
    // By inject the exit, KVM's dispatch and its handler come first.
    const exitLegs = costs['exit.hardware'] + costs['kvm.dispatch'] + costs['kvm.msr'];
    expect(at('inject') - at('direct-eoi')).toBe(exitLegs - costs['bus.apic']);
  });

  it('refuses what is not 0, without an exit as well, and nothing ends', () => {
    const { rows, accepted, ended } = play('direct-eoi', false, 1);
    expect(accepted).toBe(false);
    expect(ended).toBe(false);
    expect(counted(rows, VmxExit.MSR_WRITE)).toBe(1);
  });
});
