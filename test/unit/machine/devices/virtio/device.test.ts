/** Status, features, configuration and reset of a virtio device (2.1 to 2.5, 2.6.1, 3.1), by whatever transport. */
import { describe, expect, it } from 'vitest';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { FAKE_CONFIG_BYTES, FAKE_SIZES, FakeFeature, fakeDevice, onPci } from './fakes';
import { bits, common, structure } from './pci-driver';

const S = { ack: 1, driver: 2, driverOk: 4, featuresOk: 8, needsReset: 64, failed: 128 } as const;
const VERSION_1 = bits(Feature.VERSION_1);

function machine(options: Parameters<typeof fakeDevice>[0] = {}) {
  const m = onPci(fakeDevice(options));
  const cfg = common(m.fn);
  /** Sets queue 0 up, at pages of its own, and enables it. */
  const enable = (queue = 0): void => {
    cfg.set('queueSelect', queue);
    cfg.set('desc', 0x10000 + queue * 0x4000);
    cfg.set('driver', 0x12000 + queue * 0x4000);
    cfg.set('device', 0x13000 + queue * 0x4000);
    cfg.set('queueEnable', 1);
  };
  const start = (features = VERSION_1): void => {
    cfg.negotiate(features);
    enable();
    cfg.set('status', 15);
  };
  const kick = (queue: number): void => structure(m.fn, 2).write(queue * 4, 2, queue);
  const ignored = (): number => m.world.ofKind(Kind.DeviceIgnored).length;
  const misused = (): number => m.world.ofKind(Kind.DeviceMisused).length;
  return { ...m, cfg, enable, start, kick, ignored, misused };
}

describe('the status handshake', () => {
  it('begins at 0 and shows each step that was taken', () => {
    const { cfg, misused } = machine();
    expect(cfg.get('status')).toBe(0);
    for (const status of [S.ack, S.ack | S.driver]) {
      cfg.set('status', status);
      expect(cfg.get('status')).toBe(status);
    }
    cfg.accept(VERSION_1);
    for (const status of [11, 15]) {
      cfg.set('status', status);
      expect(cfg.get('status')).toBe(status);
    }
    expect(misused()).toBe(0);
  });

  it.each([
    ['FEATURES_OK before DRIVER', [1, 9], 1],
    ['DRIVER_OK before FEATURES_OK', [1, 3, 7], 3],
  ])('does not take %s', (_what, writes, expected) => {
    const { cfg, type, misused } = machine();
    cfg.accept(VERSION_1);
    for (const value of writes) cfg.set('status', value);
    expect(cfg.get('status')).toBe(expected);
    expect(misused()).toBe(1);
    expect(type.log).not.toContain('started');
  });

  it('takes DRIVER without ACKNOWLEDGE, as the devices of QEMU do, and goes on from there: it is told as misuse', () => {
    const { cfg, type, enable, misused } = machine();
    const step = (bit: number): number => {
      cfg.set('status', cfg.get('status') | bit);
      return cfg.get('status');
    };
    expect(step(S.driver)).toBe(S.driver);
    expect(misused()).toBe(1);
    cfg.accept(VERSION_1);
    expect(step(S.featuresOk)).toBe(S.driver | S.featuresOk);
    enable();
    expect(step(S.driverOk)).toBe(S.driver | S.featuresOk | S.driverOk);
    expect(type.log).toContain('started');
    expect(misused()).toBe(1);
  });

  it('keeps bits that the driver would clear', () => {
    const { cfg, misused } = machine();
    cfg.set('status', 3);
    cfg.set('status', 2);
    expect(cfg.get('status')).toBe(3);
    expect(misused()).toBe(1);
  });

  it('leaves DEVICE_NEEDS_RESET to the device', () => {
    const { cfg } = machine();
    cfg.set('status', 3 | S.needsReset);
    expect(cfg.get('status')).toBe(3);
  });

  it('shows that the driver gave up', () => {
    const { cfg } = machine();
    cfg.set('status', 3 | S.failed);
    expect(cfg.get('status')).toBe(3 | S.failed);
  });
});

