import { describe, expect, it } from 'vitest';
import { exitReasonsByLine, lineKey } from '../../../../src/extension/source/exit-reasons';
import { Kind, exitKind } from '../../../../src/trace/events';
import { TraceStore, emptyMeta } from '../../../../src/trace/store';
import { VmxExit } from '../../../../src/trace/vmx-exit-reasons';

/** A trace of these rows: [track, kind, place]. */
function store(rows: readonly (readonly [number, number, number])[]): TraceStore {
  const trace = new TraceStore({
    ...emptyMeta('t', 1e9),
    tracks: [0, 1].map((id) => ({ id, type: 'vcpu', name: `vCPU ${id}`, group: 'vm0', vm: 0 })),
    places: [
      { id: 1, vm: 0, rip: '0x10', file: '/d/e1000.c', line: 7 },
      { id: 2, vm: 0, rip: '0x14', file: '/d/e1000.c', line: 7 },
      { id: 3, vm: 0, rip: '0x18', file: '/d/e1000.c', line: 9 },
      { id: 4, vm: 0, rip: '0x20' },
    ],
  });
  const length = rows.length;
  trace.appendChunk({
    firstRow: 0,
    start: Float64Array.from(rows, (_, index) => index * 10),
    duration: new Uint32Array(length).fill(5),
    track: Uint16Array.from(rows, ([track]) => track),
    kind: Uint16Array.from(rows, ([, kind]) => kind),
    rip: Uint32Array.from(rows, ([, , place]) => place),
    a: new Uint32Array(length),
    b: new Uint32Array(length),
    cause: new Uint32Array(length),
  });
  return trace;
}

const mmio = exitKind(VmxExit.EPT_MISCONFIG);
const hlt = exitKind(VmxExit.HLT);

describe('exit reasons by line', () => {
  it('adds up a line’s instructions over all vCPUs, most frequent reason first', () => {
    const reasons = exitReasonsByLine(
      store([
        [0, hlt, 1],
        [0, mmio, 1],
        [1, mmio, 2],
        [1, mmio, 3],
      ]),
    );
    expect(reasons.get(lineKey('/d/e1000.c', 7))).toEqual([
      { reason: 'EPT_MISCONFIG', count: 2 },
      { reason: 'HLT', count: 1 },
    ]);
    expect(reasons.get(lineKey('/d/e1000.c', 9))).toEqual([{ reason: 'EPT_MISCONFIG', count: 1 }]);
  });

  it('counts exits alone, and only where the line is known', () => {
    expect(
      exitReasonsByLine(
        store([
          [0, Kind.MmioWrite, 1],
          [0, hlt, 4],
          [0, hlt, 0],
        ]),
      ).size,
    ).toBe(0);
  });
});
