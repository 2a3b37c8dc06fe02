/** Interrupt remapping and posting of VT-d (specification 4.x, chapter 5), against an independent reading of the tables. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { InterruptMessage } from '../../../../../src/machine/interrupts/message';
import type { RemappedMessage } from '../../../../../src/machine/interrupts/message-remapping';
import {
  interruptFaultNames,
  InterruptFaultReason,
} from '../../../../../src/machine/iommu/interrupts/interrupt-faults';
import {
  encodeIrte,
  irteBytes,
  type PostedIrte,
  type RemappedIrte,
} from '../../../../../src/machine/iommu/interrupts/irte';
import {
  decodeRequest,
  remappableMessage,
  remappableRedirection,
} from '../../../../../src/machine/iommu/interrupts/message-format';
import { updatePostedControl } from '../../../../../src/machine/interrupts/posted-descriptor';
import { decide, field, type OracleMessage, type OracleOutcome, type OracleUnit } from './oracle';
import { COSTS, DESCRIPTOR, irta, setUp, TABLE } from './table';

type Machine = ReturnType<typeof setUp>;

const ANYBODY = { verification: 0, qualifier: 0, id: 0 } as const;
const remapped: RemappedIrte = {
  format: 'remapped',
  faultsDisabled: false,
  vector: 0x51,
  source: ANYBODY,
  mode: 0,
  level: false,
  redirected: false,
  logical: false,
  destination: 3,
};
const posted: PostedIrte = {
  format: 'posted',
  faultsDisabled: false,
  vector: 0x61,
  source: ANYBODY,
  urgent: false,
  descriptor: DESCRIPTOR,
};

/** Sends by the handle alone. */
const sendTo = (m: Machine, index: number, requester = 0x18): RemappedMessage => {
  const { address, data } = remappableMessage(index);
  return m.unit.remap(requester, address, data);
};

/** An integer of memory, least significant byte first. */
function integer(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function bytesOf(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => Number(field(value, 8 * at + 7, 8 * at)));
}

/** A message in the oracle's words. */
const told = (message: InterruptMessage): OracleMessage => ({
  vector: BigInt(message.vector),
  mode: BigInt(message.mode),
  level: message.level,
  logical: message.logical,
  destination: BigInt(message.destination),
});

/** Has unit and oracle decide about one request and expects them to agree, of a post also about the memory afterwards. */
function agreement(
  m: Machine,
  unit: Omit<OracleUnit, 'read'>,
  { requester, address, data }: { requester: bigint; address: bigint; data: bigint },
): { is: string; reason: number | undefined } {
  const read = (from: bigint, length: number): bigint | undefined => {
    const bytes = m.memory.read(Number(from), length);
    return bytes && integer(bytes);
  };
  const expected = decide({ ...unit, read }, requester, address, data);
  const recordedBefore = m.faults.length;
  const done = m.unit.remap(Number(requester), Number(address), Number(data));
  const recorded = m.faults.length > recordedBefore;
  expect(outcomeOf(done, expected, recorded, read)).toEqual(expected);
  return { is: expected.is, reason: expected.is === 'blocked' ? expected.reason : undefined };
}

/** What the unit did, in the oracle's words; of a post, the memory as it is now. */
function outcomeOf(
  done: RemappedMessage,
  expected: OracleOutcome,
  recorded: boolean,
  memory: (address: bigint, length: number) => bigint | undefined,
): unknown {
  if (done.outcome === 'message') return { is: 'message', message: told(done.message) };
  if (done.outcome === 'blocked') return { is: 'blocked', reason: done.reason, recorded };
  if (done.outcome === 'ignored') return { is: 'ignored' };
  const notification = done.notification && told(done.notification);
  if (expected.is !== 'posted') return { is: 'posted', notification };
  const { address, before } = expected;
  return { is: 'posted', address, before, after: memory(address, 64), notification };
}

