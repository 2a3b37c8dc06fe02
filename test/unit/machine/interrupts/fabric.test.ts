/** The interrupt controllers joined: pins, messages, IPIs and their ends (SDM vol. 3, chapter 10; 82093AA data sheet). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressMap } from '../../../../src/machine/address-map';
import { NO_CPU } from '../../../../src/machine/bus';
import { InterruptFabric, gsiOfIsaLine, type FabricOptions } from '../../../../src/machine/interrupts/fabric';
import { IOAPIC_BASE, IOAPIC_VERSION } from '../../../../src/machine/interrupts/ioapic';
import { ApicMsr, LAPIC_BASE, Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import { DeliveryMode, Shorthand } from '../../../../src/machine/interrupts/message';
import { World } from '../fake-bus';

const LEVEL = 1 << 15;
const MASKED = 1 << 16;
const REMOTE_IRR = 1 << 14;
const EXT_INT = 7 << 8;
const ENABLED = 0x1ff;

function setUp(changes: Partial<FabricOptions> = {}, cpus = 3) {
  const world = new World();
  const log: string[] = [];
  const fabric = new InterruptFabric({
    name: 'pc',
    scheduler: world.queue,
    cpus: Array.from({ length: cpus }, (_, cpu) => ({
      interrupt: () => void log.push(`intr ${cpu}`),
      ownTimer: (accept: () => void) => {
        log.push(`timer ${cpu}`);
        accept();
      },
      nmi: () => void log.push(`nmi ${cpu}`),
      init: () => void log.push(`init ${cpu}`),
      startUp: (page: number) => void log.push(`sipi ${cpu} ${page}`),
    })),
    observer: {
      message: (source, vector, deliver) => {
        log.push(
          source.from === 'ioapic' ? `ioapic ${source.pin} ${vector}` : `msi ${source.requester} ${vector}`,
        );
        deliver();
      },
      ipi: (sender, message, send) => {
        const reached = send();
        log.push(`ipi ${sender} ${message.vector} ${reached}`);
        return reached;
      },
      accepted: (cpu, vector) => void log.push(`accepted ${cpu} ${vector}`),
      ended: (cpu, vector) => void log.push(`ended ${cpu} ${vector}`),
    },
    timerCyclesPerTick: 3,
    x2apicSupported: true,
    ioapicVersion: IOAPIC_VERSION.plain,
    ...changes,
  });
  const memory = new AddressMap<string>('MMIO');
  fabric.mapInto(memory, { ioapic: 'ioapic', lapic: 'lapic' });
  const ioapic = (register: number, value?: number): number => {
    memory.write(IOAPIC_BASE, 4, register);
    if (value !== undefined) memory.write(IOAPIC_BASE + 0x10, 4, value);
    return memory.read(IOAPIC_BASE + 0x10, 4);
  };
  return {
    world,
    log,
    fabric,
    memory,
    ioapic,
    /** Low and high half of a redirection entry. */
    entry: (pin: number, low: number, destination = 0): void => {
      ioapic(0x11 + 2 * pin, destination * 2 ** 24);
      ioapic(0x10 + 2 * pin, low);
    },
    low: (pin: number): number => ioapic(0x10 + 2 * pin),
    enable: (...which: number[]): void =>
      which.forEach((cpu) => fabric.lapic(cpu).write(Lapic.Svr, 4, ENABLED)),
    pending: (): number[] => Array.from({ length: cpus }, (_, cpu) => fabric.lapic(cpu).highestPending()),
    /** Initialises the 8259s with vectors 20H and 28H, everything open. */
    startPic: (): void => {
      for (const [ports, vectors, cascade] of [
        [fabric.pic.masterPorts, 0x20, 4],
        [fabric.pic.slavePorts, 0x28, 2],
      ] as const) {
        ports.write(0, 1, 0x11, 0);
        for (const word of [vectors, cascade, 1, 0]) ports.write(1, 1, word, 0);
      }
    },
  };
}

