/** The state of a virtio device: a checkpoint goes on in its run, and the hardware's part on another host. */
import { describe, expect, it } from 'vitest';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import { fakeDevice, onMmio, onPci } from './fakes';
import { bits, common, enableMsix, structure } from './pci-driver';

function pciMachine() {
  const m = onPci(fakeDevice());
  const cfg = common(m.fn);
  const start = (): void => {
    cfg.negotiate(bits(Feature.VERSION_1, Feature.RING_RESET));
    cfg.set('queueSize', 32);
    cfg.set('desc', 0x10000);
    cfg.set('queueVector', 1);
    cfg.set('queueEnable', 1);
    cfg.set('status', 15);
  };
  return { ...m, cfg, start };
}

type Machine = ReturnType<typeof pciMachine>;
/** What a driver and the parts of the device see. */
const seen = ({ cfg, queues, type, pin, bus }: Machine): unknown => ({
  common: ['status', 'queueSelect', 'queueSize', 'desc', 'queueEnable', 'queueReset', 'queueVector'].map(
    (field) => cfg.get(field as 'status'),
  ),
  features: [0, 1].map((word) => {
    cfg.set('driverFeatureSelect', word);
    return cfg.get('driverFeature');
  }),
  layouts: queues.map(({ layout }) => layout),
  has: type.host.has(Feature.RING_RESET),
  pin: pin.level,
  line: bus.line,
});

/** Moves the hardware of one machine to another, configuration space first. */
function move(from: Machine, to: Machine): void {
  to.fn.adopt(from.fn.save().hardware);
  to.pci.adopt(from.pci.save().hardware);
}

describe('the state of a device on PCI', () => {
  it('moves to another host while it runs, with an interrupt pending', () => {
    const from = pciMachine();
    from.start();
    from.queues[0].host.notifyDriver(0);
    from.type.change(8, 0x99);
    const to = pciMachine();
    move(from, to);
    expect(seen(to)).toEqual(seen(from));
    expect(to.pin.level).toBe(true);
    expect(structure(to.fn, 3).read(0, 1)).toBe(3);
    expect(to.pin.level).toBe(false);
    structure(to.fn, 2).write(0, 2, 0);
    expect(to.queues[0].log).toEqual(['kicked']);
    const before = to.cfg.get('generation');
    expect(structure(to.fn, 4).read(8, 1)).toBe(0x99);
    expect(to.cfg.get('generation')).not.toBe(before);
  });

  it('keeps vectors', () => {
    const from = pciMachine();
    enableMsix(from.fn);
    from.start();
    const to = pciMachine();
    move(from, to);
    to.queues[0].host.notifyDriver(0);
    expect(to.bus.messages).toEqual([[0xfee00000, 0x41]]);
  });

  it('has a reset that waited for transactions done on the other host, where there are none', () => {
    const from = pciMachine();
    from.start();
    from.bus.dma.latency = 1000;
    from.queues[0].transfer(0x1000);
    from.cfg.set('status', 0);
    expect(from.cfg.get('status')).toBe(15);
    const to = pciMachine();
    move(from, to);
    expect(to.cfg.get('status')).toBe(0);
  });

  it('has the reset of a queue done there too', () => {
    const from = pciMachine();
    from.start();
    from.bus.dma.latency = 1000;
    from.queues[0].transfer(0x1000);
    from.cfg.set('queueReset', 1);
    const to = pciMachine();
    move(from, to);
    expect(from.cfg.get('queueReset')).toBe(1);
    expect(to.cfg.get('queueReset')).toBe(0);
    expect(to.cfg.get('queueEnable')).toBe(0);
  });

  it('goes on in its own run from a checkpoint, waiting for what was under way', () => {
    const m = pciMachine();
    m.start();
    m.bus.dma.latency = 1000;
    m.queues[0].transfer(0x1000);
    m.cfg.set('status', 0);
    const saved = { pci: m.pci.save(), world: m.world.save(), pending: [...m.bus.dma.pending] };
    m.world.drain();
    expect(m.cfg.get('status')).toBe(0);
    m.start();
    m.world.load(saved.world);
    m.bus.dma.pending = saved.pending;
    m.pci.load(saved.pci);
    expect(m.cfg.get('status')).toBe(15);
    expect(m.type.host.has(Feature.RING_RESET)).toBe(false);
    m.world.drain();
    expect(m.cfg.get('status')).toBe(0);
  });

  it('of another version is refused', () => {
    const { pci } = pciMachine();
    const { hardware } = pci.save();
    expect(() => pci.adopt({ ...hardware, version: 2 as 1 })).toThrow(/virtio/);
  });
});

describe('the state of a device on MMIO', () => {
  it('moves to another host', () => {
    const from = onMmio(fakeDevice({ interfaces: 'legacy' }));
    from.set(0x28, 8192);
    from.set(0x30, 1);
    from.set(0x3c, 64);
    from.set(0x70, 7);
    from.type.change(8, 1);
    const to = onMmio(fakeDevice({ interfaces: 'legacy' }));
    to.mmio.adopt(from.mmio.save().hardware);
    expect(to.get(0x70)).toBe(7);
    expect(to.get(0x60)).toBe(2);
    expect(to.bus.line).toBe(true);
    to.set(0x38, 8);
    to.set(0x40, 2);
    // Queue 1, pages of 8 KiB and a boundary of 64 bytes came along.
    expect(to.queues[1].layout).toEqual({ size: 8, descriptors: 0x4000, driver: 0x4080, device: 0x40c0 });
    to.mmio.load(from.mmio.save());
    expect(to.get(0x40)).toBe(0);
  });
});
