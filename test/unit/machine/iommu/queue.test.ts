/** The invalidation queue (VT-d specification, 6.5.2): order, time, wait descriptors, errors, devices that do not answer. */
import { describe, expect, it } from 'vitest';
import type { InterruptPart } from '../../../../src/machine/iommu/interrupt-remapper';
import type { RemappingOptions } from '../../../../src/machine/iommu/options';
import { COSTS, G, MEMORY, R, UnitWorld } from '../../../support/vtd/world';

const NIC = 0x0308;
const QUEUE = MEMORY.base + 0x200000;
const STATUS = MEMORY.base + 0x300000;
const IOTLB_GLOBAL = 2n | (1n << 4n);
const CONTEXT_GLOBAL = 1n | (1n << 4n);
const QueueError = { tail: 1, fetch: 2, type: 3, reserved: 4, width: 5, alignment: 6 } as const;
const Status = { queueError: 1 << 4, timeOut: 1 << 6 } as const;

function queue(options: Partial<RemappingOptions> = {}, wide = false, interrupts?: InterruptPart) {
  const host = new UnitWorld(options, interrupts);
  const bytes = wide ? 32 : 16;
  let tail = 0;
  host.write32(R.IQT, 0);
  host.write64(R.IQA, BigInt(QUEUE) | (wide ? 1n << 11n : 0n));
  host.write32(R.GCMD, G.QIE);
  /** Puts descriptors into the queue and tells the unit. */
  const submit = (...descriptors: [bigint, bigint?][]): void => {
    for (const [low, high = 0n] of descriptors) {
      host.poke(QUEUE + tail, low, high, ...(wide ? [0n, 0n] : []));
      tail = (tail + bytes) % 4096;
    }
    host.write32(R.IQT, tail);
  };
  const wait = (sign: number, flags = 1n << 5n): [bigint, bigint] => [
    5n | flags | (BigInt(sign) << 32n),
    BigInt(STATUS),
  ];
  const after = (cycles: number): void => host.world.advanceTo(host.world.time + cycles);
  return { host, submit, wait, after, bytes, sign: () => Number(host.peek64(STATUS)) };
}

describe('the invalidation queue', () => {
  it.each([false, true])('works one descriptor after the other off, each in its time (wide: %s)', (wide) => {
    const { host, submit, wait, after, bytes, sign } = queue({ scalableMode: true }, wide);
    submit([CONTEXT_GLOBAL], [IOTLB_GLOBAL], wait(0x1234));
    expect(host.read64(R.IQH)).toBe(0n);
    const progress = [1, 2, 3].map(() => {
      after(COSTS.descriptor);
      return [Number(host.read64(R.IQH)) / bytes, host.invalidations.length, sign()];
    });
    expect(progress).toEqual([
      [1, 1, 0],
      [2, 2, 0],
      [3, 2, 0x1234],
    ]);
    const begins = host.invalidations.map(({ begin, end, by }) => [begin, end, by]);
    expect(begins).toEqual([
      [0, COSTS.descriptor, 'queue'],
      [COSTS.descriptor, 2 * COSTS.descriptor, 'queue'],
    ]);
    expect(host.waits).toEqual([
      {
        status: { address: STATUS, data: 0x1234 },
        interrupt: false,
        begin: 2 * COSTS.descriptor,
        end: 3 * COSTS.descriptor,
      },
    ]);
  });

  it('goes round, and takes what is added while it works', () => {
    const { host, submit, after } = queue();
    for (let at = 0; at < 300; at++) {
      submit([IOTLB_GLOBAL]);
      after(COSTS.descriptor - 1);
    }
    host.world.drain();
    expect([host.invalidations.length, host.read64(R.IQH)]).toEqual([300, BigInt((300 * 16) % 4096)]);
  });

  it('stops when it is turned off, and begins at the first descriptor when it is turned on', () => {
    const { host, submit } = queue();
    submit([IOTLB_GLOBAL], [IOTLB_GLOBAL]);
    host.write32(R.GCMD, 0);
    host.world.drain();
    expect(host.invalidations).toEqual([]);
    host.write32(R.GCMD, G.QIE);
    host.world.drain();
    expect(host.invalidations).toHaveLength(2);
  });

  it('leaves the registers for invalidation without effect', () => {
    const { host } = queue();
    expect(host.command(R.CCMD, (1n << 63n) | (1n << 61n)) >> 59n).toBe(1n << 2n);
    expect(host.invalidations).toEqual([]);
  });
});

