/** Interrupt remapping and posting of VT-d (specification 4.x, chapter 5). */
import { describe, expect, it } from 'vitest';
import type { RemappedMessage } from '../../../../../src/machine/interrupts/message-remapping';
import {
  interruptFaultNames,
  InterruptFaultReason,
} from '../../../../../src/machine/iommu/interrupts/interrupt-faults';
import { encodeIrte, irteBytes } from '../../../../../src/machine/iommu/interrupts/irte';
import {
  decodeRequest,
  remappableMessage,
  remappableRedirection,
} from '../../../../../src/machine/iommu/interrupts/message-format';
import { updatePostedControl } from '../../../../../src/machine/interrupts/posted-descriptor';
import { field } from '../../../../support/vtd/interrupt-oracle';
import { COSTS, DESCRIPTOR, irta, posted, remapped, setUp, TABLE } from './table';

type Machine = ReturnType<typeof setUp>;

/** Sends by the handle alone. */
const sendTo = (m: Machine, index: number, requester = 0x18): RemappedMessage => {
  const { address, data } = remappableMessage(index);
  return m.unit.remap(requester, address, data);
};

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

  it('keeps nothing that is not present: software need not invalidate what becomes so', () => {
    const m = setUp();
    const first = sendTo(m, 2).outcome;
    m.entry(2, remapped);
    expect([first, sendTo(m, 2).outcome]).toEqual(['blocked', 'message']);
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