describe('requests (5.1.2, 5.1.3)', () => {
  it('have their index from the handle, and the subhandle on top where there is one', () => {
    for (const handle of [0, 1, 0x7fff, 0x8000, 0xffff]) {
      const alone = remappableMessage(handle);
      expect(decodeRequest(alone.address, 0xffff_ffff)).toMatchObject({ index: handle, reserved: false });
      const with3 = remappableMessage(handle, 3);
      expect(decodeRequest(with3.address, with3.data)).toMatchObject({ index: handle + 3, reserved: false });
      expect(decodeRequest(with3.address, 0x10000)).toMatchObject({ reserved: true });
    }
    expect(decodeRequest(0xfee01000, 0x41)).toEqual({ format: 'compatibility' });
  });

  it('of an IOAPIC carry the index in bits 63:49 and 11 of the entry (5.1.5.1)', () => {
    for (const index of [0, 5, 0x7fff, 0x8001, 0xffff]) {
      const { low, high } = remappableRedirection(index, { vector: 0x42, level: true, masked: false });
      const entry = (BigInt(high) << 32n) | BigInt(low);
      expect((field(entry, 11) << 15n) | field(entry, 63, 49)).toBe(BigInt(index));
      expect([field(entry, 48), field(entry, 47, 16), field(entry, 15), field(entry, 7, 0)]).toEqual([
        1n,
        0n,
        1n,
        0x42n,
      ]);
    }
  });
});

describe('the interrupt entry cache', () => {
  it('costs and tells a read of memory once, and goes by the last use', () => {
    const m = setUp({ cacheEntries: 2 });
    for (const index of [1, 2, 3]) m.entry(index, { ...remapped, vector: 0x50 + index });
    const cycles = (index: number): number => sendTo(m, index).cycles;
    const { tableRead, cacheHit } = COSTS;
    // 1 was used after 2, so 3 takes the place of 2.
    expect([1, 2, 1, 3, 1, 2].map(cycles)).toEqual([
      tableRead,
      tableRead,
      cacheHit,
      tableRead,
      cacheHit,
      tableRead,
    ]);
    const words = [...new Uint32Array(irteBytes(encodeIrte({ ...remapped, vector: 0x51 }, true)).buffer)];
    expect(m.log.slice(0, 2)).toEqual([`read 1 ${TABLE + 16} ${words.join(' ')}`, `remapped 1 ${0x51}`]);
  });

  it('goes on with an old entry until it is invalidated, alone or with its neighbours', () => {
    const m = setUp({ cacheEntries: 16 });
    const vectors = (): number[] =>
      [4, 5, 6, 7, 8].map((index) => {
        const done = sendTo(m, index);
        return done.outcome === 'message' ? done.message.vector : -1;
      });
    const write = (vector: number): void => {
      for (let index = 4; index <= 8; index++) m.entry(index, { ...remapped, vector });
    };
    write(0x40);
    const seen = [vectors()];
    write(0x50);
    seen.push(vectors());
    m.unit.invalidateEntries(5, 0);
    seen.push(vectors());
    m.unit.invalidateEntries(7, 1); // 6 and 7
    seen.push(vectors());
    m.unit.invalidateAll();
    seen.push(vectors());
    expect(seen).toEqual([
      [0x40, 0x40, 0x40, 0x40, 0x40],
      [0x40, 0x40, 0x40, 0x40, 0x40],
      [0x40, 0x50, 0x40, 0x40, 0x40],
      [0x40, 0x50, 0x50, 0x50, 0x40],
      [0x50, 0x50, 0x50, 0x50, 0x50],
    ]);
  });

  it('keeps what is not present in caching mode only (6.1)', () => {
    const outcomes = [false, true].map((cachingMode) => {
      const m = setUp({ cachingMode });
      const first = sendTo(m, 2).outcome;
      m.entry(2, remapped);
      const second = sendTo(m, 2).outcome;
      m.unit.invalidateEntries(2, 0);
      return [first, second, sendTo(m, 2).outcome];
    });
    expect(outcomes).toEqual([
      ['blocked', 'message', 'message'],
      ['blocked', 'blocked', 'message'],
    ]);
  });
});

