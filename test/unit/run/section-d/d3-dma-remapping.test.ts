/** Row D3: an IOMMU leads the addresses of a device to the memory of its VM, by tables in memory; D2's attack comes to nothing. */
import { beforeAll, describe, expect, it } from 'vitest';
import { FaultReason } from '../../../../src/machine/iommu/fault-reasons';
import { mappingsAt } from '../../../../src/trace/query/mappings';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, ofKind, trackOf, type CountedRun } from '../../../support/section-a';
import { hangingOn, redone } from '../../../support/walks';

const MIB = 2 ** 20;
const MEMORY = 32 * MIB;
/** The first device of the host: 00:03.0. */
const EDU = 3 << 3;

const dmaOf = (run: CountedRun) =>
  run.rows.filter(({ kind }) => kind === Kind.DmaRead || kind === Kind.DmaWrite);
/** Where the kernel has put the memory of the VM. */
const baseOf = (run: CountedRun): number => ofKind(run, Kind.MemorySlot)[0].b;

describe('D3: edu', () => {
  let run: CountedRun;
  let direct: CountedRun;

  beforeAll(async () => {
    run = await countedRun('d3-dma-remapping');
    direct = await countedRun('d1-passthrough');
  });

  it('does for the driver what it does without an IOMMU', () => {
    expect(run.end.meta.message).toBeUndefined();
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(run.serial).toBe(direct.serial);
    expect(run.words('b8_log')).toEqual(direct.words('b8_log'));
    expect(dmaOf(run).map(({ kind, a, b }) => [kind, a, b])).toEqual(
      dmaOf(direct).map(({ kind, a, b }) => [kind, a, b]),
    );
  });

  it('maps the memory of the VM before it begins, at another address than it has itself', () => {
    const [map] = ofKind(run, Kind.IommuMap);
    const [first] = ofKind(run, Kind.GuestKernel);
    expect(map.row).toBeLessThan(first.row);
    const base = baseOf(run);
    expect(base).toBeGreaterThan(0);
    expect([map.a, map.b]).toEqual([0, base]);
    const domain = trackOf(run, 'IOMMU domain');
    expect(mappingsAt(run.store, domain, run.end.summary.cycles, 0x1234)).toEqual({
      total: 1,
      bytes: MEMORY,
      mappings: [
        {
          iova: 0x1234,
          bytes: MEMORY - 0x1234,
          guestPhysical: 0x1234,
          hostPhysical: base + 0x1234,
          readable: true,
          writable: true,
          row: map.row,
        },
      ],
    });
  });

  it('translates each transfer once: the first by a walk of its tables, which anybody can do again', () => {
    const walks = ofKind(run, Kind.IommuWalk);
    const hits = ofKind(run, Kind.IommuHit);
    const transfers = dmaOf(run);
    expect(walks.length + hits.length).toBe(transfers.length);
    // All of its buffers are in one page of 2 MiB.
    expect(new Set(transfers.map(({ a }) => Math.floor(a / (2 * MIB)))).size).toBe(1);
    expect(walks.length).toBe(1);
    const [walk] = walks;
    const [first] = transfers;
    const again = redone(run, walk, EDU, first.a);
    expect(again).toMatchObject({ references: 3, others: 2, level: 2, to: baseOf(run) + first.a });
    expect([walk.a, walk.b]).toEqual([again.references, 4]);
    const found = hangingOn(run, walk).find(({ kind }) => kind === Kind.IommuTranslation);
    expect([found?.a, found?.b]).toEqual([first.a, again.to]);
    for (const hit of hits) expect(hit.b).toBe(baseOf(run) + hit.a);
  });

  it('hangs each transfer on its translation, whose time it takes', () => {
    const { costs } = run.end.meta;
    const [walk] = ofKind(run, Kind.IommuWalk);
    const transfers = dmaOf(run);
    for (const { cause } of transfers)
      expect([Kind.IommuWalk, Kind.IommuHit]).toContain(run.rows[cause].kind);
    expect(transfers[0].cause).toBe(walk.row);
    const plain = dmaOf(direct)[0].duration;
    const walking = costs['iommu.lookup'] + 5 * costs['iommu.reference'];
    expect(walk.duration).toBe(walking);
    expect(transfers.map(({ duration }) => duration - plain)).toEqual([
      walking,
      ...transfers.slice(1).map(() => costs['iommu.lookup']),
    ]);
  });

  it('takes its messages by an index of the table to the vector that the kernel has given', () => {
    const [, , , , interrupts] = run.words('b8_log');
    const remapped = ofKind(run, Kind.IrqRemap);
    expect(remapped.length).toBe(interrupts);
    const given = ofKind(run, Kind.HostVector, trackOf(run, 'edu0')).at(-1);
    for (const { b, cause } of remapped) {
      expect(b).toBe(given?.b);
      expect([Kind.Msi, Kind.IrteRead]).toContain(run.rows[cause].kind);
    }
    expect(ofKind(run, Kind.IrteRead).length).toBe(1);
  });
});

describe('D2 with D3', () => {
  const ROUNDS = 4;
  let run: CountedRun;

  beforeAll(async () => {
    run = await countedRun('d2-danger-iommu');
  });

  it('lets nothing be read or overwritten', () => {
    expect(run.words('attack_log')).toEqual([ROUNDS, 0, 0]);
    expect(ofKind(run, Kind.HostOverwritten)).toEqual([]);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(run.serial).not.toContain("the VMM's data");
  });

  it('tells of each access that it refuses: by a walk, a fault, an interrupt and the record that the kernel reads', () => {
    const faults = ofKind(run, Kind.IommuFault);
    const looks = Array.from({ length: ROUNDS }, (_, round) => [
      MEMORY + round * 4096,
      FaultReason.ReadDenied,
    ]);
    const writes = looks.map(([at]) => [at, FaultReason.WriteDenied]);
    expect(faults.map(({ a, b }) => [a, b])).toEqual([[MEMORY, FaultReason.ReadDenied], ...writes, ...looks]);
    for (const fault of faults) {
      const walk = run.rows[fault.cause];
      expect(walk.kind).toBe(Kind.IommuWalk);
      expect(redone(run, walk, EDU, fault.a).to).toBeUndefined();
    }
    const read = ofKind(run, Kind.IommuFaultRead);
    expect(read.map(({ a, b }) => [a, b])).toEqual(faults.map(({ a, b }) => [a, b]));
    expect(ofKind(run, Kind.IommuUnrecorded)).toEqual([]);
    for (const [index, row] of read.entries()) {
      const chain = [];
      for (let at = row.cause; at >= 0; at = run.rows[at].cause) chain.push(run.rows[at]);
      expect(chain.map(({ kind }) => kind).slice(0, 3)).toEqual([Kind.IrqAccept, Kind.Msi, Kind.IommuFault]);
      expect(chain[2].row).toBe(faults[index].row);
    }
  });
});
