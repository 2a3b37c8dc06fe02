/** What a guest sees of a device of the host in configuration space, and what of its writes reaches the physical function. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linearTranslation } from '../../../../src/machine/memory/dma-translation';
import { barOffset } from '../../../../src/machine/pci/bars';
import { capabilitiesOf } from '../../../../src/machine/pci/capability-list';
import { CapabilityId, Command, Config } from '../../../../src/machine/pci/config';
import type { DeviceSpec } from '../../../../src/machine/platform/device-models';
import { NOTHING_TO_MAP } from '../../../../src/vmm/host-bus/dma-mapper';
import { HostBus } from '../../../../src/vmm/host-bus/host-bus';
import type { HostDevice } from '../../../../src/vmm/host-bus/host-device';
import { PLAIN_MESSAGES } from '../../../../src/vmm/host-bus/message-domain';
import { VirtualFunction } from '../../../../src/vmm/vfio/virtual-function';
import { siteOf } from '../threads/world';

const MIB = 2 ** 20;
const timing = { readNanoseconds: 10, writeNanoseconds: 10, flushNanoseconds: 10 };
const specs = {
  edu: { model: 'edu', name: 'dev' },
  e1000: { model: 'e1000', name: 'dev', mac: Uint8Array.of(2, 0, 0, 0, 0, 1), coalesced: false },
  'virtio-net': {
    model: 'virtio-net',
    name: 'dev',
    virtio: { interfaces: 'modern' },
    inKernel: false,
    busyPollNs: 0,
    net: {
      mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      pairs: 1,
      batch: 1,
      offloads: true,
      mergeable: true,
      mtu: 1500,
    },
  },
  nvme: { model: 'nvme', name: 'dev', image: undefined, blockSize: 512, queues: 2, size: MIB, timing },
} as const satisfies Record<string, DeviceSpec>;
type Model = keyof typeof specs;
const models = Object.keys(specs) as Model[];

const EXPRESS = { control: 8, reset: 1 << 15 } as const;

interface Bench {
  host: HostDevice;
  fn: VirtualFunction;
  resets: number;
  unmapped: [base: number, size: number][];
}

function setUp(model: Model): Bench {
  const { site } = siteOf(2);
  const bus = new HostBus(
    site,
    [{ device: specs[model], cable: undefined, number: 3, affinity: 0, cpus: 1 }],
    {
      dma: linearTranslation(0, 2 ** 52),
      mapper: NOTHING_TO_MAP,
      messages: PLAIN_MESSAGES,
      msi: (requester, address, data) => site.scheduler.interrupts.fabric.msi(requester, address, data),
    },
  );
  const host = bus.device('dev');
  const bench: Bench = { host, resets: 0, unmapped: [], fn: undefined as never };
  bench.fn = new VirtualFunction(host, {
    port: { send: () => undefined },
    unmapped: (base, size) => bench.unmapped.push([base, size]),
    reset: () => {
      bench.resets += 1;
      host.reset();
    },
  });
  bench.fn.place(0x18, { barChanged: () => undefined, interruptChanged: () => undefined });
  return bench;
}

describe.each(models)('a function that was assigned: %s', (model) => {
  it('has the identity, the BAR sizes and the capabilities of the physical one, at their places', () => {
    const { host, fn } = setUp(model);
    for (const at of [Config.VendorId, Config.RevisionId, Config.SubsystemVendorId])
      expect(fn.read(at, 4)).toBe(host.pci.read(at, 4));
    expect(fn.read(Config.InterruptPin, 1)).toBe(host.pci.read(Config.InterruptPin, 1));
    expect(capabilitiesOf(fn)).toEqual(capabilitiesOf(host.pci));
    for (const bar of fn.bars) {
      fn.write(barOffset(bar), 4, 0xffffffff);
      const type = bar.kind === 'io' ? 3 : 15;
      expect(-(fn.read(barOffset(bar), 4) & ~type) >>> 0).toBe(bar.size);
    }
  });

  it('passes on decoding and bus mastering, and keeps the pin to the host', () => {
    const { host, fn } = setUp(model);
    const before = host.pci.command;
    expect(before & Command.BusMaster).toBe(0);
    fn.write(Config.Command, 2, Command.MemorySpace | Command.BusMaster | Command.InterruptDisable);
    expect(host.pci.busMaster).toBe(true);
    expect(host.pci.command & Command.InterruptDisable).toBe(before & Command.InterruptDisable);
    fn.write(Config.Command, 2, 0);
    expect(host.pci.command & (Command.MemorySpace | Command.BusMaster)).toBe(0);
  });

  it('has BARs of its own: what the guest writes to them moves nothing of the host', () => {
    const { host, fn } = setUp(model);
    const bases = host.pci.bars.map((bar) => host.pci.barBase(bar));
    for (const bar of fn.bars) fn.write(barOffset(bar), 4, 0xd000_0000);
    expect(host.pci.bars.map((bar) => host.pci.barBase(bar))).toEqual(bases);
  });

  it('tells where its registers are no longer when they move', () => {
    const { fn, unmapped } = setUp(model);
    const bar = fn.bars[0];
    fn.write(barOffset(bar), 4, 0xd000_0000);
    fn.write(Config.Command, 2, Command.MemorySpace);
    expect(unmapped).toEqual([]);
    fn.write(barOffset(bar), 4, 0xe000_0000);
    expect(unmapped).toEqual([[0xd000_0000, bar.size]]);
    fn.write(Config.Command, 2, 0);
    expect(unmapped.slice(1)).toContainEqual([0xe000_0000, bar.size]);
  });

  it('reaches the registers of the device where the host has them, in memory and at ports', () => {
    const { host, fn } = setUp(model);
    const [registers] = fn.bars;
    const direct = host.pci.bars[0].block;
    expect(registers.block.read(8, 4, 0)).toBe(direct.read(8, 4, 0));
    for (const bar of fn.bars.filter(({ kind }) => kind === 'io')) {
      // IOADDR of an e1000 is what its data window shows.
      bar.block.write(0, 4, 8, 0);
      expect(bar.block.read(0, 4, 0)).toBe(8);
      expect(bar.block.read(4, 4, 0)).toBe(direct.read(8, 4, 0));
    }
    host.pci.write(Config.Command, 2, 0);
    for (const bar of fn.bars)
      if (bar.index !== fn.msix?.layout.bar) expect(bar.block.read(0, 4, 0)).toBe(0xffffffff);
  });

  it('has no page in the EPT that holds the table of MSI-X', () => {
    const { fn } = setUp(model);
    for (const bar of fn.bars.filter(({ kind }) => kind !== 'io')) {
      const maps = fn.mapsPage(bar.index * 0x100_0000);
      const { msix } = fn;
      if (bar.size < 4096) expect(maps).toBeUndefined();
      else if (msix?.layout.bar === bar.index) {
        expect(maps?.(msix.layout.table)).toBe(false);
        expect(maps?.(msix.layout.pending)).toBe(false);
      } else expect(maps?.(0)).toBe(true);
    }
  });

  it('survives whatever a guest writes, and leaves to the host what is the host’s', () => {
    const write = fc.record({
      at: fc.integer({ min: 0, max: 1023 }),
      size: fc.constantFrom(1 as const, 2 as const, 4 as const),
      value: fc.nat({ max: 0xffffffff }),
    });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 60 }), (writes) => {
        const { host, fn } = setUp(model);
        const message = capabilitiesOf(host.pci).filter(
          ({ id }) => id === CapabilityId.msi || id === CapabilityId.msix,
        );
        const bases = host.pci.bars.map((bar) => host.pci.barBase(bar));
        const controls = message.map(({ at }) => host.pci.read(at, 4));
        for (const { at, size, value } of writes) {
          const offset = (at * 4) & ~(size - 1);
          fn.write(offset, size, value);
          fn.read(offset, size);
          for (const bar of fn.bars) {
            const register = (value & (bar.size - 1) & ~3) >>> 0;
            bar.block.write(register, 4, value, 0);
            bar.block.read(register, 4, 0);
          }
        }
        expect(host.pci.bars.map((bar) => host.pci.barBase(bar))).toEqual(bases);
        expect(message.map(({ at }) => host.pci.read(at, 4))).toEqual(controls);
      }),
      { seed: 20261129, numRuns: 60 },
    );
  });
});

describe('a function-level reset by the guest', () => {
  it('resets the device, for which the kernel keeps its place on the bus', () => {
    const { host, fn } = setUp('nvme');
    const { at } = capabilitiesOf(fn).find(({ id }) => id === CapabilityId.express) ?? { at: 0 };
    const bases = host.pci.bars.map((bar) => host.pci.barBase(bar));
    fn.write(Config.Command, 2, Command.MemorySpace | Command.BusMaster);
    const registers = fn.bars[0].block;
    const queueSizes = 0x24; // AQA
    registers.write(queueSizes, 4, 0x00030003, 0);
    expect(registers.read(queueSizes, 4, 0)).toBe(0x00030003);
    const { command } = host.pci;
    fn.write(at + EXPRESS.control, 2, fn.read(at + EXPRESS.control, 2) | EXPRESS.reset);
    expect(registers.read(queueSizes, 4, 0)).toBe(0);
    expect(host.pci.bars.map((bar) => host.pci.barBase(bar))).toEqual(bases);
    // The pin is silenced until whoever drives the device sets interrupts up again.
    expect(host.pci.command).toBe(command | Command.InterruptDisable);
  });

  it('is begun by its byte alone, and none that the device has not', () => {
    const bench = setUp('nvme');
    const { fn } = bench;
    const { at } = capabilitiesOf(fn).find(({ id }) => id === CapabilityId.express) ?? { at: 0 };
    fn.write(at + EXPRESS.control, 1, 0xff);
    expect(bench.resets).toBe(0);
    fn.write(at + EXPRESS.control + 1, 1, EXPRESS.reset >> 8);
    expect(bench.resets).toBe(1);
    fn.write(at + EXPRESS.control, 4, EXPRESS.reset);
    expect(bench.resets).toBe(2);
  });
});
