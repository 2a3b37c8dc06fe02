/** Virtio over PCI (4.1): identity, structures, widths, interrupts, the configuration access capability. */
import { describe, expect, it } from 'vitest';
import { VirtioDevice } from '../../../../../src/machine/devices/virtio/device';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import { VirtioPci } from '../../../../../src/machine/devices/virtio/pci/virtio-pci';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { FAKE_CONFIG_BYTES, FAKE_SIZES, FakeQueue, FakeType, fakeDevice, onPci } from './fakes';
import {
  barAccess,
  bits,
  C,
  capabilitiesOf,
  common,
  disableMsix,
  enableMsix,
  structure,
  structureOf,
  type Field,
} from './pci-driver';

const NO_VECTOR = 0xffff;
const INTERRUPT_STATUS = 8;
const statusBit = (fn: ReturnType<typeof onPci>['fn']): boolean => (fn.read(6, 2) & INTERRUPT_STATUS) !== 0;

function machine(options: Parameters<typeof fakeDevice>[0] = {}) {
  const m = onPci(fakeDevice(options));
  const cfg = common(m.fn);
  const start = (): void => {
    cfg.negotiate(bits(Feature.VERSION_1));
    cfg.set('queueEnable', 1);
    cfg.set('status', 15);
  };
  const used = (queue = 0): void => m.queues[queue].host.notifyDriver(queue);
  const isr = (): number => structure(m.fn, 3).read(0, 1);
  return { ...m, cfg, start, used, isr };
}

describe('the identity of a device', () => {
  it('is 0x1040 and its number, of revision 1, when it is not transitional', () => {
    const { fn } = machine();
    expect(fn.read(0, 2)).toBe(0x1af4);
    expect(fn.read(2, 2)).toBe(0x1041);
    expect(fn.read(8, 1)).toBeGreaterThanOrEqual(1);
    expect(fn.read(0x2e, 2)).toBeGreaterThanOrEqual(0x40);
    expect(fn.read(8, 4) >>> 8).toBe(0x020000);
  });

  it('is a transitional number, of revision 0, with the device number as subsystem', () => {
    const { fn } = machine({ interfaces: 'transitional' });
    expect(fn.read(0, 2)).toBe(0x1af4);
    expect(fn.read(2, 2)).toBe(0x1000);
    expect(fn.read(8, 1)).toBe(0);
    expect(fn.read(0x2e, 2)).toBe(1);
  });

  it('lacks a transitional form where the specification has none', () => {
    const { bus } = fakeDevice();
    class Newer extends FakeType {
      override readonly deviceId = 26 as 1;
    }
    const device = new VirtioDevice({
      control: bus,
      type: (host) => new Newer(host),
      queue: (index, size, host) => new FakeQueue(index, size, host),
      options: { interfaces: 'transitional' },
    });
    expect(() => new VirtioPci(device)).toThrow(RangeError);
  });
});

describe('the structures', () => {
  it('are each found by a capability, within their BAR and aligned', () => {
    const { fn } = machine();
    for (const type of [1, 2, 3, 4, 5]) {
      const found = structureOf(fn, type);
      expect(found, `structure ${type}`).toBeDefined();
      if (!found || type === 5) continue;
      const bar = fn.bars.find(({ index }) => index === found.bar);
      expect(found.offset % 4).toBe(0);
      expect(found.offset + found.length).toBeLessThanOrEqual(bar?.size ?? 0);
    }
    expect(structureOf(fn, 4)?.length).toBe(FAKE_CONFIG_BYTES);
    expect(structureOf(fn, 1)?.length).toBe(0x40);
  });

  it('have capabilities as long as they say', () => {
    const { fn } = machine();
    for (const at of capabilitiesOf(fn, 9)) {
      const long = [2, 5].includes(fn.read(at + 3, 1));
      expect(fn.read(at + 2, 1)).toBe(long ? 20 : 16);
      const next = fn.read(at + 1, 1);
      if (next !== 0) expect(next).toBeGreaterThanOrEqual(at + fn.read(at + 2, 1));
    }
  });

  it('have no place for the configuration of a type that has none', () => {
    const { bus } = fakeDevice();
    class Plain extends FakeType {
      override readonly configuration = new Uint8Array(0);
    }
    const device = new VirtioDevice({
      control: bus,
      type: (host) => new Plain(host),
      queue: (index, size, host) => new FakeQueue(index, size, host),
    });
    expect(structureOf(new VirtioPci(device).pci, 4)).toBeUndefined();
  });

  it('notify each queue at an address of its own, within the capability', () => {
    const { fn, cfg, start, world, pci } = machine({ notificationData: true });
    start();
    const found = structureOf(fn, 2);
    const multiplier = fn.read((found?.at ?? 0) + 16, 4);
    expect(multiplier).toBe(4);
    for (const queue of FAKE_SIZES.keys()) {
      cfg.set('queueSelect', queue);
      cfg.set('queueEnable', 1);
      const offset = cfg.get('notifyOff') * multiplier;
      expect(offset + 4).toBeLessThanOrEqual(found?.length ?? 0);
      structure(fn, 2).write(offset, 2, queue);
      expect(
        world
          .ofKind(Kind.VirtqKick)
          .map(({ a }) => a)
          .slice(-1),
      ).toEqual([queue]);
      expect(pci.notifyOffsets()).toContainEqual({
        bar: found?.bar,
        offset: (found?.offset ?? 0) + offset,
        bytes: 2,
        queue,
        shared: false,
      });
    }
  });

  it('have no administration queue and no configuration data of notifications', () => {
    const { cfg } = machine();
    for (const field of ['adminIndex', 'adminNum', 'notifConfigData'] as const)
      expect(cfg.get(field)).toBe(0);
  });
});

