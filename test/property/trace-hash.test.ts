/** The trace hash is the same whoever computes it, and however often the recorder is asked for what is new. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Kind } from '../../src/trace/vocabulary/events';
import { HashCollector, hashOf } from '../../src/trace/record/hash';
import { Recorder } from '../../src/trace/record/recorder';
import { TraceStore, emptyMeta } from '../../src/trace/query/store';

/** Enough rows for several blocks of 65 536. */
const ROWS = 300_000;

/** Records rows with some spans that stay open for long; `after` is called behind each row. */
function record(recorder: Recorder, seed: number, after: (row: number) => void): void {
  const track = recorder.addTrack({ type: 'vcpu', name: 'vCPU 0', group: 'vm0', vm: 0 });
  let state = seed >>> 0 || 1;
  let long = 0;
  for (let row = 0; row < ROWS; row++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    if (long === 0 && state % 50_000 === 0) {
      long = recorder.open(row, track, Kind.Halted, 0, 0);
    } else if (long !== 0 && state % 70_000 === 1) {
      recorder.close(long, row);
      long = 0;
    } else {
      recorder.span(row, state & 1023, track, Kind.KvmHandle, state, row);
    }
    after(row);
  }
  recorder.finish(ROWS);
}

it('is the same by the recorder, by its receiver and from the finished trace', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 31 }),
      fc.integer({ min: 1000, max: 250_000 }),
      (seed, every) => {
        const own = new Recorder();
        record(own, seed, () => undefined);
        const given = new Recorder({ receiverHashes: true });
        const collector = new HashCollector();
        const store = new TraceStore(emptyMeta('test', 1e9));
        const take = (): void => {
          const delta = given.takeDelta();
          collector.add(delta);
          store.append(delta);
        };
        record(given, seed, (row) => {
          if (row % every === 0) take();
        });
        take();
        expect(store.rows).toBe(own.rows);
        expect(collector.traceHash(store.rows)).toBe(own.traceHash());
        expect(hashOf(store)).toBe(own.traceHash());
      },
    ),
    { numRuns: 12 },
  );
});
