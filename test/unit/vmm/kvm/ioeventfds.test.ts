/** Which writes of a guest signal an eventfd, and what becomes of them: on a vCPU that follows a script, and at random. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RegisterBlock } from '../../../../src/machine/bus';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import { wayTo } from '../../../../src/vmm/kvm/exit-way';
import { Ioeventfds, type IoeventfdLength, type IoeventfdPlace } from '../../../../src/vmm/kvm/ioeventfds';
import { EventFd } from '../../../../src/vmm/threads/eventfd';
import { Worker } from '../../../../src/vmm/threads/worker';
import { NOWHERE, ScriptCpu, ScriptMachine, costs, exit, type Step, type Told } from '../script-cpu';

const DOORBELL = 0x10;
const PORT = 0xc000;
const legs = (...keys: (keyof typeof costs)[]): number => keys.reduce((sum, key) => sum + costs[key], 0);
const FAST = legs('exit.hardware', 'kvm.dispatch', 'kvm.fastWrite', 'kvm.eventfd');
const DECODED = legs('exit.hardware', 'kvm.dispatch', 'kvm.mmio', 'kvm.eventfd');

const spin: Step = () => undefined;
const wait = (cycles: number): Step[] => Array.from({ length: cycles }, () => spin);
const write =
  (offset: number, value: number, size = 4): Step =>
  (cpu) =>
    cpu.callouts.mmioWrite(NOWHERE + offset, size, value, 0);
const out =
  (value: number): Step =>
  (cpu) =>
    cpu.callouts.portOut(PORT, 2, value);

/** A device at `NOWHERE` and at `PORT`, with one ioeventfd, and a worker of the kernel that reads it. */
function setUp(steps: Step[], place: Omit<IoeventfdPlace, 'block' | 'offset'>, offset = DOORBELL) {
  const machine = new ScriptMachine([new ScriptCpu(steps)]);
  const { vm, site } = machine;
  const seen: { offset: number; value: number }[] = [];
  const block: RegisterBlock = {
    read: () => 0x77,
    write: (at, _size, value) => void seen.push({ offset: at, value }),
    registerName: () => undefined,
  };
  const unit = { class: 'pci-device', name: 'nic', registers: () => ({}) } as const;
  const track = site.tracer.addTrack({ type: 'device', name: unit.name, group: 'vm0', vm: 0 });
  const tag = {
    placement: 'user',
    unit: 'nic',
    lane: { track } as never,
    memory: wayTo(unit.class, 'memory', costs),
    port: wayTo(unit.class, 'ports', costs),
    offset: 0,
    coalesces: undefined,
  } as const;
  const region = vm.mmio.add(NOWHERE, 0x1000, block, tag);
  vm.ports.add(PORT, 4, block, tag);
  const name = 'vhost';
  const thread = site.tracer.addTrack({ type: 'thread', name, group: 'host', vm: 0 });
  const targets = new Map();
  const worker = new Worker(site.island, site.scheduler, site.tracer, {
    name,
    track: thread,
    takeCycles: 5,
    targets,
  });
  const reads: { time: number; count: number }[] = [];
  const target = {
    jobTargetId: 'queue',
    onJob: () => void reads.push({ time: site.island.now(), count: fd.take() }),
  };
  worker.register(target);
  const fd: EventFd = new EventFd(() => worker.post(target, 0, 0));
  const added = vm.ioeventfds.add({ block, offset, ...place }, fd);
  return { machine, vm, region, seen, reads, fd, added };
}

/** Exits among the rows of a run, with the legs inside. */
function exits(rows: readonly Told[]): string[] {
  return rows
    .filter(({ type, name }) => type === 'vcpu' && !name.startsWith('guest'))
    .map(({ name }) => name);
}

