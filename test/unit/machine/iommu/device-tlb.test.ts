/** Devices with TLBs of their own (ATS): translation requests, translated requests, invalidations (VT-d specification, chapter 4). */
import { describe, expect, it } from 'vitest';
import { DeviceTlb } from '../../../../src/machine/iommu/device-tlb';
import { FaultReason } from '../../../../src/machine/iommu/fault-reasons';
import { COSTS, G, MEMORY, R, Tables, UnitWorld } from '../../../support/vtd/world';

const NIC = 0x0308;
const IOVA = 0x12345000;
const TARGET = 0x200000;
const QUEUE = MEMORY.base + 0x200000;
/** TT 01: with a device TLB; 00: without. */
const WITH = 4n;

function device(type = WITH) {
  const host = new UnitWorld({ deviceTlbs: true });
  const tables = new Tables(host);
  const root = tables.page();
  const top = tables.page();
  tables.context(root, NIC, BigInt(top) | 1n | type, 2n);
  host.turnOn(root);
  const tlb = new DeviceTlb(host.unit, { sets: 4, ways: 2 });
  host.deviceTlbs.set(NIC, tlb);
  const map = (address: number, to: number, rights = 3n): void =>
    tables.map(top, 4, address, BigInt(to), rights);
  return { host, tlb, map, translate: (iova: number, write = false) => tlb.translate(NIC, iova, 4, write) };
}

/** AT in a fault record. */
const addressType = (host: UnitWorld): number => Number((host.read64(host.records + 8) >> 60n) & 3n);

describe('a device TLB', () => {
  it('asks once for a page, and accesses what it has been told', () => {
    const { host, map, translate } = device();
    map(IOVA, TARGET);
    expect(translate(IOVA + 4)).toEqual({
      pieces: [{ address: TARGET + 4, length: 4 }],
      cycles: COSTS.lookup + (2 + 4) * COSTS.reference,
    });
    expect(translate(IOVA + 8)).toEqual({ pieces: [{ address: TARGET + 8, length: 4 }], cycles: 0 });
    expect([host.walks.length, host.hits.length]).toEqual([1, 0]);
  });

  it('goes on with what is no longer mapped until it is invalidated itself', () => {
    const { host, map, translate } = device();
    map(IOVA, TARGET);
    translate(IOVA);
    map(IOVA, 0, 0n);
    host.invalidateAll();
    expect(translate(IOVA)).toHaveProperty('pieces');
    host.write64(R.IQA, BigInt(QUEUE));
    host.write32(R.GCMD, G.TE + G.QIE);
    host.poke(QUEUE, 3n | (BigInt(NIC) << 32n), BigInt(IOVA));
    host.write32(R.IQT, 16);
    host.world.drain();
    expect(host.invalidations[host.invalidations.length - 1]).toMatchObject({
      cache: 'device-tlb',
      dropped: 1,
    });
    expect(translate(IOVA)).toHaveProperty('fault', 'blocked');
  });

  it('is told of no page or fewer rights without a fault', () => {
    const { host, map, translate } = device();
    map(IOVA, TARGET, 1n);
    expect(translate(IOVA, true)).toHaveProperty('fault');
    expect(translate(IOVA)).toHaveProperty('pieces');
    expect(translate(0x1000)).toHaveProperty('fault');
    expect(host.faults).toEqual([]);
    expect(host.unit.translationRequest(NIC, IOVA, true)).toMatchObject({
      page: { read: true, write: false },
    });
  });

  it('is refused to functions that may not have one, and so is what they say is translated', () => {
    const { host, map, translate } = device(0n);
    map(IOVA, TARGET);
    translate(IOVA);
    expect([host.faults[0].reason, addressType(host)]).toEqual([FaultReason.TranslationTypeBlocked, 1]);
    host.write32(host.records + 12, 2 ** 31);
    expect(host.unit.translated(NIC, TARGET, 4, true)).toHaveProperty('fault', 'blocked');
    expect(host.faults).toHaveLength(2);
    expect(host.unit.translate(NIC, IOVA, 4, false)).toHaveProperty('pieces');
  });

  it('reaches neither protected memory nor where interrupts are written to', () => {
    const { host } = device();
    host.write32(R.PLMBASE, 0x40000000);
    host.write32(R.PLMLIMIT, 0x40000000);
    host.write32(R.PMEN, 2 ** 31);
    const reaches = [TARGET, 0x40000000, 0xfee00000, 2 ** 46].map(
      (address) => 'pieces' in host.unit.translated(NIC, address, 4, true),
    );
    expect(reaches).toEqual([true, false, false, false]);
  });

  it('is refused a translation where tables are broken, which is recorded', () => {
    const { host, map, translate } = device();
    map(IOVA, 2 ** 46);
    translate(IOVA);
    expect([host.faults[0].reason, addressType(host)]).toEqual([FaultReason.SecondStageReserved, 1]);
  });

  it('is kept with the state of its device', () => {
    const { host, tlb, map, translate } = device();
    map(IOVA, TARGET);
    translate(IOVA);
    const other = new DeviceTlb(host.unit, { sets: 4, ways: 2 });
    other.load(tlb.save());
    expect(other.translate(NIC, IOVA, 4, false)).toEqual({
      pieces: [{ address: TARGET, length: 4 }],
      cycles: 0,
    });
  });
});
