/** Accesses that the I/O bitmaps and the EPT let through: no exit, at their own time, and what comes meanwhile waits. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RegisterBlock } from '../../../../src/machine/bus';
import { PortForm } from '../../../../src/machine/x86/types';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import { wayTo } from '../../../../src/vmm/kvm/exit-way';
import { IoBitmaps } from '../../../../src/vmm/kvm/io-bitmaps';
import { apicQualification, eptQualification, ioQualification } from '../../../../src/vmm/kvm/qualification';
import { NOWHERE, ScriptCpu, ScriptMachine, costs, exit, storyOf, type Step } from '../script-cpu';

const POST = 0x80;
const BUS = costs['bus.portWrite'];
const PAGE = 4096;
const spin: Step = () => undefined;
const out =
  (value: number): Step =>
  (cpu) =>
    cpu.callouts.portOut(POST, 1, value);
const write =
  (offset: number, value: number): Step =>
  (cpu) =>
    cpu.callouts.mmioWrite(NOWHERE + offset, 4, value, 0);

/** A VM that may reach the POST display, and whose device has its second page mapped. */
function setUp(steps: Step[]): {
  machine: ScriptMachine;
  cpu: ScriptCpu;
  seen: [offset: number, at: number][];
} {
  const cpu = new ScriptCpu([...steps]);
  const machine = new ScriptMachine([cpu], { passPorts: [{ first: POST, last: POST }] });
  const seen: [number, number][] = [];
  const block: RegisterBlock = {
    read: () => 7,
    write: (offset) => void seen.push([offset, machine.site.island.now()]),
    registerName: () => undefined,
  };
  const track = machine.site.tracer.addTrack({ type: 'device', name: 'nic', group: 'vm0', vm: 0 });
  machine.vm.mmio.add(NOWHERE, 2 * PAGE, block, {
    placement: 'user',
    unit: 'nic',
    lane: { track } as never,
    memory: wayTo('pci-device', 'memory', costs),
    port: wayTo('pci-device', 'ports', costs),
    offset: 0,
    coalesces: undefined,
    mapped: { covers: (offset) => offset >= PAGE, read: 3, write: 2, onTouch: false },
  });
  return { machine, cpu, seen };
}

describe('a port whose bit is clear', () => {
  it('is reached without an exit, in the time of the bus', () => {
    const { machine, cpu } = setUp([out(1), out(2)]);
    machine.run(500);
    const { rows } = machine.finish();
    expect(storyOf(rows)).toEqual([]);
    const writes = rows.filter(({ name }) => name === 'pio.out');
    expect(writes.map(({ start, track }) => [start, track])).toEqual([
      [BUS, 'POST display'],
      [2 * BUS + 1, 'POST display'],
    ]);
    expect(cpu.now()).toBeGreaterThan(2 * BUS);
  });

  it('leaves the same trace when something is due at every moment', () => {
    const steps = (): Step[] => [out(1), write(0, 1), write(PAGE, 2), out(3), write(PAGE, 4)];
    const free = setUp(steps());
    free.machine.run(600);
    const held = setUp(steps());
    for (let time = 0; time < 600; time += 1) held.machine.at(time, `at ${time}`, () => undefined);
    held.machine.run(600);
    expect(held.machine.finish().rows).toEqual(free.machine.finish().rows);
    expect(held.seen).toEqual(free.seen);
    expect(free.seen.map(([offset]) => offset)).toEqual([0, PAGE, PAGE]);
  });

  it('lets an interrupt that comes meanwhile make its exit behind the instruction, which is done once', () => {
    for (const time of [1, 2, BUS / 2, BUS - 1, BUS]) {
      const { machine, cpu } = setUp([out(1), spin, spin]);
      machine.at(time, 'arrival', () => void machine.vm.lapic(0).accept(0x40, false));
      machine.run(500);
      const { rows } = machine.finish();
      expect(storyOf(rows)).toEqual([exit(VmxExit.EXTERNAL_INTERRUPT), 'irq.inject', 'irq.deliver']);
      expect(rows.filter(({ name }) => name === 'pio.out')).toHaveLength(1);
      expect(cpu.delivered).toHaveLength(1);
      expect(cpu.delivered[0].time).toBeGreaterThan(BUS);
    }
  });
});

describe('a page that the EPT map', () => {
  it('is reached without an exit, and its neighbour is not', () => {
    const { machine, seen } = setUp([write(PAGE, 1), write(PAGE - 4, 2)]);
    machine.run(500);
    expect(seen[0]).toEqual([PAGE, 2]);
    expect(storyOf(machine.finish().rows)).toEqual([exit(VmxExit.EPT_VIOLATION)]);
  });
});

describe('the bitmaps', () => {
  const range = fc
    .tuple(fc.nat({ max: 0xffff }), fc.nat({ max: 12 }))
    .map(([first, more]) => ({ first, last: Math.min(0xffff, first + more) }));

  it('let an access through only where all its ports are let through (SDM vol. 3, 26.1.3)', () => {
    fc.assert(
      fc.property(
        fc.array(range, { maxLength: 5 }),
        fc.nat({ max: 0xffff }),
        fc.constantFrom(1, 2, 4),
        (passed, near, size) => {
          const bitmaps = new IoBitmaps(passed);
          for (const port of [
            near,
            ...passed.flatMap(({ first, last }) => [first - 1, first, last - 1, last]),
          ]) {
            if (port < 0) continue;
            const ports = Array.from({ length: size }, (_, i) => port + i);
            const all = ports.every(
              (each) => each <= 0xffff && passed.some(({ first, last }) => first <= each && each <= last),
            );
            expect(bitmaps.traps(port, size)).toBe(!all);
          }
        },
      ),
    );
  });
});

describe('exit qualifications', () => {
  it('are laid out as tables 28-5 to 28-7 have them', () => {
    const { Dx, Immediate, String } = PortForm;
    const io = { port: 0x80, size: 1, isIn: false, form: Immediate, repeated: false } as const;
    expect(ioQualification(io)).toBe(0x0080_0040);
    expect(ioQualification({ ...io, size: 4, isIn: true, form: Dx, port: 0xcfc })).toBe(0x0cfc_000b);
    expect(ioQualification({ ...io, size: 2, form: String, repeated: true, port: 0xfff8 })).toBe(0xfff8_0031);
    expect(apicQualification(0xb0, true)).toBe(0x10b0);
    expect(apicQualification(0x20, false)).toBe(0x20);
    expect(eptQualification(true)).toBe(0x182);
    expect(eptQualification(false)).toBe(0x181);
  });
});