describe('a write that signals an eventfd', () => {
  it('is served by KVM at the end of its leg, wakes who waits, and is not seen by the device', () => {
    // The first touch of the page is an EPT violation, whose instruction KVM decodes.
    const first = setUp([write(DOORBELL, 3)], { length: 0 });
    first.machine.run(500);
    expect(first.seen).toEqual([]);
    expect(first.reads).toEqual([{ time: DECODED + costs['kvm.eptViolation'] + 5, count: 1 }]);
    expect(exits(first.machine.finish().rows)).toEqual([exit(VmxExit.EPT_VIOLATION), 'kvm.handle', 'entry']);
    const again = setUp([write(DOORBELL + 4, 9), ...wait(9), write(DOORBELL, 3)], { length: 0 });
    again.machine.run(500);
    expect(again.seen).toEqual([{ offset: DOORBELL + 4, value: 9 }]);
    const { rows } = again.machine.finish();
    expect(exits(rows).slice(-3)).toEqual([exit(VmxExit.EPT_MISCONFIG), 'kvm.handle', 'entry']);
    const left = rows.filter(({ name }) => name === exit(VmxExit.EPT_MISCONFIG)).at(-1)!;
    const signal = rows.find(({ name }) => name === 'ioeventfd')!;
    expect(signal).toMatchObject({ start: left.start + FAST, track: 'nic', a: NOWHERE + DOORBELL });
    expect(rows[signal.cause]).toBe(left);
    const woken = rows.find(({ name, track }) => name === 'sched.wake' && track === 'vhost')!;
    expect(rows[woken.cause]).toBe(signal);
  });

  it('has its instruction decoded where the width counts', () => {
    const { machine } = setUp([write(DOORBELL, 1, 1), ...wait(9), write(DOORBELL, 3)], { length: 4 });
    machine.run(500);
    const { rows } = machine.finish();
    const left = rows.filter(({ name }) => name === exit(VmxExit.EPT_MISCONFIG)).at(-1)!;
    const signal = rows.filter(({ name }) => name === 'ioeventfd');
    expect(signal.map(({ start }) => start)).toEqual([left.start + DECODED]);
  });

  it('at a port is as short as in memory', () => {
    const { machine, seen, reads } = setUp([out(1), ...wait(30), out(7)], { length: 2, match: 7n }, 0);
    machine.run(500);
    expect(seen).toEqual([{ offset: 0, value: 1 }]);
    expect(reads).toHaveLength(1);
    const { rows } = machine.finish();
    const left = rows.filter(({ name }) => name === exit(VmxExit.IO_INSTRUCTION)).at(-1)!;
    expect(rows.find(({ name }) => name === 'ioeventfd')?.start).toBe(left.start + FAST);
  });

  it('moves with the BAR, and does nothing while that does not decode', () => {
    const elsewhere = 0x2000;
    const { machine, vm, region, seen, reads } = setUp(
      [write(DOORBELL, 1), ...wait(300), write(elsewhere + DOORBELL, 2)],
      { length: 0 },
    );
    vm.mmio.place(region, NOWHERE + elsewhere, true);
    machine.run(1000);
    expect(reads).toHaveLength(1);
    expect(reads[0].time).toBeGreaterThan(300);
    expect(seen).toEqual([]);
  });

  it('that comes before the reader has read wakes it once, and is counted', () => {
    // Three kicks; the thread that reads gets a CPU at once, and takes the first when it has come to it.
    const { machine, reads } = setUp([write(DOORBELL, 1), write(DOORBELL, 2), write(DOORBELL, 3)], {
      length: 0,
    });
    machine.run(1000);
    expect(reads.reduce((sum, { count }) => sum + count, 0)).toBe(3);
    expect(reads.every(({ count }) => count > 0)).toBe(true);
  });

  it('is lost where the eventfd is taken back before its time', () => {
    const { machine, vm, added, reads, seen } = setUp([write(DOORBELL, 1)], { length: 0 });
    machine.at(15, 'stop', () => vm.ioeventfds.remove(added));
    machine.run(500);
    expect(reads).toEqual([]);
    expect(seen).toEqual([]);
  });

  it('leaves the same trace when something is due at every moment', () => {
    const steps = (): Step[] => [write(DOORBELL, 1), ...wait(3), write(DOORBELL, 2), out(5)];
    const free = setUp(steps(), { length: 0 });
    free.machine.run(600);
    const held = setUp(steps(), { length: 0 });
    for (let time = 0; time < 600; time += 1) held.machine.at(time, `at ${time}`, () => undefined);
    held.machine.run(600);
    expect(held.machine.finish().rows).toEqual(free.machine.finish().rows);
    expect(held.reads).toEqual(free.reads);
  });
});

