/** What a walk's report becomes as rows: each entry by its field of the specification, also in scalable mode and by two stages. */
import { expect, it } from 'vitest';
import type { WalkReference, WalkReport } from '../../../../src/machine/iommu/observer';
import { Recorder } from '../../../../src/trace/record/recorder';
import { entryKinds, Kind } from '../../../../src/trace/vocabulary/events';
import { IommuTrace } from '../../../../src/vmm/iommu/iommu-trace';
import { rowsOf } from './world';

/** Words that tell where they are: the field's number in the upper one. */
const words = (count: number): Uint32Array =>
  Uint32Array.from({ length: count }, (_, index) =>
    index % 2 === 0 ? 0xfff00000 + index : 0xabc00000 + index,
  );
/** Bits 51 to 0 of the field that begins at a word. */
const value = (word: number): number => (word + 1) * 2 ** 32 + 0xfff00000 + word;

function rowsOfWalk(report: Partial<WalkReport> & { references: readonly WalkReference[] }) {
  const recorder = new Recorder();
  const track = recorder.addTrack({ type: 'iommu', name: 'IOMMU', group: 'host', vm: -1 });
  const pen = new IommuTrace(
    recorder,
    () => 1000,
    () => track,
    { lookup: 5, reference: 100 },
  );
  pen.walked({
    request: { requester: 0x08, pasid: undefined, iova: 0x5000, write: false },
    domain: 1,
    tableReferences: 0,
    pageReferences: 0,
    levels: { first: 0, second: 0 },
    structureHits: 0,
    updates: 0,
    page: undefined,
    cycles: 905,
    ...report,
  });
  return rowsOf(recorder, 5000);
}

it('shows the three fields of a PASID entry, and the stages of a nested walk', () => {
  const references: WalkReference[] = [
    { what: 'root', level: 0, address: 0x1000, words: words(4) },
    { what: 'context', level: 0, address: 0x2000, words: words(8) },
    { what: 'pasid-dir', level: 0, address: 0x3000, words: words(2) },
    { what: 'pasid', level: 0, address: 0x4000, words: words(16) },
    { what: 'second', level: 4, address: 0x5000, words: words(2) },
    { what: 'first', level: 4, address: 0x6000, words: words(2) },
  ];
  const page = { address: 0x9000, size: 4096, read: true, write: true };
  const [walk, ...rest] = rowsOfWalk({
    references,
    pageReferences: 2,
    levels: { first: 4, second: 4 },
    page,
  });
  expect([walk.kind, walk.start, walk.duration, walk.a, walk.b]).toEqual([Kind.IommuWalk, 1000, 905, 2, 8]);
  expect(rest.map(({ kind, start, a, b, cause }) => [kind, start, a, b, cause])).toEqual(
    [
      [entryKinds.root, 0, 0x1000, value(0)],
      [entryKinds.scalableContext, 1, 0x2000, value(0)],
      [entryKinds.pasidDirectory, 2, 0x3000, value(0)],
      [entryKinds.pasid, 3, 0x4000, value(0)],
      [entryKinds.pasidDomain, 3, 0x4008, value(2)],
      [entryKinds.pasidFirst, 3, 0x4010, value(4)],
      [entryKinds.ss4, 4, 0x5000, value(0)],
      [entryKinds.fs4, 5, 0x6000, value(0)],
    ]
      .map(([kind, at, a, b]) => [kind, 1005 + at * 100, a, b, walk.row])
      .concat([[Kind.IommuTranslation, 1905, 0x5000, 0x9000, walk.row]]),
  );
});

it('shows the half of a root entry that is for the device, in scalable mode', () => {
  const references: WalkReference[] = [
    { what: 'root', level: 0, address: 0x1000, words: words(4) },
    { what: 'context', level: 0, address: 0x2000, words: words(8) },
  ];
  const request = { requester: 0x80, pasid: undefined, iova: 0, write: false };
  const [, root] = rowsOfWalk({ references, request });
  expect([root.a, root.b]).toEqual([0x1008, value(2)]);
});

it('has no row of an entry that no memory holds', () => {
  const references: WalkReference[] = [{ what: 'root', level: 0, address: 0x1000, words: words(0) }];
  expect(rowsOfWalk({ references }).map(({ kind }) => kind)).toEqual([Kind.IommuWalk]);
});