describe('remote IRR', () => {
  it('is set when a local APIC accepts, and cleared by its EOI', () => {
    const m = setUp();
    m.enable(0);
    m.entry(11, LEVEL | 0x41);
    m.fabric.setPin(11, 'nic', true);
    expect([m.pending()[0], m.low(11) & REMOTE_IRR]).toEqual([0x41, REMOTE_IRR]);
    m.fabric.lapic(0).acknowledge();
    m.fabric.setPin(11, 'nic', false);
    m.memory.write(LAPIC_BASE + Lapic.Eoi, 4, 0, 0, 0);
    expect([m.low(11) & REMOTE_IRR, m.pending()[0]]).toEqual([0, -1]);
    expect(m.log).toEqual(['ioapic 11 65', 'accepted 0 65', 'intr 0', 'ended 0 65']);
  });

  it('is not set when nobody accepts: a later try finds the pin still asserted', () => {
    const m = setUp();
    m.entry(11, LEVEL | 0x41); // CPU 0's LAPIC is disabled by software
    m.fabric.setPin(11, 'nic', true);
    expect(m.low(11) & REMOTE_IRR).toBe(0);
    m.enable(0);
    m.entry(11, LEVEL | 0x41);
    expect([m.low(11) & REMOTE_IRR, m.pending()[0]]).toEqual([REMOTE_IRR, 0x41]);
  });

  it('is not set for a destination that nobody has, nor for NMI and ExtINT, which end without EOI', () => {
    const m = setUp();
    m.enable(0, 1, 2);
    m.entry(11, LEVEL | 0x41, 9);
    m.fabric.setPin(11, 'nic', true);
    m.entry(10, LEVEL | (DeliveryMode.Nmi << 8));
    m.fabric.setPin(10, 'other', true);
    expect([m.low(11) & REMOTE_IRR, m.low(10) & REMOTE_IRR]).toEqual([0, 0]);
    expect(m.log.filter((line) => line.startsWith('nmi'))).toEqual(['nmi 0']);
  });

  it('is asked of again by another device on the wire', () => {
    const m = setUp();
    m.entry(11, LEVEL | 0x41);
    m.fabric.setPin(11, 'one', true);
    m.enable(0);
    m.fabric.setPin(11, 'one', true); // the same level again is nothing new
    expect(m.pending()[0]).toBe(-1);
    m.fabric.setPin(11, 'two', true);
    expect([m.pending()[0], m.low(11) & REMOTE_IRR]).toEqual([0x41, REMOTE_IRR]);
  });
});

describe('the IOAPIC register page', () => {
  it('is of the version that the machine has: an EOI register from 20H on', () => {
    for (const [version, cleared] of [
      [IOAPIC_VERSION.plain, false],
      [IOAPIC_VERSION.withEoi, true],
    ] as const) {
      const m = setUp({ ioapicVersion: version });
      m.enable(0);
      expect(m.ioapic(1)).toBe(0x170000 | version);
      m.entry(11, LEVEL | 0x41);
      m.fabric.setPin(11, 'nic', true);
      m.fabric.setPin(11, 'nic', false);
      m.memory.write(IOAPIC_BASE + 0x40, 4, 0x41);
      expect((m.low(11) & REMOTE_IRR) === 0).toBe(cleared);
      expect(Object.keys(m.fabric.ioapic.registerNames())).toEqual(cleared ? ['0', '16', '64'] : ['0', '16']);
    }
  });
});

describe('lowest priority', () => {
  it('skips local APICs that are disabled, by software or as a whole', () => {
    const m = setUp();
    m.enable(1, 2);
    m.fabric.lapic(1).msrWrite(ApicMsr.Base, LAPIC_BASE, 0);
    m.fabric.lapic(2).cr8 = 3;
    m.entry(4, 0x131, 0xff);
    m.fabric.setPin(4, 'uart', true);
    expect(m.pending()).toEqual([-1, -1, -1]);
    expect(m.log).toEqual(['ioapic 4 49', 'accepted 2 49']);
    m.fabric.lapic(2).cr8 = 0;
    expect(m.pending()[2]).toBe(0x31);
  });

  it('goes nowhere when all are disabled', () => {
    const m = setUp();
    m.entry(4, 0x131, 0xff);
    m.fabric.setPin(4, 'uart', true);
    expect(m.log).toEqual(['ioapic 4 49']);
  });
});

