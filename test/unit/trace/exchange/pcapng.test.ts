/** Written captures, read by our own reader and, where they are installed, by tcpdump and tshark. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCapture } from '../../../../src/trace/exchange/capture';
import { FrameLog, framesOf, NO_FRAMES, type FrameBatch } from '../../../../src/trace/exchange/frames';
import { PcapngWriter } from '../../../../src/trace/exchange/pcapng';

const FREQUENCY = 2.9e9;
const LINKS = [
  { name: 'wire', bitsPerSecond: 10e9 },
  { name: 'backbone', bitsPerSecond: 0.1e9 },
];

interface Passed {
  link: number;
  time: number;
  frame: Uint8Array;
}

function batchOf(passed: readonly Passed[]): FrameBatch {
  const log = new FrameLog();
  for (const { link, time, frame } of passed) log.add(link, time, frame);
  return log.take();
}

function captureOf(...batches: readonly FrameBatch[]): Uint8Array {
  const writer = new PcapngWriter(LINKS, FREQUENCY);
  return Buffer.concat([writer.header('Trapline 1.2.3'), ...batches.map((batch) => writer.frames(batch))]);
}

const passed = fc.record({
  link: fc.nat({ max: 1 }),
  time: fc.nat({ max: 1e14 }),
  frame: fc.uint8Array({ minLength: 14, maxLength: 200 }),
});

describe('frames on their way', () => {
  it('come in the order of their times, those of one time as they were added', () => {
    fc.assert(
      fc.property(fc.array(passed), (all) => {
        const sorted = all.map((each, i) => ({ ...each, i })).sort((x, y) => x.time - y.time || x.i - y.i);
        const found = [...framesOf(batchOf(all))];
        expect(found).toEqual(sorted.map(({ link, time, frame }) => ({ link, time, frame })));
      }),
    );
  });

  it('are copies, are taken once, and can be put back', () => {
    const log = new FrameLog();
    const frame = new Uint8Array(70_000).fill(7);
    log.add(1, 5, frame);
    frame.fill(0);
    const seen = log.peek();
    expect(log.bytes).toBe(70_000);
    expect(Buffer.compare(log.take().bytes, seen.bytes)).toBe(0);
    expect(seen.bytes.every((byte) => byte === 7)).toBe(true);
    expect(log.take()).toEqual(NO_FRAMES);
    log.load(seen);
    log.load(seen);
    const again = log.take();
    expect([again.bytes.length, again.length.length]).toEqual([70_000, 1]);
    expect(Buffer.compare(again.bytes, seen.bytes)).toBe(0);
  });
});

describe('a written capture', () => {
  it('is read back: the same frames, nanoseconds apart as they were cycles', () => {
    fc.assert(
      fc.property(fc.array(passed, { minLength: 1 }), (all) => {
        const batch = batchOf(all);
        const { frames, leftOut } = readCapture(captureOf(batch));
        expect(leftOut).toBe(0);
        expect(frames.map(({ frame }) => frame)).toEqual([...framesOf(batch)].map(({ frame }) => frame));
        const ns = (cycles: number): number => Math.round((cycles * 1e9) / FREQUENCY);
        const first = ns(batch.time[0]);
        frames.forEach(({ atNs }, i) =>
          expect(Math.abs(atNs - (ns(batch.time[i]) - first))).toBeLessThanOrEqual(1),
        );
      }),
    );
  });

  it('may be written in any pieces', () => {
    const all = [1, 2, 3, 4].map((i) => ({ link: 0, time: i * 1000, frame: new Uint8Array(60 + i).fill(i) }));
    const pieces = all.map((each) => batchOf([each]));
    expect(captureOf(NO_FRAMES, ...pieces)).toEqual(captureOf(batchOf(all)));
  });
});

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

describe('other programs', () => {
  /** Of an experimental Ethertype, which nobody takes apart. */
  const frame = (length: number, fill: number): Uint8Array => {
    const bytes = new Uint8Array(length).fill(fill);
    bytes.set([0x88, 0xb5], 12);
    return bytes;
  };
  const all = [
    { link: 0, time: 2_900, frame: frame(60, 1) },
    { link: 1, time: 2.9e9 + 29, frame: frame(61, 2) },
    { link: 0, time: 2.9e9 * 7, frame: frame(1514, 3) },
  ];
  let folder: string;
  let file: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'trapline-'));
    file = join(folder, 'x.pcapng');
    writeFileSync(file, captureOf(batchOf(all)));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.skipIf(!has('tcpdump'))('tcpdump reads times and lengths (needs tcpdump)', () => {
    const { stdout, status } = spawnSync('tcpdump', ['-r', file, '-tt', '--nano', '-n', '-e', '-q', '-#'], {
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    const lines = stdout.split('\n').filter((line) => /^ +\d+ /.test(line));
    expect(lines.map((line) => [/ (\d+\.\d{9}) /.exec(line)?.[1], /length (\d+)/.exec(line)?.[1]])).toEqual([
      ['0.000001000', '60'],
      ['1.000000010', '61'],
      ['7.000000000', '1514'],
    ]);
  });

  it.skipIf(!has('tshark'))('tshark reads links, speeds, times and bytes (needs tshark)', () => {
    const fields = ['frame.time_epoch', 'frame.interface_name', 'frame.len', 'eth.src'];
    const { stdout, status } = spawnSync(
      'tshark',
      ['-r', file, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])],
      { encoding: 'utf8' },
    );
    expect(status).toBe(0);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split('\t')),
    ).toEqual([
      ['0.000001000', 'wire', '60', '01:01:01:01:01:01'],
      ['1.000000010', 'backbone', '61', '02:02:02:02:02:02'],
      ['7.000000000', 'wire', '1514', '03:03:03:03:03:03'],
    ]);
  });
});
