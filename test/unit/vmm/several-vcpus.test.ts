/** Two vCPUs that follow scripts: who sees what when, how one starts and interrupts the other, and what is recorded of it. */
import { describe, expect, it, vi } from 'vitest';
import type { RegisterBlock } from '../../../src/machine/bus';
import { Reg } from '../../../src/machine/x86/types';
import { Lapic, LAPIC_BASE } from '../../../src/machine/interrupts/lapic-registers';
import { VmxExit } from '../../../src/trace/vocabulary/vmx-exit-reasons';
import { UnitLane } from '../../../src/vmm/unit-lanes';
import { wayTo } from '../../../src/vmm/kvm/exit-way';
import { Island } from '../../../src/vmm/threads/island';
import { ScriptCpu, ScriptMachine, costs, exit, halt, type Step } from './script-cpu';

const DEVICE = 0xd000_0000;
const spin: Step = () => undefined;
const spins = (count: number): Step[] => Array.from({ length: count }, () => spin);
const icr = (high: number, low: number): Step[] => [
  (cpu) => cpu.callouts.mmioWrite(LAPIC_BASE + Lapic.IcrHigh, 4, high << 24, 0),
  (cpu) => cpu.callouts.mmioWrite(LAPIC_BASE + Lapic.IcrLow, 4, low, 0),
];
const init = icr(1, 0x4500);
const startUp = (page: number): Step[] => icr(1, 0x4600 | page);
const nmi = icr(1, 0x400);

/** A machine of two; the second starts as the first tells it to, and has `pages` to start at. */
function pair(
  first: Step[],
  pages: Record<number, Step[]> = {},
): { machine: ScriptMachine; second: ScriptCpu } {
  const second = new ScriptCpu([], 1, pages);
  return { machine: new ScriptMachine([new ScriptCpu([...first]), second]), second };
}

/** Starts of the second vCPU after the first has done its steps. */
function startsAfter(first: Step[], pages?: Record<number, Step[]>): ScriptCpu['starts'] {
  const { machine, second } = pair(first, pages);
  machine.run(10_000);
  return second.starts;
}

describe('a device of two vCPUs', () => {
  /** Both write and read a cell again and again: who did what when, and the hash of the trace. */
  function race(): { log: { time: number; cpu: number; value: number }[]; hash: string } {
    const log: { time: number; cpu: number; value: number }[] = [];
    const worker = (cpu: number, gap: number): Step[] =>
      Array.from({ length: 30 }, (_, i) => [
        ...spins((i * gap) % 37),
        (each: ScriptCpu) => each.callouts.mmioWrite(DEVICE, 4, cpu * 1000 + i, 0),
        ...spins((i * 7) % 11),
        (each: ScriptCpu) => void each.callouts.mmioRead(DEVICE, 4),
      ]).flat();
    const second = new ScriptCpu([], 1, { 5: worker(1, 23) });
    const machine = new ScriptMachine([new ScriptCpu([...init, ...startUp(5), ...worker(0, 13)]), second]);
    const { site, vm } = machine;
    const track = machine.recorder.addTrack({ type: 'device', name: 'cell', group: 'vm0', vm: 0 });
    let value = 0;
    const note = (cpu: number): void => void log.push({ time: site.island.now(), cpu, value });
    const cell: RegisterBlock = {
      registerName: () => 'CELL',
      read: (_offset, _size, cpu) => {
        note(cpu);
        return value;
      },
      write: (_offset, _size, written, cpu) => {
        value = written;
        note(cpu);
      },
    };
    const region = {
      placement: 'user',
      unit: 'nic',
      lane: new UnitLane(() => track),
      memory: wayTo('pci-device', 'memory', costs),
      port: wayTo('pci-device', 'ports', costs),
      offset: 0,
      coalesces: undefined,
    } as const;
    vm.mmio.add(DEVICE, 4096, cell, region);
    machine.run(20_000);
    return { log, hash: machine.finish().hash };
  }

  it('shows each what has happened before its time, and nothing later', () => {
    const { log } = race();
    expect(log).toHaveLength(120);
    // In the order of time: a read has the value of the last write before it.
    expect(log.map(({ time }) => time)).toEqual(log.map(({ time }) => time).sort((x, y) => x - y));
    expect(new Set(log.map(({ cpu }) => cpu))).toEqual(new Set([0, 1]));
    expect(new Set(log.map((each) => Math.floor(each.value / 1000)))).toEqual(new Set([0, 1]));
  });

  it('is the same when each access waits for an event of its time as when only those wait that must', () => {
    const freely = race();
    const mustWait = vi.spyOn(Island.prototype, 'mustWait').mockReturnValue(true);
    const waiting = race();
    mustWait.mockRestore();
    expect(waiting).toEqual(freely);
  });
});

