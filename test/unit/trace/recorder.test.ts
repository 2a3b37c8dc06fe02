import { describe, expect, it } from 'vitest';
import { Kind } from '../../../src/trace/vocabulary/events';
import { hashOf } from '../../../src/trace/record/hash';
import { Recorder } from '../../../src/trace/record/recorder';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';

function recorderWithTrack(options = {}): Recorder {
  const recorder = new Recorder(options);
  recorder.addTrack({ type: 'vcpu', name: 'vCPU 0', group: 'vm0', vm: 0 });
  return recorder;
}

describe('Recorder', () => {
  it('numbers rows from 1 as references and keeps the current cause and place', () => {
    const recorder = recorderWithTrack();
    const first = recorder.instant(5, 0, Kind.IrqRaise, 1, 2);
    recorder.cause = first;
    recorder.place = recorder.internPlace(0, 0x8010_0000, 0xffff_ffff);
    const second = recorder.span(7, 3, 0, Kind.Handler, 9, 0);
    expect([first, second]).toEqual([1, 2]);
    const store = new TraceStore(emptyMeta('t', 1));
    store.append(recorder.takeDelta());
    expect(store.get(1)).toEqual({
      row: 1,
      start: 7,
      duration: 3,
      open: false,
      track: 0,
      kind: Kind.Handler,
      place: 1,
      a: 9,
      b: 0,
      cause: 0,
    });
    expect(store.meta.places).toEqual([{ id: 1, vm: 0, rip: '0xffffffff80100000' }]);
  });

  it('interns an address once per VM, also through cache collisions', () => {
    const recorder = new Recorder();
    const ids = Array.from({ length: 5000 }, (_, i) => recorder.internPlace(i % 2, i * 4096, 0));
    const again = Array.from({ length: 5000 }, (_, i) => recorder.internPlace(i % 2, i * 4096, 0));
    expect(again).toEqual(ids);
    expect(new Set(ids).size).toBe(5000);
    expect(recorder.internPlace(1, 0, 0)).not.toBe(recorder.internPlace(0, 0, 0));
  });

  it('counts and sums what it does not record', () => {
    const recorder = recorderWithTrack({ records: (kind: number) => kind !== Kind.IommuWalk });
    for (let i = 1; i <= 10; i++) expect(recorder.span(i, 1, 0, Kind.IommuWalk, 4, 2)).toBe(0);
    const open = recorder.open(20, 0, Kind.IommuWalk, 24, 4);
    expect(open).toBe(0);
    recorder.close(open, 30);
    recorder.setArgs(open, 1, 1);
    recorder.instant(40, 0, Kind.IrqRaise, 0, 0);
    expect(recorder.rows).toBe(1);
    expect(recorder.counts()).toEqual([
      [0, Kind.IrqRaise, 1],
      [0, Kind.IommuWalk, 11],
    ]);
    expect(recorder.sums()).toEqual([[0, Kind.IommuWalk, 64]]);
  });

  it('keeps totals right when arguments are written later', () => {
    const recorder = recorderWithTrack();
    const walk = recorder.open(0, 0, Kind.IommuWalk, 1, 0);
    recorder.setArgs(walk, 24, 4);
    recorder.close(walk, 9);
    expect(recorder.sums()).toEqual([[0, Kind.IommuWalk, 24]]);
  });

  it('stops recording at the limit, says when, and goes on counting', () => {
    const recorder = recorderWithTrack({ maxEvents: 3 });
    const refs = [1, 2, 3, 4, 5].map((time) => recorder.instant(time * 10, 0, Kind.IrqRaise, 0, 0));
    expect(refs).toEqual([1, 2, 3, 0, 0]);
    expect(recorder.truncatedAt).toBe(40);
    expect(recorder.tables().gaps).toEqual([{ from: 40, why: 'limit', limit: 3 }]);
    recorder.finish(60);
    expect(recorder.tables().gaps).toEqual([{ from: 40, why: 'limit', limit: 3 }]);
    expect(recorder.counts()).toEqual([[0, Kind.IrqRaise, 5]]);
  });

  it('patches rows that were handed out while open, and lists those still open', () => {
    const recorder = recorderWithTrack();
    const outer = recorder.open(0, 0, Kind.SchedRun, 0, 0);
    const inner = recorder.open(10, 0, Kind.Handler, 1, 0);
    const first = recorder.takeDelta();
    expect([...first.open]).toEqual([0, 1]);
    recorder.close(inner, 25);
    recorder.setArgs(outer, 7, 8);
    const second = recorder.takeDelta();
    expect(second.chunks).toEqual([]);
    expect([...second.patches.row]).toEqual([0, 1]);
    expect([...second.patches.duration]).toEqual([0, 15]);
    expect([...second.patches.a]).toEqual([7, 1]);
    expect([...second.open]).toEqual([0]);
    expect(() => recorder.close(inner, 30)).toThrow(/not an open span/);
  });

  it('closes what is open at the end', () => {
    const recorder = recorderWithTrack();
    recorder.open(100, 0, Kind.GuestKernel, 0, 0);
    recorder.finish(350);
    const [chunk] = recorder.takeDelta().chunks;
    expect(chunk?.duration[0]).toBe(250);
    expect(recorder.instant(400, 0, Kind.IrqRaise, 0, 0)).toBe(0);
    expect(recorder.truncatedAt).toBeUndefined();
  });

  it('closes each open span once at the end, whoever else would still end it', () => {
    const recorder = recorderWithTrack();
    const spans = Array.from({ length: 100 }, (_, i) => recorder.open(i, 0, Kind.SchedRun, 0, 0));
    recorder.close(spans[40] ?? 0, 1000);
    recorder.finish(5000);
    recorder.finish(9000);
    for (const span of spans) recorder.close(span, 9000);
    const [chunk] = recorder.takeDelta().chunks;
    const expected = spans.map((_, i) => (i === 40 ? 1000 - i : 5000 - i));
    expect([...(chunk?.duration.subarray(0, 100) ?? [])]).toEqual(expected);
    expect(recorder.rows).toBe(100);
  });

  it('keeps what belongs to a recorded row beyond the limit, and no more', () => {
    const recorder = recorderWithTrack({ maxEvents: 2 });
    const [first, second] = [10, 20].map((time) => recorder.open(time, 0, Kind.DmaRead, 5e9, 0));
    // The high halves of the first took the second row.
    expect([first, second]).toEqual([1, 0]);
    recorder.close(first ?? 0, 10 + 2 ** 33);
    recorder.setArgs(first ?? 0, 7e9, 6e9);
    expect(recorder.instant(30, 0, Kind.IrqRaise, 0, 0)).toBe(0);
    expect(recorder.truncatedAt).toBe(20);
    const store = new TraceStore(emptyMeta('t', 1));
    store.append(recorder.takeDelta());
    expect(store.get(0)).toMatchObject({ duration: 2 ** 33, a: 7e9, b: 6e9 });
    expect(store.rows).toBe(3);
  });

  it('counts any number of kinds and tracks', () => {
    const recorder = new Recorder({ records: (kind) => kind % 2 === 0 });
    const counts = new Map<string, number>();
    for (let i = 0; i < 200; i++) recorder.addTrack({ type: 'thread', name: `${i}`, group: 'host', vm: -1 });
    for (let i = 0; i < 20_000; i++) {
      const [track, kind] = [(i * 7919) % 200, (i * 104_729) % 65_535];
      expect(recorder.instant(i, track, kind, 0, 0) !== 0).toBe(kind % 2 === 0);
      counts.set(`${track} ${kind}`, (counts.get(`${track} ${kind}`) ?? 0) + 1);
      if (i === 10_000) recorder.addTrack({ type: 'thread', name: 'more', group: 'host', vm: -1 });
    }
    const found = recorder.counts();
    expect(new Map(found.map(([track, kind, count]) => [`${track} ${kind}`, count]))).toEqual(counts);
    const again = new Recorder({ records: (kind) => kind % 2 === 0 });
    again.load(recorder.save());
    expect(again.counts()).toEqual(found);
    const order = found.map(([track, kind]) => track * 65_536 + kind);
    expect(order).toEqual([...order].sort((x, y) => x - y));
  });

  it('finds open spans among any number of them, in any order', () => {
    const recorder = recorderWithTrack();
    const open: number[] = [];
    let state = 1;
    const expected = new Map<number, number>();
    for (let i = 0; i < 20_000; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      if (open.length > 0 && (state >>> 8) % 1000 < open.length) {
        const [ref = 0] = open.splice((state >>> 4) % open.length, 1);
        recorder.close(ref, 50_000 + i);
        expected.set(ref - 1, 50_000 + i);
        expect(() => recorder.close(ref, 0)).toThrow(/not an open span/);
      } else {
        open.push(recorder.open(i, 0, Kind.SchedRun, 0, 0));
      }
    }
    expect(open.length).toBeGreaterThan(300);
    expect([...recorder.takeDelta().open]).toEqual(open.map((ref) => ref - 1).sort((x, y) => x - y));
    recorder.finish(90_000);
    const store = new TraceStore(emptyMeta('t', 1));
    store.append(recorder.takeDelta());
    for (const [row, end] of expected) expect(end).toBeGreaterThan(store.startOf(row));
  });

  it('keeps the full duration of a span beyond 32 bits', () => {
    const recorder = recorderWithTrack();
    const long = 5 * 2 ** 32 + 17;
    recorder.span(1, long, 0, Kind.Halted, 0, 0);
    const open = recorder.open(2, 0, Kind.Halted, 0, 0);
    const store = new TraceStore(emptyMeta('t', 1));
    store.append(recorder.takeDelta());
    recorder.close(open, 2 + long + 1);
    recorder.span(3, 2 ** 32 - 2, 0, Kind.Halted, 0, 0);
    store.append(recorder.takeDelta());
    expect(store.get(0).duration).toBe(long);
    expect(store.get(2).duration).toBe(long + 1);
    expect(store.get(4).duration).toBe(2 ** 32 - 2);
    expect(store.endTime).toBe(3 + long);
  });

  it('has one hash however often rows are handed out, and hashOf finds it again', () => {
    const run = (every: number): { hash: string; again: string } => {
      const recorder = recorderWithTrack();
      const store = new TraceStore(emptyMeta('t', 1));
      const whole = recorder.open(0, 0, Kind.SchedRun, 0, 0);
      for (let i = 1; i < 300_000; i++) {
        recorder.cause = i & 7 ? i : 0;
        recorder.span(i * 3, i % 5, 0, Kind.Handler, i, -i);
        if (i % every === 0) store.append(recorder.takeDelta());
      }
      recorder.close(whole, 1_000_000);
      recorder.open(1_000_000, 0, Kind.Halted, 0, 0);
      recorder.finish(2_000_000);
      const hash = recorder.traceHash();
      store.append(recorder.takeDelta());
      expect(store.rows).toBe(300_001);
      return { hash, again: hashOf(store) };
    };
    const seldom = run(1e9);
    const often = run(999);
    const blocks = run(65_536);
    expect(seldom.hash).toMatch(/^[0-9a-f]{16}$/);
    expect(
      new Set([seldom.hash, seldom.again, often.hash, often.again, blocks.hash, blocks.again]).size,
    ).toBe(1);
  });

  it('hashes every column', () => {
    const base = {
      start: 5,
      duration: 6,
      track: 0,
      kind: Kind.Handler as number,
      place: 1,
      a: 2,
      b: 3,
      cause: 0,
    };
    const hash = (change: Partial<typeof base>): string => {
      const row = { ...base, ...change };
      const recorder = recorderWithTrack();
      recorder.addTrack({ type: 'device', name: 'd', group: 'vm0', vm: 0 });
      recorder.instant(0, 0, Kind.IrqRaise, 0, 0);
      recorder.place = row.place;
      recorder.cause = row.cause;
      recorder.span(row.start, row.duration, row.track, row.kind, row.a, row.b);
      recorder.finish(10);
      return recorder.traceHash();
    };
    const changed: Partial<typeof base>[] = [
      {},
      { start: 4 },
      { start: 5 + 2 ** 32 },
      { duration: 7 },
      { track: 1 },
      { kind: Kind.Halted },
      { place: 2 },
      { a: 1 },
      { b: 1 },
      { cause: 1 },
      { a: 3, b: 2 },
    ];
    expect(new Set(changed.map(hash)).size).toBe(changed.length);
  });
});