describe('features', () => {
  it('are offered as the options say, and with VERSION_1', () => {
    const base = bits(FakeFeature.base, FakeFeature.needy, FakeFeature.high, Feature.VERSION_1);
    const bare = { packed: false, eventIdx: false, indirect: false, inOrder: false, ringReset: false };
    expect(machine(bare).cfg.offered()).toBe(base);
    const rows = [
      [{ packed: true }, Feature.RING_PACKED],
      [{ eventIdx: true }, Feature.EVENT_IDX],
      [{ indirect: true }, Feature.INDIRECT_DESC],
      [{ inOrder: true }, Feature.IN_ORDER],
      [{ ringReset: true }, Feature.RING_RESET],
      [{ notificationData: true }, Feature.NOTIFICATION_DATA],
      [{ accessPlatform: true }, Feature.ACCESS_PLATFORM],
    ] as const;
    for (const [option, bit] of rows) {
      expect(machine({ ...bare, ...option }).cfg.offered()).toBe(base | bits(bit));
    }
  });

  it('are none beyond bit 63, and none of a transport or a legacy device that this is not', () => {
    const { cfg } = machine();
    for (const select of [2, 3, 0x80000000, 0xffffffff]) {
      cfg.set('deviceFeatureSelect', select);
      expect(cfg.get('deviceFeature')).toBe(0);
    }
    const never = [
      Feature.NOTIFY_ON_EMPTY,
      Feature.ANY_LAYOUT,
      Feature.ORDER_PLATFORM,
      Feature.SR_IOV,
      Feature.NOTIF_CONFIG_DATA,
      Feature.ADMIN_VQ,
    ];
    expect(cfg.offered() & bits(...never)).toBe(0n);
  });

  it('are read back by the driver as it wrote them, and as 0 beyond the second word', () => {
    const { cfg } = machine();
    cfg.accept(bits(FakeFeature.base, Feature.VERSION_1, FakeFeature.high));
    const word = (select: number): number => {
      cfg.set('driverFeatureSelect', select);
      return cfg.get('driverFeature');
    };
    expect(word(0)).toBe(1 << FakeFeature.base);
    expect(word(1)).toBe(1 | (1 << (FakeFeature.high - 32)));
    expect(word(2)).toBe(0);
  });

  it('are refused when the type cannot work with them', () => {
    const { cfg } = machine();
    expect(cfg.negotiate(bits(FakeFeature.needy, Feature.VERSION_1))).toBe(false);
    expect(cfg.get('status')).toBe(3);
    expect(cfg.negotiate(bits(FakeFeature.base, FakeFeature.needy, Feature.VERSION_1))).toBe(true);
  });

  it.each(['modern', 'transitional'] as const)(
    'are taken without VERSION_1 on a %s device, of the first word alone, and the driver is told',
    (interfaces) => {
      const { cfg, type, world } = machine({ interfaces });
      const told = (): number => world.ofKind(Kind.DeviceMisused).length;
      expect(cfg.negotiate(VERSION_1 | bits(FakeFeature.base))).toBe(true);
      expect(told()).toBe(0);
      cfg.set('status', 0);
      expect(cfg.negotiate(bits(FakeFeature.base))).toBe(true);
      expect(told()).toBe(1);
      expect(type.host.has(FakeFeature.base)).toBe(true);
      expect(type.host.has(Feature.VERSION_1)).toBe(false);
      cfg.set('status', 15);
      expect(cfg.get('status')).toBe(15);
      expect(told()).toBe(1);
      cfg.set('status', 0);
      expect(cfg.negotiate(bits(Feature.RING_PACKED))).toBe(false);
    },
  );

  it('are refused when they were not offered', () => {
    const { cfg } = machine({ packed: false });
    expect(cfg.negotiate(VERSION_1 | bits(Feature.RING_PACKED))).toBe(false);
    expect(cfg.negotiate(VERSION_1 | bits(63))).toBe(false);
    expect(cfg.negotiate(VERSION_1 | bits(1))).toBe(false);
  });

  it('are known to the type from FEATURES_OK to the reset', () => {
    const { cfg, type } = machine();
    const has = (): boolean => type.host.has(Feature.RING_PACKED);
    cfg.accept(VERSION_1 | bits(Feature.RING_PACKED));
    expect(has()).toBe(false);
    expect(cfg.negotiate(VERSION_1 | bits(Feature.RING_PACKED))).toBe(true);
    expect(has()).toBe(true);
    expect(type.host.has(Feature.EVENT_IDX)).toBe(false);
    cfg.set('status', 0);
    expect(has()).toBe(false);
  });

  it('are not changed after FEATURES_OK', () => {
    const { cfg, misused } = machine();
    cfg.negotiate(VERSION_1);
    cfg.set('driverFeatureSelect', 0);
    cfg.set('driverFeature', 1);
    expect(cfg.get('driverFeature')).toBe(0);
    expect(misused()).toBe(1);
  });

  it('are taken again after a reset', () => {
    const { cfg } = machine();
    const set = VERSION_1 | bits(FakeFeature.base, Feature.RING_PACKED);
    for (let round = 0; round < 3; round++) expect(cfg.negotiate(set)).toBe(true);
  });
});