describe('a wait descriptor', () => {
  it('interrupts when it is asked to, once until software has seen to that', () => {
    const { host, submit, wait } = queue();
    host.write32(R.IEDATA, 0x61);
    host.write32(R.IEADDR, 0xfee02000);
    host.write32(R.IECTL, 0);
    submit(wait(1, 1n << 4n), wait(2, 1n << 4n));
    host.world.drain();
    expect([host.sent, host.read32(R.ICS)]).toEqual([[{ address: 0xfee02000, data: 0x61 }], 1]);
    host.write32(R.ICS, 1);
    expect(host.read32(R.ICS)).toBe(0);
    submit(wait(3, 1n << 4n));
    host.world.drain();
    expect(host.sent).toHaveLength(2);
    expect(host.waits.map(({ status, interrupt }) => [status, interrupt])).toEqual(
      Array.from({ length: 3 }, () => [undefined, true]),
    );
  });

  it('that interrupts while the event is masked is told when that ends', () => {
    const { host, submit, wait } = queue();
    submit(wait(1, 1n << 4n));
    host.world.drain();
    expect(host.read32(R.IECTL)).toBe(2 ** 31 + 2 ** 30);
    host.write32(R.IECTL, 0);
    expect(host.sent).toHaveLength(1);
  });
});

describe('what is no descriptor', () => {
  it.each([
    ['an unknown type', 9n, 0n, QueueError.type],
    ['PASIDs without scalable mode', 7n | (3n << 4n), 0n, QueueError.type],
    ['interrupt entries of a unit without', 4n, 0n, QueueError.type],
    ['a TLB of a device of a unit without', 3n, 0n, QueueError.type],
    ['reserved bits', CONTEXT_GLOBAL | (1n << 6n), 0n, QueueError.reserved],
    ['reserved bits of the second half', IOTLB_GLOBAL, 1n << 7n, QueueError.reserved],
    ['no granularity', 2n, 0n, QueueError.reserved],
    ['a mask beyond MAMV', 2n | (3n << 4n), 19n, QueueError.reserved],
  ])('%s stops the queue until the error is cleared', (_name, low, high, code) => {
    const { host, submit, wait, sign } = queue();
    submit([IOTLB_GLOBAL], [low, high], wait(7));
    host.world.drain();
    expect([host.read32(R.FSTS), host.read64(R.IQERCD), host.read64(R.IQH)]).toEqual([
      Status.queueError,
      BigInt(code),
      16n,
    ]);
    // What Linux does: another descriptor in its place.
    host.poke(QUEUE + 16, IOTLB_GLOBAL, 0n);
    host.write32(R.FSTS, Status.queueError);
    host.world.drain();
    expect([sign(), host.read32(R.FSTS), host.read64(R.IQERCD), host.invalidations.length]).toEqual([
      7,
      0,
      0n,
      2,
    ]);
  });

  it('lies outside the queue or memory, or between descriptors', () => {
    const beyond = queue();
    beyond.host.write32(R.IQT, 0x1000);
    const between = queue({ scalableMode: true }, true);
    between.host.write32(R.IQT, 0x10);
    const nowhere = queue();
    nowhere.host.write32(R.GCMD, 0);
    nowhere.host.write64(R.IQA, 0x10000000n);
    nowhere.host.write32(R.GCMD, G.QIE);
    nowhere.host.write32(R.IQT, 0x10);
    expect([beyond, between, nowhere].map(({ host }) => Number(host.read64(R.IQERCD)))).toEqual([
      QueueError.tail,
      QueueError.alignment,
      QueueError.fetch,
    ]);
  });

  it('is a narrow one in scalable mode', () => {
    const { host, submit } = queue({ scalableMode: true });
    host.write64(R.RTADDR, BigInt(MEMORY.base + 0x400));
    host.write32(R.GCMD, G.SRTP + G.QIE);
    submit([IOTLB_GLOBAL]);
    expect(host.read64(R.IQERCD)).toBe(BigInt(QueueError.width));
  });

  it('sends the fault event', () => {
    const { host, submit } = queue();
    host.write32(R.FECTL, 0);
    submit([9n]);
    host.world.drain();
    expect(host.sent).toHaveLength(1);
  });
});

