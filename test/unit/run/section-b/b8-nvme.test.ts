/** Row B8: an NVMe disk under KVM and QEMU, and a trace that agrees with what its driver counted. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareRun } from '../../../../src/run/prepare';
import { RunSession } from '../../../../src/run/session';
import { SnapshotError } from '../../../../src/run/snapshot';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind, kinds } from '../../../../src/trace/vocabulary/events';
import { environment, sample } from '../../../support/runs';
import { between, countedRun, mark, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const NAME = 'b8-nvme';
const Mark = { writes: 2, flushes: 3, reads: 4, compared: 5, refused: 6, end: 7 } as const;
/** Opcodes of the NVM command set. */
const Op = { flush: 0, write: 1, read: 2 } as const;
const DOORBELLS = 0x1000;
const PAGE = 4096;
/** What the driver asks for: as its source says. */
const REQUEST_BYTES = 5 * PAGE;
const FIRST_OFFSET = 1024;

describe('B8: an NVMe disk under KVM', () => {
  let run: CountedRun;
  let nvme: number;
  let counted: {
    adminCommands: number;
    ioCommands: number;
    sqDoorbells: number;
    cqDoorbells: number;
    interrupts: number;
    written: number;
    read: number;
    status: number;
    vector: number;
    accesses: number;
  };

  beforeAll(async () => {
    run = await countedRun(NAME);
    nvme = trackOf(run, 'nvme');
    const [
      adminCommands,
      ioCommands,
      sqDoorbells,
      cqDoorbells,
      interrupts,
      written,
      read,
      status,
      ,
      ,
      ...rest
    ] = run.words('b8_log');
    const [vector, accesses] = rest;
    counted = {
      ...{ adminCommands, ioCommands, sqDoorbells, cqDoorbells, interrupts },
      ...{ written, read, status, vector, accesses },
    };
  });

  const part = (from: number, to: number, rows = run.rows): TraceEvent[] =>
    between(rows, mark(run, from), mark(run, to));

  it('ends well, and holds what it expects', () => {
    expect(run.end.meta.message).toBeUndefined();
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(counted.status).toBe(0x80);
  });

  it('takes and completes each I/O command once, with as many bytes as the driver asked for', () => {
    const submitted = ofKind(run, Kind.IoSubmit, nvme);
    const completed = ofKind(run, Kind.IoComplete, nvme);
    expect(submitted.length).toBe(counted.ioCommands);
    expect(completed.length).toBe(counted.ioCommands);
    const bytes = (opcode: number): number =>
      completed.filter(({ a }) => a === opcode).reduce((sum, { b }) => sum + b, 0);
    expect(bytes(Op.write)).toBe(counted.written);
    expect(bytes(Op.read)).toBe(counted.read);
    expect(bytes(Op.flush)).toBe(0);
    // The read beyond the end.
    expect(part(Mark.compared, Mark.refused, completed).map(({ a, b }) => [a, b])).toEqual([[Op.read, 0]]);
  });

  it('has a doorbell row and an exit for each doorbell that the driver rang', () => {
    const doorbells = ofKind(run, Kind.Doorbell, nvme);
    expect(doorbells.length).toBe(counted.sqDoorbells + counted.cqDoorbells);
    const writes = ofKind(run, Kind.MmioWrite, nvme).filter(({ a }) => a >= DOORBELLS && a < 0x4000);
    expect(writes.map(({ a, b }) => [a, b])).toEqual(doorbells.map(({ a, b }) => [a, b]));
    // Tails are at multiples of 8, heads between.
    expect(doorbells.filter(({ a }) => a % 8 === 0).length).toBe(counted.sqDoorbells);
  });

  it('reads and writes the registers as often as the driver counted', () => {
    const accesses = [Kind.MmioRead, Kind.MmioWrite].flatMap((kind) =>
      ofKind(run, kind, nvme).filter(({ a }) => a < DOORBELLS),
    );
    expect(accesses.length).toBe(counted.accesses);
  });

  it('interrupts by one message for each I/O completion, which the guest may take together', () => {
    const messages = ofKind(run, Kind.Msi, nvme);
    expect(messages.length).toBe(counted.ioCommands);
    expect(new Set(messages.map(({ b }) => b))).toEqual(new Set([counted.vector]));
    const handled = ofKind(run, Kind.Handler).filter(({ a }) => a === counted.vector);
    expect(handled.length).toBe(counted.interrupts);
    expect(counted.interrupts).toBeLessThanOrEqual(counted.ioCommands);
  });

  it('moves the data page by page, as the PRP lists say', () => {
    const dma = run.store.meta.tracks.find(({ name, type }) => name === 'nvme' && type === 'dma');
    expect(dma).toBeDefined();
    const ofDma = (kind: number, from: number, to: number): number[] =>
      part(from, to, ofKind(run, kind, dma!.id)).map(({ b }) => b);
    const requests = counted.written / REQUEST_BYTES;
    const sizes = [PAGE - FIRST_OFFSET, ...new Array<number>(4).fill(PAGE), FIRST_OFFSET];
    const expected = Array.from({ length: requests }, () => sizes)
      .flat()
      .sort();
    // Beside the data: commands of 64 bytes, and lists of five entries.
    const large = (all: number[]): number[] => all.filter((bytes) => bytes >= FIRST_OFFSET).sort();
    expect(large(ofDma(Kind.DmaRead, Mark.writes, Mark.flushes))).toEqual(expected);
    expect(large(ofDma(Kind.DmaWrite, Mark.reads, Mark.compared))).toEqual(expected);
    expect(ofDma(Kind.DmaRead, Mark.writes, Mark.flushes).filter((bytes) => bytes === 5 * 8).length).toBe(
      requests,
    );
  });

  it('works on several commands at once', () => {
    const work = part(Mark.writes, Mark.flushes, ofKind(run, Kind.DeviceWork, nvme));
    const atOnce = (row: TraceEvent): number =>
      work.filter(({ start, duration }) => start <= row.start && start + duration > row.start).length;
    expect(Math.max(...work.map(atOnce))).toBeGreaterThan(1);
  });

  it('leaves the guest once for each access to the device', () => {
    const exits = run.rows.filter(({ kind }) => kinds.get(kind)?.name === 'exit.EPT_MISCONFIG');
    const perPage = run.log.entries.filter(({ isPort, address }) => !isPort && address < 0xfec0_0000);
    const accesses = perPage.reduce((sum, { reads, writes }) => sum + reads + writes, 0);
    const ept = run.rows.filter(({ kind }) => kinds.get(kind)?.name === 'exit.EPT_VIOLATION');
    expect(exits.length + ept.length).toBe(accesses);
  });

  it('runs without a VMM as well', async () => {
    const bare = await countedRun(NAME, (text) => text.replace('"vmm": "kvm"', '"vmm": "none"'));
    expect(bare.end.summary.vms[0]?.exitCode).toBe(0);
    expect(ofKind(bare, Kind.IoComplete).length).toBe(counted.ioCommands);
  });
});