describe('the 8259s', () => {
  it('reach CPU 0 by LINT0 after power-on', () => {
    const m = setUp();
    m.startPic();
    m.fabric.setPin(4, 'uart', true);
    expect(m.pending()).toEqual([0x24, -1, -1]);
    expect(m.fabric.lapic(0).acknowledge()).toBe(0x24);
  });

  it('give the vector of an ExtINT message, whatever its entry says, by an acknowledge cycle', () => {
    const m = setUp({ picAtIoapic: true });
    m.startPic();
    m.enable(0, 1);
    m.fabric.lapic(0).write(Lapic.LvtLint0, 4, MASKED);
    m.entry(0, EXT_INT | 0x99, 1);
    m.fabric.setPin(5, 'sound', true);
    expect(m.pending()).toEqual([-1, 0x25, -1]);
    expect(m.log.slice(0, 3)).toEqual(['ioapic 0 37', 'accepted 1 37', 'intr 1']);
    const lapic = m.fabric.lapic(1);
    expect([lapic.acknowledge(), lapic.highestPending(), lapic.highestInService()]).toEqual([0x25, -1, -1]);
    // In service at the 8259, whose own EOI ends it: the next request behind it comes as a new edge.
    m.fabric.setPin(6, 'floppy', true);
    expect(m.pending()[1]).toBe(-1);
    m.fabric.pic.masterPorts.write(0, 1, 0x20, 0);
    expect([m.pending()[1], lapic.acknowledge()]).toEqual([0x26, 0x26]);
  });

  it('give the spurious vector when the request has gone before the acknowledge cycle', () => {
    const m = setUp({ picAtIoapic: true });
    m.startPic();
    m.enable(1);
    m.fabric.pic.edgeLevelPorts.write(0, 1, 0x20, 0);
    m.entry(0, EXT_INT, 1);
    m.fabric.setPin(5, 'sound', true);
    m.fabric.setPin(5, 'sound', false);
    expect(m.fabric.lapic(1).acknowledge()).toBe(0x27);
    expect(m.pending()[1]).toBe(-1);
  });

  it('have no wire to the IOAPIC under KVM', () => {
    const m = setUp();
    m.startPic();
    m.enable(1);
    m.entry(0, EXT_INT, 1);
    m.fabric.setPin(5, 'sound', true);
    expect(m.pending()[1]).toBe(-1);
  });

  it('have the timer at input 0, which is input 2 of the IOAPIC', () => {
    expect([0, 1, 2, 8, 15].map(gsiOfIsaLine)).toEqual([2, 1, undefined, 8, 15]);
    const m = setUp();
    m.startPic();
    m.enable(0);
    m.entry(2, 0x30);
    m.fabric.setPin(2, 'pit', true);
    expect([m.fabric.pic.pendingVector, m.log.includes('ioapic 2 48')]).toEqual([0x20, true]);
  });
});