describe('accesses', () => {
  it('of another width than the field has do nothing, and read as 0', () => {
    const { cfg, world } = machine();
    cfg.set('deviceFeatureSelect', 1);
    const fields: Field[] = [
      'deviceFeature',
      'numQueues',
      'queueSize',
      'configVector',
      'deviceFeatureSelect',
    ];
    for (const field of fields) {
      const [at, width] = C[field];
      for (const size of ([1, 2, 4] as const).filter((each) => each !== width)) {
        expect(cfg.read(at, size)).toBe(0);
      }
    }
    expect(world.ofKind(Kind.DeviceIgnored)).toHaveLength(fields.length * 2);
    cfg.write(0x14, 4, 1);
    expect(cfg.get('status')).toBe(0);
    cfg.write(0x00, 1, 0);
    expect(cfg.get('deviceFeatureSelect')).toBe(1);
  });

  it('reach the halves of a 64-bit field one by one', () => {
    const { cfg } = machine();
    const pairs = [
      ['desc', 'descHigh'],
      ['driver', 'driverHigh'],
      ['device', 'deviceHigh'],
    ] as const;
    for (const [low, high] of pairs) {
      cfg.set(high, 0x11223344);
      expect([cfg.get(low), cfg.get(high)]).toEqual([0, 0x11223344]);
      cfg.set(low, 0x55667788);
      expect([cfg.get(low), cfg.get(high)]).toEqual([0x55667788, 0x11223344]);
    }
  });

  it('that are ignored are in the trace with the name that the register has', () => {
    const { cfg, world, pci } = machine();
    cfg.write(C.numQueues[0], 2, 7);
    const [row] = world.ofKind(Kind.DeviceIgnored);
    expect(pci.registerNames()[String(row.a)]).toBe('NUM_QUEUES');
    expect(row.b).toBe(7);
  });

  it('to the notification structure want 16 bits, or 32 with NOTIFICATION_DATA', () => {
    const { fn, start, queues, cfg } = machine({ notificationData: true });
    start();
    const notify = structure(fn, 2);
    notify.write(0, 4, 0);
    notify.write(0, 1, 0);
    notify.write(2, 2, 0);
    expect(notify.read(0, 2)).toBe(0);
    expect(queues[0].log).toEqual(['start']);
    cfg.negotiate(bits(Feature.VERSION_1, Feature.NOTIFICATION_DATA));
    cfg.set('queueEnable', 1);
    cfg.set('status', 15);
    notify.write(0, 2, 0);
    notify.write(0, 4, 0x30000);
    expect(queues[0].log.filter((each) => each.startsWith('kicked'))).toEqual(['kicked 30000']);
  });

  it('that notify one queue at the address of another are told of', () => {
    const { fn, start, world } = machine();
    start();
    structure(fn, 2).write(0, 2, 1);
    expect(world.ofKind(Kind.DeviceMisused)).toHaveLength(1);
    expect(world.ofKind(Kind.VirtqKick).map(({ a }) => a)).toEqual([0]);
  });
});

