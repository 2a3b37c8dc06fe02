/** Every request to a remapping unit, against an independent reading of registers and tables (`oracle.ts`). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { InterruptMessage } from '../../../../../src/machine/interrupts/message';
import type { RemappedMessage } from '../../../../../src/machine/interrupts/message-remapping';
import { InterruptFaultReason } from '../../../../../src/machine/iommu/interrupts/interrupt-faults';
import { encodeIrte, irteBytes } from '../../../../../src/machine/iommu/interrupts/irte';
import { remappableMessage } from '../../../../../src/machine/iommu/interrupts/message-format';
import {
  decide,
  field,
  type OracleMessage,
  type OracleOutcome,
  type OracleUnit,
} from '../../../../support/vtd/interrupt-oracle';
import { DESCRIPTOR, irta, bytesOf, integer, posted, remapped, setUp, TABLE } from './table';

type Machine = ReturnType<typeof setUp>;

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
      fc.property(fc.array(step), fc.array(step), (first, second) => {
        const one = setUp();
        for (const each of first) perform(one, each);
        const two = setUp();
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
