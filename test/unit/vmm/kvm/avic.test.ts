/** AVIC: the backing page, the doorbell, IPIs, and what leaves; and the names of a guest's exits on a processor of AMD. */
import { describe, expect, it } from 'vitest';
import { LAPIC_BASE, Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import { requestVector } from '../../../../src/machine/interrupts/avic/tables';
import { Intercept } from '../../../../src/machine/x86/policy';
import type { InterruptMode } from '../../../../src/vmm/interrupt-modes';
import { logicalAt, physicalAt, vectorsAt, wide } from '../../../support/amd/avic-reader';
import { TraceStore, emptyMeta } from '../../../../src/trace/query/store';
import { kinds } from '../../../../src/trace/vocabulary/events';
import { NOWHERE, ScriptCpu, ScriptMachine, costs, halt, storyOf, type Step, type Told } from '../script-cpu';

const VECTOR = 0x41;
const NO_ACCELERATION = 'exit.avic_unaccelerated_access';
const INCOMPLETE_IPI = 'exit.avic_incomplete_ipi';
const spin: Step = () => undefined;
const spins = (count: number): Step[] => Array.from({ length: count }, () => spin);
const sti: Step = (cpu) => void (cpu.interruptsOn = true);
const cli: Step = (cpu) => void (cpu.interruptsOn = false);
const write =
  (register: number, value: number): Step =>
  (cpu) =>
    cpu.callouts.mmioWrite(LAPIC_BASE + register, 4, value, 0);
const eoi = write(Lapic.Eoi, 0);

function machineOf(cpus: ScriptCpu[], interrupts: InterruptMode = 'avic'): ScriptMachine {
  return new ScriptMachine(cpus, { interrupts, vendor: 'amd' });
}

/** Runs a script; `arrivals` are vectors of devices. */
function play(
  steps: Step[],
  arrivals: [time: number, vector: number, level?: boolean][] = [],
): { cpu: ScriptCpu; machine: ScriptMachine; rows: Told[]; story: string[] } {
  const cpu = new ScriptCpu([...steps]);
  const machine = machineOf([cpu]);
  arrivals.forEach(([time, vector, level = false], i) =>
    machine.at(time, `arrival ${i}`, () => void machine.vm.lapic(0).accept(vector, level)),
  );
  machine.run(5_000);
  const { rows } = machine.finish();
  return { cpu, machine, rows, story: storyOf(rows) };
}

/** Second arguments of the exits of incomplete IPIs, of which the recorder keeps more than 32 bits. */
function wideExits(machine: ScriptMachine): number[] {
  machine.recorder.finish(machine.host.elapsed);
  const store = new TraceStore(emptyMeta('t', 1e9));
  store.append(machine.recorder.takeDelta());
  const rows = Array.from({ length: store.rows }, (_, row) => store.get(row));
  return rows.filter(({ kind }) => kinds.get(kind)?.name === INCOMPLETE_IPI).map(({ b }) => b);
}

describe('a vector of a device', () => {
  it('reaches a guest that runs by the doorbell, without an exit, and ends without one', () => {
    const { story, cpu, machine } = play([...spins(300), eoi], [[35, VECTOR]]);
    expect(story).toEqual(['irq.deliver']);
    expect(cpu.delivered[0]).toMatchObject({ vector: VECTOR, time: 35 + costs['irq.doorbell'] });
    expect(machine.vm.lapic(0).highestInService()).toBe(-1);
  });

  it('waits for STI without an exit, and wakes a vCPU that sleeps', () => {
    expect(play([cli, ...spins(300), sti], [[35, VECTOR]]).story).toEqual(['irq.deliver']);
    const asleep = play([halt, ...spins(20)], [[1_000, VECTOR]]);
    expect(asleep.story).toEqual(['exit.hlt', 'irq.deliver']);
    expect(asleep.rows.filter(({ name }) => name === 'avic.doorbell')).toEqual([]);
  });

  it('of a level leaves behind EOI, which KVM does', () => {
    const { story, rows, machine } = play([...spins(300), eoi], [[35, VECTOR, true]]);
    expect(story).toEqual(['irq.deliver', NO_ACCELERATION]);
    const left = rows.find(({ name }) => name === NO_ACCELERATION)!;
    expect(left.a).toBe(Lapic.Eoi);
    expect(rows.find(({ name }) => name === 'irq.eoi')!.start).toBeGreaterThan(left.start);
    expect(machine.vm.lapic(0).highestInService()).toBe(-1);
  });
});

describe('registers of the backing page', () => {
  it.each([
    ['PPR', Lapic.Ppr, 0],
    ['ISR', Lapic.Isr, 0],
    ['the current count', Lapic.CurrentCount, 1],
  ] as const)('reading %s', (_, register, exits) => {
    const { story } = play([(cpu) => void cpu.callouts.mmioRead(LAPIC_BASE + register, 4)]);
    expect(story).toEqual(Array.from({ length: exits }, () => NO_ACCELERATION));
  });

  it('TPR is written without an exit, others leave behind the write', () => {
    expect(play([write(Lapic.Tpr, 0x20)]).story).toEqual([]);
    const { story, machine } = play([write(Lapic.LvtError, 0x10055), spin]);
    expect(story).toEqual([NO_ACCELERATION]);
    expect(machine.vm.lapic(0).read(Lapic.LvtError, 4)).toBe(0x10055);
  });
});

describe('an IPI', () => {
  const INIT = (5 << 8) | (1 << 14);
  const startUp = (page: number): number => (6 << 8) | page;

  /** CPU 0 starts CPU 1 and sends it a vector at some 900 cycles. */
  function pair(receiver: Step[]): { story: (track: string) => string[]; rows: Told[]; vectors: number[] } {
    const sender = new ScriptCpu([
      write(Lapic.IcrHigh, 1 << 24),
      write(Lapic.IcrLow, INIT),
      ...spins(200),
      write(Lapic.IcrLow, startUp(1)),
      ...spins(600),
      write(Lapic.IcrLow, VECTOR),
      ...spins(600),
    ]);
    const other = new ScriptCpu([], 1, { 1: [sti, ...receiver] });
    const machine = machineOf([sender, other]);
    machine.at(500, 'on', () => machine.vm.lapic(1).write(Lapic.Svr, 4, 0x1ff));
    machine.run(5_000);
    const { rows } = machine.finish();
    const story = (track: string): string[] =>
      rows.filter((row) => row.track === track && row.name.startsWith('exit.')).map(({ name }) => name);
    return { story, rows, vectors: other.delivered.map(({ vector }) => vector) };
  }
  /** INIT and the start-up IPI are none that the AVIC sends. */
  const STARTING = [INCOMPLETE_IPI, INCOMPLETE_IPI];

  it('to a vCPU that runs makes nobody leave', () => {
    const { story, vectors, rows } = pair(spins(2_000));
    expect(vectors).toEqual([VECTOR]);
    expect(story('vCPU 0')).toEqual(STARTING);
    expect(story('vCPU 1')).toEqual([]);
    expect(rows.filter(({ name }) => name === 'avic.doorbell')).toHaveLength(1);
  });

  it('to one that sleeps leaves behind the write, and KVM wakes it', () => {
    const { story, vectors, rows } = pair([halt, ...spins(50)]);
    expect(vectors).toEqual([VECTOR]);
    expect(story('vCPU 0')).toEqual([...STARTING, INCOMPLETE_IPI]);
    expect(story('vCPU 1')).toEqual(['exit.hlt']);
    expect(rows.filter(({ name }) => name === 'avic.doorbell')).toEqual([]);
    // It is in the backing page before the exit, and the target runs after it.
    const last = rows.findLast(({ name }) => name === INCOMPLETE_IPI)!;
    expect(rows.find(({ name, a }) => name === 'irq.accept' && a === VECTOR)!.start).toBeLessThan(last.start);
    expect(rows.find(({ name }) => name === 'irq.deliver')!.start).toBeGreaterThan(last.start);
  });

  it('tells by EXITINFO2 what it was that the processor could not do', () => {
    const machine = machineOf([
      new ScriptCpu([
        write(Lapic.IcrHigh, 1 << 24),
        write(Lapic.IcrLow, INIT),
        ...spins(100),
        write(Lapic.IcrLow, VECTOR),
        ...spins(100),
        write(Lapic.IcrHigh, 7 << 24),
        write(Lapic.IcrLow, VECTOR),
        ...spins(100),
        write(Lapic.IcrLow, 5),
      ]),
      new ScriptCpu([], 1, {}),
    ]);
    machine.run(5_000);
    // Reasons of the manual's table, and the index of the physical table: INIT, a target that waits, one that is not, vector 5.
    const exits = wideExits(machine);
    expect(exits).toEqual([0, 1 * 2 ** 32 + 1, 2 * 2 ** 32 + 7, 4 * 2 ** 32]);
  });

  it('to oneself is delivered at once', () => {
    const { story, cpu } = play([write(Lapic.IcrLow, (1 << 18) | VECTOR), spin]);
    expect(story).toEqual(['irq.deliver']);
    expect(cpu.delivered.map(({ vector }) => vector)).toEqual([VECTOR]);
  });
});

describe('in the host’s memory', () => {
  /** The slot of a VM with AVIC: the physical table, the logical one, a page for each vCPU. */
  function slotOf(machine: ScriptMachine): number {
    const { slots } = machine.site.memory;
    return slots[slots.length - 1].base;
  }
  const pageOf = (machine: ScriptMachine, cpu: number): number => slotOf(machine) + (2 + cpu) * 0x1000;
  const readable = [
    Lapic.Id,
    Lapic.Version,
    Lapic.Tpr,
    Lapic.Ppr,
    Lapic.Ldr,
    Lapic.Dfr,
    Lapic.Svr,
    Lapic.Esr,
    Lapic.IcrLow,
    Lapic.IcrHigh,
    ...Array.from({ length: 24 }, (_, i) => Lapic.Isr + 16 * i),
    ...Array.from({ length: 6 }, (_, i) => Lapic.LvtTimer + 16 * i),
    Lapic.InitialCount,
    Lapic.Divide,
  ];

  it('the backing page has every register as the guest reads it', () => {
    const { machine } = play(
      [
        write(Lapic.LvtError, 0x10055),
        spin,
        write(Lapic.Divide, 0xb),
        spin,
        write(Lapic.InitialCount, 100_000),
        spin,
        write(Lapic.Ldr, 0x0200_0000),
        spin,
        write(Lapic.IcrHigh, 0x0900_0000),
        sti,
        ...spins(300),
        write(Lapic.Tpr, 0x60),
        write(Lapic.IcrLow, (1 << 18) | VECTOR),
      ],
      [
        [100, 0x91, true],
        [200, 0x77],
      ],
    );
    const page = pageOf(machine, 0);
    const lapic = machine.vm.lapic(0);
    for (const offset of readable)
      expect([offset, Number(wide(machine.site.memory, page + offset, 4))]).toEqual([
        offset,
        lapic.read(offset, 4) >>> 0,
      ]);
    expect(vectorsAt(machine.site.memory, page, Lapic.Isr)).toEqual([0x91]);
    expect(vectorsAt(machine.site.memory, page, Lapic.Tmr)).toEqual([0x91]);
    expect(vectorsAt(machine.site.memory, page, Lapic.Irr)).toEqual([VECTOR, 0x77]);
  });

  it('a vector that somebody else sets in the page is delivered when the doorbell rings', () => {
    const cpu = new ScriptCpu([]);
    const machine = machineOf([cpu]);
    machine.at(100, 'set', () => {
      requestVector(machine.site.memory, pageOf(machine, 0), VECTOR);
    });
    machine.at(300, 'ring', () => machine.site.scheduler.interrupts.ringDoorbell(0, 10));
    machine.run(1_000);
    expect(cpu.delivered.map(({ vector, time }) => [vector, time])).toEqual([[VECTOR, 310]]);
  });

  it('the doorbell is heeded by whoever runs on its CPU, and by nobody elsewhere', () => {
    const cpu = new ScriptCpu([]);
    const machine = machineOf([cpu, new ScriptCpu([], 1)]);
    machine.at(100, 'set', () => {
      requestVector(machine.site.memory, pageOf(machine, 0), VECTOR);
    });
    // The second CPU has nobody, and there is no fifth.
    machine.at(300, 'elsewhere', () => {
      machine.site.scheduler.interrupts.ringDoorbell(1, 10);
      machine.site.scheduler.interrupts.ringDoorbell(5, 10);
    });
    machine.run(1_000);
    expect(cpu.delivered).toEqual([]);
  });

  it('the tables follow the IDs that the guest gives its local APICs, and where vCPUs run', () => {
    const { machine } = play([
      write(Lapic.Ldr, 0x0800_0000),
      ...spins(100),
      write(Lapic.Id, 0x0500_0000),
      ...spins(100),
    ]);
    const table = slotOf(machine);
    const { memory } = machine.site;
    const entry = { valid: 1, running: 1, page: pageOf(machine, 0), cpu: 0, reserved: 0 };
    expect(physicalAt(memory, table, 5)).toEqual(entry);
    expect(physicalAt(memory, table, 0).valid).toBe(0);
    expect([2, 3].map((index) => logicalAt(memory, table + 0x1000, index))).toEqual([undefined, 5]);
    const asleep = play([cli, halt]).machine;
    expect(physicalAt(asleep.site.memory, slotOf(asleep), 0)).toMatchObject({ valid: 1, running: 0 });
  });
});

describe('exits on a processor of AMD', () => {
  /** An instruction that leaves by the policy; of debug registers the guest's first access only. */
  const leaving =
    (reason: Intercept, detail: number): Step =>
    (cpu) => {
      if (reason === Intercept.DrAccess && !cpu.policy.instructions.includes(reason)) return;
      cpu.callouts.intercepted?.(reason, detail, 0, 0);
    };
  /** By the mode without AVIC: nothing is known of the page of the local APIC. */
  const storyWithout = (steps: Step[], arrival?: number): string[] => {
    const cpu = new ScriptCpu([...steps]);
    const machine = machineOf([cpu], 'inject');
    if (arrival !== undefined)
      machine.at(arrival, 'arrival', () => void machine.vm.lapic(0).accept(VECTOR, false));
    machine.run(5_000);
    return storyOf(machine.finish().rows);
  };

  it.each<[string, Step, string]>([
    ['CPUID', (cpu) => void cpu.callouts.cpuid(0, 0), 'exit.cpuid'],
    ['a hypercall', (cpu) => void cpu.callouts.vmcall(), 'exit.hypercall'],
    ['a port', (cpu) => void cpu.callouts.portIn(0x71, 1), 'exit.io'],
    ['RDMSR', (cpu) => void cpu.callouts.msrRead(0x1b), 'exit.msr'],
    ['WRMSR', (cpu) => void cpu.callouts.msrWrite(0x1b, 0, 0), 'exit.msr'],
    ['a device', (cpu) => void cpu.callouts.mmioRead(NOWHERE, 4), 'exit.npf'],
    ['the local APIC', eoi, 'exit.npf'],
    ['#UD', leaving(Intercept.Exception, 6 | (3 << 8)), 'exit.UD excp'],
    ['MOV to CR4', leaving(Intercept.CrAccess, 4), 'exit.write_cr4'],
    ['MOV to DR7', leaving(Intercept.DrAccess, 7), 'exit.write_dr7'],
    ['MOV from DR6', leaving(Intercept.DrAccess, 16 | 6), 'exit.read_dr6'],
  ])('%s', (_, step, name) => {
    expect(storyWithout([step])).toEqual([name]);
  });

  it('has its own name for an interrupt of the host, and for the window', () => {
    expect(storyWithout([cli, ...spins(300), sti], 35)).toEqual([
      'exit.interrupt',
      'irq.window',
      'exit.vintr',
      'irq.inject',
      'irq.deliver',
    ]);
  });
});