describe('MSI (10.11)', () => {
  const address = (destination: number, bits = 0): number => 0xfee00000 + destination * 0x1000 + bits;
  const REDIRECT = 8;
  const LOGICAL = 4;

  it('reaches the physical destination without the IOAPIC', () => {
    const m = setUp();
    m.enable(0, 1, 2);
    expect(m.fabric.msi(0x18, address(1), 0x55)).toBe(1);
    expect(m.pending()).toEqual([-1, 0x55, -1]);
    expect(m.log).toEqual(['msi 24 85', 'accepted 1 85', 'intr 1']);
    expect([m.fabric.msi(0x18, address(7), 0x55), m.fabric.msi(0x18, address(0xff), 0x56)]).toEqual([0, 3]);
  });

  it('reaches logical destinations, and one of them with the redirection hint', () => {
    const m = setUp();
    m.enable(0, 1, 2);
    for (const cpu of [0, 1, 2]) m.fabric.lapic(cpu).write(Lapic.Ldr, 4, (1 << cpu) << 24);
    expect(m.fabric.msi(0, address(0b110, LOGICAL), 0x60)).toBe(2);
    expect(m.pending()).toEqual([-1, 0x60, 0x60]);
    m.fabric.lapic(1).acknowledge(); // CPU 1 serves a vector, CPU 2 does not
    m.fabric.lapic(2).acknowledge();
    m.fabric.lapic(2).eoi();
    expect(m.fabric.msi(0, address(0b110, LOGICAL | REDIRECT), 0x70)).toBe(1);
    expect(m.pending()).toEqual([-1, -1, 0x70]);
  });

  it('carries the delivery modes', () => {
    const m = setUp();
    m.enable(0, 1, 2);
    m.fabric.msi(0, address(1), DeliveryMode.Nmi << 8);
    m.fabric.msi(0, address(2), DeliveryMode.Init << 8);
    m.fabric.msi(0, address(0), DeliveryMode.Smi << 8);
    m.fabric.msi(0, address(0xff), (DeliveryMode.LowestPriority << 8) | 0x61);
    expect(m.log.filter((line) => !line.startsWith('msi'))).toEqual([
      'nmi 1',
      'init 2',
      'accepted 0 97',
      'intr 0',
    ]);
  });

  it('of a level asserts with the TMR bit, and heeds no de-assertion', () => {
    const m = setUp();
    m.enable(0);
    const [LEVEL_TRIGGER, ASSERT] = [1 << 15, 1 << 14];
    expect(m.fabric.msi(0, address(0), LEVEL_TRIGGER | 0x45)).toBe(0);
    expect(m.pending()[0]).toBe(-1);
    expect(m.fabric.msi(0, address(0), LEVEL_TRIGGER | ASSERT | 0x45)).toBe(1);
    const tmr = m.fabric.lapic(0).read(Lapic.Tmr + 0x20, 4);
    expect(m.fabric.msi(0, address(0), LEVEL_TRIGGER | 0x45)).toBe(0);
    expect([m.pending()[0], tmr]).toEqual([0x45, 1 << 5]);
    // An edge is asserted whatever the level bit says.
    expect(m.fabric.msi(0, address(0), 0x46)).toBe(1);
  });

  it('elsewhere is an ordinary write', () => {
    const m = setUp();
    m.enable(0);
    for (const where of [0xfed00000, 0xfef00000, 0xfee00000 + 2 ** 32, 0])
      expect(m.fabric.msi(0, where, 0x55)).toBe(0);
    expect(m.log).toEqual([]);
  });
});

describe('the LAPIC page', () => {
  it('answers each CPU from its own LAPIC, and nobody else', () => {
    const m = setUp();
    const id = (cpu: number): number => m.memory.read(LAPIC_BASE + Lapic.Id, 4, cpu);
    expect([id(0), id(1), id(2), id(NO_CPU), id(3)]).toEqual([0, 1 << 24, 2 << 24, 0xffffffff, 0xffffffff]);
    m.memory.write(LAPIC_BASE + Lapic.Tpr, 4, 0x40, 0, 1);
    m.memory.write(LAPIC_BASE + Lapic.Tpr, 4, 0x50, 0, NO_CPU);
    expect([0, 1, 2].map((cpu) => m.fabric.lapic(cpu).cr8)).toEqual([0, 4, 0]);
  });

  it('moves with IA32_APIC_BASE of that CPU alone', () => {
    const m = setUp();
    const moved = 0xfec80000;
    m.fabric.lapic(1).msrWrite(ApicMsr.Base, moved | 0x800, 0);
    const id = (base: number, cpu: number): number => m.memory.read(base + Lapic.Id, 4, cpu);
    expect([id(moved, 1), id(LAPIC_BASE, 1)]).toEqual([1 << 24, 0xffffffff]);
    expect([id(moved, 0), id(LAPIC_BASE, 0)]).toEqual([0xffffffff, 0]);
    const two = setUp();
    two.fabric.load(structuredClone(m.fabric.save()));
    expect(two.memory.read(moved + Lapic.Id, 4, 1)).toBe(1 << 24);
    m.fabric.reset();
    expect([id(moved, 1), id(LAPIC_BASE, 1)]).toEqual([0xffffffff, 1 << 24]);
    expect(m.memory.find(moved)).toBeUndefined();
  });
});