describe('interrupts by pin', () => {
  it('show the queue bit in the ISR status, which a read clears', () => {
    const { start, used, isr, pin, fn } = machine();
    start();
    used();
    expect(pin.level).toBe(true);
    expect(statusBit(fn)).toBe(true);
    expect(isr()).toBe(1);
    expect(pin.level).toBe(false);
    expect(statusBit(fn)).toBe(false);
    expect(isr()).toBe(0);
  });

  it('gather both reasons', () => {
    const { start, used, isr, type, pin } = machine();
    start();
    used();
    type.change(8, 1);
    expect(isr()).toBe(3);
    expect(pin.level).toBe(false);
  });

  it('end with a reset', () => {
    const { start, used, cfg, pin, isr } = machine();
    start();
    used();
    cfg.set('status', 0);
    expect(pin.level).toBe(false);
    expect(isr()).toBe(0);
  });

  it('are in the trace by the queue that they are for', () => {
    const { start, used, world } = machine();
    start();
    used(0);
    expect(world.ofKind(Kind.VirtqInterrupt).map(({ a }) => a)).toEqual([0]);
  });
});

describe('interrupts by MSI-X', () => {
  it('have a vector for each queue and one for the configuration', () => {
    const { fn } = machine();
    expect(enableMsix(fn)).toBe(FAKE_SIZES.length + 1);
  });

  it('go to the vector that the driver mapped, whichever it is', () => {
    const { fn, start, used, cfg, type, bus, pin } = machine();
    const vectors = enableMsix(fn);
    start();
    for (let vector = 0; vector < vectors; vector++) {
      cfg.set('queueVector', vector);
      cfg.set('configVector', (vector + 1) % vectors);
      expect(cfg.get('queueVector')).toBe(vector);
      expect(cfg.get('configVector')).toBe((vector + 1) % vectors);
      bus.messages.length = 0;
      used();
      type.change(8, vector);
      expect(bus.messages.map(([, data]) => data)).toEqual([0x40 + vector, 0x40 + ((vector + 1) % vectors)]);
    }
    expect(pin.level).toBe(false);
  });

  it('are none for events without a vector', () => {
    const { fn, start, used, cfg, type, bus, world } = machine();
    enableMsix(fn);
    start();
    expect(cfg.get('queueVector')).toBe(NO_VECTOR);
    used();
    type.change(8, 1);
    cfg.set('queueVector', 0);
    cfg.set('queueVector', NO_VECTOR);
    used();
    expect(bus.messages).toEqual([]);
    expect(world.ofKind(Kind.VirtqInterrupt)).toHaveLength(0);
  });

  it('refuse a vector that there is not by reading back NO_VECTOR', () => {
    const { cfg } = machine();
    for (const field of ['queueVector', 'configVector'] as const) {
      cfg.set(field, 1);
      cfg.set(field, FAKE_SIZES.length + 1);
      expect(cfg.get(field)).toBe(NO_VECTOR);
    }
  });

  it('lose their vectors with a reset', () => {
    const { cfg, start } = machine();
    start();
    cfg.set('queueVector', 1);
    cfg.set('configVector', 1);
    cfg.set('status', 0);
    expect(cfg.get('configVector')).toBe(NO_VECTOR);
    expect(cfg.get('queueVector')).toBe(NO_VECTOR);
  });

  it('set the configuration bit of the ISR status all the same, and the pin shows it once MSI-X is off', () => {
    const { fn, start, type, pin, isr } = machine();
    enableMsix(fn);
    start();
    type.change(8, 1);
    expect(pin.level).toBe(false);
    disableMsix(fn);
    expect(pin.level).toBe(true);
    expect(statusBit(fn)).toBe(true);
    expect(isr()).toBe(2);
    expect(pin.level).toBe(false);
  });

  it('are carried by the bus of whoever does the work', () => {
    const { fn, start, cfg, pci, bus } = machine();
    enableMsix(fn);
    start();
    cfg.set('queueVector', 1);
    const { bus: worker } = fakeDevice();
    pci.usedBuffers(0, worker);
    expect(worker.messages.map(([, data]) => data)).toEqual([0x41]);
    expect(bus.messages).toEqual([]);
  });
});

