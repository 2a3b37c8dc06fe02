/** Virtio over MMIO (4.2): version 2, and the legacy version 1. */
import { describe, expect, it } from 'vitest';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import { VirtioMmio } from '../../../../../src/machine/devices/virtio/mmio';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { FAKE_CONFIG_BYTES, FAKE_SIZES, FakeFeature, LEGACY_BYTE, fakeDevice, onMmio } from './fakes';
import { bits } from './pci-driver';

/** By the specification's table. */
const R = {
  magic: 0x000,
  version: 0x004,
  deviceId: 0x008,
  deviceFeatures: 0x010,
  deviceFeaturesSel: 0x014,
  driverFeatures: 0x020,
  driverFeaturesSel: 0x024,
  guestPageSize: 0x028,
  queueSel: 0x030,
  queueSizeMax: 0x034,
  queueSize: 0x038,
  queueAlign: 0x03c,
  queuePfn: 0x040,
  queueReady: 0x044,
  queueNotify: 0x050,
  interruptStatus: 0x060,
  interruptAck: 0x064,
  status: 0x070,
  desc: 0x080,
  descHigh: 0x084,
  driver: 0x090,
  device: 0x0a0,
  shmSel: 0x0ac,
  shmLen: 0x0b0,
  shmBase: 0x0b8,
  queueReset: 0x0c0,
  generation: 0x0fc,
  config: 0x100,
} as const;

function machine(options: Parameters<typeof fakeDevice>[0] = {}) {
  const m = onMmio(fakeDevice(options));
  const { get, set } = m;
  const negotiate = (features: bigint): void => {
    set(R.status, 0);
    set(R.status, 1);
    set(R.status, 3);
    set(R.driverFeaturesSel, 0);
    set(R.driverFeatures, Number(features & 0xffffffffn));
    set(R.driverFeaturesSel, 1);
    set(R.driverFeatures, Number(features >> 32n));
    set(R.status, 11);
  };
  const start = (features = bits(Feature.VERSION_1)): void => {
    negotiate(features);
    set(R.queueSel, 0);
    set(R.queueSize, 16);
    set(R.desc, 0x10000);
    set(R.driver, 0x11000);
    set(R.device, 0x12000);
    set(R.queueReady, 1);
    set(R.status, 15);
  };
  const ignored = (): number => m.world.ofKind(Kind.DeviceIgnored).length;
  return { ...m, get, set, negotiate, start, ignored };
}

describe('the registers of a device on MMIO', () => {
  it('tell what it is', () => {
    const { get } = machine();
    expect(get(R.magic)).toBe(0x74726976);
    expect(get(R.version)).toBe(2);
    expect(get(R.deviceId)).toBe(1);
  });

  it('negotiate features word by word', () => {
    const { get, set, negotiate } = machine();
    set(R.deviceFeaturesSel, 1);
    expect(get(R.deviceFeatures) & 1).toBe(1);
    set(R.deviceFeaturesSel, 2);
    expect(get(R.deviceFeatures)).toBe(0);
    negotiate(bits(Feature.VERSION_1, FakeFeature.base));
    expect(get(R.status)).toBe(11);
    negotiate(bits(FakeFeature.base, Feature.RING_PACKED));
    expect(get(R.status)).toBe(3);
  });

  it('are 32 bits wide, and the configuration has any width', () => {
    const { mmio, type, ignored } = machine();
    expect(mmio.read(R.magic, 1)).toBe(0);
    mmio.write(R.status, 1, 1);
    expect(mmio.read(R.status, 4)).toBe(0);
    expect(ignored()).toBe(2);
    for (let at = 0; at < FAKE_CONFIG_BYTES; at++) {
      expect(mmio.read(R.config + at, 1)).toBe(type.configuration[at]);
    }
    expect(mmio.read(R.config + 2, 2)).toBe(0x1312);
    mmio.write(R.config, 1, 0x55);
    expect(mmio.read(R.config, 4)).toBe(0x13121155);
  });

  it('tell of no shared memory', () => {
    const { get, set } = machine();
    set(R.shmSel, 0);
    for (const at of [R.shmLen, R.shmLen + 4, R.shmBase, R.shmBase + 4]) expect(get(at)).toBe(0xffffffff);
  });

  it('change the generation with the configuration', () => {
    const { get, type } = machine();
    get(R.config);
    const before = get(R.generation);
    type.change(8, 1);
    get(R.config + 8);
    expect(get(R.generation)).not.toBe(before);
  });

  it('have names', () => {
    const { mmio } = machine();
    expect(mmio.registerName(R.queueNotify)).toBe('QUEUE_NOTIFY');
    expect(mmio.registerName(R.descHigh)).toBe('QUEUE_DESC_HIGH');
    expect(mmio.registerName(R.config + 1)).toBe('CONFIG_1');
    expect(mmio.registerName(R.queuePfn)).toBeUndefined();
  });
});

