/** Row C1: a virtio disk under KVM and QEMU, and a trace that agrees with what its driver counted. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareRun } from '../../../../src/run/prepare';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { environment, sample } from '../../../support/runs';
import { between, countedRun, mark, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const NAME = 'c1-virtio-blk';
const Mark = { writes: 2, flushes: 3, reads: 4, compared: 5, cleared: 6, named: 7, refused: 8 } as const;
const Type = { read: 0, write: 1, flush: 4, name: 8, discard: 11, zeroes: 13 } as const;
const IOERR = 1;
const PAGE = 4096;
/** What the driver asks for: as its source says. */
const REQUEST_BYTES = 5 * PAGE;
const FIRST_OFFSET = 1024;
const SECTOR = 512;

/** What the driver has counted. */
function logOf(run: CountedRun) {
  const [requests, written, read, kicks, kicksKept, interrupts, refused, ...rest] = run.words('c1_log');
  const [blocks, blockBytes, vector, capacity] = rest;
  return {
    ...{ requests, written, read, kicks, kicksKept, interrupts, refused },
    ...{ blocks, blockBytes, vector, capacity },
  };
}

const ioRows = (run: CountedRun, kind: number): number[][] => ofKind(run, kind).map(({ a, b }) => [a, b]);

describe('C1: a virtio disk under KVM', () => {
  let run: CountedRun;
  let disk: number;
  let counted: ReturnType<typeof logOf>;

  beforeAll(async () => {
    run = await countedRun(NAME);
    disk = trackOf(run, 'virtio-blk');
    counted = logOf(run);
  });

  const part = (from: number, to: number, rows = run.rows): TraceEvent[] =>
    between(rows, mark(run, from), mark(run, to));

  it('ends well, and holds what it expects', () => {
    expect(run.end.meta.message).toBeUndefined();
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(counted.refused).toBe(IOERR);
    expect(counted.capacity).toBe((16 << 20) / SECTOR);
  });

  it('takes and completes each request once, with as many bytes as the driver asked for', () => {
    const completed = ofKind(run, Kind.IoComplete, disk);
    expect(completed.length).toBe(counted.requests);
    expect(ofKind(run, Kind.IoSubmit, disk).length).toBe(counted.requests);
    const bytes = (type: number): number =>
      completed.filter(({ a }) => a === type).reduce((sum, { b }) => sum + b, 0);
    expect(bytes(Type.write)).toBe(counted.written);
    expect(bytes(Type.read)).toBe(counted.read);
    // The read beyond the end, and the discard with a flag.
    expect(part(Mark.named, Mark.refused, completed).map(({ a, b }) => [a, b])).toEqual([[Type.read, 0]]);
    const cleared = part(Mark.compared, Mark.cleared, completed).filter(({ a }) => a !== Type.read);
    expect(cleared.map(({ a, b }) => [a, b > 0])).toEqual([
      [Type.discard, true],
      [Type.zeroes, true],
      [Type.discard, false],
    ]);
  });

  it('exits once for each notification, and for no request', () => {
    expect(ofKind(run, Kind.Ioeventfd).length).toBe(counted.kicks);
    expect(counted.kicks + counted.kicksKept).toBeLessThan(counted.requests);
    expect(part(Mark.writes, Mark.flushes, ofKind(run, Kind.Ioeventfd)).length).toBe(1);
  });

  it('shows the driver each request once, and interrupts by one message or says why not', () => {
    const shown = ofKind(run, Kind.VirtqUsed, disk);
    expect(shown.reduce((sum, { b }) => sum + b, 0)).toBe(counted.requests);
    const sent = ofKind(run, Kind.VirtqInterrupt, disk).length;
    expect(sent + ofKind(run, Kind.VirtqSuppressed, disk).length).toBe(shown.length);
    const messages = ofKind(run, Kind.Msi, disk);
    expect(messages.length).toBe(sent);
    expect(new Set(messages.map(({ b }) => b))).toEqual(new Set([counted.vector]));
    const handled = ofKind(run, Kind.Handler).filter(({ a }) => a === counted.vector);
    expect(handled.length).toBe(counted.interrupts);
  });

  it('moves the data part by part, as the descriptors say', () => {
    const dma = run.store.meta.tracks.find(({ name, type }) => name === 'virtio-blk' && type === 'dma');
    expect(dma).toBeDefined();
    const large = (kind: number, from: number, to: number): number[] =>
      part(from, to, ofKind(run, kind, dma!.id))
        .map(({ b }) => b)
        .filter((bytes) => bytes >= FIRST_OFFSET)
        .sort();
    const requests = counted.written / REQUEST_BYTES;
    const sizes = [PAGE - FIRST_OFFSET, ...new Array<number>(4).fill(PAGE), FIRST_OFFSET];
    const expected = Array.from({ length: requests }, () => sizes)
      .flat()
      .sort();
    expect(large(Kind.DmaRead, Mark.writes, Mark.flushes)).toEqual(expected);
    expect(large(Kind.DmaWrite, Mark.reads, Mark.compared)).toEqual(expected);
  });

  it('works on several requests at once', () => {
    const work = part(Mark.writes, Mark.flushes, ofKind(run, Kind.DeviceWork, disk));
    const atOnce = (row: TraceEvent): number =>
      work.filter(({ start, duration }) => start <= row.start && start + duration > row.start).length;
    expect(Math.max(...work.map(atOnce))).toBeGreaterThan(1);
  });

  it.each([
    ['without a VMM', '"vmm": "kvm"', '"vmm": "none"'],
    ['with a packed ring', '"REQUESTS": 8', '"REQUESTS": 8, "USE_PACKED": 1'],
    ['through indirect tables', '"REQUESTS": 8', '"REQUESTS": 8, "USE_INDIRECT": 1'],
    ['with blocks of 4096 bytes', '"blockSize": 512', '"blockSize": 4096'],
    ['in the order of the ring', '"sizeMiB": 16', '"sizeMiB": 16, "inOrder": true'],
    ['by user exits', '"sizeMiB": 16', '"sizeMiB": 16, "ioeventfd": false'],
  ])('does the same %s', async (_name, from, to) => {
    const other = await countedRun(NAME, (text) => text.replace(from, to));
    expect(other.end.summary.vms[0]?.exitCode).toBe(0);
    const sorted = (rows: number[][]): string[] => rows.map((row) => row.join()).sort();
    for (const kind of [Kind.IoSubmit, Kind.IoComplete])
      expect(sorted(ioRows(other, kind))).toEqual(sorted(ioRows(run, kind)));
    const log = logOf(other);
    expect(log.kicks).toBeLessThan(log.requests);
    const kicks = ofKind(other, Kind.VirtqKick, trackOf(other, 'virtio-blk')).length;
    expect(kicks).toBe(log.kicks);
  });

  it('refuses writes when it is read only', async () => {
    const other = await countedRun(NAME, (text) =>
      text.replace('"sizeMiB": 16', '"sizeMiB": 16, "readOnly": true'),
    );
    // The driver wants to discard, which such a disk does not offer.
    expect(other.end.summary.vms[0]?.exitCode).not.toBe(0);
    expect(ofKind(other, Kind.IoComplete)).toEqual([]);
  });
});

describe('the image of a virtio disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-virtio-blk-'));
  const image = join(folder, 'disk.img');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const text = (): string =>
    readFileSync(sample(NAME), 'utf8').replace(
      '"sizeMiB": 16',
      `"sizeMiB": 16, "image": ${JSON.stringify(image)}`,
    );

  it('is what the disk begins with, and stays as it was', async () => {
    // What the driver neither writes nor clears is not zero in it.
    const bytes = Buffer.alloc(16 << 20, 0x5a);
    writeFileSync(image, bytes);
    const run = await countedRun(NAME, text);
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(Buffer.compare(readFileSync(image), bytes)).toBe(0);
  });

  it('that is too large is told at its place', async () => {
    writeFileSync(image, Buffer.alloc((16 << 20) + 1));
    const large = await prepareRun({ ...environment, file: sample(NAME), text: text() });
    expect(large.ok).toBe(false);
    expect(large.problems[0]?.message).toContain('make "sizeMiB" 17 or more');
  });
});