describe('posting (5.2.3)', () => {
  const NOTIFIED = { vector: 0xf2, destination: 0x1ff };

  it('notifies once until the notification is taken', () => {
    const m = setUp();
    updatePostedControl(m.memory, DESCRIPTOR, NOTIFIED);
    m.entry(1, posted);
    m.entry(2, { ...posted, vector: 0x62 });
    const [first, second] = [sendTo(m, 1), sendTo(m, 2)];
    expect(first).toEqual({
      outcome: 'posted',
      notification: { mode: 0, logical: false, level: false, ...NOTIFIED },
      cycles: COSTS.tableRead + COSTS.descriptorUpdate,
    });
    expect(second).toMatchObject({ outcome: 'posted', notification: undefined });
    expect(m.log.filter((line) => line.startsWith('posted'))).toEqual([
      `posted 1 ${0x61} ${DESCRIPTOR} ${0xf2}`,
      `posted 2 ${0x62} ${DESCRIPTOR} outstanding`,
    ]);
  });

  it('notifies of urgent ones only while notifications are suppressed', () => {
    const m = setUp();
    updatePostedControl(m.memory, DESCRIPTOR, { ...NOTIFIED, suppressed: true });
    m.entry(1, posted);
    m.entry(2, { ...posted, urgent: true });
    expect(sendTo(m, 1)).toMatchObject({ notification: undefined });
    expect(sendTo(m, 2)).toMatchObject({ notification: NOTIFIED });
    expect(m.log).toContain(`posted 1 ${0x61} ${DESCRIPTOR} suppressed`);
  });
});

describe('faults', () => {
  it('each have a name for the trace', () => {
    expect(Object.keys(interruptFaultNames).map(Number).sort()).toEqual(
      Object.values(InterruptFaultReason).sort(),
    );
  });

  it('arise each for its reason', () => {
    const verified = { verification: 1, qualifier: 0, id: 0x20 } as const;
    // Present and posted, with bits 13:12 set; nothing of it is the flag that keeps faults quiet.
    const reserved = (at: number) => (m: Machine) => void m.memory.write(at, Uint8Array.of(0x01, 0xf0));
    const cases: Record<
      InterruptFaultReason,
      [address: number, data: number, arrange?: (m: Machine) => void]
    > = {
      [InterruptFaultReason.RequestReserved]: [remappableMessage(1, 0).address, 0x10000],
      [InterruptFaultReason.IndexBeyondTable]: [remappableMessage(256).address, 0],
      [InterruptFaultReason.NotPresent]: [remappableMessage(1).address, 0],
      [InterruptFaultReason.EntryUnreadable]: [
        remappableMessage(1).address,
        0,
        (m) => m.unit.setTable(irta(7, true) + 0x10_0000n),
      ],
      [InterruptFaultReason.EntryReserved]: [remappableMessage(1).address, 0, reserved(TABLE + 16)],
      [InterruptFaultReason.CompatibilityBlocked]: [0xfee00000, 0x41],
      [InterruptFaultReason.SourceRefused]: [
        remappableMessage(1).address,
        0,
        (m) => m.entry(1, { ...remapped, source: verified }),
      ],
      [InterruptFaultReason.DescriptorUnreadable]: [
        remappableMessage(1).address,
        0,
        (m) => m.entry(1, { ...posted, descriptor: DESCRIPTOR + 0x1000 }),
      ],
      [InterruptFaultReason.DescriptorReserved]: [
        remappableMessage(1).address,
        0,
        (m) => {
          m.entry(1, posted);
          reserved(DESCRIPTOR + 40)(m);
        },
      ],
    };
    for (const [reason, [address, data, arrange]] of Object.entries(cases)) {
      const m = setUp();
      arrange?.(m);
      expect(m.unit.remap(0x18, address, data)).toMatchObject({ outcome: 'blocked', reason: Number(reason) });
      expect(m.faults.map((fault) => fault.reason)).toEqual([Number(reason)]);
    }
  });

  it('are recorded with requester and index, but for what an entry keeps quiet (FPD)', () => {
    const m = setUp();
    m.entry(1, { ...remapped, source: { verification: 1, qualifier: 0, id: 0x20 } });
    m.entry(2, { ...remapped, faultsDisabled: true, source: { verification: 1, qualifier: 0, id: 0x20 } });
    expect([1, 2].map((index) => sendTo(m, index, 0x21).outcome)).toEqual(['blocked', 'blocked']);
    expect(m.faults).toEqual([{ requester: 0x21, reason: 0x26, index: 1 }]);
    expect(m.log.slice(-1)).toEqual([`blocked ${0x26} 2 false`]);
  });

  it('block what a device forges: a vector in compatibility format, and an entry of another device', () => {
    const m = setUp();
    m.unit.setTable(irta(7, false));
    const source = { verification: 1, qualifier: 0, id: 0x18 } as const;
    m.memory.write(TABLE + 16, irteBytes(encodeIrte({ ...remapped, source }, false)));
    expect(m.unit.remap(0x18, 0xfee00000, 0x20)).toMatchObject({ reason: 0x25 });
    expect([0x18, 0x19].map((requester) => sendTo(m, 1, requester).outcome)).toEqual(['message', 'blocked']);
    m.unit.blockCompatibility = false;
    expect(m.unit.remap(0x18, 0xfee00000, 0x20)).toMatchObject({ outcome: 'message', cycles: 0 });
    m.unit.setTable(irta(7, true)); // with 32 bits of destination it is blocked whatever software says
    expect(m.unit.remap(0x18, 0xfee00000, 0x20)).toMatchObject({ reason: 0x25 });
  });
});