describe('the image of a disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-nvme-'));
  const image = join(folder, 'disk.img');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const text = (): string =>
    readFileSync(sample(NAME), 'utf8').replace(
      '"sizeMiB": 16',
      `"sizeMiB": 16, "image": ${JSON.stringify(image)}`,
    );
  const prepare = () => prepareRun({ ...environment, file: sample(NAME), text: text() });

  it('is what the disk begins with, and stays as it was', async () => {
    const bytes = Buffer.alloc(1 << 20, 0x5a);
    writeFileSync(image, bytes);
    const run = await countedRun(NAME, text);
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(Buffer.compare(readFileSync(image), bytes)).toBe(0);
    const prepared = await prepare();
    if (!prepared.ok) throw new Error('not prepared');
    const [disk] = prepared.job.guests[0].images ?? [];
    expect(disk?.device).toBe(0);
    expect(Buffer.compare(disk?.bytes ?? new Uint8Array(0), bytes)).toBe(0);
  });

  it('belongs to the run: a snapshot goes on with no other', async () => {
    writeFileSync(image, 'one');
    const first = await prepare();
    writeFileSync(image, 'two');
    const second = await prepare();
    if (!first.ok || !second.ok) throw new Error('not prepared');
    const session = new RunSession(first.job);
    session.runInstructions(1000);
    const snapshot = session.snapshot();
    expect(() => RunSession.restore(first.job, snapshot)).not.toThrow();
    expect(() => RunSession.restore(second.job, snapshot)).toThrow(SnapshotError);
  });

  it('that is missing, or too large, is told at its place', async () => {
    rmSync(image, { force: true });
    const line =
      text()
        .split('\n')
        .findIndex((each) => each.includes('"image"')) + 1;
    const missing = await prepare();
    expect(missing.ok).toBe(false);
    expect(missing.problems[0]).toMatchObject({ line, severity: 'error' });
    expect(missing.problems[0]?.message).toContain('disk.img does not exist');
    writeFileSync(image, Buffer.alloc((16 << 20) + 1));
    const large = await prepare();
    expect(large.ok).toBe(false);
    expect(large.problems[0]).toMatchObject({ line });
    expect(large.problems[0]?.message).toContain('make "sizeMiB" 17 or more');
  });
});
