/** Exitless interrupts: vectors of the physical CPU that a guest takes itself, and those that it leaves for. */
import { describe, expect, it } from 'vitest';
import { ApicBase, ApicMsr, LAPIC_BASE, Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import type { PhysicalMemory } from '../../../../src/machine/memory/physical-memory';
import { Intercept } from '../../../../src/machine/x86/policy';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import { HostVector } from '../../../../src/vmm/threads/host-interrupts';
import { NOWHERE, ScriptCpu, ScriptMachine, exit, storyOf, type Step, type Told } from '../script-cpu';
import { Hog } from '../threads/world';

/** Of a device assigned to the guest, of another one of the host's, and of an emulated one. */
const ASSIGNED = 0x41;
const OTHER = 0x51;
const EMULATED = 0x61;
const NOT_PRESENT = 11;
/** Cycles of a VM entry, as of each leg. */
const LEG = 10;
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
/** LIDT, as the information of an exit for GDTR_IDTR has it (SDM vol. 3, table 28-10). */
const lidt: Step = (cpu) => void cpu.callouts.intercepted?.(Intercept.GdtrIdtr, 3 << 28, 0, 0);
const store =
  (address: number, value: number): Step =>
  (cpu) =>
    void cpu.callouts.mmioWrite(address, 4, value, 0);
const x2apic = wrmsr(ApicMsr.Base, LAPIC_BASE + ApicBase.Enable + ApicBase.X2);
const eoi = wrmsr(ApicMsr.X2First + Lapic.Eoi / 16, 0);

const TABLE = 0x10000;
/** Where bytes 4 to 7 of a gate are, and what they are with and without the P bit. */
const gateAt = (vector: number): number => TABLE + vector * 16 + 4;
const PRESENT = 0x8e00;
const ABSENT = 0x0e00;

/** RAM that is a page with an IDT, all gates of which are present. What firmware leaves elsewhere is lost. */
class TablePage implements PhysicalMemory {
  readonly size = TABLE + 4096;
  private readonly bytes = new Uint8Array(4096);

  constructor() {
    for (let vector = 0; vector < 256; vector++) this.bytes[gateAt(vector) + 1 - TABLE] = PRESENT >> 8;
  }

  contains(address: number, length: number): boolean {
    return address >= TABLE && address + length <= this.size;
  }

  read(address: number, length: number): Uint8Array {
    return this.bytes.slice(address - TABLE, address - TABLE + length);
  }

  write(address: number, bytes: Uint8Array): void {
    if (this.contains(address, bytes.length)) this.bytes.set(bytes, address - TABLE);
  }
}

/** Longer than any script: nothing but the script has the guest leave. */
const LONG = 1_000_000;

class Exitless {
  readonly cpu: ScriptCpu;
  readonly machine: ScriptMachine;
  readonly table = new TablePage();

  /** Turns x2APIC mode on and loads IDTR, which are the exits at the beginning, and follows a script. */
  constructor(steps: Step[], costs = {}, beginning = [x2apic, lidt]) {
    this.cpu = new ScriptCpu([...beginning, ...steps]);
    this.cpu.idtr = { base: BigInt(TABLE), limit: 0xfff };
    this.machine = new ScriptMachine([this.cpu], {
      interrupts: 'eli',
      memory: this.table,
      costs: { 'sched.slice': LONG, ...costs },
    });
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
    const [first, second, ...story] = storyOf(rows);
    expect([first, second]).toEqual([exit(VmxExit.MSR_WRITE), exit(VmxExit.GDTR_IDTR)]);
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
      new Exitless([...spins(300), read]).physical(400, ASSIGNED),
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

describe('the shadow IDT', () => {
  const STORE = exit(VmxExit.EPT_VIOLATION);

  it('is not there before the guest has loaded IDTR: external interrupts leave', () => {
    const run = new Exitless([...spins(300), lidt], {}, [x2apic]).physical(100, OTHER);
    run.machine.run(5_000);
    const { rows } = run.machine.finish();
    expect(storyOf(rows)).toEqual([
      exit(VmxExit.MSR_WRITE),
      exit(VmxExit.EXTERNAL_INTERRUPT),
      exit(VmxExit.GDTR_IDTR),
    ]);
  });

  it('follows a store to a gate, which leaves, and a load of the table does not', () => {
    const script = [store(gateAt(ASSIGNED), ABSENT), ...spins(300), store(gateAt(ASSIGNED), PRESENT)];
    const run = new Exitless([...script, ...spins(300)]).physical(200, ASSIGNED).physical(600, ASSIGNED);
    const { story, vectors } = run.run();
    expect(story).toEqual([STORE, EXCEPTION, STORE, 'irq.deliver']);
    expect(vectors).toEqual([ASSIGNED]);
    expect([...run.table.read(gateAt(ASSIGNED), 2)]).toEqual([PRESENT & 255, PRESENT >> 8]);
  });

  it('is of the table that IDTR is loaded with last, and that one alone is guarded', () => {
    const away: Step = (cpu) => {
      cpu.idtr = { base: BigInt(TABLE - 0x8000), limit: 0xfff };
      lidt(cpu);
    };
    const run = new Exitless([away, store(gateAt(ASSIGNED), ABSENT), ...spins(300)]).physical(200, ASSIGNED);
    const { story, rows } = run.run();
    // No RAM answers to the store then: it is QEMU's.
    expect(story).toEqual([exit(VmxExit.GDTR_IDTR), STORE, EXCEPTION]);
    expect(rows.filter(({ name }) => name === 'user.exit')).toHaveLength(1);
    expect(run.table.read(gateAt(ASSIGNED), 2)[1]).toBe(PRESENT >> 8);
  });

  it('ends where the limit of the table does', () => {
    const short: Step = (cpu) => {
      cpu.idtr = { base: BigInt(TABLE), limit: ASSIGNED * 16 + 14 };
      lidt(cpu);
    };
    const run = new Exitless([short, ...spins(300)]).physical(200, ASSIGNED);
    expect(run.run().story).toEqual([exit(VmxExit.GDTR_IDTR), EXCEPTION]);
  });

  it('tells of the gates that are present in it, as a consequence of the exit', () => {
    const run = new Exitless([store(gateAt(ASSIGNED), ABSENT), ...spins(10)]);
    const { rows } = run.run();
    const built = rows.filter(({ name }) => name === 'idt.shadow');
    expect(built.map(({ cause }) => rows[cause].name)).toEqual([exit(VmxExit.GDTR_IDTR), STORE]);
    expect(built.map(({ a }) => a)).toEqual([TABLE, TABLE]);
  });
});

it('a guest with interrupts off gives the CPU back after a slice of the host’s scheduler', () => {
  const SLICE = 500;
  const run = new Exitless([cli, ...spins(2_000), sti, ...spins(10)], { 'sched.slice': SLICE });
  const { story, rows } = run.physical(300, OTHER).run(2_000);
  const timer = exit(VmxExit.PREEMPTION_TIMER);
  expect(new Set(story)).toEqual(new Set([timer]));
  const exits = rows.filter(({ name }) => name === timer).map(({ start }) => start);
  const entries = rows.filter(({ name }) => name === 'entry').map(({ start }) => start);
  expect(exits.length).toBeGreaterThan(1);
  expect(exits[0]).toBeLessThan(300 + SLICE);
  // Behind an exit that no instruction made, a slice goes by from the entry's end on.
  for (const start of exits.slice(1)) expect(entries).toContain(start - SLICE - LEG);
  expect(run.inService).toEqual([-1, -1]);
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