describe('starting another vCPU', () => {
  it('takes INIT and one start-up IPI', () => {
    expect(startsAfter([...init, ...startUp(8)], { 8: spins(5) })).toEqual(['init', 8]);
  });

  it('does nothing without INIT', () => {
    expect(startsAfter(startUp(8))).toEqual([]);
  });

  it('happens once: a second start-up IPI is ignored', () => {
    expect(startsAfter([...init, ...startUp(8), ...startUp(9)])).toEqual(['init', 8]);
    expect(startsAfter([...init, ...startUp(8), ...spins(500), ...startUp(9)])).toEqual(['init', 8]);
  });

  it('happens again after another INIT, whether it runs or halts', () => {
    const again = [...init, ...startUp(8), ...spins(500), ...init, ...startUp(9)];
    expect(startsAfter(again, { 8: spins(5) })).toEqual(['init', 8, 'init', 9]);
    expect(startsAfter(again, { 8: [halt] })).toEqual(['init', 8, 'init', 9]);
  });

  it('is recorded: how long it waited, and what ended that', () => {
    const { machine } = pair([...init, ...startUp(8)], { 8: [halt] });
    machine.run(10_000);
    const { rows } = machine.finish();
    const names = rows.filter(({ name }) => /sipi|ipi\.|^halted/.test(name)).map(({ name, a }) => [name, a]);
    expect(names).toEqual([
      ['wait.sipi', 0],
      ['ipi.init', 1],
      ['ipi.startup', 8],
      ['halted', 0],
    ]);
  });
});

describe('an NMI', () => {
  it('reaches a vCPU with interrupts off, also one that sleeps', () => {
    const off: Step = (cpu) => void (cpu.interruptsOn = false);
    for (const at of [spins(5), [off, halt]]) {
      const { machine, second } = pair([...init, ...startUp(8), ...spins(300), ...nmi], { 8: at });
      machine.run(10_000);
      expect(second.delivered.map(({ vector }) => vector)).toEqual([2]);
    }
  });

  it('waits for the IRET of the one in service, and of several only one is kept', () => {
    const iret: Step = (cpu) => cpu.endNmi();
    const { machine, second } = pair(
      [...init, ...startUp(8), ...spins(300), ...nmi, ...spins(200), ...nmi, ...nmi, ...nmi],
      { 8: [...spins(1_500), iret, ...spins(500), iret] },
    );
    machine.run(10_000);
    expect(second.delivered.map(({ vector }) => vector)).toEqual([2, 2]);
    const [, later] = second.delivered;
    const { rows } = machine.finish();
    const sent = rows.filter(({ name }) => name === 'ipi.nmi');
    const injected = rows.filter(({ name }) => name === 'nmi.inject');
    const window = rows.filter(({ name }) => name === exit(VmxExit.NMI_WINDOW));
    expect([sent.length, injected.length, window.length]).toEqual([4, 2, 1]);
    // Behind the IRET: exit, dispatch, then entry and injection.
    expect(window[0].start).toBeGreaterThan(sent[3].start);
    expect(later.time).toBe(window[0].start + 4 * 10);
  });
});

