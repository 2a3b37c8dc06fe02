/** A device whose queues a worker of the kernel works on: what of its work is whose, and what a pin shows in the end. */
import { describe, expect, it } from 'vitest';
import type { DmaResult } from '../../../../src/machine/bus';
import { DmaMemory } from '../../../../src/machine/memory/dma-memory';
import { linearTranslation } from '../../../../src/machine/memory/dma-translation';
import { DataSlot } from '../../../../src/machine/memory/data-slot';
import { HostMemory } from '../../../../src/machine/memory/host-memory';
import { Doorbells } from '../../../../src/vmm/kvm/doorbells';
import { Ioeventfds } from '../../../../src/vmm/kvm/ioeventfds';
import { QemuProcess } from '../../../../src/vmm/qemu/process';
import type { Worker } from '../../../../src/vmm/threads/worker';
import { VhostSocket } from '../../../../src/vmm/vhost/socket';
import { VhostWorker } from '../../../../src/vmm/vhost/worker';
import { costs, passTo, siteOf } from '../threads/world';

const TRACK = 1;
const DMA_TRACK = 2;
const RAM = 0x10000;
const LONG = 1_000_000;

/** A host of two CPUs, QEMU's main loop, and a device whose ends of transactions and times are noted. */
function setUp(busyPollNs = 0) {
  const { site, recorder } = siteOf(2);
  const { island } = site;
  const qemu = new QemuProcess(site, { index: 0, name: 'vm0' });
  const { mainLoop } = qemu;
  const memory = new HostMemory();
  memory.map(0, new DataSlot(RAM));
  const log: string[] = [];
  const pins: { level: boolean; time: number }[] = [];
  const messages: { address: number; data: number }[] = [];
  const state = { busMaster: true };
  const worker = new VhostWorker(site, { index: 0, name: 'vm0' }, 'nic');
  const socket = new VhostSocket(
    worker,
    {
      qemu,
      irqchip: {
        setPin: () => undefined,
        msi: (_requester, address, data) => void messages.push({ address, data }),
        onAcknowledged: () => undefined,
      },
      pin: { set: (level) => void pins.push({ level, time: island.now() }) },
      busMaster: () => state.busMaster,
      busyPollNs,
    },
    {
      id: 'vm0/nic',
      track: () => TRACK,
      dmaTrack: () => DMA_TRACK,
      who: 'nic',
      memory: new DmaMemory(memory, linearTranslation(0, RAM)),
    },
  );
  const told = (result: DmaResult): string => (typeof result === 'string' ? result : `[${result.join()}]`);
  socket.plug({
    onDma: (tag, result) => void log.push(`dma ${tag} ${told(result)}`),
    onEvent: (kind, arg) => void log.push(`event ${kind} ${arg} at ${island.now()}`),
  });
  /** Has a thread do something. */
  const post = (thread: Worker, id: string, work: () => void): void => {
    const target = { jobTargetId: id, onJob: work };
    thread.register(target);
    thread.post(target, 0, 0);
  };
  return { site, recorder, worker, mainLoop, socket, log, pins, messages, memory, state, post };
}