describe('a queue on MMIO', () => {
  it('is set up, kicked and taken out of use', () => {
    const { get, set, start, queues, mmio } = machine();
    set(R.queueSel, 0);
    expect(get(R.queueSizeMax)).toBe(FAKE_SIZES[0]);
    start();
    expect(get(R.queueReady)).toBe(1);
    expect(queues[0].layout).toEqual({ size: 16, descriptors: 0x10000, driver: 0x11000, device: 0x12000 });
    const [offset] = mmio.notifyOffsets();
    expect(offset).toEqual({ bar: 0, offset: R.queueNotify, bytes: 4, queue: 0, shared: true });
    set(offset.offset, 0);
    expect(queues[0].log).toEqual(['start', 'kicked']);
    set(R.queueReady, 0);
    expect(get(R.queueReady)).toBe(0);
    expect(queues[0].running).toBe(false);
  });

  it('is set up as well after a QueueReady of 0 that had nothing to take out of use', () => {
    const { get, set, start, queues, ignored } = machine();
    set(R.queueSel, 0);
    const before = ignored();
    set(R.queueReady, 0);
    expect(ignored()).toBe(before);
    expect(get(R.queueReady)).toBe(0);
    start();
    expect(get(R.queueReady)).toBe(1);
    expect(queues[0].running).toBe(true);
    // Of a queue that is not there it means nothing.
    set(R.queueSel, FAKE_SIZES.length);
    set(R.queueReady, 0);
    expect(ignored()).toBe(before + 1);
  });

  it('is not ready while something of it is under way after QueueReady 0', () => {
    const { get, set, start, queues, bus, world } = machine();
    start();
    bus.dma.latency = 1000;
    queues[0].transfer(0x1000);
    set(R.queueReady, 0);
    expect(get(R.queueReady)).toBe(1);
    expect(queues[0].running).toBe(false);
    world.drain();
    expect(get(R.queueReady)).toBe(0);
  });

  it('is notified in the low half with NOTIFICATION_DATA', () => {
    const { set, start, queues } = machine({ notificationData: true });
    start(bits(Feature.VERSION_1, Feature.NOTIFICATION_DATA));
    set(R.queueNotify, 0x70000);
    expect(queues[0].log.slice(-1)).toEqual(['kicked 70000']);
  });

  it('that is not there has size 0 and takes nothing', () => {
    const { get, set, start, ignored } = machine();
    start();
    set(R.queueSel, 7);
    expect(get(R.queueSizeMax)).toBe(0);
    const before = ignored();
    for (const at of [R.queueSize, R.desc, R.queueReady, R.queueReset]) set(at, 1);
    set(R.queueNotify, 7);
    expect(ignored()).toBe(before + 5);
  });

  it('is reset by QueueReset', () => {
    const { get, set, start, queues, bus, world } = machine();
    start(bits(Feature.VERSION_1, Feature.RING_RESET));
    expect(get(R.queueReset)).toBe(0);
    bus.dma.latency = 1000;
    queues[0].transfer(0x1000);
    set(R.queueReset, 1);
    expect(get(R.queueReset)).toBe(1);
    world.drain();
    expect([get(R.queueReset), get(R.queueReady)]).toEqual([0, 0]);
    set(R.desc, 0x20000);
    set(R.queueReady, 1);
    expect([get(R.queueReset), get(R.queueReady)]).toEqual([0, 1]);
    expect(queues[0].layout).toMatchObject({ size: FAKE_SIZES[0], descriptors: 0x20000 });
  });
});

describe('interrupts on MMIO', () => {
  it('show each event until it is acknowledged', () => {
    const { get, set, start, queues, type, bus } = machine();
    start();
    expect(get(R.interruptStatus)).toBe(0);
    queues[0].host.notifyDriver(0);
    type.change(8, 1);
    expect(get(R.interruptStatus)).toBe(3);
    expect(bus.line).toBe(true);
    set(R.interruptAck, 1);
    expect(get(R.interruptStatus)).toBe(2);
    expect(bus.line).toBe(true);
    set(R.interruptAck, 2);
    expect(get(R.interruptStatus)).toBe(0);
    expect(bus.line).toBe(false);
  });

  it('and ready queues end with a reset', () => {
    const { get, set, start, queues, bus } = machine();
    start();
    queues[0].host.notifyDriver(0);
    set(R.status, 0);
    expect(get(R.status)).toBe(0);
    expect(get(R.interruptStatus)).toBe(0);
    expect(bus.line).toBe(false);
    for (const queue of FAKE_SIZES.keys()) {
      set(R.queueSel, queue);
      expect(get(R.queueReady)).toBe(0);
      expect(get(R.queueReset)).toBe(0);
    }
  });
});