describe('the configuration access capability', () => {
  function access(m: ReturnType<typeof machine>) {
    const at = structureOf(m.fn, 5)?.at ?? 0;
    const point = (bar: number, offset: number, length: number): void => {
      m.fn.write(at + 4, 1, bar);
      m.fn.write(at + 8, 4, offset);
      m.fn.write(at + 12, 4, length);
    };
    return {
      read: (bar: number, offset: number, length: number): number => {
        point(bar, offset, length);
        return m.fn.read(at + 16, 4);
      },
      write: (bar: number, offset: number, length: number, value: number): void => {
        point(bar, offset, length);
        m.fn.write(at + 16, 4, value);
      },
    };
  }

  it('reads the BAR when the driver reads the data', () => {
    const m = machine();
    const { read } = access(m);
    const { bar, offset } = m.cfg;
    expect(read(bar, offset + C.numQueues[0], 2) & 0xffff).toBe(FAKE_SIZES.length);
    m.start();
    expect(read(bar, offset + C.status[0], 1) & 0xff).toBe(15);
    m.used();
    const isr = structureOf(m.fn, 3);
    expect(read(isr?.bar ?? 0, isr?.offset ?? 0, 1) & 0xff).toBe(1);
    expect(m.isr()).toBe(0);
  });

  it('writes the BAR when the driver writes the data', () => {
    const m = machine();
    const { write } = access(m);
    const { bar, offset } = m.cfg;
    write(bar, offset + C.status[0], 1, 0xffffff01);
    expect(m.cfg.get('status')).toBe(1);
    write(bar, offset + C.queueSelect[0], 2, 0xffff0001);
    expect(m.cfg.get('queueSelect')).toBe(1);
    write(bar, offset + C.desc[0], 4, 0x12345678);
    expect(m.cfg.get('desc')).toBe(0x12345678);
  });

  it('does nothing where the driver may not point', () => {
    const m = machine();
    const { read, write } = access(m);
    const { bar, offset } = m.cfg;
    for (const [where, at, length] of [
      [3, 0, 4],
      [0xff, 0, 4],
      [bar, offset, 3],
      [bar, offset, 0],
      [bar, offset + 2, 4],
      [bar, 0xfffffffc, 4],
      [bar, 0x4000, 4],
    ]) {
      const before = m.world.ofKind(Kind.DeviceIgnored).length;
      write(where, at, length, 1);
      read(where, at, length);
      expect(m.world.ofKind(Kind.DeviceIgnored)).toHaveLength(before + 2);
    }
    expect(m.cfg.get('deviceFeatureSelect')).toBe(0);
  });

  it('has no effect when the driver reads around the data', () => {
    const m = machine();
    m.start();
    const isr = structureOf(m.fn, 3);
    access(m).write(isr?.bar ?? 0, isr?.offset ?? 0, 1, 0);
    m.used();
    for (let at = 0x40; at < 0x100; at += 4) {
      if (at !== (structureOf(m.fn, 5)?.at ?? 0) + 16) m.fn.read(at, 4);
    }
    expect(m.isr()).toBe(1);
  });
});

