/** Interrupt controllers and the PCI root complex move. */
import fc from 'fast-check';
import { describe } from 'vitest';
import { AddressMap } from '../../src/machine/address-map';
import { InterruptFabric } from '../../src/machine/interrupts/fabric';
import { IOAPIC_BASE, IOAPIC_VERSION, IoApic } from '../../src/machine/interrupts/ioapic';
import { LocalApic } from '../../src/machine/interrupts/lapic';
import { ApicMsr, LAPIC_BASE, Lapic } from '../../src/machine/interrupts/lapic-registers';
import { PicPair } from '../../src/machine/interrupts/pic';
import { addExpress, addPowerManagement, ExpressType } from '../../src/machine/pci/capabilities';
import { MsiVectors } from '../../src/machine/pci/msi';
import { MsixVectors } from '../../src/machine/pci/msix';
import { PciFunction } from '../../src/machine/pci/function';
import { PciRoot } from '../../src/machine/pci/root';
import { moves } from './migration/bench';
import { access, accesses } from './migration/steps';

const WAITS = fc.oneof(fc.constant(0), fc.nat(3_000), fc.nat(100_000));
/** A TSC that has been written: it shows this much more than the time of the run. */
const TSC_AHEAD = 5_000;

type StepOf<A> = A extends fc.Arbitrary<infer S> ? S : never;

describe('the 8259s', () => {
  const step = fc.oneof(
    fc.record({
      part: fc.constantFrom('masterPorts' as const, 'slavePorts' as const, 'edgeLevelPorts' as const),
      access: accesses(fc.nat(1), [0x11, 0x20, 0x28, 0x04, 0x02, 0x01, 0x0b, 0x0c, 0x63, 0xa0, 0x00]),
    }),
    fc.record({ line: fc.nat(15), on: fc.boolean() }),
    fc.constant('acknowledge' as const),
  );
  moves('the pair', { step, waits: WAITS }, (_world, out) => {
    const unit = new PicPair((asserted) => out.drive('INTR', asserted));
    return {
      unit,
      perform: (each: StepOf<typeof step>) => {
        if (each === 'acknowledge') return unit.acknowledge();
        return 'line' in each ? unit.setLine(each.line, each.on) : access(unit[each.part], each.access);
      },
    };
  });
});

describe('the IOAPIC', () => {
  const step = fc.oneof(
    accesses(fc.constantFrom(0, 0x10, 0x40), [0x10, 0x11, 0x12, 0x41, 0x8041, 0xa042, 0x10041], [4]),
    fc.record({ pin: fc.nat(3), by: fc.nat(2), on: fc.boolean() }),
    fc.record({ eoi: fc.constantFrom(0x41, 0x42) }),
  );
  moves('alone', { step, waits: WAITS }, (_world, out) => {
    const unit = new IoApic((message) => {
      out.note(JSON.stringify(message));
      return message.vector !== 0x42;
    });
    return {
      unit,
      perform: (each: StepOf<typeof step>) => {
        if ('offset' in each) return access(unit, each);
        return 'eoi' in each ? unit.eoi(each.eoi) : unit.setPin(each.pin, each.on, each.by);
      },
    };
  });
});

/** The local APIC's registers and MSRs, and what comes to it. */
const lapicStep = fc.oneof(
  {
    weight: 4,
    arbitrary: accesses(
      fc.constantFrom(...Object.values(Lapic)),
      [0, 0x20070, 0x40070, 0x70, 0x10070, 0x1ff, 1000, 50_000, 0xb, 3, 0x41, 0x731],
      [4],
    ),
  },
  fc.record({
    msr: fc.constantFrom(ApicMsr.Base, 0x808, 0x838),
    value: fc.oneof(fc.constantFrom(LAPIC_BASE + 0x900, LAPIC_BASE + 0x100), fc.nat(200_000)),
  }),
  fc.record({ deadlineIn: fc.nat(20_000) }),
  fc.record({ vector: fc.nat(255), level: fc.boolean() }),
  fc.record({ lint: fc.boolean() }),
  fc.constant('acknowledge' as const),
);

