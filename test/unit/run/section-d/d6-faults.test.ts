/** Row D6: what an IOMMU refuses is recorded and told; the device's transfer is aborted, and memory is as it was. */
import { beforeAll, describe, expect, it } from 'vitest';
import { FaultReason } from '../../../../src/machine/iommu/fault-reasons';
import { FaultStatus, Reg } from '../../../../src/machine/iommu/layout';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const PAGE = 4096;
const PENDING = 1 << FaultStatus.pending;
/** F of a record. */
const RECORDED = 2 ** 31;

describe('D6', () => {
  let run: CountedRun;
  let cases: number[];

  beforeAll(async () => {
    run = await countedRun('d6-faults');
    cases = run.longs('faults_log').slice(0, 4);
  });

  it('lets nothing through', () => {
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(run.longs('faults_log').slice(4)).toEqual([0, 0]);
  });

  it('has a reason for each, at the address at which it was refused', () => {
    const [unmapped, half, beyond] = cases;
    // Of the transfer that crosses the end of memory, the second page.
    const at = [unmapped, Math.ceil(half / PAGE) * PAGE, beyond];
    const reasons = [
      [FaultReason.ReadDenied, FaultReason.WriteDenied],
      [FaultReason.ReadDenied, FaultReason.WriteDenied],
      [FaultReason.AddressBeyondWidth, FaultReason.AddressBeyondWidth],
    ];
    expect(ofKind(run, Kind.IommuFault).map(({ a, b }) => [a, b])).toEqual(
      at.flatMap((address, index) => reasons[index].map((reason) => [address, reason])),
    );
  });

  it('has no DMA row for what was refused, and the abort is what ends the transfer', () => {
    const refused = new Set(cases);
    const dma = run.rows.filter(({ kind }) => kind === Kind.DmaRead || kind === Kind.DmaWrite);
    expect(dma.filter(({ a }) => refused.has(a))).toEqual([]);
    // Two transfers of each case are good ones.
    expect(dma.length).toBe(2 * cases.length);
  });

  it('is told by an interrupt, whose handler reads the status and the record and clears it', () => {
    const unit = trackOf(run, 'IOMMU');
    const faults = ofKind(run, Kind.IommuFault);
    const events = ofKind(run, Kind.Msi, unit);
    expect(events.map(({ cause }) => cause)).toEqual(faults.map(({ row }) => row));
    const reads = ofKind(run, Kind.MmioRead, unit);
    const status = reads.filter(({ a }) => a === Reg.FaultStatus);
    expect(status.length).toBe(faults.length);
    const records = run.rows.filter(
      ({ kind, track, a, b }) =>
        track === unit && kind === Kind.MmioRead && a >= Reg.FaultRecords && a % 16 === 12 && b >= RECORDED,
    );
    expect(records.length).toBe(faults.length);
    faults.forEach(({ b: reason }, index) => {
      expect(status[index].b & PENDING).toBe(PENDING);
      // The records are taken in turn (FRI), and each is cleared by the bit that it shows.
      expect(records[index].a).toBe(Reg.FaultRecords + 16 * (index % 8) + 12);
      expect(records[index].b & 0xff).toBe(reason);
    });
    const cleared = ofKind(run, Kind.MmioWrite, unit).filter(
      ({ a, b }) => a >= Reg.FaultRecords && b === RECORDED,
    );
    expect(cleared.map(({ a }) => a)).toEqual(records.map(({ a }) => a));
  });
});
