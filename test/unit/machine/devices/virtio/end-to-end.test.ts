/** The entropy device as a driver finds and uses it: over PCI, modern and legacy, and over MMIO, with split and packed queues. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_CPU } from '../../../../../src/machine/bus';
import { VirtioDevice } from '../../../../../src/machine/devices/virtio/device';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import type { VirtioOptions } from '../../../../../src/machine/devices/virtio/options';
import { createVirtqueue } from '../../../../../src/machine/devices/virtio/queue/queue';
import { VirtioRng } from '../../../../../src/machine/devices/virtio/rng';
import { Random } from '../../../../../src/machine/time/random';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { World } from '../../fake-bus';
import { MessageBus, onMmio, onPci } from './fakes';
import { barAccess, bits, common, enableMsix, structure } from './pci-driver';
import { packedRing, splitRing, type DriverRing } from './rings';

const SEED = 7;
const RING = 0x10000;
const SIZE = 16;
const BUFFERS = 0x40000;
const LATENCY = 30;
const SPLIT = bits(Feature.VERSION_1);
const PACKED = SPLIT | bits(Feature.RING_PACKED);

function rngDevice(options: Partial<VirtioOptions>, seed = SEED) {
  const world = new World();
  const bus = new MessageBus(world, 'virtio-rng');
  bus.dma.latency = LATENCY;
  const device = new VirtioDevice({
    control: bus,
    type: (host) => new VirtioRng(host, seed),
    queue: createVirtqueue,
    options,
  });
  return { world, bus, device };
}

/** What a driver does, by whatever transport. */
interface Access {
  world: World;
  bus: MessageBus;
  /** Up to DRIVER_OK, with queue 0 at these places. */
  start(parts: DriverRing['parts']): void;
  kick(): void;
  status(): number;
  /** Reads and clears why it interrupts. */
  acknowledge(): number;
  level(): boolean;
  reset(): void;
}

function modern(features: bigint): Access {
  const m = onPci(rngDevice({}));
  const cfg = common(m.fn);
  return {
    ...m,
    start({ desc, driver, device, size }) {
      expect(m.fn.read(0, 4)).toBe(0x10441af4);
      expect(cfg.offered() & features).toBe(features);
      expect(cfg.negotiate(features)).toBe(true);
      expect(cfg.get('numQueues')).toBe(1);
      cfg.set('queueSelect', 0);
      cfg.set('queueSize', size);
      cfg.set('desc', desc);
      cfg.set('driver', driver);
      cfg.set('device', device);
      cfg.set('queueEnable', 1);
      cfg.set('status', 15);
    },
    kick: () => structure(m.fn, 2).write(cfg.get('notifyOff') * 4, 2, 0),
    status: () => cfg.get('status'),
    acknowledge: () => structure(m.fn, 3).read(0, 1),
    level: () => m.pin.level,
    reset: () => cfg.set('status', 0),
  };
}

function legacy(): Access {
  const m = onPci(rngDevice({ interfaces: 'transitional' }));
  const { read, write } = barAccess(m.fn);
  return {
    ...m,
    start({ desc }) {
      expect(m.fn.read(0, 4)).toBe(0x10051af4);
      write(0, 18, 1, 0);
      write(0, 18, 1, 1);
      write(0, 18, 1, 3);
      write(0, 4, 4, 0);
      write(0, 14, 2, 0);
      write(0, 8, 4, desc / 4096);
      write(0, 18, 1, 7);
    },
    kick: () => write(0, 16, 2, 0),
    status: () => read(0, 18, 1),
    acknowledge: () => read(0, 19, 1),
    level: () => m.pin.level,
    reset: () => write(0, 18, 1, 0),
  };
}

function mmio(features: bigint | undefined): Access {
  const m = onMmio(rngDevice({ interfaces: features === undefined ? 'legacy' : 'modern' }));
  const { get, set } = m;
  const status = 0x70;
  return {
    ...m,
    start({ desc, driver, device, size }) {
      expect([get(0), get(8)]).toEqual([0x74726976, 4]);
      for (const value of [0, 1, 3]) set(status, value);
      set(0x24, 0);
      set(0x20, Number((features ?? 0n) & 0xffffffffn));
      set(0x30, 0);
      set(0x38, size);
      if (features === undefined) {
        set(0x28, 4096);
        set(0x3c, 4096);
        set(0x40, desc / 4096);
        set(status, 7);
        return;
      }
      set(0x24, 1);
      set(0x20, Number(features >> 32n));
      set(status, 11);
      expect(get(status)).toBe(11);
      set(0x38, size);
      set(0x80, desc);
      set(0x90, driver);
      set(0xa0, device);
      set(0x44, 1);
      set(status, 15);
    },
    kick: () => set(0x50, 0),
    status: () => get(status),
    acknowledge() {
      const why = get(0x60);
      set(0x64, why);
      return why;
    },
    level: () => m.bus.line,
    reset: () => set(status, 0),
  };
}

