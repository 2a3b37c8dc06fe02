/** Whatever a guest does to the registers of a virtio device, nothing throws, and the device can be reset and used afterwards. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_CPU, type AccessSize } from '../../../../../src/machine/bus';
import type { Interfaces } from '../../../../../src/machine/devices/virtio/options';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import { MMIO_BYTES } from '../../../../../src/machine/devices/virtio/mmio-layout';
import { fakeDevice, onMmio, onPci } from './fakes';
import { bits, common } from './pci-driver';

const size = fc.constantFrom<AccessSize>(1, 2, 4);
/** Values that mean something are likelier than chance would have them. */
const value = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 7, 8, 11, 15, 0xff, 0xffff, 0xffffffff),
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 0xffffffff }),
);
/** Offsets where registers are, and others. */
const offset = fc.oneof(
  fc.integer({ min: 0, max: 0x3f }),
  fc.constantFrom(0x14, 0x16, 0x1c, 0x3a, 0x1000, 0x2000, 0x3000, 0x3004),
  fc.integer({ min: 0, max: 0x3fff }),
);
/** What the driver does otherwise: the function's configuration, the passing of time, work of the queues. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('bar'), place: fc.nat(2), at: offset, size, value }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('config'),
      place: fc.constant(0),
      at: fc.integer({ min: 0, max: 0xff }),
      size,
      value,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('time', 'work', 'used', 'broken', 'changed'),
      place: fc.nat(1),
      at: fc.nat(0xffff),
      size,
      value,
    }),
  },
);
const interfaces = fc.constantFrom<Interfaces>('modern', 'transitional');

describe('a hostile guest', () => {
  it('cannot make registers on PCI throw', () => {
    fc.assert(
      fc.property(interfaces, fc.array(step, { maxLength: 120 }), (kind, steps) => {
        const m = onPci(fakeDevice({ interfaces: kind, notificationData: true }));
        m.bus.dma.latency = 50;
        for (const { kind: what, place, at, size: width, value: written } of steps) {
          const bar = m.fn.bars[place % m.fn.bars.length];
          const queue = m.queues[place % m.queues.length];
          if (what === 'bar') {
            const where = (at % bar.size) & ~(width - 1);
            const cut = width === 4 ? written : written & (2 ** (8 * width) - 1);
            bar.block.write(where, width, cut, NO_CPU);
            const read = bar.block.read(where, width, NO_CPU);
            expect(read).toBeGreaterThanOrEqual(0);
            expect(read).toBeLessThan(2 ** (8 * width));
          } else if (what === 'config') {
            m.fn.write(at & ~(width - 1), width, written % 2 ** (8 * width));
            m.fn.read(at & ~(width - 1), width);
          } else if (what === 'time') m.world.advanceTo(m.world.time + (at % 100));
          else if (what === 'work') queue.transfer(at);
          else if (what === 'used') queue.host.notifyDriver(queue.index);
          else if (what === 'broken') queue.host.broken(queue.index, at);
          else m.type.change(8, at & 0xff);
        }
        // Whatever was done, a reset makes it a device again.
        m.fn.write(4, 2, 7);
        const cfg = common(m.fn);
        cfg.set('status', 0);
        m.world.drain();
        expect(cfg.get('status')).toBe(0);
        expect(cfg.negotiate(bits(Feature.VERSION_1))).toBe(true);
      }),
    );
  });

  it('cannot make registers on MMIO throw', () => {
    const versions = fc.constantFrom<Interfaces>('modern', 'legacy');
    const access = fc.record({ at: fc.integer({ min: 0, max: MMIO_BYTES - 1 }), size, value });
    fc.assert(
      fc.property(versions, fc.array(access, { maxLength: 200 }), (kind, accesses) => {
        const { mmio, get, set, world } = onMmio(fakeDevice({ interfaces: kind }));
        for (const { at, size: width, value: written } of accesses) {
          const where = at & ~(width - 1);
          mmio.write(where, width, written % 2 ** (8 * width));
          const read = mmio.read(where, width);
          expect(read).toBeGreaterThanOrEqual(0);
          expect(read).toBeLessThan(2 ** (8 * width));
        }
        set(0x70, 0);
        world.drain();
        expect(get(0x70)).toBe(0);
        set(0x70, 1);
        expect(get(0x70)).toBe(1);
      }),
    );
  });
});