describe('IPIs', () => {
  it('go through the observer with the number of those reached', () => {
    const m = setUp();
    m.enable(0, 1, 2);
    m.memory.write(LAPIC_BASE + Lapic.IcrLow, 4, 0xc0000 | 0x52, 0, 1);
    expect(m.log.at(-1)).toBe('ipi 1 82 2');
    expect(m.pending()).toEqual([0x52, -1, 0x52]);
    const startUp = { mode: DeliveryMode.StartUp, vector: 8, level: false, logical: false, destination: 2 };
    expect(m.fabric.ipi(0, { ...startUp, shorthand: Shorthand.None })).toBe(1);
    expect(m.log.slice(-2)).toEqual(['sipi 2 8', 'ipi 0 8 1']);
  });

  it('of a CPU that is not there are an error of the caller', () => {
    expect(() => setUp().fabric.lapic(3)).toThrow(/no CPU 3/);
  });
});

describe('a CPU of its own timer', () => {
  it('is asked before the vector enters the IRR', () => {
    const m = setUp();
    m.enable(1);
    const lapic = m.fabric.lapic(1);
    lapic.write(Lapic.LvtTimer, 4, 0x70);
    lapic.write(Lapic.InitialCount, 4, 10);
    m.world.advanceTo(1000);
    expect(m.log).toEqual(['timer 1', 'accepted 1 112', 'intr 1']);
  });

  it('compares deadlines with the TSC of that CPU', () => {
    // CPU 1's TSC is the host's and 10000 more; later it is set back by 4000.
    let offset = 10_000;
    const m = setUp({ toHostTime: (cpu) => (low, high) => high * 2 ** 32 + low - (cpu === 1 ? offset : 0) });
    m.enable(0, 1);
    for (const cpu of [0, 1]) {
      m.fabric.lapic(cpu).write(Lapic.LvtTimer, 4, 0x40070);
      m.fabric.lapic(cpu).msrWrite(ApicMsr.TscDeadline, 15_000, 0);
    }
    m.world.advanceTo(4_000);
    offset = 6_000;
    m.fabric.lapic(1).timer.tscChanged();
    m.world.advanceTo(8_999);
    expect([m.log, m.fabric.lapic(1).msrRead(ApicMsr.TscDeadline)]).toEqual([[], 15_000]);
    m.world.advanceTo(9_000);
    expect(m.log[0]).toBe('timer 1');
    expect([0, 1].map((cpu) => m.fabric.lapic(cpu).msrRead(ApicMsr.TscDeadline))).toEqual([15_000, 0]);
    // A deadline that this TSC has passed already comes at once.
    m.fabric.lapic(1).msrWrite(ApicMsr.TscDeadline, 14_999, 0);
    expect(m.world.queue.nextTime()).toBe(9_000);
    // One that can never come is kept and does nothing.
    m.fabric.lapic(0).msrWrite(ApicMsr.TscDeadline, 0xffffffff, 0xffffffff);
    m.world.drain();
    expect(m.fabric.lapic(0).msrRead(ApicMsr.TscDeadline)).toBe(0xffffffff);
  });

  it('forgets a deadline that passed while masked', () => {
    let offset = 0;
    const m = setUp({ toHostTime: () => (low) => low - offset });
    m.enable(0);
    const lapic = m.fabric.lapic(0);
    lapic.write(Lapic.LvtTimer, 4, 0x50070);
    lapic.msrWrite(ApicMsr.TscDeadline, 5_000, 0);
    expect(lapic.msrRead(ApicMsr.TscDeadline)).toBe(5_000);
    offset = 6_000;
    expect(lapic.msrRead(ApicMsr.TscDeadline)).toBe(0);
  });
});