describe('the data plane of a device in the kernel', () => {
  it('copies to and from the memory of the VM, one transaction after the other', () => {
    const { site, socket, worker, log, memory, post } = setUp();
    memory.write(0x100, Uint8Array.of(1, 2, 3));
    post(worker.thread, 'job', () => {
      socket.dma.read(0, 0x100, 3, 5);
      socket.dma.write(0, 0x200, Uint8Array.of(9), 6);
      socket.dma.read(0, 0x200, 1, 7);
    });
    passTo(site, LONG);
    expect(log).toEqual(['dma 5 [1,2,3]', 'dma 6 []', 'dma 7 [9]']);
  });

  it('reaches nothing outside the memory, and nothing at all while the function is no bus master', () => {
    const { site, socket, worker, log, memory, state, post } = setUp();
    post(worker.thread, 'outside', () => socket.dma.write(0, RAM - 1, Uint8Array.of(1, 1), 1));
    passTo(site, LONG);
    state.busMaster = false;
    post(worker.thread, 'no master', () => socket.dma.write(0, 0x300, Uint8Array.of(1), 2));
    passTo(site, 2 * LONG);
    expect(log).toEqual(['dma 1 master-abort', 'dma 2 master-abort']);
    expect(memory.read(0x300, 1)).toEqual(Uint8Array.of(0));
  });

  it('is done by the worker, also what somebody else begins: it is woken for that', () => {
    const { site, socket, mainLoop, log, post } = setUp();
    // A register write has the device look at its queue, in QEMU.
    post(mainLoop, 'register', () => {
      socket.dma.read(0, 0x100, 1, 1);
      socket.dma.read(0, 0x101, 1, 2);
      expect(log).toEqual([]);
    });
    passTo(site, LONG);
    expect(log).toEqual(['dma 1 [0]', 'dma 2 [0]']);
  });

  it('has timers that the worker serves, unless they are cancelled', () => {
    const { site, socket, log } = setUp();
    socket.schedule(1000, 7, 70);
    const never = socket.schedule(1000, 8, 80);
    socket.cancel(never);
    passTo(site, LONG);
    expect(log).toHaveLength(1);
    const [, kind, arg, time] = /^event (\d+) (\d+) at (\d+)$/.exec(log[0])!;
    expect([kind, arg]).toEqual(['7', '70']);
    expect(Number(time)).toBeGreaterThan(1000);
  });

  it('sends its messages by an irqfd, of its worker', () => {
    const { site, socket, worker, mainLoop, messages, post } = setUp();
    post(worker.thread, 'used', () => socket.msi.send(0, 0xfee00000, 0x41));
    passTo(site, LONG);
    // The worker sleeps: what QEMU has it send wakes it.
    post(mainLoop, 'configuration', () => socket.msi.send(0, 0xfee00000, 0x42));
    passTo(site, 2 * LONG);
    expect(messages).toEqual([0x41, 0x42].map((data) => ({ address: 0xfee00000, data })));
  });
});

describe('a vector of such a device that was masked', () => {
  it('is signalled to the irqfd by the thread of QEMU that unmasks it, and the worker sleeps on', () => {
    const { site, socket, worker, mainLoop, messages, post } = setUp();
    post(mainLoop, 'unmask', () => {
      socket.msi.sendUnmasked?.(0, 0xfee00000, 0x43);
      expect(worker.thread.idle).toBe(true);
    });
    passTo(site, LONG);
    expect(messages).toEqual([{ address: 0xfee00000, data: 0x43 }]);
  });

  it('needs such a thread', () => {
    const { socket } = setUp();
    expect(() => socket.sendUnmasked(0, 0xfee00000, 0x43)).toThrow(/lock of its QEMU/);
  });
});

