/** APIC virtualisation: what the processor does with the virtual-APIC page, and where the guest still leaves. */
import { describe, expect, it } from 'vitest';
import { ApicBase, ApicMsr, LAPIC_BASE, Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import { ScriptCpu, ScriptMachine, costs, exit, storyOf, type Step, type Told } from '../script-cpu';

const SELF = 1 << 18;
const PIC_MASTER = 0x20;
const msr = (register: number): number => ApicMsr.X2First + register / 16;
const spin: Step = () => undefined;
const spins = (count: number): Step[] => Array.from({ length: count }, () => spin);
const sti: Step = (cpu) => void (cpu.interruptsOn = true);
const cli: Step = (cpu) => void (cpu.interruptsOn = false);
const write =
  (register: number, value: number): Step =>
  (cpu) =>
    cpu.callouts.mmioWrite(LAPIC_BASE + register, 4, value, 0);
const eoi = write(Lapic.Eoi, 0);
const wrmsr =
  (index: number, value: number): Step =>
  (cpu) =>
    void cpu.callouts.msrWrite(index, value, 0);
const x2apic = wrmsr(ApicMsr.Base, LAPIC_BASE + ApicBase.Enable + ApicBase.X2);

interface Played {
  cpu: ScriptCpu;
  machine: ScriptMachine;
  story: string[];
  rows: Told[];
}

/** Runs a script; `arrivals` are vectors that KVM hands to the vCPU at their times. */
function play(steps: Step[], arrivals: [time: number, vector: number, level?: boolean][] = []): Played {
  const cpu = new ScriptCpu([...steps]);
  const machine = new ScriptMachine([cpu], { interrupts: 'apicv' });
  arrivals.forEach(([time, vector, level = false], i) =>
    machine.at(time, `arrival ${i}`, () => void machine.vm.lapic(0).accept(vector, level)),
  );
  machine.run(5_000);
  const { rows } = machine.finish();
  return { cpu, machine, rows, story: storyOf(rows) };
}

describe('a vector that comes while the guest runs', () => {
  it('makes it leave once, is delivered by the processor, and ends without an exit', () => {
    const { story, cpu, machine, rows } = play([...spins(300), eoi], [[35, 0x41]]);
    expect(story).toEqual([exit(VmxExit.EXTERNAL_INTERRUPT), 'irq.deliver']);
    expect(cpu.delivered).toMatchObject([{ vector: 0x41, interruptsOn: true }]);
    expect(machine.vm.lapic(0).highestInService()).toBe(-1);
    // The delivery hangs on the vector's arrival in the LAPIC.
    const delivered = rows.find(({ name }) => name === 'irq.deliver')!;
    expect(rows[delivered.cause]).toMatchObject({ name: 'irq.accept', a: 0x41 });
  });

  it('is pending without another exit while the guest has interrupts off', () => {
    const { story, cpu } = play([cli, ...spins(300), sti], [[35, 0x41]]);
    expect(story).toEqual([exit(VmxExit.EXTERNAL_INTERRUPT), 'irq.deliver']);
    // The exit with its handler and the entry; the 301 instructions before STI, and STI.
    const exitCycles = 4 * 10;
    expect(cpu.delivered).toMatchObject([{ vector: 0x41, time: exitCycles + 302 }]);
  });

  it('waits for one of its class in service, and comes at its EOI', () => {
    const { story, cpu } = play(
      [...spins(300), sti, ...spins(10), eoi],
      [
        [35, 0x45],
        [150, 0x42],
      ],
    );
    expect(story).toEqual([
      exit(VmxExit.EXTERNAL_INTERRUPT),
      'irq.deliver',
      exit(VmxExit.EXTERNAL_INTERRUPT),
      'irq.deliver',
    ]);
    expect(cpu.delivered.map(({ vector }) => vector)).toEqual([0x45, 0x42]);
  });
});

describe('the end of an interrupt', () => {
  it('is an exit behind the write where an IOAPIC waits for it', () => {
    const { story, rows, machine } = play([...spins(300), eoi], [[35, 0x41, true]]);
    expect(story).toEqual([exit(VmxExit.EXTERNAL_INTERRUPT), 'irq.deliver', exit(VmxExit.EOI_INDUCED)]);
    const induced = rows.find(({ name }) => name === exit(VmxExit.EOI_INDUCED))!;
    const ended = rows.find(({ name }) => name === 'irq.eoi')!;
    expect(induced.a).toBe(0x41);
    // Behind the instruction: its access, and the cycle of its own.
    expect(induced.start).toBe(ended.start + 1);
    expect(machine.vm.lapic(0).highestInService()).toBe(-1);
  });

  it('happens once where the access has to wait for its time, and lets the next in behind the instruction', () => {
    // Something is due in the midst of the access to EOI, wherever that is.
    for (let due = 430; due < 470; due++) {
      const cpu = new ScriptCpu([...spins(360), sti, eoi, ...spins(50), cli]);
      const machine = new ScriptMachine([cpu], { interrupts: 'apicv' });
      machine.at(35, 'first', () => void machine.vm.lapic(0).accept(0x45, false));
      machine.at(150, 'second', () => void machine.vm.lapic(0).accept(0x42, false));
      machine.at(due, 'due', () => undefined);
      machine.run(5_000);
      const { rows } = machine.finish();
      expect(cpu.delivered.map(({ vector }) => vector)).toEqual([0x45, 0x42]);
      expect(rows.filter(({ name }) => name === 'irq.eoi').map(({ a }) => a)).toEqual([0x45]);
      // It stays in service: its handler has written no EOI.
      expect(machine.vm.lapic(0).highestInService()).toBe(0x42);
    }
  });
});

describe('registers of the page', () => {
  it.each([
    ['ID', Lapic.Id, 0],
    ['ISR', Lapic.Isr, 0],
    ['an LVT entry', Lapic.LvtError, 0],
    // Not in the page that the processor reads (SDM vol. 3, 30.4.2).
    ['PPR', Lapic.Ppr, 1],
    ['the current count', Lapic.CurrentCount, 1],
  ] as const)('reading %s', (_, register, exits) => {
    const { story } = play([(cpu) => void cpu.callouts.mmioRead(LAPIC_BASE + register, 4)]);
    expect(story).toEqual(Array.from({ length: exits }, () => exit(VmxExit.APIC_ACCESS)));
  });

  it('reads what the guest has written, and part of a register', () => {
    let whole = 0;
    let part = 0;
    play([
      write(Lapic.Ldr, 0x12345678),
      (cpu) => void (whole = cpu.callouts.mmioRead(LAPIC_BASE + Lapic.Ldr, 4)),
      (cpu) => void (part = cpu.callouts.mmioRead(LAPIC_BASE + Lapic.Ldr + 3, 1)),
    ]);
    expect(whole).toBe(0x12000000);
    expect(part).toBe(0x12);
  });

  it('leaves behind a write that KVM has to act upon, which then has its effect', () => {
    const { story, rows, machine } = play([write(Lapic.LvtError, 0x10055), spin]);
    expect(story).toEqual([exit(VmxExit.APIC_WRITE)]);
    expect(rows.find(({ name }) => name === exit(VmxExit.APIC_WRITE))).toMatchObject({ a: Lapic.LvtError });
    expect(machine.vm.lapic(0).read(Lapic.LvtError, 4)).toBe(0x10055);
  });

  it('leaves in place of a write that is not 32 bits wide', () => {
    const narrow: Step = (cpu) => cpu.callouts.mmioWrite(LAPIC_BASE + Lapic.Tpr, 1, 0x10, 0);
    expect(play([narrow]).story).toEqual([exit(VmxExit.APIC_ACCESS)]);
  });
});

describe('an IPI', () => {
  it('to oneself makes no exit, by the page and by the MSR', () => {
    const byPage = play([write(Lapic.IcrLow, SELF | 0x51), spin]);
    expect(byPage.story).toEqual(['irq.deliver']);
    const byMsr = play([x2apic, wrmsr(msr(Lapic.SelfIpi), 0x51), spin]);
    expect(byMsr.story).toEqual([exit(VmxExit.MSR_WRITE), 'irq.deliver']);
    for (const { cpu } of [byPage, byMsr]) expect(cpu.delivered.map(({ vector }) => vector)).toEqual([0x51]);
  });

  it.each([
    ['an illegal vector', SELF | 0x0f],
    ['an NMI', SELF | (4 << 8)],
    ['a level', SELF | (1 << 15) | 0x51],
    ['all but oneself', (3 << 18) | 0x51],
  ])('of another kind is an exit behind the write: %s', (_, command) => {
    const { story } = play([write(Lapic.IcrLow, command), spin]);
    expect(story[0]).toBe(exit(VmxExit.APIC_WRITE));
  });

  it('to another CPU makes both leave, and the other takes it from its page', () => {
    const target = 1;
    const sender = new ScriptCpu([
      write(Lapic.IcrHigh, target << 24),
      // INIT, start-up, and a vector once the other runs.
      write(Lapic.IcrLow, (5 << 8) | (1 << 14)),
      ...spins(200),
      write(Lapic.IcrLow, (6 << 8) | 1),
      ...spins(600),
      write(Lapic.IcrLow, 0x61),
    ]);
    const receiver = new ScriptCpu([], target, { 1: [sti, ...spins(2_000)] });
    const machine = new ScriptMachine([sender, receiver], { interrupts: 'apicv' });
    machine.vm.lapic(target).write(Lapic.Svr, 4, 0x1ff);
    machine.at(500, 'on', () => machine.vm.lapic(target).write(Lapic.Svr, 4, 0x1ff));
    machine.run(5_000);
    const { rows } = machine.finish();
    const exits = (track: string): string[] =>
      rows.filter((row) => row.track === track && row.name.startsWith('exit.')).map(({ name }) => name);
    expect(receiver.delivered.map(({ vector }) => vector)).toEqual([0x61]);
    expect(exits('vCPU 0')).toEqual(Array.from({ length: 3 }, () => exit(VmxExit.APIC_WRITE)));
    expect(exits('vCPU 1')).toEqual([exit(VmxExit.EXTERNAL_INTERRUPT)]);
  });
});

describe('the task priority', () => {
  const viaCr8 =
    (value: number): Step =>
    (cpu) =>
      cpu.callouts.cr8Write(value);

  it.each([
    ['CR8', viaCr8(15), viaCr8(3)],
    ['the page', write(Lapic.Tpr, 0xf0), write(Lapic.Tpr, 0x30)],
  ])('by %s lets in what it held back, without an exit', (_, raise, lower) => {
    const { story, cpu } = play([raise, ...spins(300), lower], [[100, 0x41]]);
    expect(story).toEqual([exit(VmxExit.EXTERNAL_INTERRUPT), 'irq.deliver']);
    expect(cpu.delivered[0].time).toBeGreaterThan(300);
  });
});

describe('the MSRs of the x2APIC', () => {
  const reading = (register: number): string[] =>
    play([x2apic, (cpu) => void cpu.callouts.msrRead(msr(register))]).story.slice(1);
  const writing = (register: number): string[] => play([x2apic, wrmsr(msr(register), 0)]).story.slice(1);

  it('are read without an exit but for the current count, and written without one where the processor knows what to do', () => {
    expect([Lapic.Id, Lapic.Ppr, Lapic.Irr, Lapic.IcrLow].flatMap(reading)).toEqual([]);
    expect(reading(Lapic.CurrentCount)).toEqual([exit(VmxExit.MSR_READ)]);
    expect([Lapic.Tpr, Lapic.Eoi].flatMap(writing)).toEqual([]);
    expect([Lapic.Esr, Lapic.InitialCount].flatMap(writing)).toEqual(
      [1, 2].map(() => exit(VmxExit.MSR_WRITE)),
    );
  });
});

describe('an interrupt of the 8259s', () => {
  it('is injected by KVM, also where the processor has a vector of its own to deliver', () => {
    const out =
      (port: number, value: number): Step =>
      (cpu) =>
        cpu.callouts.portOut(port, 1, value);
    const initialise = [
      out(PIC_MASTER, 0x11),
      ...[0x20, 4, 1, 0xfe].map((value) => out(PIC_MASTER + 1, value)),
    ];
    const cpu = new ScriptCpu([cli, ...initialise, ...spins(2_000), sti, ...spins(200), sti]);
    const machine = new ScriptMachine([cpu], { interrupts: 'apicv' });
    machine.at(1_000, 'vector', () => void machine.vm.lapic(0).accept(0x41, false));
    machine.at(1_400, 'line', () => machine.vm.irqchip.setPin(2, 'timer', true));
    machine.run(20_000);
    expect(cpu.delivered.map(({ vector }) => vector).sort()).toEqual([0x20, 0x41]);
    const story = storyOf(machine.finish().rows);
    expect(story.filter((name) => name === 'irq.inject')).toHaveLength(1);
  });
});

it('costs for a register what the profile says', () => {
  const { cpu } = play([
    write(Lapic.Tpr, 0),
    (self) => void self.delivered.push({ vector: 0, time: self.now(), interruptsOn: true }),
  ]);
  expect(cpu.delivered[0].time).toBe(costs['apic.virtual'] + 1);
});