/** A legacy driver on PCI takes the size that the device has. */
const LEGACY_SIZE = 64;

const ways: [string, () => Access, typeof splitRing, number][] = [
  ['PCI and a split queue', () => modern(SPLIT), splitRing, SIZE],
  ['PCI and a packed queue', () => modern(PACKED), packedRing, SIZE],
  ['the legacy registers of PCI', legacy, splitRing, LEGACY_SIZE],
  ['MMIO and a split queue', () => mmio(SPLIT), splitRing, SIZE],
  ['MMIO and a packed queue', () => mmio(PACKED), packedRing, SIZE],
  ['MMIO of version 1', () => mmio(undefined), splitRing, SIZE],
];

describe('a driver gets random numbers', () => {
  it.each(ways)('over %s', (_name, make, ringOf, size) => {
    const access = make();
    const { world, bus } = access;
    const ring = ringOf(bus.memory, RING, size);
    const random = new Random(SEED);
    access.start(ring.parts);
    world.drain();
    expect(access.level()).toBe(false);
    const lengths = [64, 1, 300];
    // More rounds than the ring has room for, so that it wraps.
    for (let round = 0; round < 2 * size; round++) {
      bus.memory.fill(0, BUFFERS);
      lengths.forEach((length, id) => ring.add(id, BUFFERS + id * 0x1000, length));
      access.kick();
      world.drain();
      expect(ring.used()).toEqual(lengths.map((length, id) => ({ id, length })));
      lengths.forEach((length, id) => {
        const at = BUFFERS + id * 0x1000;
        expect(bus.memory.slice(at, at + length)).toEqual(random.bytes(length));
        expect(bus.memory.slice(at + length, at + 0x1000).every((byte) => byte === 0)).toBe(true);
      });
      expect(access.level()).toBe(true);
      expect(access.acknowledge()).toBe(1);
      expect(access.level()).toBe(false);
    }
    expect(access.status() & 64).toBe(0);
    // What interrupts follows from a kick, by way of the device's transactions.
    for (const row of world.ofKind(Kind.VirtqInterrupt)) {
      const kinds = world.chain(row).map(({ kind }) => kind);
      expect(kinds).toContain(Kind.VirtqKick);
      expect(kinds).toContain(Kind.DmaWrite);
    }
  });

  it.each(ways)('again after a reset, over %s', (_name, make, ringOf, size) => {
    const access = make();
    const { world, bus } = access;
    const before = ringOf(bus.memory, RING, size);
    access.start(before.parts);
    before.add(0, BUFFERS, 4096);
    access.kick();
    world.advanceTo(world.time + LATENCY / 2);
    access.reset();
    world.drain();
    expect(access.status()).toBe(0);
    bus.memory.fill(0);
    const ring = ringOf(bus.memory, RING, size);
    access.start(ring.parts);
    ring.add(0, BUFFERS, 8);
    access.kick();
    world.drain();
    expect(ring.used()).toEqual([{ id: 0, length: 8 }]);
  });

  it.each(ways)(
    'of a buffer that was there before the device began, over %s',
    (_name, make, ringOf, size) => {
      const access = make();
      const ring = ringOf(access.bus.memory, RING, size);
      ring.add(0, BUFFERS, 8);
      access.start(ring.parts);
      access.world.drain();
      expect(ring.used()).toEqual([{ id: 0, length: 8 }]);
    },
  );
});

describe('a worker of the kernel that does the work of the queues', () => {
  it('moves the bytes and interrupts by its own bus', () => {
    const world = new World();
    const control = new MessageBus(world, 'qemu');
    const data = new MessageBus(world, 'vhost');
    const device = new VirtioDevice({
      control,
      data,
      type: (host) => new VirtioRng(host, SEED),
      queue: createVirtqueue,
    });
    const m = onPci({ device, bus: control, world });
    data.plug(device.dataPlane);
    enableMsix(m.fn);
    const ring = splitRing(data.memory, RING, SIZE);
    const cfg = common(m.fn);
    cfg.negotiate(SPLIT);
    cfg.set('queueSize', SIZE);
    cfg.set('queueVector', 1);
    cfg.set('desc', ring.parts.desc);
    cfg.set('driver', ring.parts.driver);
    cfg.set('device', ring.parts.device);
    cfg.set('queueEnable', 1);
    cfg.set('status', 15);
    world.drain();
    ring.add(0, BUFFERS, 16);
    // The eventfd that stands for the notification has been signalled.
    expect(device.kicked(0, 0)).toBe('done');
    world.drain();
    expect(ring.used()).toEqual([{ id: 0, length: 16 }]);
    expect(data.memory.slice(BUFFERS, BUFFERS + 16)).toEqual(new Random(SEED).bytes(16));
    expect(data.messages).toEqual([[0xfee00000, 0x41]]);
    expect(control.messages).toEqual([]);
    expect(control.dma.writes).toEqual([]);
    // What the worker finds wrong it tells by its own bus as well; the status is QEMU's to show all the same.
    cfg.set('configVector', 0);
    ring.add(1, data.memory.length, 16);
    device.kicked(0, 0);
    world.drain();
    expect(cfg.get('status') & 64).toBe(64);
    expect(data.messages.slice(1)).toEqual([[0xfee00000, 0x40]]);
    expect(control.messages).toEqual([]);
  });
});