describe('KVM_HC_SEND_IPI', () => {
  const call =
    (targets: bigint, lowest: bigint): Step =>
    (cpu) => {
      cpu.setReg(Reg.RAX, 10n);
      cpu.setReg(Reg.RBX, targets);
      cpu.setReg(Reg.RCX, 0n);
      cpu.setReg(Reg.RDX, lowest);
      cpu.setReg(Reg.RSI, 0x41n);
      cpu.callouts.vmcall();
    };

  it('sends to the vCPUs whose bits are set, counted from the lowest ID, and tells how many it reached', () => {
    const cases: [targets: bigint, lowest: bigint, first: number, second: number][] = [
      [0b10n, 0n, 0, 1],
      [0b11n, 0n, 1, 1],
      [0b1n, 1n, 0, 1],
      [0b1n, 0n, 1, 0],
      [0b100n, 0n, 0, 0],
    ];
    for (const [targets, lowest, first, second] of cases) {
      const { machine, second: other } = pair(
        [...init, ...startUp(8), ...spins(300), call(targets, lowest)],
        {
          8: [(cpu) => void (cpu.interruptsOn = true)],
        },
      );
      const enable = (): void => void machine.vm.lapic(1).write(Lapic.Svr, 4, 0x1ff);
      machine.at(250, 'the second LAPIC on', enable);
      machine.run(10_000);
      const [sender] = machine.cpus;
      expect([sender.delivered.length, other.delivered.length]).toEqual([first, second]);
      expect(sender.getReg(Reg.RAX)).toBe(BigInt(first + second));
    }
  });
});

describe('an IPI in the trace', () => {
  const sender = 'vCPU 0';
  const enable = (machine: ScriptMachine): void =>
    machine.at(250, 'the second LAPIC on', () => void machine.vm.lapic(1).write(Lapic.Svr, 4, 0x1ff));
  const cases: [string, Step[], exit: number, sent: number][] = [
    ['to both, by shorthand', icr(0, 0x80041), VmxExit.APIC_ACCESS, 1],
    [
      'to each, by one hypercall',
      [
        (cpu) => {
          const values: [number, bigint][] = [
            [Reg.RAX, 10n],
            [Reg.RBX, 0b11n],
            [Reg.RCX, 0n],
            [Reg.RDX, 0n],
            [Reg.RSI, 0x41n],
          ];
          for (const [register, value] of values) cpu.setReg(register, value);
          cpu.callouts.vmcall();
        },
      ],
      VmxExit.VMCALL,
      2,
    ],
  ];

  it.each(cases)('%s: hangs on its exit, and what each LAPIC accepts on it', (_, send, reason, sent) => {
    const { machine } = pair([...init, ...startUp(8), ...spins(300), ...send, ...spins(5), halt], {
      8: spins(2000),
    });
    enable(machine);
    machine.run(10_000);
    const { rows } = machine.finish();
    const ipis = rows.filter(({ name }) => name === 'ipi.send');
    expect(ipis).toHaveLength(sent);
    for (const ipi of ipis) {
      const why = rows[ipi.cause];
      expect(why.name === 'mmio.write' ? rows[why.cause].name : why.name).toBe(exit(reason));
    }
    const accepted = rows.filter(({ name, track }) => name === 'irq.accept' && track.startsWith('vCPU'));
    expect(accepted.map(({ track }) => track).sort()).toEqual(['vCPU 0', 'vCPU 1']);
    for (const row of accepted) expect(ipis).toContain(rows[row.cause]);
    expect(new Set(accepted.map(({ cause }) => cause)).size).toBe(sent);
    // What the sender goes on with is no consequence of what a receiver accepts.
    const after = rows.filter(
      ({ track, type, start }) => track === sender && type === 'vcpu' && start >= ipis[0].start,
    );
    expect(after.length).toBeGreaterThan(3);
    for (const row of after) expect(rows[row.cause]?.name ?? '').not.toMatch(/^irq.accept|^ipi/);
  });
});

describe('CPUID', () => {
  it('tells each vCPU its own APIC ID, and how many there are', () => {
    const { machine } = pair([]);
    for (const id of [0, 1]) {
      const one = machine.vm.cpuid(1, 0, id);
      expect([one.ebx >>> 24, (one.ebx >>> 16) & 0xff]).toEqual([id, 2]);
      expect((one.edx >>> 28) & 1).toBe(1);
      // One thread a core, then two cores numbered by one bit of the ID (SDM vol. 2, CPUID, leaf 0BH).
      expect(machine.vm.cpuid(0xb, 0, id)).toEqual({ eax: 0, ebx: 1, ecx: 0x100, edx: id });
      expect(machine.vm.cpuid(0xb, 1, id)).toEqual({ eax: 1, ebx: 2, ecx: 0x201, edx: id });
      expect(machine.vm.cpuid(0xb, 2, id)).toEqual({ eax: 0, ebx: 0, ecx: 2, edx: id });
    }
    expect(new ScriptMachine([new ScriptCpu([])]).vm.cpuid(1, 0, 0).edx >>> 28).toBe(0);
  });
});