describe('a legacy device on MMIO', () => {
  function legacy() {
    const m = machine({ interfaces: 'legacy' });
    const { set } = m;
    const place = (queue: number, page: number, size: number, align: number): void => {
      set(R.queueSel, queue);
      set(R.queueSize, size);
      set(R.queueAlign, align);
      set(R.queuePfn, page);
    };
    return { ...m, place };
  }

  it('has version 1 and 32 feature bits', () => {
    const { get, set } = legacy();
    expect(get(R.version)).toBe(1);
    const expected = bits(0, 5, Feature.ANY_LAYOUT, Feature.INDIRECT_DESC, Feature.EVENT_IDX);
    expect(BigInt(get(R.deviceFeatures))).toBe(expected);
    set(R.deviceFeaturesSel, 1);
    expect(get(R.deviceFeatures)).toBe(0);
  });

  it('has a type that knows by which interface its configuration is written', () => {
    for (const [{ mmio, type }, taken] of [
      [legacy(), true],
      [machine(), false],
    ] as const) {
      const before = type.configuration[LEGACY_BYTE];
      mmio.write(R.config + LEGACY_BYTE, 1, before ^ 0xff);
      expect(type.configuration[LEGACY_BYTE]).toBe(taken ? before ^ 0xff : before);
    }
  });

  it('takes features of the first word without FEATURES_OK', () => {
    const { set, get, type } = legacy();
    set(R.status, 1);
    set(R.status, 3);
    set(R.driverFeaturesSel, 1);
    set(R.driverFeatures, 1);
    set(R.driverFeaturesSel, 0);
    set(R.driverFeatures, 1 << FakeFeature.base);
    set(R.status, 7);
    expect(get(R.status)).toBe(7);
    expect(type.host.has(FakeFeature.base)).toBe(true);
    expect(type.host.has(Feature.VERSION_1)).toBe(false);
  });

  it('places queues by pages of the size that the driver told, also before a reset', () => {
    const { set, get, place, queues } = legacy();
    set(R.guestPageSize, 4096);
    set(R.status, 0);
    place(0, 0x20, 8, 64);
    expect(get(R.queuePfn)).toBe(0x20);
    set(R.status, 7);
    // 8 descriptors of 16 bytes; 6 bytes and 2 for each entry; the used ring on the next boundary of 64 bytes.
    expect(queues[0].layout).toEqual({
      size: 8,
      descriptors: 0x20000,
      driver: 0x20080,
      device: 0x200c0,
    });
    set(R.queuePfn, 0);
    expect(get(R.queuePfn)).toBe(0);
    expect(queues[0].running).toBe(false);
  });

  it('shows a FEATURES_OK that a driver has set', () => {
    const { set, get } = legacy();
    set(R.status, 3);
    set(R.status, 11);
    expect(get(R.status)).toBe(11);
    set(R.status, 15);
    expect(get(R.status)).toBe(15);
  });

  it('takes a page number of 0 where no queue lies', () => {
    const { set, get, ignored } = legacy();
    const before = ignored();
    set(R.queueSel, 0);
    set(R.queuePfn, 0);
    expect(get(R.queuePfn)).toBe(0);
    expect(ignored()).toBe(before);
  });

  it('is reset by status 0, which takes the queues out of use', () => {
    const { set, get, place } = legacy();
    set(R.guestPageSize, 4096);
    place(0, 0x20, 8, 64);
    set(R.status, 7);
    set(R.status, 0);
    expect(get(R.queuePfn)).toBe(0);
    expect(get(R.status)).toBe(0);
  });

  it('refuses page sizes and boundaries that are none, and pages before it knows their size', () => {
    const { set, get, place, world } = legacy();
    place(0, 0x20, 8, 64);
    expect(get(R.queuePfn)).toBe(0);
    set(R.guestPageSize, 0);
    set(R.guestPageSize, 1000);
    set(R.queueAlign, 3);
    set(R.queueAlign, 0);
    expect(world.ofKind(Kind.DeviceMisused)).toHaveLength(5);
  });

  it('has none of the registers of version 2', () => {
    const { set, ignored } = legacy();
    set(R.queueReady, 1);
    set(R.queueReset, 1);
    expect(ignored()).toBe(2);
  });
});

describe('a transitional device', () => {
  it('is not on MMIO', () => {
    expect(() => new VirtioMmio(fakeDevice({ interfaces: 'transitional' }).device)).toThrow(RangeError);
  });
});