describe('the configuration space', () => {
  it('is read before any negotiation, whole', () => {
    const { fn, type } = machine();
    const device = structure(fn, 4);
    for (let at = 0; at < FAKE_CONFIG_BYTES; at++) expect(device.read(at, 1)).toBe(type.configuration[at]);
    expect(device.read(4, 4)).toBe(0x17161514);
    expect(device.read(FAKE_CONFIG_BYTES, 4)).toBe(0);
  });

  it('has another generation after a read of something that has changed, however often it did', () => {
    const { fn, cfg, type, start } = machine();
    start();
    const device = structure(fn, 4);
    device.read(0, 4);
    const before = cfg.get('generation');
    for (let i = 0; i < 256; i++) type.change(8, i);
    device.read(8, 4);
    expect(cfg.get('generation')).not.toBe(before);
    const after = cfg.get('generation');
    device.read(8, 4);
    expect(cfg.get('generation')).toBe(after);
  });

  it('takes what the type lets the driver write', () => {
    const { fn, ignored } = machine();
    const device = structure(fn, 4);
    device.write(0, 4, 0x04030201);
    device.write(4, 4, 0xffffffff);
    expect(device.read(0, 4)).toBe(0x04030201);
    expect(device.read(4, 4)).toBe(0x17161514);
    device.write(FAKE_CONFIG_BYTES, 1, 1);
    expect(ignored()).toBe(1);
  });

  it('tells the driver of changes from DRIVER_OK on', () => {
    const { type, start, fn } = machine();
    type.change(8, 1);
    expect(structure(fn, 3).read(0, 1)).toBe(0);
    start();
    type.change(8, 2);
    expect(structure(fn, 3).read(0, 1)).toBe(2);
  });
});

