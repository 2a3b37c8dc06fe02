/** A device behind QEMU: its pin as two threads drive it. */
import { describe, expect, it } from 'vitest';
import type { PhysicalMemory } from '../../../src/machine/memory/physical-memory';
import { Recorder } from '../../../src/trace/record/recorder';
import { costKeys, type Costs } from '../../../src/vmm/cost-keys';
import { Host } from '../../../src/vmm/host';
import { EmulatedDeviceBus } from '../../../src/vmm/qemu/emulated-device-bus';
import { IoThread } from '../../../src/vmm/qemu/io-thread';

const costs = Object.fromEntries(Object.keys(costKeys).map((key) => [key, 10])) as Costs;
const NO_MEMORY: PhysicalMemory = {
  size: 0,
  contains: () => false,
  read: (_address, length) => new Uint8Array(length),
  write: () => undefined,
};

function setUp() {
  const host = new Host(new Recorder(), costs, 1e9);
  const thread = new IoThread(host, { index: 0, name: 'vm0' });
  const levels: boolean[] = [];
  let jobs = 0;
  const bus = new EmulatedDeviceBus(
    host,
    NO_MEMORY,
    thread,
    { setPin: (_gsi, _source, asserted) => void levels.push(asserted) },
    { id: 'vm0/nic', vm: 0, group: 'vm0', name: 'nic', registers: {}, gsi: 11 },
  );
  /** Has the thread do something. */
  const post = (work: () => void): void => {
    const target = { jobTargetId: `job/${++jobs}`, onJob: work };
    thread.register(target);
    thread.post(target, 0, 0);
  };
  return { host, bus, levels, post };
}

describe('the pin of an emulated device', () => {
  it("changes at the I/O thread's own time, in its order", () => {
    const { host, bus, levels, post } = setUp();
    post(() => {
      bus.setInterruptLine(true);
      bus.setInterruptLine(false);
      bus.setInterruptLine(true);
    });
    host.queue.fireDue(10); // the thread wakes and works ahead
    expect(levels).toEqual([]);
    host.queue.fireDue(20);
    expect(levels).toEqual([true]);
    host.queue.fireDue(1_000);
    expect(levels).toEqual([true, false, true]);
  });

  it('stays low when a vCPU reads the cause before the thread has set the level', () => {
    const { host, bus, levels, post } = setUp();
    post(() => bus.setInterruptLine(true));
    host.queue.fireDue(10);
    bus.setInterruptLine(false); // in a vCPU thread: the handler of an earlier interrupt reads ICR
    host.queue.fireDue(1_000);
    expect(levels.at(-1)).toBe(false);
    // And the next one is not lost.
    post(() => bus.setInterruptLine(true));
    host.queue.fireDue(2_000);
    expect(levels.at(-1)).toBe(true);
  });
});