describe('every request', () => {
  const bits = (count: number): fc.Arbitrary<bigint> =>
    fc.bigInt({ min: 0n, max: (1n << BigInt(count)) - 1n });
  const at = (low: number) => (value: bigint) => value << BigInt(low);
  const sum = (parts: bigint[]): bigint => parts.reduce((all, part) => all | part, 0n);
  /** Requesters and source IDs that differ in a bit or two, so that each way of comparing them comes out both ways. */
  const requesters = fc.constantFrom(0x0318n, 0x0319n, 0x031an, 0x031cn, 0x031fn, 0x0320n, 0x0418n, 0xffffn);
  const sources = fc
    .tuple(fc.oneof(requesters, fc.constant(0x0305n)).map(at(64)), bits(4).map(at(80)))
    .map(sum);
  const common = fc.tuple(fc.constantFrom(1n, 1n, 1n, 1n, 3n, 0n, 2n), bits(8).map(at(16)), sources).map(sum);
  const remappedEntry = fc
    .tuple(
      common,
      bits(6).map(at(2)),
      fc.oneof(bits(8).map(at(40)), fc.constant(0xff00n << 32n), bits(32).map(at(32))),
    )
    .map(sum);
  const descriptors = fc.oneof(
    fc.constantFrom(0n, 64n).map((offset) => BigInt(DESCRIPTOR) + offset),
    fc.constantFrom(BigInt(DESCRIPTOR) + 0x1000n, 1n << 45n, 1n << 46n, 0xffff_ffff_ffff_ffc0n),
  );
  const postedEntry = fc
    .tuple(
      common,
      bits(1).map(at(14)),
      descriptors.map((address) => (field(address, 31, 6) << 38n) | (field(address, 63, 32) << 96n)),
    )
    .map((parts) => sum([...parts, 1n << 15n]));
  const anyBit = (width: number): fc.Arbitrary<bigint> => fc.nat(width - 1).map((bit) => 1n << BigInt(bit));
  const spoilt = (value: fc.Arbitrary<bigint>, width: number): fc.Arbitrary<bigint> =>
    fc
      .tuple(value, fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, anyBit(width)))
      .map(([v, bit]) => v ^ bit);
  const entries = fc.oneof(
    { weight: 5, arbitrary: spoilt(remappedEntry, 128) },
    { weight: 5, arbitrary: spoilt(postedEntry, 128) },
    { weight: 1, arbitrary: bits(128) },
  );
  const descriptor = fc.oneof(
    {
      weight: 4,
      arbitrary: spoilt(
        fc
          .tuple(
            bits(256),
            bits(2).map(at(256)),
            bits(8).map(at(272)),
            fc.oneof(bits(8).map(at(296)), bits(32).map(at(288))),
          )
          .map(sum),
        512,
      ),
    },
    { weight: 1, arbitrary: bits(512) },
  );
  const registers = fc.record({
    interruptRemapping: fc.constantFrom(true, true, true, true, false),
    compatibilityPasses: fc.boolean(),
    extendedMode: fc.constantFrom(true, true, false),
    posting: fc.constantFrom(true, true, true, false),
    size: fc.constantFrom(0n, 2n, 7n, 15n),
    eime: fc.boolean(),
    base: fc.oneof(
      { weight: 8, arbitrary: fc.constant(BigInt(TABLE)) },
      { weight: 1, arbitrary: fc.constantFrom(0n, 1n << 46n, (1n << 64n) - 4096n, (1n << 46n) - 4096n) },
    ),
  });
  const request = fc.record({
    requester: requesters,
    address: fc
      .tuple(
        fc.constantFrom(0x10n, 0x10n, 0x10n, 0n), // the format
        fc.oneof(
          fc.nat(9).map((low) => BigInt(low) << 5n),
          bits(15).map(at(5)),
        ),
        fc.constantFrom(0n, 0n, 4n, 8n, 12n),
        bits(2),
      )
      .map((parts) => 0xfee0_0000n | sum(parts)),
    data: fc.oneof(fc.nat(9).map(BigInt), bits(16), bits(32)),
  });

  /** The registers of `setUp` with destinations of 32 or of 8 bits. */
  const registersOf = (wide: boolean): Omit<OracleUnit, 'read'> => ({
    interruptRemapping: true,
    compatibilityPasses: false,
    irta: irta(7, wide),
    extendedMode: true,
    posting: true,
    hostAddressWidth: 46n,
  });
  const index1 = { requester: 0x18n, address: BigInt(remappableMessage(1).address), data: 0n };
  const both = [false, true].flatMap((wide) => [remapped, posted].map((irte) => ({ wide, irte })));

  it.each(both)('is judged by every bit of its entry: $irte.format, x2APIC $wide', ({ wide, irte }) => {
    const valid = integer(irteBytes(encodeIrte(irte, wide)));
    const reasons = new Set<number | undefined>();
    for (let bit = 0; bit < 128; bit++) {
      const m = setUp();
      m.unit.setTable(irta(7, wide));
      m.memory.write(TABLE + 16, bytesOf(valid ^ (1n << BigInt(bit)), 16));
      reasons.add(agreement(m, registersOf(wide), index1).reason);
    }
    expect(reasons).toContain(undefined);
    expect(reasons).toContain(InterruptFaultReason.EntryReserved);
  });

  it.each([false, true])('is judged by every bit of its descriptor: x2APIC %s', (wide) => {
    for (let bit = 0; bit < 512; bit++) {
      const m = setUp();
      m.unit.setTable(irta(7, wide));
      m.memory.write(TABLE + 16, irteBytes(encodeIrte(posted, wide)));
      m.memory.write(DESCRIPTOR, bytesOf(1n << BigInt(bit), 64));
      agreement(m, registersOf(wide), index1);
    }
  });

  it('is judged by every bit of its requester, for each way of comparing', () => {
    // Every function with every other bit changed alone, and the buses about the range from 3 to 7.
    const bus3 = Array.from({ length: 14 }, (_, index) => (index === 13 ? 0 : 8 << index)).flatMap((other) =>
      Array.from({ length: 8 }, (_, fn) => BigInt(0x0307 ^ other ^ fn)),
    );
    const nearby = [...bus3, ...Array.from({ length: 10 }, (_, bus) => BigInt(bus << 8))];
    for (let way = 0; way < 16; way++) {
      const source = { verification: 0, qualifier: 0, id: 0x0307 } as const;
      const entry = integer(irteBytes(encodeIrte({ ...remapped, source }, true))) | (BigInt(way) << 80n);
      const m = setUp();
      m.memory.write(TABLE + 16, bytesOf(entry, 16));
      for (const requester of nearby) agreement(m, registersOf(true), { ...index1, requester });
    }
  });

  it('is allowed, denied, aimed and posted as the specification says', () => {
    fc.assert(
      fc.property(
        registers,
        fc.array(entries, { minLength: 8, maxLength: 8 }),
        fc.tuple(descriptor, descriptor),
        fc.array(request, { minLength: 1, maxLength: 12 }),
        ({ size, eime, base, ...has }, table, stored, requests) => {
          const m = setUp({ x2apic: has.extendedMode, posting: has.posting, cacheEntries: 2 });
          table.forEach((entry, index) => m.memory.write(TABLE + 16 * index, bytesOf(entry, 16)));
          stored.forEach((each, index) => m.memory.write(DESCRIPTOR + 64 * index, bytesOf(each, 64)));
          const irtaValue = base | (eime ? 1n << 11n : 0n) | size;
          m.unit.enabled = has.interruptRemapping;
          m.unit.blockCompatibility = !has.compatibilityPasses;
          m.unit.setTable(irtaValue);
          const unit = { ...has, irta: irtaValue, hostAddressWidth: 46n };
          for (const each of requests) agreement(m, unit, each);
        },
      ),
      { seed: 9, numRuns: 2000 },
    );
  });

  it('goes on after save and load as if nothing had been, and never throws', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: request.map((each) => ({ do: 'send' as const, ...each })) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('table' as const), irta: bits(64) }) },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('home' as const), size: fc.nat(15), wide: fc.boolean() }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant('entry' as const), index: fc.nat(15), raw: entries }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('drop' as const), index: fc.nat(0xffff), mask: fc.nat(31) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('mode' as const), on: fc.boolean(), block: fc.boolean() }),
      },
    );
    type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
    const perform = (m: Machine, each: Step): RemappedMessage | undefined => {
      if (each.do === 'send')
        return m.unit.remap(Number(each.requester), Number(each.address), Number(each.data));
      if (each.do === 'table') m.unit.setTable(each.irta);
      else if (each.do === 'home') m.unit.setTable(irta(each.size, each.wide));
      else if (each.do === 'entry') m.memory.write(TABLE + 16 * each.index, bytesOf(each.raw, 16));
      else if (each.do === 'drop') m.unit.invalidateEntries(each.index, each.mask);
      else {
        m.unit.enabled = each.on;
        m.unit.blockCompatibility = each.block;
      }
      return undefined;
    };
    fc.assert(
      fc.property(fc.array(step), fc.array(step), fc.boolean(), (first, second, cachingMode) => {
        const one = setUp({ cachingMode });
        for (const each of first) perform(one, each);
        const two = setUp({ cachingMode });
        for (const page of [TABLE, DESCRIPTOR])
          two.memory.write(page, one.memory.read(page, 0x1000) ?? new Uint8Array(0));
        two.unit.load(structuredClone(one.unit.save()));
        one.log.length = one.faults.length = 0;
        two.log.length = 0;
        for (const each of second) expect(perform(two, each)).toEqual(perform(one, each));
        expect([two.log, two.faults, two.unit.save()]).toEqual([one.log, one.faults, one.unit.save()]);
      }),
      { seed: 10, numRuns: 300 },
    );
  });
});
