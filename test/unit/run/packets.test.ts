/** The packets of a run as a capture, and a capture as the packets of a run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunJob } from '../../../src/protocol/run';
import { PacketFile, withFrames } from '../../../src/run/packet-file';
import { prepareRun } from '../../../src/run/prepare';
import { RunSession } from '../../../src/run/session';
import { startRun } from '../../../src/run/start';
import { readCapture } from '../../../src/trace/exchange/capture';
import { framesOf, type FrameBatch } from '../../../src/trace/exchange/frames';
import { Kind } from '../../../src/trace/vocabulary/events';
import { freely, throughText } from '../../support/journeys';
import { environment, jobOf, runJob, sample } from '../../support/runs';

const SCENARIO = 'b7-e1000-emulated';

interface Passed {
  link: number;
  time: number;
  frame: number[];
}

const listed = (batch: FrameBatch): Passed[] =>
  [...framesOf(batch)].map(({ link, time, frame }) => ({ link, time, frame: [...frame] }));

let job: RunJob;
let passed: Passed[];
beforeAll(async () => {
  job = await jobOf(sample(SCENARIO));
  const session = new RunSession(withFrames(job));
  while (session.step());
  passed = listed(session.takeFrames());
});

describe('the packets of a run', () => {
  it('are those of its trace, at the ends of their way, in order', () => {
    const { store } = runJob(job);
    const transits = Array.from({ length: store.rows }, (_, row) => store.get(row))
      .filter(({ kind }) => kind === Kind.LinkTransit)
      .map(({ start, duration, a }) => ({ time: start + duration, length: a }))
      .sort((x, y) => x.time - y.time);
    expect(transits).toHaveLength(2 * 64);
    expect(passed.map(({ time, frame }) => ({ time, length: frame.length }))).toEqual(transits);
    // The echo sends back what came, with the addresses swapped.
    const sent = passed.filter((_, i) => i % 2 === 0).map(({ frame }) => frame.slice(12));
    expect(passed.filter((_, i) => i % 2 === 1).map(({ frame }) => frame.slice(12))).toEqual(sent);
  });

  it('change nothing in the trace, and are not handed out unless they are asked for', () => {
    expect(freely(withFrames(job)).traceHash).toBe(freely(job).traceHash);
    const session = new RunSession(job);
    while (session.step());
    expect(session.frameBytes).toBe(0);
  });

  it('go on in another session: what waited there is in its snapshot', () => {
    const half = Math.floor(passed[passed.length / 2].time);
    const quarter = Math.floor(passed[passed.length / 4].time);
    const one = new RunSession(withFrames(job));
    one.runTo(quarter);
    const before = listed(one.takeFrames());
    one.runTo(half);
    const snapshot = throughText(one.snapshot());
    const two = RunSession.restore(withFrames(job), snapshot);
    while (two.step());
    expect([...before, ...listed(two.takeFrames())]).toEqual(passed);
    expect(before.length).toBeGreaterThan(0);
  });

  it('come out of a worker as one capture', async () => {
    const pieces: Uint8Array[] = [];
    const file = new PacketFile(job, 'Trapline', async (bytes) => {
      await Promise.resolve();
      pieces.push(bytes);
    });
    const run = startRun(withFrames(job), environment, {
      started: (meta) => file.started(meta),
      delta: () => undefined,
      serial: () => undefined,
      frames: (batch) => file.frames(batch),
    });
    await run.ended;
    await file.finished();
    const { frames } = readCapture(Buffer.concat(pieces));
    expect(frames.map(({ frame }) => [...frame])).toEqual(passed.map(({ frame }) => frame));
    const ns = (cycles: number): number => Math.round(cycles / 2.9);
    expect(frames.map(({ atNs }) => atNs)).toEqual(passed.map(({ time }) => ns(time) - ns(passed[0].time)));
  });

  it('a capture that cannot be written says so once, and the run goes on', async () => {
    const file = new PacketFile(job, 'Trapline', () => Promise.reject(new Error('the disk is full')));
    expect(file.begun).toBe(false);
    runJob(withFrames(job));
    file.started(new RunSession(job).meta());
    await file.frames({ ...new RunSession(withFrames(job)).takeFrames() });
    expect(file.begun).toBe(true);
    await expect(file.finished()).rejects.toThrow('the disk is full');
  });
});

describe('a capture as a peer', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'trapline-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The scenario with other peers on its link. */
  const textWith = (peers: string): string => `{
    "vms": [{ "guest": { "elf": "hello.elf" } }],
    "links": [{ "id": "wire", "gbps": 10, "latencyNs": 0, "peers": [${peers}] }],
    "stop": { "when": "time", "afterMs": 1 }
  }`;
  const prepare = async (peers: string) => {
    const hello = await jobOf(sample('hello'));
    writeFileSync(join(folder, 'hello.elf'), hello.guests[0].elf);
    const file = join(folder, 's.trapline.json');
    return prepareRun({ ...environment, file, text: textWith(peers) });
  };
  const record = (changed: RunJob): Passed[] => {
    const session = new RunSession(withFrames(changed));
    while (session.step());
    return listed(session.takeFrames());
  };

  it('sends the packets of another run at their times', async () => {
    const first = await prepare(
      '{ "kind": "generate", "count": 20, "sizes": "imix", "gaps": "exponential", "intervalNs": 1000 }',
    );
    if (!first.ok) throw new Error(first.problems[0].message);
    const pieces: Uint8Array[] = [];
    const file = new PacketFile(first.job, 'Trapline', (bytes) => Promise.resolve(void pieces.push(bytes)));
    const session = new RunSession(withFrames(first.job));
    file.started(session.meta());
    while (session.step());
    const batch = session.takeFrames();
    await file.frames(batch);
    const generated = listed(batch);
    expect(generated).toHaveLength(20);
    writeFileSync(join(folder, 'x.pcapng'), Buffer.concat(pieces));

    const second = await prepare('{ "kind": "pcap", "file": "x.pcapng", "atNs": 7000 }');
    if (!second.ok) throw new Error(second.problems[0].message);
    const replayed = record(second.job);
    expect(replayed.map(({ frame }) => frame)).toEqual(generated.map(({ frame }) => frame));
    // A capture has the times at which frames had passed: each is begun then, or when the wire is free for it.
    const cycles = (bytes: number): number => Math.ceil((bytes * 8 * 2.9) / 10);
    let free = 0;
    const expected = generated.map(({ time, frame }) => {
      const start = Math.max(time - generated[0].time + 7000 * 2.9, free);
      free = start + cycles(frame.length + 24);
      return start + cycles(frame.length + 12);
    });
    replayed.forEach(({ time }, i) => expect(Math.abs(time - expected[i])).toBeLessThan(2.9 * 1 + 1));
    expect(new RunSession(second.job).snapshot().identity.captures).toHaveLength(1);
  });

  it('is of the run: a snapshot is not restored with another one', async () => {
    const prepared = await prepare('{ "kind": "pcap", "file": "x.pcapng" }');
    if (!prepared.ok) throw new Error(prepared.problems[0].message);
    const snapshot = new RunSession(prepared.job).snapshot();
    const bytes = prepared.job.captures!['x.pcapng'].slice();
    bytes[bytes.length - 10] ^= 1;
    const changed = { ...prepared.job, captures: { 'x.pcapng': bytes } };
    expect(() => RunSession.restore(changed, snapshot)).toThrow('a capture is not the same');
  });

  it.each([
    ['missing.pcap', undefined, /The capture .*missing\.pcap does not exist/],
    ['text.pcap', 'no capture', /The capture .*text\.pcap cannot be read: it is no capture/],
  ])('that will not do is told of at its line: %s', async (name, contents, message) => {
    if (contents !== undefined) writeFileSync(join(folder, name), contents);
    for (const peers of [`{ "kind": "sink" }, { "kind": "pcap", "file": "${name}" }`]) {
      const prepared = await prepare(peers);
      expect(prepared.ok).toBe(false);
      expect(prepared.problems).toHaveLength(1);
      expect(prepared.problems[0]).toMatchObject({
        field: 'links[0].peers[1].file',
        severity: 'error',
        message: expect.stringMatching(message),
      });
    }
  });
});
