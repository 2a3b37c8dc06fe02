import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { IoApic, IOAPIC_PINS, type IoApicMessage } from '../../../../src/machine/interrupts/ioapic';

const LEVEL = 1 << 15;
const MASKED = 1 << 16;
const REMOTE_IRR = 1 << 14;

let sent: IoApicMessage[];
let apic: IoApic;

function readIndirect(register: number): number {
  apic.write(0, 4, register);
  return apic.read(0x10, 4);
}

function writeIndirect(register: number, value: number): void {
  apic.write(0, 4, register);
  apic.write(0x10, 4, value);
}

/** Programs the low half of a redirection entry. */
const entry = (pin: number, low: number): void => writeIndirect(0x10 + 2 * pin, low);
const low = (pin: number): number => readIndirect(0x10 + 2 * pin);

beforeEach(() => {
  sent = [];
  apic = new IoApic((message) => sent.push(message) > 0);
});

describe('IOAPIC registers', () => {
  it('has ID, version with 24 entries, arbitration, and masked entries after reset', () => {
    writeIndirect(0, 0xffffffff);
    expect([readIndirect(0), readIndirect(2), readIndirect(1) & 0xff00ff]).toEqual([
      0x0f000000, 0x0f000000, 0x170020,
    ]);
    expect(Array.from({ length: IOAPIC_PINS }, (_, pin) => low(pin))).toEqual(
      new Array(IOAPIC_PINS).fill(MASKED),
    );
    expect([0, 0x10, 0x40, 0x20].map((at) => apic.registerName(at))).toEqual([
      'IOREGSEL',
      'IOWIN',
      'EOI',
      undefined,
    ]);
  });

  it('keeps the read-only bits of an entry', () => {
    entry(3, 0xffffffff);
    writeIndirect(0x17, 0xffffffff);
    expect([low(3), readIndirect(0x17)]).toEqual([0x1afff, 0xff000000]);
  });
});

describe('IOAPIC edge pins', () => {
  it('send once per rising edge, as the entry says', () => {
    entry(4, 0x931);
    writeIndirect(0x19, 0x07000000);
    apic.setPin(4, true);
    apic.setPin(4, true);
    expect(sent).toEqual([{ pin: 4, vector: 0x31, mode: 1, logical: true, destination: 7, level: false }]);
    apic.setPin(4, false);
    apic.setPin(4, true);
    expect(sent).toHaveLength(2);
  });

  it('lose an edge while masked', () => {
    entry(4, MASKED | 0x31);
    apic.setPin(4, true);
    entry(4, 0x31);
    expect(sent).toEqual([]);
  });
});

describe('IOAPIC level pins', () => {
  it('send once until EOI, and again after it while the line stays asserted', () => {
    entry(11, LEVEL | 0x41);
    apic.setPin(11, true);
    expect([sent.length, low(11) & REMOTE_IRR]).toEqual([1, REMOTE_IRR]);
    apic.eoi(0x41);
    expect([sent.length, low(11) & REMOTE_IRR]).toEqual([2, REMOTE_IRR]);
    apic.setPin(11, false);
    apic.write(0x40, 4, 0x41);
    expect([sent.length, low(11) & REMOTE_IRR]).toEqual([2, 0]);
    apic.setPin(11, true);
    expect(sent).toHaveLength(3);
  });

  it('are not answered by the EOI of another vector', () => {
    entry(11, LEVEL | 0x41);
    apic.setPin(11, true);
    apic.eoi(0x42);
    expect([sent.length, low(11) & REMOTE_IRR]).toEqual([1, REMOTE_IRR]);
  });

  it('stay pending while masked and send when unmasked', () => {
    entry(11, LEVEL | MASKED | 0x41);
    apic.setPin(11, true);
    expect(sent).toEqual([]);
    entry(11, LEVEL | 0x41);
    expect(sent).toHaveLength(1);
    entry(11, LEVEL | MASKED | 0x41);
    apic.eoi(0x41);
    expect([sent.length, low(11) & REMOTE_IRR]).toEqual([1, 0]);
    entry(11, LEVEL | 0x41);
    expect(sent).toHaveLength(2);
  });

  it('are shared: asserted until the last source lets go', () => {
    entry(10, LEVEL | 0x50);
    apic.setPin(10, true, 0);
    apic.setPin(10, true, 31);
    apic.setPin(10, false, 0);
    apic.eoi(0x50);
    expect([sent.length, apic.pinAsserted(10)]).toEqual([2, true]);
    apic.setPin(10, false, 31);
    apic.eoi(0x50);
    expect([sent.length, apic.pinAsserted(10)]).toEqual([2, false]);
  });

  it('forget remote IRR when turned to edge and back', () => {
    entry(11, LEVEL | 0x41);
    apic.setPin(11, true);
    apic.setPin(11, false);
    entry(11, 0x41);
    entry(11, LEVEL | 0x41);
    expect(low(11) & REMOTE_IRR).toBe(0);
  });
});

describe('IOAPIC under any programming', () => {
  it('never throws, never sends from a masked entry, and goes on identically after save and load', () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('write' as const),
        offset: fc.constantFrom(0, 0x10, 0x10, 0x40, 4, 0x13),
        size: fc.constantFrom<1 | 2 | 4>(4, 4, 1, 2),
        value: fc.oneof(fc.nat(0x50), fc.integer({ min: 0, max: 0xffffffff })),
      }),
      fc.record({
        do: fc.constant('read' as const),
        offset: fc.nat(0xfff),
        size: fc.constantFrom<1 | 2 | 4>(4, 1, 2),
        value: fc.constant(0),
      }),
      fc.record({
        do: fc.constant('pin' as const),
        offset: fc.nat(23),
        size: fc.constantFrom<1 | 2 | 4>(1),
        value: fc.nat(7),
      }),
    );
    type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
    const perform = (chip: IoApic, log: IoApicMessage[], each: Step): unknown => {
      const before = log.length;
      let seen = 0;
      if (each.do === 'write') chip.write(each.offset, each.size, each.value);
      else if (each.do === 'read') seen = chip.read(each.offset, each.size);
      else chip.setPin(each.offset, (each.value & 1) === 1, each.value >> 1);
      const entries = chip.save().hardware.low;
      for (const message of log.slice(before)) expect(entries[message.pin] & MASKED).toBe(0);
      return [seen, log.slice(before)];
    };
    fc.assert(
      fc.property(fc.array(step), fc.array(step), (first, second) => {
        const logs: [IoApicMessage[], IoApicMessage[]] = [[], []];
        const one = new IoApic((message) => logs[0].push(message) > 0);
        for (const each of first) perform(one, logs[0], each);
        const two = new IoApic((message) => logs[1].push(message) > 0);
        two.load(structuredClone(one.save()));
        for (const each of second) expect(perform(two, logs[1], each)).toEqual(perform(one, logs[0], each));
        expect(two.save()).toEqual(one.save());
      }),
    );
  });
});