describe('a worker that polls', () => {
  const POLL = 50_000;
  // A look takes as long as PAUSE and the loop's instruction; the site's clock has one cycle to the nanosecond.
  const LOOK = costs['instruction.pause'] + costs['instruction.base'];
  const MIDST = POLL / 2;

  /** A worker that has come to watch two bytes, and what happens in the midst of that. */
  function watching() {
    const parts = setUp(POLL);
    const { site, socket, worker, post } = parts;
    const target = { eventTargetId: 'test/midst', onEvent: () => happens.forEach((each) => each()) };
    const happens: (() => void)[] = [];
    site.island.queue.register(target);
    site.island.queue.schedule(MIDST, target, 0);
    post(worker.thread, 'work', () => socket.polling?.watch(0, 0x100, Uint8Array.of(0, 0), 5));
    const inMidst = (what: () => void): void => void happens.push(what);
    const ended = (): { time: number; log: string[] } => ({ time: worker.thread.now(), log: parts.log });
    return { ...parts, inMidst, ended };
  }

  it('tells of a change at its next look, and sleeps then', () => {
    const { site, memory, worker, inMidst, ended } = watching();
    inMidst(() => memory.write(0x101, Uint8Array.of(3)));
    passTo(site, LONG);
    const { time, log } = ended();
    expect(log).toEqual(['dma 5 [0,3]']);
    expect(time).toBeGreaterThanOrEqual(MIDST);
    expect(time).toBeLessThanOrEqual(MIDST + LOOK);
    expect(worker.thread.thread.state).toBe('blocked');
  });

  it('gives up at the first look behind its time, with what is there', () => {
    const { site, worker, ended } = watching();
    passTo(site, LONG);
    const { time, log } = ended();
    expect(log).toEqual(['dma 5 [0,0]']);
    expect(time).toBeGreaterThanOrEqual(POLL);
    expect(time).toBeLessThan(POLL + MIDST);
    expect(worker.thread.thread.state).toBe('blocked');
  });

  it('takes a job that comes meanwhile, and polls anew', () => {
    const { site, worker, log, inMidst, ended, post } = watching();
    inMidst(() => post(worker.thread, 'job', () => void log.push(`job at ${worker.thread.now()}`)));
    passTo(site, LONG);
    const [job, watch] = log;
    const jobTime = Number(/^job at (\d+)$/.exec(job)?.[1]);
    expect(jobTime).toBeLessThanOrEqual(MIDST + LOOK + costs['vhost.job']);
    expect(watch).toBe('dma 5 [0,0]');
    expect(ended().time).toBeGreaterThanOrEqual(jobTime + POLL);
  });

  it('comes to what has changed in memory before a job', () => {
    const { site, worker, memory, log, inMidst, post } = watching();
    inMidst(() => {
      post(worker.thread, 'job', () => {
        log.push('job');
        memory.write(0x100, Uint8Array.of(1));
      });
      post(worker.thread, 'next job', () => void log.push('next job'));
    });
    passTo(site, LONG);
    expect(log).toEqual(['job', 'dma 5 [1,0]', 'next job']);
  });

  it('gives its CPU up to a thread that is to have it', () => {
    const { site, worker, inMidst, ended } = watching();
    inMidst(() => void worker.thread.preempt());
    passTo(site, LONG);
    expect(ended().log).toEqual(['dma 5 [0,0]']);
    expect(ended().time).toBeLessThanOrEqual(MIDST + LOOK);
  });

  it('reads nothing while the function is no bus master', () => {
    const { site, state, inMidst, ended } = watching();
    inMidst(() => (state.busMaster = false));
    passTo(site, LONG);
    expect(ended().log).toEqual(['dma 5 master-abort']);
    expect(ended().time).toBeLessThanOrEqual(MIDST + LOOK);
  });

  it('is saved in the midst of a poll, and goes on from there', () => {
    const [whole, fresh] = [watching(), watching()];
    passTo(whole.site, MIDST - 1);
    fresh.recorder.load(whole.recorder.save());
    fresh.site.units.load(structuredClone(whole.site.units.save()));
    for (const { memory, site, inMidst } of [whole, fresh]) {
      inMidst(() => memory.write(0x101, Uint8Array.of(3)));
      passTo(site, LONG);
    }
    expect(whole.ended().log).toEqual(['dma 5 [0,3]']);
    expect(fresh.ended()).toEqual(whole.ended());
  });

  it('wakes up to watch what somebody else begins', () => {
    const { site, socket, log } = setUp(POLL);
    socket.polling?.watch(0, 0x100, Uint8Array.of(7), 7);
    passTo(site, LONG);
    expect(log).toEqual(['dma 7 [0]']);
  });
});

