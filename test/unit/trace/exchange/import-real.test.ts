/**
 * Text traces of real hosts, where there are some: they belong to others and are not in the repository. Their folder is
 * `TRAPLINE_KVM_TRACES`, or `shared/fixtures/kvm` beside the repository. What is expected is read from the text here, by other
 * means.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unknownCount } from '../../../../src/trace/exchange/foreign-source';
import { TraceImporter } from '../../../../src/trace/exchange/import/importer';
import { decodeTrace, encodeTrace, verify } from '../../../../src/trace/file/file';
import type { TraceStore } from '../../../../src/trace/query/store';
import { ForeignKind, kindRow } from '../../../../src/trace/vocabulary/events';

const folder =
  process.env['TRAPLINE_KVM_TRACES'] ?? resolve(import.meta.dirname, '../../../../../shared/fixtures/kvm');
const files = existsSync(folder)
  ? readdirSync(folder).filter((name) => /^(?!README).*\.(txt|dat|trace)$/.test(name))
  : [];

function imported(name: string): { store: TraceStore; lines: string[] } {
  const bytes = readFileSync(join(folder, name));
  const importer = new TraceImporter({ file: name });
  for (let at = 0; at < bytes.length; at += 10_000) importer.push(bytes.subarray(at, at + 10_000));
  return { store: importer.finish(), lines: bytes.toString('utf8').replace(/\n$/, '').split('\n') };
}

/** How often each exit's reason stands in the text. */
function reasonsIn(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) {
    const reason = / kvm_exit:.* reason (.*?) rip /.exec(line)?.[1];
    if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return counts;
}

/** Microseconds from each exit of a thread to its next entry, where the text has both and its clock counts them. */
function exitTimesIn(lines: readonly string[]): number {
  const since = new Map<string, number>();
  let sum = 0;
  for (const line of lines) {
    const found = /^(?:(.*?) )?\s*(?:\[\d+\] )?\s*(\d+)\.(\d{6}): kvm_(exit|entry):/.exec(line);
    if (!found) continue;
    const [, thread = '', seconds, micros, what] = found;
    const time = Number(seconds) * 1e6 + Number(micros);
    const left = since.get(thread);
    if (what === 'entry' && left !== undefined) sum += time - left;
    since.delete(thread);
    if (what === 'exit') since.set(thread, time);
  }
  return sum;
}

describe.skipIf(files.length === 0)('traces of real hosts (needs TRAPLINE_KVM_TRACES)', () => {
  it.each(files)('%s', (name) => {
    const { store, lines } = imported(name);
    const { source, counts } = store.meta;
    expect(source).toBeDefined();
    if (!source) return;
    // Every line is an event, a header, a note of lost events, or counted with its reason.
    expect(source.lines).toBe(lines.length);
    expect(source.events + source.headers + source.lostNotes + unknownCount(source)).toBe(lines.length);
    for (const { reason, line, example } of source.unknown) {
      expect(reason).not.toBe('');
      expect(lines[line - 1]?.trim().startsWith(example)).toBe(true);
    }
    const exits = new Map(
      counts
        .map(([, kind, n]) => [kindRow(kind).reason, n] as const)
        .filter(([reason]) => reason !== undefined)
        .reduce(
          (sums, [reason = '', n]) => sums.set(reason, (sums.get(reason) ?? 0) + n),
          new Map<string, number>(),
        ),
    );
    expect(exits).toEqual(reasonsIn(lines));
    const entries = counts
      .filter(([, kind]) => kind === ForeignKind.Guest)
      .reduce((sum, [, , n]) => sum + n, 0);
    expect(entries).toBe(lines.filter((line) => / kvm_entry:/.test(line)).length);
    expect(verify(store).differences).toEqual([]);
    expect(decodeTrace(encodeTrace(store)).meta).toEqual(store.meta);
  });

  it.each(files)('%s has exits as long as the text says', (name) => {
    const { store, lines } = imported(name);
    if (store.meta.source?.clock === 'cycles') return;
    const last = new Map<number, number>();
    let sum = 0;
    for (let row = 0; row < store.rows; row++) {
      const { kind, duration, track } = store.get(row);
      if (kindRow(kind).group !== 'exit') continue;
      sum += duration;
      last.set(track, row);
    }
    // The last exit of a vCPU may have no entry behind it.
    for (const [track, row] of last) {
      const { start, duration } = store.get(row);
      const entered = Array.from({ length: store.rows }, (_, at) => store.get(at)).some(
        (event) =>
          event.track === track &&
          event.kind === ForeignKind.Guest &&
          event.start >= start + duration &&
          event.row > row,
      );
      if (!entered) sum -= duration;
    }
    expect(sum / 1000).toBeCloseTo(exitTimesIn(lines), 3);
  });
});