describe('devices with TLBs', () => {
  const invalidate = 3n | (BigInt(NIC) << 32n);

  it('are told what to drop, and the wait descriptor waits for them', () => {
    const { host, submit, wait, after, sign } = queue({ deviceTlbs: true, scalableMode: true });
    const told: unknown[] = [];
    host.deviceTlbs.set(NIC, { invalidate: (range, pasid) => (told.push([range, pasid]), 1) });
    // S: 8 KiB and more, by the lowest clear bit of the address.
    submit([invalidate, 0x5000n], [invalidate, 0x5000n | 1n], [invalidate, 0xb000n | 1n], wait(9));
    after(3 * (COSTS.descriptor + COSTS.deviceInvalidation));
    expect(sign()).toBe(0);
    after(COSTS.descriptor);
    expect(sign()).toBe(9);
    expect(told).toEqual([
      [{ address: 0x5000, mask: 0 }, undefined],
      [{ address: 0x5000, mask: 2 }, undefined],
      [{ address: 0xb000, mask: 3 }, undefined],
    ]);
  });

  it('are told of PASIDs', () => {
    const { host, submit } = queue({ deviceTlbs: true, scalableMode: true }, true);
    const told: unknown[] = [];
    host.deviceTlbs.set(NIC, { invalidate: (range, pasid) => (told.push([range, pasid]), 0) });
    const low = 8n | (BigInt(NIC) << 16n) | (5n << 32n);
    submit([low, 0x5000n], [low, 0x5000n | 1n]);
    host.world.drain();
    expect(told).toEqual([
      [{ address: 0x5000, mask: 0 }, 5],
      [{ address: 0x5000, mask: 0 }, undefined],
    ]);
  });

  it('that do not answer are given up after a time, and the wait descriptor behind with them', () => {
    const { host, submit, wait, after, sign } = queue({ deviceTlbs: true });
    submit([invalidate, 0x5000n], wait(9));
    after(COSTS.descriptor + COSTS.deviceTimeout - 1);
    expect(host.read32(R.FSTS)).toBe(0);
    after(1);
    expect([host.read32(R.FSTS), host.read64(R.IQH)]).toEqual([Status.timeOut, 32n]);
    submit(wait(10));
    host.world.drain();
    expect(sign()).toBe(0);
    host.write32(R.FSTS, Status.timeOut);
    host.world.drain();
    expect(sign()).toBe(10);
  });
});

describe('interrupt entries', () => {
  it('are dropped by the part that has them', () => {
    const dropped: unknown[] = [];
    const remapper = {
      enabled: false,
      blockCompatibility: true,
      table: 0n,
      setTable(irta: bigint) {
        this.table = irta;
      },
      invalidateAll: () => void dropped.push('all'),
      invalidateEntries: (index: number, mask: number) => void dropped.push([index, mask]),
      reset: () => undefined,
      remap: () => ({ outcome: 'ignored' as const, cycles: 0 }),
    };
    const { host, submit } = queue({}, false, { remapper, extendedMode: true, posting: true });
    submit([4n], [4n | (1n << 4n) | (3n << 27n) | (0x1238n << 32n)]);
    host.world.drain();
    expect(dropped).toEqual(['all', [0x1238, 3]]);
    host.write64(R.IRTA, 0x12345680fn);
    host.write32(R.GCMD, G.QIE + G.SIRTP);
    host.write32(R.GCMD, G.QIE + G.IRE);
    expect([remapper.table, remapper.enabled, remapper.blockCompatibility]).toEqual([
      0x12345680fn,
      true,
      true,
    ]);
    expect(host.read32(R.GSTS)).toBe(G.QIE + G.IRE + G.SIRTP);
    host.write32(R.GCMD, G.QIE + G.IRE + G.CFI);
    expect(remapper.blockCompatibility).toBe(false);
    expect(host.unit.remap(NIC, 0xfee00000, 0)).toEqual({ outcome: 'ignored', cycles: 0 });
    // ECAP.IR, EIM; CAP.PI
    expect([host.read64(R.ECAP) & 0x18n, host.read64(R.CAP) & (1n << 59n)]).toEqual([0x18n, 1n << 59n]);
  });
});