describe('the queues', () => {
  it('are not worked on before DRIVER_OK', () => {
    const { cfg, enable, queues, kick, type, world } = machine();
    cfg.negotiate(VERSION_1);
    enable();
    kick(0);
    queues[0].host.notifyDriver(0);
    expect(queues[0].log).toEqual([]);
    expect(type.log).not.toContain('notified 0');
    expect(world.ofKind(Kind.VirtqKick)).toHaveLength(0);
    expect(world.ofKind(Kind.VirtqInterrupt)).toHaveLength(0);
    cfg.set('status', 15);
    expect(queues[0].log).toEqual(['start']);
    // Something may have been put into it already.
    expect(type.log.slice(-2)).toEqual(['started', 'notified 0']);
  });

  it('lie where the driver says', () => {
    const { cfg, queues } = machine();
    cfg.negotiate(VERSION_1);
    cfg.set('queueSelect', 0);
    cfg.set('queueSize', 64);
    cfg.set('descHigh', 1);
    cfg.set('desc', 0x10000);
    cfg.set('driver', 0x20000);
    cfg.set('deviceHigh', 2);
    cfg.set('device', 0x30000);
    cfg.set('queueEnable', 1);
    cfg.set('status', 15);
    expect(queues[0].layout).toEqual({
      size: 64,
      descriptors: 0x1_0001_0000,
      driver: 0x20000,
      device: 0x2_0003_0000,
    });
    expect(queues[1].running).toBe(false);
  });

  it('are told of kicks, which are the cause of what follows', () => {
    const { start, kick, queues, type, world } = machine();
    start();
    kick(0);
    queues[0].transfer(0x1000);
    expect(queues[0].log.slice(-1)).toEqual(['kicked']);
    expect(type.log.slice(-1)).toEqual(['notified 0']);
    const [kicked] = world.ofKind(Kind.VirtqKick);
    expect(kicked.a).toBe(0);
    expect(world.ofKind(Kind.DmaWrite)[0].cause).toBe(kicked.row);
  });

  it('are not told of kicks of a queue that is not enabled or not there', () => {
    const { start, kick, ignored, type } = machine();
    start();
    const before = type.log.length;
    kick(1);
    kick(2);
    expect(type.log).toHaveLength(before);
    expect(ignored()).toBe(2);
  });

  it('may be enabled late', () => {
    const { start, enable, queues, type } = machine();
    start();
    enable(1);
    expect(queues[1].log).toEqual(['start']);
    expect(type.log.slice(-1)).toEqual(['notified 1']);
  });

  it('get the data of a notification when that was negotiated', () => {
    const { start, queues, fn } = machine({ notificationData: true });
    start(VERSION_1 | bits(Feature.NOTIFICATION_DATA));
    structure(fn, 2).write(0, 4, 0x80050000);
    expect(queues[0].log.slice(-1)).toEqual(['kicked 80050000']);
  });

  it('have doorbells with data where such notifications are offered, and get none from who has not seen them', () => {
    expect(machine().pci.queued.doorbellsHaveData).toBe(false);
    const { start, queues, pci } = machine({ notificationData: true });
    expect(pci.queued.doorbellsHaveData).toBe(true);
    start(VERSION_1 | bits(Feature.NOTIFICATION_DATA));
    pci.queued.kicked(0);
    expect(queues[0].log.slice(-1)).toEqual(['kicked']);
  });

  it('keep to sizes that the format allows, and never above the largest', () => {
    const { cfg, misused } = machine();
    cfg.negotiate(VERSION_1);
    const sizeAfter = (size: number): number => {
      cfg.set('queueSize', size);
      return cfg.get('queueSize');
    };
    expect(cfg.get('queueSize')).toBe(FAKE_SIZES[0]);
    expect([128, 0, 100, 512, 0xffff, 1].map(sizeAfter)).toEqual([128, 128, 128, 128, 128, 1]);
    expect(misused()).toBe(4);
    cfg.negotiate(VERSION_1 | bits(Feature.RING_PACKED));
    expect(cfg.get('queueSize')).toBe(FAKE_SIZES[0]);
    expect([100, 257, 255].map(sizeAfter)).toEqual([100, 100, 255]);
  });

  it('stand as they are while they are enabled', () => {
    const { cfg, start, ignored } = machine();
    start();
    cfg.set('queueSize', 16);
    cfg.set('desc', 0);
    cfg.set('queueEnable', 1);
    expect(cfg.get('queueSize')).toBe(FAKE_SIZES[0]);
    expect(cfg.get('desc')).toBe(0x10000);
    expect(ignored()).toBe(3);
    cfg.set('queueEnable', 0);
    expect(cfg.get('queueEnable')).toBe(1);
  });

  it('that are not there have size 0', () => {
    const { cfg } = machine();
    cfg.set('queueSelect', FAKE_SIZES.length);
    for (const field of ['queueSize', 'queueEnable', 'desc', 'notifyOff', 'queueReset'] as const) {
      expect(cfg.get(field)).toBe(0);
    }
    expect(cfg.get('queueVector')).toBe(0xffff);
    expect(cfg.get('numQueues')).toBe(FAKE_SIZES.length);
  });
});

describe('a reset', () => {
  it('by status 0 makes everything as it was', () => {
    const { cfg, start, queues, type } = machine();
    start();
    cfg.set('status', 0);
    expect(cfg.get('status')).toBe(0);
    expect(queues.every(({ running }) => !running)).toBe(true);
    expect(type.log.slice(-1)).toEqual(['stopped']);
    for (const field of ['driverFeature', 'queueEnable', 'desc', 'queueReset', 'queueSelect'] as const) {
      expect(cfg.get(field)).toBe(0);
    }
    expect(cfg.get('queueSize')).toBe(FAKE_SIZES[0]);
  });

  it('is done when nothing that was begun can reach memory any more, and shows 0 then', () => {
    const { cfg, start, queues, world, bus, ignored } = machine();
    start();
    bus.dma.latency = 1000;
    queues[0].transfer(0x1000);
    cfg.set('status', 0);
    expect(cfg.get('status')).toBe(15);
    // A driver that does not wait gets nowhere.
    const before = ignored();
    cfg.set('status', 1);
    cfg.accept(VERSION_1);
    expect(ignored()).toBeGreaterThan(before);
    expect(cfg.get('status')).toBe(15);
    world.drain();
    expect(cfg.get('status')).toBe(0);
    expect(cfg.negotiate(VERSION_1)).toBe(true);
  });

  it('ends notifications and all work on queues', () => {
    const { cfg, start, kick, queues, type, world } = machine();
    start();
    cfg.set('status', 0);
    const before = type.log.length;
    kick(0);
    queues[0].host.notifyDriver(0);
    type.change(8, 1);
    expect(type.log).toHaveLength(before);
    expect(world.ofKind(Kind.VirtqInterrupt)).toHaveLength(0);
  });

  it('of the bus does the same, and waits for nothing', () => {
    const { cfg, start, pci, bus, queues, world } = machine();
    start();
    bus.dma.latency = 1000;
    queues[0].transfer(0x1000);
    pci.busReset();
    expect(cfg.get('status')).toBe(0);
    expect(cfg.get('queueEnable')).toBe(0);
    // What ends later, where it does, is none of what begins now.
    start();
    queues[0].transfer(0x2000);
    cfg.set('status', 0);
    world.advanceTo(world.time + 1000);
    expect(cfg.get('status')).toBe(0);
    start();
    bus.dma.latency = 0;
    expect(cfg.get('status')).toBe(15);
  });
});

