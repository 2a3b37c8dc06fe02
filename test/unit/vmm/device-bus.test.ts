/** A device behind QEMU: its pin and its DMA as the main loop drives them. */
import { describe, expect, it } from 'vitest';
import type { DmaResult } from '../../../src/machine/bus';
import { DmaMemory } from '../../../src/machine/memory/dma-memory';
import { linearTranslation } from '../../../src/machine/memory/dma-translation';
import { HostMemory, type MemorySlot } from '../../../src/machine/memory/host-memory';
import { EmulatedSocket } from '../../../src/vmm/qemu/emulated-socket';
import { QemuProcess } from '../../../src/vmm/qemu/process';
import { costs, passTo, siteOf } from './threads/world';

/** 4 KiB that hold their own addresses. */
const MEMORY: MemorySlot = {
  size: 4096,
  read: (address, length) => Uint8Array.from({ length }, (_, i) => (address + i) & 0xff),
  write: () => undefined,
};

function setUp(busMaster = true) {
  const { site } = siteOf(1);
  // The VM's memory begins at 0 for the device; on the host something else stands there.
  const host = new HostMemory();
  host.map(0x5000, MEMORY);
  const memory = new DmaMemory(host, linearTranslation(0x5000, MEMORY.size));
  const qemu = new QemuProcess(site, { index: 0, name: 'vm0' });
  const levels: { time: number; asserted: boolean }[] = [];
  const expired: number[] = [];
  const answers: { time: number; tag: number; result: DmaResult }[] = [];
  const track = site.tracer.addTrack({ type: 'device', name: 'nic', group: 'vm0', vm: 0 });
  const socket = new EmulatedSocket(
    qemu,
    {
      setPin: (_gsi, _source, asserted) => void levels.push({ time: site.island.now(), asserted }),
      msi: () => undefined,
    },
    { id: 'vm0/nic', track: () => track, dmaTrack: () => track, who: 'nic', memory },
    { gsi: 11, busMaster: () => busMaster },
  );
  socket.plug({
    onEvent: (kind) => void expired.push(kind),
    onDma: (tag, result) => void answers.push({ time: site.island.now(), tag, result }),
  });
  let jobs = 0;
  /** Has the main loop do something. */
  const post = (work: () => void): void => {
    const target = { jobTargetId: `job/${++jobs}`, onJob: work };
    qemu.mainLoop.register(target);
    qemu.mainLoop.post(target, 0, 0);
  };
  return { site, socket, levels, answers, expired, post };
}

describe('the pin of an emulated device', () => {
  it("changes by one ioctl after the other of the main loop's, each at its own end", () => {
    const { site, socket, levels, post } = setUp();
    post(() => {
      socket.irq.set(true);
      socket.irq.set(false);
      socket.irq.set(true);
    });
    passTo(site, 10_000);
    expect(levels.map(({ asserted }) => asserted)).toEqual([true, false, true]);
    const [first, second, third] = levels.map(({ time }) => time);
    expect([second - first, third - second]).toEqual([costs['irq.ioctl'], costs['irq.ioctl']]);
  });

  it('takes no ioctl where the level stays as it is', () => {
    const { site, socket, levels, post } = setUp();
    post(() => {
      socket.irq.set(false);
      socket.irq.set(true);
      socket.irq.set(true);
    });
    passTo(site, 10_000);
    expect(levels.map(({ asserted }) => asserted)).toEqual([true]);
  });
});

describe('the DMA of an emulated device', () => {
  it('is answered at the end of the copy, with what memory holds then', () => {
    const { site, socket, answers, post } = setUp();
    let asked = 0;
    post(() => {
      asked = site.island.now();
      socket.dma.read(0, 0x20, 4, 7);
    });
    passTo(site, 10_000);
    const copy = costs['device.dmaSetup'] + costs['device.dmaPer64Bytes'];
    expect(answers).toEqual([{ time: asked + copy, tag: 7, result: Uint8Array.of(0x20, 0x21, 0x22, 0x23) }]);
  });

  it('ends in a master abort beyond memory, and for a function that is no bus master', () => {
    for (const { busMaster, address } of [
      { busMaster: true, address: 4094 },
      { busMaster: false, address: 0 },
    ]) {
      const { site, socket, answers, post } = setUp(busMaster);
      post(() => socket.dma.write(0, address, Uint8Array.of(1, 2, 3, 4), 9));
      passTo(site, 10_000);
      expect(answers.map(({ tag, result }) => ({ tag, result }))).toEqual([
        { tag: 9, result: 'master-abort' },
      ]);
    }
  });
});

describe('a timer of an emulated device', () => {
  it('that is stopped while the main loop is at something else does not expire, though its time has passed', () => {
    const { site, socket, expired, post } = setUp();
    let stopped = 0;
    post(() => {
      stopped = socket.schedule(5, 1);
      socket.schedule(6, 2);
      // Longer than both take: the main loop comes to them only afterwards.
      for (let i = 0; i < 4; i++) socket.dma.read(0, 0, 4, i);
    });
    post(() => socket.cancel(stopped));
    passTo(site, 20);
    expect(expired).toEqual([]);
    passTo(site, 10_000);
    expect(expired).toEqual([2]);
  });

  it('is in a snapshot, armed or expired', () => {
    for (const after of [1, 8, 60]) {
      const whole = setUp();
      whole.socket.schedule(5, 1);
      whole.socket.schedule(50, 2);
      passTo(whole.site, after);
      const units = whole.site.units.save();
      const seen = whole.expired.length;
      const fresh = setUp();
      fresh.site.units.load(units);
      for (const { site } of [whole, fresh]) passTo(site, 10_000);
      expect(whole.expired).toEqual([1, 2]);
      expect(fresh.expired).toEqual(whole.expired.slice(seen));
      expect(fresh.socket.save()).toEqual(whole.socket.save());
    }
  });
});
