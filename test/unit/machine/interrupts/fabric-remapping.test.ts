/** The interrupt controllers behind a remapping unit: who is reached, and when. */
import { describe, expect, it } from 'vitest';
import { AddressMap } from '../../../../src/machine/address-map';
import { InterruptFabric } from '../../../../src/machine/interrupts/fabric';
import { IOAPIC_BASE, IOAPIC_VERSION } from '../../../../src/machine/interrupts/ioapic';
import { ApicMsr, LAPIC_BASE, Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import { postedVectors, updatePostedControl } from '../../../../src/machine/interrupts/posted-descriptor';
import type { RemappedIrte } from '../../../../src/machine/iommu/interrupts/irte';
import {
  remappableMessage,
  remappableRedirection,
} from '../../../../src/machine/iommu/interrupts/message-format';
import { COSTS, DESCRIPTOR, setUp as remappingUnit } from '../iommu/interrupts/table';
import { World } from '../fake-bus';

/** Requester of the IOAPIC: bus F0H, device 1FH, function 0. */
const IOAPIC = 0xf0f8;
const NIC = 0x18;
const ENABLED = 0x1ff;
const X2APIC = 0xc00;
const REMOTE_IRR = 1 << 14;
const { tableRead, cacheHit, descriptorUpdate } = COSTS;

const toCpu1: RemappedIrte = {
  format: 'remapped',
  faultsDisabled: false,
  vector: 0x51,
  source: { verification: 1, qualifier: 0, id: NIC },
  mode: 0,
  level: false,
  redirected: false,
  logical: false,
  destination: 1,
};

function setUp(cpus = 2) {
  const world = new World();
  const log: string[] = [];
  const table = remappingUnit();
  const fabric = new InterruptFabric({
    name: 'pc',
    scheduler: world.queue,
    cpus: Array.from({ length: cpus }, (_, cpu) => ({
      interrupt: () => void log.push(`${world.time} intr ${cpu}`),
      ownTimer: (accept: () => void) => accept(),
      nmi: () => void log.push(`${world.time} nmi ${cpu}`),
      init: () => undefined,
      startUp: () => undefined,
    })),
    observer: {
      message: (source, vector, deliver) => {
        log.push(`${world.time} ${source.from} ${vector}`);
        deliver();
      },
      ipi: (_sender, _message, send) => send(),
      accepted: (cpu, vector) => void log.push(`${world.time} accepted ${cpu} ${vector}`),
      ended: () => undefined,
    },
    timerCyclesPerTick: 3,
    x2apicSupported: true,
    ioapicVersion: IOAPIC_VERSION.withEoi,
    remapping: { unit: table.unit, ioapicRequester: IOAPIC },
  });
  const memory = new AddressMap<string>('MMIO');
  fabric.mapInto(memory, { ioapic: 'ioapic', lapic: 'lapic' });
  for (let cpu = 0; cpu < cpus; cpu++) fabric.lapic(cpu).write(Lapic.Svr, 4, ENABLED);
  const ioapic = (register: number, value?: number): number => {
    memory.write(IOAPIC_BASE, 4, register);
    if (value !== undefined) memory.write(IOAPIC_BASE + 0x10, 4, value);
    return memory.read(IOAPIC_BASE + 0x10, 4);
  };
  const send = (index: number, requester = NIC): number => {
    const { address, data } = remappableMessage(index);
    return fabric.msi(requester, address, data);
  };
  return { ...table, world, log, fabric, ioapic, send };
}

describe('messages of devices behind a remapping unit', () => {
  it('reach local APICs when their time has passed, and not before', () => {
    const m = setUp();
    m.entry(1, toCpu1);
    expect(m.send(1)).toBe(1);
    m.world.advanceTo(tableRead - 1);
    expect(m.fabric.lapic(1).highestPending()).toBe(-1);
    m.world.advanceTo(tableRead);
    expect(m.fabric.lapic(1).highestPending()).toBe(0x51);
    expect(m.log.filter((line) => line.includes('accepted'))).toEqual([`${tableRead} accepted 1 ${0x51}`]);
    expect(m.send(1)).toBe(1);
    m.world.advanceTo(tableRead + cacheHit);
    expect(m.world.queue.nextTime()).toBe(Infinity);
  });

  it('arrive in the order of one requester, while another may overtake', () => {
    const m = setUp();
    const [FIRST, SECOND, OTHER] = [0x41, 0x42, 0x43];
    const anybody = { verification: 0, qualifier: 0, id: 0 } as const;
    m.entry(1, { ...toCpu1, vector: FIRST });
    m.entry(2, { ...toCpu1, vector: SECOND, source: anybody });
    m.entry(3, { ...toCpu1, vector: OTHER, source: anybody });
    for (const index of [2, 3]) m.send(index, 0x99); // into the cache
    m.world.drain();
    m.log.length = 0;
    m.send(1);
    m.send(2);
    m.send(3, 0x99);
    m.world.drain();
    expect(m.log.filter((line) => line.includes('accepted')).map((line) => line.split(' ').pop())).toEqual(
      [OTHER, FIRST, SECOND].map(String),
    );
  });

  it('that are refused reach nobody, and say so', () => {
    const m = setUp();
    m.entry(1, toCpu1);
    expect([
      m.send(1, NIC + 1),
      m.fabric.msi(NIC, 0xfee01000, 0x51),
      m.fabric.msi(NIC, 0x1000, 0x51),
    ]).toEqual([0, 0, 0]);
    m.world.drain();
    expect([m.log.some((line) => line.includes('accepted')), m.faults.map(({ reason }) => reason)]).toEqual([
      false,
      [0x26, 0x25],
    ]);
  });

  it('name x2APICs beyond 8 bits, of which FFH is one', () => {
    const m = setUp(0x102);
    for (const cpu of [0xff, 0x101]) {
      m.fabric.lapic(cpu).msrWrite(ApicMsr.Base, LAPIC_BASE | X2APIC, 0);
      m.entry(cpu & 7, { ...toCpu1, vector: 0x60, destination: cpu });
    }
    for (const cpu of [0, 1]) m.fabric.lapic(cpu).msrWrite(ApicMsr.Base, LAPIC_BASE | X2APIC, 0);
    m.send(0xff & 7);
    m.send(0x101 & 7);
    m.world.drain();
    const reached = Array.from({ length: 0x102 }, (_, cpu) => cpu).filter(
      (cpu) => m.fabric.lapic(cpu).highestPending() === 0x60 && m.fabric.lapic(cpu).x2apic,
    );
    expect(reached).toEqual([0xff, 0x101]);
  });

  it('that are posted bring the notification vector and leave their own in the descriptor', () => {
    const m = setUp();
    updatePostedControl(m.memory, DESCRIPTOR, { vector: 0xf2, destination: 1 });
    const { faultsDisabled, source } = toCpu1;
    m.entry(1, {
      format: 'posted',
      faultsDisabled,
      source,
      vector: 0x33,
      urgent: false,
      descriptor: DESCRIPTOR,
    });
    expect([m.send(1), m.send(1)]).toEqual([1, 1]);
    m.world.drain();
    expect(postedVectors(m.memory, DESCRIPTOR)).toEqual([0x33]);
    expect(m.log.filter((line) => line.includes('accepted'))).toEqual([
      `${tableRead + descriptorUpdate} accepted 1 ${0xf2}`,
    ]);
  });

  it('are compatible ones as before while the unit is off', () => {
    const m = setUp();
    m.unit.enabled = false;
    expect(m.fabric.msi(NIC, 0xfee01000, 0x51)).toBe(1);
    expect([m.fabric.lapic(1).highestPending(), m.world.queue.nextTime()]).toEqual([0x51, Infinity]);
  });
});

describe("the unit's own messages (VT-d, 5.1.6)", () => {
  it('are not remapped, and have the upper bits of an x2APIC ID in those of the address', () => {
    const UPPER = 2 ** 40;
    const m = setUp(0x102);
    m.fabric.lapic(0x101).msrWrite(ApicMsr.Base, LAPIC_BASE | X2APIC, 0);
    expect(m.fabric.unitMessage(0, UPPER + 0xfee01000, 0x45)).toBe(1);
    expect([m.fabric.lapic(0x101).highestPending(), m.fabric.lapic(1).highestPending()]).toEqual([0x45, -1]);
    expect(m.fabric.unitMessage(0, 0xfee01000, 0x46)).toBe(1);
    expect([m.fabric.lapic(1).highestPending(), m.fabric.unitMessage(0, 0x1000, 0x46)]).toEqual([0x46, 0]);
  });
});

describe('pins of the IOAPIC behind a remapping unit', () => {
  const PIN = 11;
  const program = (m: ReturnType<typeof setUp>, index: number, level: boolean): void => {
    const { low, high } = remappableRedirection(index, { vector: 0x71, level, masked: false });
    m.ioapic(0x11 + 2 * PIN, high);
    m.ioapic(0x10 + 2 * PIN, low);
  };
  const source = { verification: 1, qualifier: 0, id: IOAPIC } as const;
  const remoteIrr = (m: ReturnType<typeof setUp>): boolean => (m.ioapic(0x10 + 2 * PIN) & REMOTE_IRR) !== 0;

  it('are remapped as its requester, and end by the vector of both entries', () => {
    const m = setUp();
    m.entry(5, { ...toCpu1, vector: 0x71, level: true, source });
    program(m, 5, true);
    expect(m.ioapic(0x11 + 2 * PIN)).toBe((1 << 16) | (5 << 17));
    m.fabric.setPin(PIN, 'nic', true);
    m.world.drain();
    expect([m.fabric.lapic(1).acknowledge(), remoteIrr(m)]).toEqual([0x71, true]);
    m.fabric.setPin(PIN, 'nic', false);
    m.fabric.lapic(1).eoi();
    expect(remoteIrr(m)).toBe(false);
  });

  it('in compatibility format are let through where software allows it', () => {
    const m = setUp();
    m.unit.setTable(0x4007n);
    m.unit.blockCompatibility = false;
    m.ioapic(0x11 + 2 * PIN, 1 << 24);
    m.ioapic(0x10 + 2 * PIN, 0x72);
    m.fabric.setPin(PIN, 'nic', true);
    expect(m.fabric.lapic(1).highestPending()).toBe(0x72);
  });

  it('do not wait for the end of what was refused, or found no local APIC', () => {
    const m = setUp();
    m.entry(5, { ...toCpu1, level: true, source, destination: 9 });
    program(m, 6, true); // not present
    m.fabric.setPin(PIN, 'nic', true);
    const refused = remoteIrr(m);
    program(m, 5, true);
    const underway = remoteIrr(m);
    m.world.drain();
    expect([refused, underway, remoteIrr(m)]).toEqual([false, true, false]);
  });
});

describe('state of messages on their way', () => {
  it('is in the checkpoint, and moves with what remains of their time', () => {
    const m = setUp();
    m.entry(1, toCpu1);
    m.send(1);
    m.world.advanceTo(30);
    const saved = structuredClone(m.fabric.save());
    const queue = structuredClone(m.world.save());

    const again = setUp();
    again.world.load(queue);
    again.fabric.load(saved);
    again.world.drain();
    expect(again.log).toContain(`${tableRead} accepted 1 ${0x51}`);

    const elsewhere = setUp();
    elsewhere.world.advanceTo(5000);
    elsewhere.fabric.adopt(saved.hardware);
    elsewhere.world.drain();
    expect(elsewhere.log).toContain(`${5000 + tableRead - 30} accepted 1 ${0x51}`);
  });

  it('is lost in a reset', () => {
    const m = setUp();
    m.entry(1, toCpu1);
    m.send(1);
    m.fabric.reset();
    expect(m.world.queue.nextTime()).toBe(Infinity);
  });

  it('does not go to a machine that does not remap', () => {
    const m = setUp();
    const plain = new InterruptFabric({
      name: 'plain',
      scheduler: m.world.queue,
      cpus: [0, 1].map(() => ({
        interrupt: () => undefined,
        ownTimer: () => undefined,
        nmi: () => undefined,
        init: () => undefined,
        startUp: () => undefined,
      })),
      observer: {
        message: (_source, _vector, deliver) => deliver(),
        ipi: (_sender, _message, send) => send(),
        accepted: () => undefined,
        ended: () => undefined,
      },
      timerCyclesPerTick: 3,
      x2apicSupported: true,
      ioapicVersion: IOAPIC_VERSION.withEoi,
    });
    expect(() => plain.load(m.fabric.save())).toThrow('remaps interrupt messages, this machine does not');
    expect(() => m.fabric.load(plain.save())).toThrow('does not remap interrupt messages, this machine does');
  });
});
