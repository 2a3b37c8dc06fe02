/** Fault recording and the fault event (VT-d specification, 7.2 and 7.3), as a driver meets them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { FaultReason } from '../../../../src/machine/iommu/fault-reasons';
import { R, Tables, UnitWorld } from '../../../support/vtd/world';

const NIC = 0x0308;
const RECORDS = 4;
const F = 1n << 127n;
const PFO = 1;
const PPF = 2;
const MASKED = 2 ** 31;
const PENDING = 2 ** 30;

let host: UnitWorld;

beforeEach(() => {
  host = new UnitWorld({ faultRecords: RECORDS });
  const tables = new Tables(host);
  const root = tables.page();
  tables.context(root, NIC, BigInt(tables.page()) | 1n, 2n);
  host.turnOn(root);
  host.write32(R.FEDATA, 0x41);
  host.write32(R.FEADDR, 0xfee01000);
});

const fault = (iova: number, write = false): void => void host.unit.translate(NIC, iova, 4, write);
const record = (index: number): bigint =>
  host.read64(host.records + 16 * index) | (host.read64(host.records + 16 * index + 8) << 64n);
const clear = (index: number): void => host.write32(host.records + 16 * index + 12, MASKED);
const unmask = (): void => host.write32(R.FECTL, 0);

describe('a fault', () => {
  it('is recorded with address, requester, kind and reason', () => {
    fault(0x1234567);
    fault(0xabcdef0123, true);
    const reason = (value: number): bigint => BigInt(value) << 96n;
    const requester = BigInt(NIC) << 64n;
    const read = 1n << 126n;
    expect(record(0)).toBe(F | read | reason(FaultReason.ReadDenied) | requester | 0x1234000n);
    expect(record(1)).toBe(F | reason(FaultReason.WriteDenied) | requester | 0xabcdef0000n);
    expect(host.read32(R.FSTS)).toBe(PPF);
  });

  it('that finds its register taken is lost, and so are those after it until software has seen to that', () => {
    for (let at = 0; at < RECORDS; at++) fault(at * 0x1000);
    expect(host.read32(R.FSTS)).toBe(PPF);
    fault(0x100000);
    expect(host.read32(R.FSTS)).toBe(PPF | PFO);
    clear(0);
    fault(0x200000);
    expect(record(0) & F).toBe(0n);
    expect(host.faults.map(({ recorded }) => recorded)).toEqual([true, true, true, true, false, false]);
    for (let at = 1; at < RECORDS; at++) clear(at);
    expect(host.read32(R.FSTS)).toBe(PFO);
    host.write32(R.FSTS, PFO);
    fault(0x300000);
    expect([host.read32(R.FSTS), record(0) & 0xfffff000n]).toEqual([PPF, 0x300000n]);
  });

  it('tells which of the pending ones is the first', () => {
    fault(0);
    fault(0x1000);
    clear(0);
    clear(1);
    expect(host.read32(R.FSTS)).toBe(0);
    fault(0x2000);
    expect(host.read32(R.FSTS)).toBe((2 << 8) | PPF);
  });

  it('of an interrupt request has its index', () => {
    host.unit.interruptFault({ requester: 0x10, reason: 0x22, index: 0x1234 });
    expect(record(0)).toBe(F | (0x22n << 96n) | (0x10n << 64n) | (0x1234n << 48n));
    expect(host.faults).toMatchObject([{ reason: 0x22, recorded: true }]);
  });
});

describe('the fault event', () => {
  it('is one message for the first fault', () => {
    unmask();
    fault(0);
    fault(0x1000);
    expect(host.sent).toEqual([{ address: 0xfee01000, data: 0x41 }]);
    clear(0);
    clear(1);
    fault(0x2000);
    expect(host.sent).toHaveLength(2);
  });

  it('waits while it is masked, and is sent when that ends', () => {
    expect(host.read32(R.FECTL)).toBe(MASKED);
    fault(0);
    expect([host.sent, host.read32(R.FECTL)]).toEqual([[], MASKED + PENDING]);
    unmask();
    expect([host.sent.length, host.read32(R.FECTL)]).toEqual([1, 0]);
  });

  it('is forgotten when software has seen to the faults before', () => {
    fault(0);
    clear(0);
    expect(host.read32(R.FECTL)).toBe(MASKED);
    unmask();
    expect(host.sent).toEqual([]);
  });
});