describe('the reset of one queue', () => {
  const RING_RESET = VERSION_1 | bits(Feature.RING_RESET);

  it('goes on while something is under way, and makes the queue as it was', () => {
    const { cfg, start, queues, bus, world, type, kick } = machine();
    start(RING_RESET);
    cfg.set('queueVector', 1);
    bus.dma.latency = 1000;
    queues[0].transfer(0x1000);
    cfg.set('queueReset', 1);
    expect(cfg.get('queueReset')).toBe(1);
    expect(type.log.slice(-1)).toEqual(['queue 0 stopped']);
    expect(queues[0].running).toBe(false);
    const before = type.log.length;
    kick(0);
    expect(type.log).toHaveLength(before);
    world.drain();
    for (const field of ['queueReset', 'queueEnable', 'desc', 'driver', 'device'] as const) {
      expect(cfg.get(field)).toBe(0);
    }
    expect(cfg.get('queueVector')).toBe(0xffff);
    expect(cfg.get('queueSize')).toBe(FAKE_SIZES[0]);
    expect(cfg.get('status')).toBe(15);
  });

  it('lets the driver set it up anew, in another way', () => {
    const { cfg, start, queues, type } = machine();
    start(RING_RESET);
    cfg.set('queueReset', 1);
    cfg.set('queueSize', 16);
    cfg.set('desc', 0x50000);
    cfg.set('queueEnable', 1);
    expect(cfg.get('queueReset')).toBe(0);
    expect(cfg.get('queueEnable')).toBe(1);
    expect(queues[0].layout).toMatchObject({ size: 16, descriptors: 0x50000 });
    expect(type.log.slice(-1)).toEqual(['notified 0']);
  });

  it('is not done without RING_RESET, or of a queue that is not enabled', () => {
    const plain = machine();
    plain.start();
    plain.cfg.set('queueReset', 1);
    expect(plain.cfg.get('queueEnable')).toBe(1);
    expect(plain.ignored()).toBe(1);
    const { cfg, start, ignored } = machine();
    start(RING_RESET);
    cfg.set('queueSelect', 1);
    cfg.set('queueReset', 1);
    expect(cfg.get('queueReset')).toBe(0);
    expect(ignored()).toBe(1);
  });
});

describe('a device that cannot go on', () => {
  it('shows DEVICE_NEEDS_RESET, tells the driver and does nothing more', () => {
    const { cfg, start, fn, queues, type, kick, world, ignored } = machine();
    start();
    queues[0].host.broken(0, 4);
    expect(cfg.get('status')).toBe(15 | S.needsReset);
    expect(structure(fn, 3).read(0, 1)).toBe(2);
    expect(queues[0].running).toBe(false);
    expect(type.log.slice(-1)).toEqual(['stopped']);
    const [row] = world.ofKind(Kind.VirtioNeedsReset);
    expect([row.a, row.b]).toEqual([4, 0]);
    const before = ignored();
    kick(0);
    expect(ignored()).toBe(before + 1);
    // Once is enough.
    type.host.needsReset(9);
    expect(world.ofKind(Kind.VirtioNeedsReset)).toHaveLength(1);
  });

  it('sends no notification before DRIVER_OK', () => {
    const { cfg, fn, type } = machine();
    cfg.negotiate(VERSION_1);
    type.host.needsReset(1);
    expect(cfg.get('status')).toBe(11 | S.needsReset);
    expect(structure(fn, 3).read(0, 1)).toBe(0);
    cfg.set('status', 15);
    expect(type.log).not.toContain('started');
  });

  it('works again after a reset', () => {
    const { cfg, start, queues } = machine();
    start();
    queues[0].host.broken(0, 4);
    start();
    expect(cfg.get('status')).toBe(15);
    expect(queues[0].running).toBe(true);
  });
});
