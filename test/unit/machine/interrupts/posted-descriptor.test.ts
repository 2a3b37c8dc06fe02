/** The posted-interrupt descriptor (SDM vol. 3, 31.6 and table 31-1; VT-d specification 4.x, 5.2.3 and 9.12). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  notificationDestination,
  notificationField,
  postedReservedSet,
  postedVectors,
  postInterrupt,
  readPostedControl,
  takePosted,
  updatePostedControl,
} from '../../../../src/machine/interrupts/posted-descriptor';
import { DataSlot } from '../../../../src/machine/memory/data-slot';
import { HostMemory } from '../../../../src/machine/memory/host-memory';

const AT = 0x1040;
const HOLE = 0x4000;

function setUp() {
  const memory = new HostMemory();
  memory.map(0x1000, new DataSlot(0x1000));
  return memory;
}

/** Bits of the descriptor by the number of the table, from its bytes in memory. */
function bits(memory: HostMemory, high: number, low: number): bigint {
  const bytes = memory.read(AT, 64) ?? new Uint8Array(0);
  const value = bytes.reduceRight((all, byte) => (all << 8n) | BigInt(byte), 0n);
  return (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
}

describe('the descriptor in memory', () => {
  it('has its fields where the table says', () => {
    const memory = setUp();
    updatePostedControl(memory, AT, { vector: 0xf2, destination: 0x12345678, suppressed: true });
    expect([bits(memory, 255, 0), bits(memory, 256, 256), bits(memory, 257, 257)]).toEqual([0n, 0n, 1n]);
    expect([bits(memory, 279, 272), bits(memory, 319, 288)]).toEqual([0xf2n, 0x12345678n]);
    expect(readPostedControl(memory, AT)).toEqual({
      outstanding: false,
      suppressed: true,
      vector: 0xf2,
      destination: 0x12345678,
    });
    updatePostedControl(memory, AT, { outstanding: true, suppressed: false });
    expect([bits(memory, 257, 256), bits(memory, 279, 272)]).toEqual([1n, 0xf2n]);
  });

  it('keeps the requests when a field changes', () => {
    const memory = setUp();
    postInterrupt(memory, AT, 0xff, false);
    postInterrupt(memory, AT, 0x20, false);
    updatePostedControl(memory, AT, { destination: 5 });
    expect([postedVectors(memory, AT), bits(memory, 255, 0)]).toEqual([
      [0x20, 0xff],
      (1n << 255n) | (1n << 32n),
    ]);
  });

  it('names an xAPIC in bits 15:8 of the destination, an x2APIC in all of it', () => {
    expect([notificationField(7, false), notificationField(0x1_0007, true)]).toEqual([0x700, 0x1_0007]);
    for (const x2apic of [false, true])
      expect(notificationDestination(notificationField(0xab, x2apic), x2apic)).toBe(0xab);
  });

  it('has reserved bits everywhere else, in an xAPIC destination too', () => {
    const reserved = (x2apic: boolean): number[] => {
      const found: number[] = [];
      for (let bit = 0; bit < 512; bit++) {
        const memory = setUp();
        memory.write(AT + (bit >> 3), Uint8Array.of(1 << (bit & 7)));
        if (postedReservedSet(memory, AT, x2apic)) found.push(bit);
      }
      return found;
    };
    const range = (low: number, high: number): number[] =>
      Array.from({ length: high - low + 1 }, (_, index) => low + index);
    const always = [...range(258, 271), ...range(280, 287)];
    expect(reserved(true)).toEqual([...always, ...range(320, 511)]);
    expect(reserved(false)).toEqual([...always, ...range(288, 295), ...range(304, 319), ...range(320, 511)]);
  });

  it('is nowhere where there is no memory', () => {
    const memory = setUp();
    expect([
      readPostedControl(memory, HOLE),
      postedVectors(memory, HOLE),
      postedReservedSet(memory, HOLE, true),
      postInterrupt(memory, HOLE, 1, true),
      takePosted(memory, HOLE),
      updatePostedControl(memory, HOLE, { vector: 1 }),
    ]).toEqual([undefined, undefined, undefined, undefined, undefined, false]);
  });
});

describe('posting and taking', () => {
  it('loses no vector and has one notification outstanding at most, whatever comes in which order', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ post: fc.nat(255), urgent: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ suppress: fc.boolean() }) },
      { weight: 1, arbitrary: fc.constant('take' as const) },
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const memory = setUp();
        const pending = new Set<number>();
        let [outstanding, suppressed] = [false, false];
        for (const each of steps) {
          if (each === 'take') {
            expect(takePosted(memory, AT)).toEqual([...pending].sort((x, y) => x - y));
            pending.clear();
            outstanding = false;
          } else if ('suppress' in each) {
            suppressed = each.suppress;
            updatePostedControl(memory, AT, { suppressed });
          } else {
            const notify = !outstanding && (each.urgent || !suppressed);
            expect(postInterrupt(memory, AT, each.post, each.urgent)).toMatchObject({
              notify,
              control: { outstanding, suppressed },
            });
            pending.add(each.post);
            outstanding ||= notify;
          }
          expect(readPostedControl(memory, AT)).toMatchObject({ outstanding, suppressed });
        }
      }),
      { seed: 5 },
    );
  });
});