describe('the pin of such a device', () => {
  it('is set by QEMU when its main loop comes to it', () => {
    const { site, socket, worker, pins, post } = setUp();
    post(worker.thread, 'used', () => {
      socket.irq.set(true);
      expect(pins).toEqual([]);
    });
    passTo(site, LONG);
    expect(pins.map(({ level }) => level)).toEqual([true]);
  });

  it('shows what is asked for last, once', () => {
    const { site, socket, worker, pins, post } = setUp();
    post(worker.thread, 'used', () => {
      socket.irq.set(true);
      socket.irq.set(false);
      socket.irq.set(true);
    });
    passTo(site, LONG);
    expect(pins.map(({ level }) => level)).toEqual([true]);
    post(worker.thread, 'again', () => socket.irq.set(false));
    passTo(site, 2 * LONG);
    expect(pins.map(({ level }) => level)).toEqual([true, false]);
  });

  it('stays as QEMU sets it when that was later than what the worker asks for', () => {
    const { site, socket, worker, pins, post } = setUp();
    // The driver reads the ISR status before the main loop has come to the pin.
    post(worker.thread, 'used', () => {
      socket.irq.set(true);
      socket.pinSet();
    });
    passTo(site, LONG);
    expect(pins).toEqual([]);
    post(worker.thread, 'used again', () => {
      socket.irq.set(true);
      socket.pinSet();
      socket.irq.set(true);
    });
    passTo(site, 2 * LONG);
    expect(pins.every(({ level }) => level)).toBe(true);
    expect(pins.length).toBeGreaterThan(0);
  });

  it('is due in a snapshot, and so is what was under way', () => {
    const { socket, site, worker, post } = setUp();
    post(worker.thread, 'used', () => socket.irq.set(true));
    passTo(site, 20);
    const saved = socket.save();
    const fresh = setUp().socket;
    fresh.load(structuredClone(saved));
    expect(fresh.save()).toEqual(saved);
  });
});

describe('doorbells', () => {
  const BLOCK = { read: () => 0, write: () => undefined, registerName: () => undefined };
  const OTHER = { ...BLOCK };

  function bells(doorbellsHaveData = false) {
    const parts = setUp();
    const { site, worker } = parts;
    const kicked: { queue: number; time: number }[] = [];
    const device = {
      doorbells: [
        { block: BLOCK, offset: 0, bytes: 2, queue: 0, shared: false },
        { block: BLOCK, offset: 4, bytes: 2, queue: 1, shared: false },
        { block: OTHER, offset: 16, bytes: 2, queue: 0, shared: true },
        { block: OTHER, offset: 16, bytes: 2, queue: 1, shared: true },
      ] as const,
      doorbellsHaveData,
      kicked: (queue: number) => void kicked.push({ queue, time: site.island.now() }),
    };
    const ioeventfds = new Ioeventfds();
    new Doorbells('vm0/nic/doorbells', worker.thread, device, site.units).register(ioeventfds);
    return { ...parts, ioeventfds, kicked };
  }

  it('are hit by a write of any width to a queue of its own, and by its number where queues share one', () => {
    const { ioeventfds } = bells();
    for (const size of [1, 2, 4, 8]) expect(ioeventfds.find(BLOCK, 4, size, 99, 0)).toBeDefined();
    expect(ioeventfds.find(BLOCK, 2, 2, 0, 0)).toBeUndefined();
    expect(ioeventfds.find(BLOCK, 8, 2, 0, 0)).toBeUndefined();
    expect(ioeventfds.find(OTHER, 16, 2, 1, 0)).toBeDefined();
    expect(ioeventfds.find(OTHER, 16, 2, 2, 0)).toBeUndefined();
    expect(ioeventfds.find(OTHER, 16, 4, 1, 0)).toBeUndefined();
    // One queue has one eventfd, wherever it was rung.
    expect(ioeventfds.find(BLOCK, 4, 2, 1, 0)?.signalled).toBe(
      ioeventfds.find(OTHER, 16, 2, 1, 0)?.signalled,
    );
  });

  it('are refused when what is written there has to reach the device, as an eventfd has no data', () => {
    expect(() => bells(true)).toThrow(RangeError);
  });

  it('wake the thread, which does the work of each queue once for all writes before', () => {
    const { site, ioeventfds, kicked } = bells();
    for (const [block, offset, value] of [
      [BLOCK, 0, 0],
      [BLOCK, 0, 0],
      [OTHER, 16, 1],
      [BLOCK, 0, 0],
      [BLOCK, 4, 1],
    ] as const) {
      ioeventfds.find(block, offset, 2, value, 0)!.signalled.signal();
    }
    expect(kicked).toEqual([]);
    passTo(site, LONG);
    expect(kicked.map(({ queue }) => queue)).toEqual([0, 1]);
    ioeventfds.find(BLOCK, 0, 2, 0, 0)!.signalled.signal();
    passTo(site, 2 * LONG);
    expect(kicked.map(({ queue }) => queue)).toEqual([0, 1, 0]);
  });
});