describe('the table', () => {
  const blockOf = (): RegisterBlock => ({
    read: () => 0,
    write: () => undefined,
    registerName: () => undefined,
  });
  const nobody = { signal: () => undefined };

  it('refuses a value with no width, and two that one write would hit', () => {
    const table = new Ioeventfds();
    const block = blockOf();
    expect(() => table.add({ block, offset: 0, length: 0, match: 1n }, nobody)).toThrow(RangeError);
    const one = table.add({ block, offset: 0, length: 2, match: 1n }, nobody);
    table.add({ block, offset: 0, length: 2, match: 2n }, nobody);
    table.add({ block, offset: 0, length: 4 }, nobody);
    table.add({ block: blockOf(), offset: 0, length: 0 }, nobody);
    expect(() => table.add({ block, offset: 0, length: 2 }, nobody)).toThrow(RangeError);
    expect(() => table.add({ block, offset: 0, length: 0 }, nobody)).toThrow(RangeError);
    expect(() => table.add({ block, offset: 0, length: 2, match: 1n }, nobody)).toThrow(RangeError);
    table.remove(one);
    table.remove(one);
    expect(table.find(block, 0, 2, 1, 0)).toBeUndefined();
    table.add({ block, offset: 0, length: 2, match: 1n }, nobody);
  });

  it('finds what the rules of the interface say, whatever is registered', () => {
    const places = fc.record({
      offset: fc.nat({ max: 2 }),
      length: fc.constantFrom<IoeventfdLength>(0, 1, 2, 4, 8),
      match: fc.option(fc.constantFrom(0n, 1n, 0xffn, 0x1_0000_0000n), { nil: undefined }),
    });
    const writes = fc.record({
      offset: fc.nat({ max: 3 }),
      size: fc.constantFrom(1, 2, 4, 8),
      low: fc.constantFrom(0, 1, 0xff, 0x1ff, -1),
      high: fc.constantFrom(0, 1),
    });
    fc.assert(
      fc.property(fc.array(places, { maxLength: 6 }), writes, (all, { offset, size, low, high }) => {
        const table = new Ioeventfds();
        const block = blockOf();
        const there = all.flatMap((place) => {
          const { match, ...rest } = place;
          try {
            return [table.add({ block, ...rest, ...(match !== undefined && { match }) }, nobody)];
          } catch (refused) {
            expect(refused).toBeInstanceOf(RangeError);
            return [];
          }
        });
        // As bytes in memory: what is compared is as many of them as the write has.
        const bytes = new DataView(new ArrayBuffer(8));
        bytes.setUint32(0, low >>> 0, true);
        bytes.setUint32(4, high, true);
        const value = [...new Uint8Array(bytes.buffer)]
          .slice(0, size)
          .reduce((sum, byte, i) => sum + BigInt(byte) * 256n ** BigInt(i), 0n);
        const hits = there.filter(
          (each) =>
            each.offset === offset &&
            (each.length === 0 ||
              (each.length === size && (each.match === undefined || each.match === value))),
        );
        expect(hits.length).toBeLessThanOrEqual(1);
        expect(table.find(block, offset, size, low, high)).toBe(hits[0]);
      }),
    );
  });
});