/** A TSC deadline is written by what the TSC shows. */
function performLapic(apic: LocalApic, tsc: number, each: StepOf<typeof lapicStep>): unknown {
  if (each === 'acknowledge') return [apic.acknowledge(), apic.highestPending()];
  if ('offset' in each) return access(apic, each);
  if ('vector' in each) return apic.accept(each.vector, each.level);
  if ('lint' in each) return apic.setLint(0, each.lint);
  if ('msr' in each) return [apic.msrWrite(each.msr, each.value, 0), apic.msrRead(ApicMsr.Base)];
  const value = tsc + each.deadlineIn;
  return apic.msrWrite(ApicMsr.TscDeadline, value % 2 ** 32, Math.floor(value / 2 ** 32));
}

describe('the local APIC', () => {
  moves('with its timer', { step: lapicStep, waits: WAITS, numRuns: 300 }, (world, out) => {
    const tsc = { offset: TSC_AHEAD };
    const options = { id: 2, bootstrap: true, name: 'apic', timerCyclesPerTick: 3, virtualWire: true };
    const unit = new LocalApic(
      {
        ...options,
        scheduler: world.queue,
        toHostTime: (low, high) => high * 2 ** 32 + low - tsc.offset,
      },
      {
        output: (asserted) => out.drive('INTR', asserted),
        eoiBroadcast: (vector) => out.note(`EOI ${vector}`),
        ipi: (message) => out.note(JSON.stringify(message)),
        accepted: (vector) => out.note(`accepted ${vector}`),
        ended: (vector) => out.note(`ended ${vector}`),
        external: { pendingVector: 0x20, acknowledge: () => 0x20 },
      },
    );
    world.queue.register(unit.timer);
    unit.write(Lapic.Svr, 4, 0x1ff);
    return { unit, tsc, perform: (each) => performLapic(unit, world.time + tsc.offset, each) };
  });
});

describe('the fabric', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ cpu: fc.nat(1), lapic: lapicStep }) },
    fc.record({
      cpu: fc.nat(1),
      address: fc.oneof(
        fc.constantFrom(IOAPIC_BASE, IOAPIC_BASE + 0x10),
        fc.nat(0x3f).map((index) => LAPIC_BASE + index * 16),
      ),
      value: fc.option(fc.constantFrom(0x10, 0x12, 0x1a, 0x14, 0x1ff, 0x8041, 0x141, 0x731, 0x42, 0), {
        nil: undefined,
      }),
    }),
    fc.record({
      pin: fc.constantFrom(0, 1, 2, 5, 11),
      by: fc.constantFrom('/nic', '/pit', ' elsewhere'),
      on: fc.boolean(),
    }),
    fc.record({ message: fc.nat(0xfffff), data: fc.nat(0xffff) }),
    fc.record({ pic: accesses(fc.nat(1), [0x11, 0x20, 0x08, 0x04, 0x01, 0x00]) }),
  );
  const boards = { one: 0 };
  moves('of two CPUs', { step, waits: WAITS, numRuns: 300 }, (world, out) => {
    const name = `pc${boards.one++}`; // each machine has a name of its own, and its wires are named after it
    const tsc = { offset: TSC_AHEAD };
    const fabric = new InterruptFabric({
      name,
      scheduler: world.queue,
      cpus: [0, 1].map((cpu) => ({
        interrupt: () => out.note(`intr ${cpu}`),
        ownTimer: (accept: () => void) => accept(),
        nmi: () => out.note(`nmi ${cpu}`),
        init: () => out.note(`init ${cpu}`),
        startUp: (page: number) => out.note(`sipi ${cpu} ${page}`),
      })),
      observer: {
        message: (source, vector, deliver) => {
          out.note(`${JSON.stringify(source)} ${vector}`);
          deliver();
        },
        ipi: (_sender, _message, send) => send(),
        accepted: (cpu, vector) => out.note(`accepted ${cpu} ${vector}`),
        ended: (cpu, vector) => out.note(`ended ${cpu} ${vector}`),
      },
      timerCyclesPerTick: 3,
      x2apicSupported: true,
      ioapicVersion: IOAPIC_VERSION.withEoi,
      picAtIoapic: true,
      toHostTime: () => (low, high) => high * 2 ** 32 + low - tsc.offset,
    });
    const memory = new AddressMap<string>('MMIO');
    fabric.mapInto(memory, { ioapic: 'ioapic', lapic: 'lapic' });
    for (const cpu of [0, 1]) memory.write(LAPIC_BASE + Lapic.Svr, 4, 0x1ff, 0, cpu);
    return {
      unit: fabric,
      tsc,
      perform: (each: StepOf<typeof step>) => {
        if ('lapic' in each) return performLapic(fabric.lapic(each.cpu), world.time + tsc.offset, each.lapic);
        if ('pin' in each)
          return fabric.setPin(each.pin, each.by.startsWith('/') ? name + each.by : each.by, each.on);
        if ('message' in each) return fabric.msi(8, 0xfee00000 + each.message, each.data);
        if ('pic' in each) return access(fabric.pic.masterPorts, each.pic);
        const { address, value, cpu } = each;
        return value === undefined ? memory.read(address, 4, cpu) : memory.write(address, 4, value, 0, cpu);
      },
    };
  });
});