describe('a reset', () => {
  it('leaves all controllers as they were at power-on', () => {
    const m = setUp();
    const fresh = setUp().fabric.save().hardware;
    m.startPic();
    m.enable(0, 1, 2);
    m.entry(11, LEVEL | 0x41);
    m.fabric.setPin(11, 'nic', true);
    m.fabric.lapic(1).write(Lapic.Id, 4, 0x09000000);
    m.fabric.lapic(2).msrWrite(ApicMsr.Base, LAPIC_BASE | 0xc00, 0);
    m.fabric.lapic(0).write(Lapic.InitialCount, 4, 1000);
    m.fabric.lapic(0).write(Lapic.LvtTimer, 4, 0x20070);
    m.fabric.reset();
    expect({ ...m.fabric.save().hardware, sources: {} }).toEqual(fresh);
    expect(m.world.queue.nextTime()).toBe(Infinity);
  });
});

describe('the fabric under anything', () => {
  it('never throws, and goes on identically after save and load', () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('write' as const),
        at: fc.oneof(
          fc.constantFrom(IOAPIC_BASE, IOAPIC_BASE + 0x10, LAPIC_BASE + Lapic.Svr, LAPIC_BASE + Lapic.Eoi),
          fc.nat(0x3f).map((index) => LAPIC_BASE + index * 16),
        ),
        value: fc.oneof(fc.nat(0x3f), fc.constantFrom(ENABLED, 0x8041, 0x731, 0x141), fc.nat(0x7fffffff)),
        cpu: fc.nat(2),
      }),
      fc.record({
        do: fc.constant('pin' as const),
        pin: fc.nat(23),
        by: fc.constantFrom('a', 'b'),
        on: fc.boolean(),
      }),
      fc.record({ do: fc.constant('msi' as const), bits: fc.nat(0xfffff), data: fc.nat(0xffff) }),
      fc.record({ do: fc.constant('acknowledge' as const), cpu: fc.nat(2) }),
      fc.record({ do: fc.constant('base' as const), cpu: fc.nat(2), page: fc.nat(0x3ff), flags: fc.nat(3) }),
    );
    type Machine = ReturnType<typeof setUp>;
    const perform = (
      m: Machine,
      steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
    ): void => {
      for (const each of steps) {
        if (each.do === 'write') m.memory.write(each.at, 4, each.value, 0, each.cpu);
        else if (each.do === 'pin') m.fabric.setPin(each.pin, each.by, each.on);
        else if (each.do === 'msi') m.fabric.msi(8, 0xfee00000 + each.bits, each.data);
        else if (each.do === 'acknowledge') m.fabric.lapic(each.cpu).acknowledge();
        else {
          const base = 0xfec00000 + each.page * 0x1000 + each.flags * 0x400;
          m.fabric.lapic(each.cpu).msrWrite(ApicMsr.Base, base, 0);
        }
      }
    };
    fc.assert(
      fc.property(fc.array(step), fc.array(step), fc.boolean(), (first, second, picAtIoapic) => {
        const one = setUp({ picAtIoapic });
        perform(one, first);
        const two = setUp({ picAtIoapic });
        two.fabric.load(structuredClone(one.fabric.save()));
        one.log.length = 0;
        perform(one, second);
        perform(two, second);
        expect(two.log).toEqual(one.log);
        expect(
          two.memory
            .regions()
            .map(({ base }) => base)
            .sort(),
        ).toEqual(
          one.memory
            .regions()
            .map(({ base }) => base)
            .sort(),
        );
      }),
      { seed: 4, numRuns: 200 },
    );
  });
});