describe('a driver that breaks the rules of the rings', () => {
  it.each(ways)('has to reset the device, over %s', (_name, make, ringOf, size) => {
    const access = make();
    const { world, bus } = access;
    const ring = ringOf(bus.memory, RING, size);
    access.start(ring.parts);
    ring.add(0, bus.memory.length, 8);
    access.kick();
    world.drain();
    expect(access.status() & 64).toBe(64);
    expect(world.ofKind(Kind.VirtioNeedsReset)).toHaveLength(1);
    expect(access.acknowledge()).toBe(2);
    expect(ring.used()).toEqual([]);
  });

  it('throws nothing, whatever is in memory', () => {
    const memory = fc.array(fc.tuple(fc.nat(0xfff), fc.nat(0xff)), { maxLength: 60 });
    fc.assert(
      fc.property(fc.constantFrom(SPLIT, PACKED), memory, fc.nat(3), (features, writes, kicks) => {
        const access = modern(features);
        const { world, bus } = access;
        access.start({ desc: RING, driver: RING + 0x100, device: RING + 0x800, size: SIZE });
        for (const [at, byte] of writes) bus.memory[RING + at] = byte;
        for (let i = 0; i <= kicks; i++) {
          access.kick();
          world.advanceTo(world.time + 10 * LATENCY);
        }
        access.reset();
        world.drain();
        expect(access.status()).toBe(0);
        bus.memory.fill(0);
        const ring = splitRing(bus.memory, RING, SIZE);
        const again = common(onPciOf(access));
        expect(again.negotiate(SPLIT)).toBe(true);
        access.start(ring.parts);
      }),
    );
  });
});

/** The function behind an access over PCI. */
function onPciOf(access: Access): ReturnType<typeof onPci>['fn'] {
  return (access as Access & { fn: ReturnType<typeof onPci>['fn'] }).fn;
}

describe('a device that moves to another host', () => {
  const lengths = [16, 5, 40];

  /** Runs a PCI device for so many of its events, moves it, and has it end there; what a driver then finds. */
  function moved(features: bigint, events: number) {
    const ringOf = features === PACKED ? packedRing : splitRing;
    const machine = (seed: number) => {
      const m = onPci(rngDevice({}, seed));
      return { ...m, cfg: common(m.fn) };
    };
    const from = machine(SEED);
    const ring = ringOf(from.bus.memory, RING, SIZE);
    from.cfg.negotiate(features);
    from.cfg.set('queueSize', SIZE);
    from.cfg.set('desc', ring.parts.desc);
    from.cfg.set('driver', ring.parts.driver);
    from.cfg.set('device', ring.parts.device);
    from.cfg.set('queueEnable', 1);
    from.cfg.set('status', 15);
    from.world.drain();
    lengths.forEach((length, id) => ring.add(id, BUFFERS + id * 0x1000, length));
    structure(from.fn, 2).write(0, 2, 0);
    for (let i = 0; i < events && from.world.queue.nextTime() < Infinity; i++) {
      from.world.advanceTo(from.world.queue.nextTime());
    }
    const to = machine(SEED + 1);
    to.bus.memory.set(from.bus.memory);
    to.fn.adopt(from.fn.save().hardware);
    to.pci.adopt(from.pci.save().hardware);
    to.world.drain();
    // The driver's own state moves with the memory: here it reads what came back from the start.
    from.bus.memory.set(to.bus.memory);
    return {
      used: ring.used(),
      bytes: lengths.map((length, id) => [
        ...to.bus.memory.slice(BUFFERS + id * 0x1000, BUFFERS + id * 0x1000 + length),
      ]),
      line: to.bus.line || from.bus.line,
      status: to.cfg.get('status'),
      left: from.world.queue.nextTime() < Infinity,
    };
  }

  it.each([
    ['split', SPLIT],
    ['packed', PACKED],
  ])('goes on from any moment, with a %s queue', (_name, features) => {
    const random = new Random(SEED);
    const expected = {
      used: lengths.map((length, id) => ({ id, length })),
      bytes: lengths.map((length) => [...random.bytes(length)]),
      line: true,
      status: 15,
    };
    let moments = 0;
    for (let left = true; left; moments++) {
      const result = moved(features, moments);
      left = result.left;
      expect(result).toEqual({ ...expected, left });
    }
    // Each buffer takes a transaction, and so does showing it.
    expect(moments).toBeGreaterThan(lengths.length * 2);
  });

  it('accesses nothing that no BAR has', () => {
    const { fn } = onPci(rngDevice({}));
    for (const { block, size } of fn.bars) expect(block.read(size, 4, NO_CPU)).toBe(0);
  });
});