describe('PCI', () => {
  const MEMORY_BAR = 0xc0000000;
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        device: fc.constantFrom(0, 1, 2),
        access: accesses(
          fc.nat(0x3f).map((word) => word * 4),
          [0, 1, 4, 6, 7, 0x406, 0x8000, 0xc000, 3, MEMORY_BAR, 0x10007, 0xffffffff],
          [1, 2, 4],
        ),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        table: accesses(
          fc.nat(15).map((word) => word * 4),
          [0, 1],
          [4],
        ),
      }),
    },
    fc.record({ port: accesses(fc.constantFrom(0, 4), [0x80000804, 0x80001010], [4]) }),
    fc.record({ pin: fc.boolean() }),
    fc.record({ raise: fc.nat(3), of: fc.constantFrom('msi' as const, 'msix' as const) }),
  );
  moves('with a function of each kind of capability', { step, waits: WAITS, numRuns: 300 }, (_world, out) => {
    const mapped = new Map<string, number>();
    const root = new PciRoot({
      barChanged: (slot, _bar, base, enabled) => {
        const before = mapped.get(slot.name);
        if (before !== undefined && before !== base) out.drive(`${slot.name} at ${before}`, false);
        mapped.set(slot.name, base);
        out.drive(`${slot.name} at ${base}`, enabled);
      },
      interruptChanged: (slot, asserted) => out.drive(`${slot.name} INTA`, asserted),
    });
    const port = {
      send: (requester: number, address: number, data: number) =>
        out.note(`message ${requester} ${address} ${data}`),
    };
    const identity = { vendorId: 0x1af4, deviceId: 0x1041, revision: 1, classCode: 0x020000 };
    const make = (interruptPin: number, msix: MsixVectors | undefined): PciFunction => {
      const block = msix?.block ?? { read: () => 0, write: () => undefined, registerName: () => undefined };
      return new PciFunction({ ...identity, subsystemVendorId: 0, subsystemId: 0, interruptPin }, [
        { index: 0, kind: 'memory64', size: 0x1000, block, name: 'BAR' },
      ]);
    };
    const msix = new MsixVectors(port, { vectors: 4, bar: 0, table: 0, pending: 0x800 });
    const first = make(1, msix);
    root.add(undefined, first);
    msix.addTo(first);
    const second = make(1, undefined);
    root.add(undefined, second);
    const msi = new MsiVectors(second, port, 4);
    addPowerManagement(second);
    addExpress(second, { type: ExpressType.endpoint, onReset: () => out.note('reset') });
    return {
      unit: root,
      perform: (each: StepOf<typeof step>) => {
        if ('access' in each) {
          const offset = each.device * 0x8000 + each.access.offset;
          return access(root.ecam, { ...each.access, offset });
        }
        if ('table' in each) return access(msix.block, each.table);
        if ('port' in each) return access(root.ports, each.port);
        if ('pin' in each) {
          first.setInterrupt(each.pin);
          return second.setInterrupt(each.pin);
        }
        return (each.of === 'msi' ? msi : msix).raise(each.raise);
      },
    };
  });
});
