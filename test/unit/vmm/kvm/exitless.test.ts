/** Exitless interrupts: vectors of the physical CPU that a guest takes itself, and those that it leaves for. */
import { describe, expect, it } from 'vitest';
import { ApicBase, ApicMsr, LAPIC_BASE, Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import { HostVector } from '../../../../src/vmm/threads/host-interrupts';
import { NOWHERE, ScriptCpu, ScriptMachine, exit, storyOf, type Step, type Told } from '../script-cpu';
import { Hog } from '../threads/world';

/** Of a device assigned to the guest, of another one of the host's, and of an emulated one. */
const ASSIGNED = 0x41;
const OTHER = 0x51;
const EMULATED = 0x61;
const NOT_PRESENT = 11;
const EXCEPTION = exit(VmxExit.EXCEPTION_NMI);
const spin: Step = () => undefined;
const spins = (count: number): Step[] => Array.from({ length: count }, () => spin);
const sti: Step = (cpu) => void (cpu.interruptsOn = true);
const cli: Step = (cpu) => void (cpu.interruptsOn = false);
const read: Step = (cpu) => void cpu.callouts.mmioRead(NOWHERE, 4);
const wrmsr =
  (index: number, value: number): Step =>
  (cpu) =>
    void cpu.callouts.msrWrite(index, value, 0);
const x2apic = wrmsr(ApicMsr.Base, LAPIC_BASE + ApicBase.Enable + ApicBase.X2);
const eoi = wrmsr(ApicMsr.X2First + Lapic.Eoi / 16, 0);

class Exitless {
  readonly cpu: ScriptCpu;
  readonly machine: ScriptMachine;

  /** Turns x2APIC mode on, which is the one exit at the beginning, and follows a script. */
  constructor(steps: Step[], costs = {}) {
    this.cpu = new ScriptCpu([x2apic, ...steps]);
    this.machine = new ScriptMachine([this.cpu], { interrupts: 'eli', costs });
    this.machine.vm.assignVector(ASSIGNED, true);
  }

  /** A device of the host interrupts the physical CPU of the vCPU. */
  physical(time: number, vector: number): this {
    const { interrupts } = this.machine.site.scheduler;
    this.machine.at(time, `physical at ${time}`, () => void interrupts.fabric.lapic(0).accept(vector, false));
    return this;
  }

  emulated(time: number, vector: number): this {
    this.machine.at(time, `emulated at ${time}`, () => void this.machine.vm.lapic(0).accept(vector, false));
    return this;
  }

  /** Highest vector in service at the physical local APIC, and at the guest's. */
  get inService(): [physical: number, own: number] {
    const { site, vm } = this.machine;
    return [site.scheduler.interrupts.fabric.lapic(0).highestInService(), vm.lapic(0).highestInService()];
  }

  run(until = 5_000): { story: string[]; rows: Told[]; vectors: number[] } {
    this.machine.run(until);
    const { rows } = this.machine.finish();
    const [first, ...story] = storyOf(rows);
    expect(first).toBe(exit(VmxExit.MSR_WRITE));
    return { rows, story, vectors: this.cpu.delivered.map(({ vector }) => vector) };
  }
}

describe('a vector of a device that is assigned', () => {
  it('is delivered without an exit, and its end goes to the physical local APIC', () => {
    const run = new Exitless([...spins(300), eoi]).physical(100, ASSIGNED);
    const { story, rows, vectors } = run.run();
    expect(story).toEqual(['irq.deliver']);
    expect(vectors).toEqual([ASSIGNED]);
    expect(run.cpu.delivered[0].time).toBe(100);
    expect(run.inService).toEqual([-1, -1]);
    const delivered = rows.find(({ name }) => name === 'irq.deliver')!;
    expect(rows[delivered.cause]).toMatchObject({ name: 'irq.accept', track: 'pCPU 0', a: ASSIGNED });
    expect(rows.filter(({ name }) => name === 'irq.eoi').map(({ a }) => a)).toEqual([ASSIGNED]);
  });

  it('holds back those of its class and below at the physical CPU until its end', () => {
    const run = new Exitless([...spins(300), sti, ...spins(10), eoi, ...spins(20), eoi])
      .physical(100, ASSIGNED)
      .physical(200, ASSIGNED);
    const { story, vectors } = run.run();
    expect(story).toEqual(['irq.deliver', 'irq.deliver']);
    expect(vectors).toEqual([ASSIGNED, ASSIGNED]);
    expect(run.cpu.delivered[1].time).toBeGreaterThan(300);
  });

  it('waits for STI, without an exit', () => {
    const run = new Exitless([cli, ...spins(300), sti]).physical(100, ASSIGNED);
    const { story } = run.run();
    expect(story).toEqual(['irq.deliver']);
    expect(run.inService).toEqual([ASSIGNED, -1]);
  });

  it('is the host’s when the guest has left before it could take it, and when it does not run', () => {
    for (const run of [
      new Exitless([cli, ...spins(300), read, ...spins(20), sti]).physical(100, ASSIGNED),
      new Exitless([...spins(300), read]).physical(360, ASSIGNED),
    ]) {
      const { story, vectors } = run.run();
      expect(story).toEqual([exit(VmxExit.EPT_VIOLATION)]);
      expect(vectors).toEqual([]);
      expect(run.inService).toEqual([-1, -1]);
    }
  });
});

describe('another vector', () => {
  it('is not present in the shadow IDT: the guest leaves by #NP, and the host has its interrupt', () => {
    const run = new Exitless([...spins(300)]).physical(100, OTHER);
    const { story, rows, vectors } = run.run();
    expect(story).toEqual([EXCEPTION]);
    expect(rows.find(({ name }) => name === EXCEPTION)).toMatchObject({ a: NOT_PRESENT, start: 100 });
    expect(vectors).toEqual([]);
    expect(run.inService).toEqual([-1, -1]);
  });

  it('waits for STI as well, or for the next exit', () => {
    expect(new Exitless([cli, ...spins(300), sti]).physical(100, OTHER).run().story).toEqual([EXCEPTION]);
    const left = new Exitless([cli, ...spins(300), read, ...spins(300), sti]).physical(100, OTHER).run();
    expect(left.story).toEqual([exit(VmxExit.EPT_VIOLATION)]);
  });
});

describe('an interrupt of an emulated device', () => {
  it('is injected, and leaves at its end', () => {
    const run = new Exitless([...spins(300), eoi]).emulated(100, EMULATED);
    const { story, rows, vectors } = run.run();
    // KVM's kick is a vector like any other of the host's.
    expect(story).toEqual([EXCEPTION, 'irq.inject', 'irq.deliver', exit(VmxExit.MSR_WRITE)]);
    expect(
      rows.filter(({ name, track }) => name === 'irq.accept' && track === 'pCPU 0').map(({ a }) => a),
    ).toEqual([HostVector.Reschedule]);
    expect(vectors).toEqual([EMULATED]);
    expect(run.inService).toEqual([-1, -1]);
  });

  it('has external interrupts leave while it is in service', () => {
    const run = new Exitless([...spins(300), eoi, ...spins(50), sti, ...spins(300)])
      .emulated(100, EMULATED)
      .physical(250, OTHER)
      .physical(700, OTHER);
    expect(run.run().story).toEqual([
      EXCEPTION,
      'irq.inject',
      'irq.deliver',
      exit(VmxExit.EXTERNAL_INTERRUPT),
      exit(VmxExit.MSR_WRITE),
      EXCEPTION,
    ]);
  });
});

it('a vCPU that loses its CPU in a handler ends the interrupt by an exit, wherever it is by then', () => {
  const run = new Exitless([...spins(100), sti, ...spins(900), eoi, sti], { 'sched.slice': 200 }).physical(
    100,
    ASSIGNED,
  );
  const { site } = run.machine;
  const hogs = [0, 1].map((i) => new Hog(site, `hog ${i}`, 0));
  run.machine.at(110, 'hogs', () => hogs.forEach(({ thread }) => site.scheduler.wake(thread)));
  const { rows, vectors } = run.run(20_000);
  expect(vectors).toEqual([ASSIGNED]);
  expect(run.inService).toEqual([-1, -1]);
  // That of the mode, and the end.
  expect(rows.filter(({ name }) => name === exit(VmxExit.MSR_WRITE))).toHaveLength(2);
  expect(rows.filter(({ name }) => name === 'irq.eoi').map(({ a }) => a)).toEqual([ASSIGNED]);
});