describe('the legacy interface', () => {
  const L = { features: 0, guest: 4, pfn: 8, size: 12, select: 14, notify: 16, status: 18, isr: 19 } as const;

  function legacy() {
    const m = machine({ interfaces: 'transitional' });
    const bars = barAccess(m.fn);
    return {
      ...m,
      get: (at: number, size: 1 | 2 | 4): number => bars.read(0, at, size),
      set: (at: number, size: 1 | 2 | 4, value: number): void => bars.write(0, at, size, value),
    };
  }

  it('is in I/O BAR 0 of a transitional device alone', () => {
    expect(machine().fn.bars.some(({ kind }) => kind === 'io')).toBe(false);
    const { fn } = legacy();
    expect(fn.bars.find(({ index }) => index === 0)?.kind).toBe('io');
    expect(fn.bars.find(({ index }) => index === 0)?.size).toBeGreaterThanOrEqual(24 + FAKE_CONFIG_BYTES);
  });

  it('offers 32 feature bits, with ANY_LAYOUT', () => {
    const { get } = legacy();
    const expected = bits(0, 5, Feature.ANY_LAYOUT, Feature.INDIRECT_DESC, Feature.EVENT_IDX);
    expect(BigInt(get(L.features, 4))).toBe(expected);
  });

  it('takes features without FEATURES_OK, and those alone that are offered', () => {
    const { get, set, type } = legacy();
    set(L.status, 1, 1);
    set(L.status, 1, 3);
    set(L.guest, 4, 0xffffffff);
    expect(get(L.guest, 4)).toBe(get(L.features, 4));
    expect(type.host.has(Feature.EVENT_IDX)).toBe(true);
    for (const bit of [Feature.VERSION_1, Feature.RING_PACKED, 50]) expect(type.host.has(bit)).toBe(false);
    set(L.status, 1, 7);
    expect(get(L.status, 1)).toBe(7);
    expect(type.log).toContain('started');
  });

  it('shows a FEATURES_OK that a driver has set, which means nothing', () => {
    const { get, set, type, world } = legacy();
    set(L.status, 1, 3);
    set(L.guest, 4, Number(bits(0)));
    set(L.status, 1, 11);
    // As QEMU's virtio-net-pci: the byte reads as it was written.
    expect(get(L.status, 1)).toBe(11);
    // It is no step: features are taken behind it too, and DRIVER_OK does not need it.
    set(L.guest, 4, Number(bits(0, Feature.EVENT_IDX)));
    expect(type.host.has(Feature.EVENT_IDX)).toBe(true);
    set(L.status, 1, 15);
    expect(get(L.status, 1)).toBe(15);
    expect(type.log).toContain('started');
    expect(world.ofKind(Kind.DeviceMisused)).toEqual([]);
  });

  it('places a queue by one page number', () => {
    const { get, set, queues } = legacy();
    set(L.status, 1, 3);
    set(L.select, 2, 0);
    expect(get(L.size, 2)).toBe(256);
    expect(get(L.pfn, 4)).toBe(0);
    set(L.pfn, 4, 0x10);
    set(L.status, 1, 7);
    expect(get(L.pfn, 4)).toBe(0x10);
    // 256 descriptors of 16 bytes, then 6 bytes and 2 for each entry; the used ring on the next page.
    expect(queues[0].layout).toEqual({
      size: 256,
      descriptors: 0x10000,
      driver: 0x11000,
      device: 0x12000,
    });
    set(L.pfn, 4, 0);
    expect(get(L.pfn, 4)).toBe(0);
    expect(queues[0].running).toBe(false);
  });

  it('lets QUEUE_NOTIFY be read, which is R+W in its layout and notifies nothing', () => {
    const { get, set, queues, world } = legacy();
    set(L.pfn, 4, 0x10);
    // All ones, as QEMU's virtio-net-pci answers INW of the register.
    expect(get(L.notify, 2)).toBe(0xffff);
    expect(queues[0].log).toEqual([]);
    expect(world.ofKind(Kind.DeviceIgnored)).toEqual([]);
    // By any width but its own it is a mistake.
    get(L.notify, 4);
    expect(world.ofKind(Kind.DeviceIgnored)).toHaveLength(1);
  });

  it('can be used before DRIVER_OK', () => {
    const { set, queues, type } = legacy();
    set(L.pfn, 4, 0x10);
    set(L.notify, 2, 0);
    expect(queues[0].log).toEqual(['start', 'kicked']);
    expect(type.log).toContain('started');
  });

  it('has the configuration behind 20 bytes, and behind 24 with MSI-X, by any width', () => {
    const { get, set, fn, type } = legacy();
    // A legacy driver may write it before anything else.
    set(20, 1, 0x77);
    expect(type.configuration[0]).toBe(0x77);
    const check = (base: number): void => {
      for (const size of [1, 2, 4] as const) {
        for (let at = 0; at < FAKE_CONFIG_BYTES; at += size) {
          const bytes = type.configuration.slice(at, at + size);
          expect(get(base + at, size)).toBe(bytes.reduceRight((sum, byte) => sum * 256 + byte, 0));
        }
      }
    };
    check(20);
    enableMsix(fn);
    check(24);
    set(20, 2, 1);
    set(22, 2, 2);
    expect([get(20, 2), get(22, 2)]).toEqual([1, 2]);
    set(22, 2, 9);
    expect(get(22, 2)).toBe(NO_VECTOR);
    disableMsix(fn);
    check(20);
  });

  it('interrupts by the ISR status too', () => {
    const { set, get, used, pin } = legacy();
    set(L.pfn, 4, 0x10);
    set(L.status, 1, 7);
    used();
    expect(pin.level).toBe(true);
    expect(get(L.isr, 1)).toBe(1);
    expect(pin.level).toBe(false);
  });

  it('is reset by status 0, after which this specification may be spoken', () => {
    const { set, get, cfg } = legacy();
    set(L.pfn, 4, 0x10);
    set(L.status, 1, 7);
    set(L.status, 1, 0);
    expect(get(L.status, 1)).toBe(0);
    expect(get(L.pfn, 4)).toBe(0);
    expect(cfg.negotiate(bits(Feature.VERSION_1))).toBe(true);
    expect(cfg.get('status')).toBe(11);
  });

  it('tells a VMM of its notification port', () => {
    const { pci } = legacy();
    const shared = pci.notifyOffsets().filter((each) => each.shared);
    expect(shared).toEqual(
      [0, 1].map((queue) => ({ bar: 0, offset: L.notify, bytes: 2, queue, shared: true })),
    );
  });
});
