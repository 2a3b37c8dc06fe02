/** Points of a run under control: code, data, events; forwards, backwards, in steps; writes into the machine; interrupts. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunJob } from '../../../../src/protocol/run';
import { imageOf } from '../../../../src/run/guest-image';
import { ControlledRun } from '../../../../src/run/control/controlled-run';
import type { Moment, PointHit, StopPoint } from '../../../../src/run/control/control';
import { find } from '../../../../src/trace/query/find';
import { TraceStore, emptyMeta } from '../../../../src/trace/query/store';
import { QueryError } from '../../../../src/trace/query/query';
import { hashOf } from '../../../../src/trace/record/hash';
import { freely } from '../../../support/journeys';
import { jobOf, runJob, sample } from '../../../support/runs';

/** Stops forwards to the end: where, and at what. */
function stopsOf(run: ControlledRun): { moment: Moment; hits: readonly PointHit[] }[] {
  const stops = [];
  for (let stop = run.forward(); stop.reason === 'point'; stop = run.forward())
    stops.push({ moment: stop.moment, hits: stop.hits });
  return stops;
}

/** The last stops before here, going backwards, in the order of time. */
function stopsBack(run: ControlledRun, most: number): { moment: Moment; hits: readonly PointHit[] }[] {
  const stops = [];
  for (let count = 0; count < most; count++) {
    const { reason, moment, hits } = run.backward();
    expect(reason).toBe('point');
    stops.unshift({ moment, hits });
  }
  return stops;
}

function rowsOf(store: TraceStore, query: string): number[] {
  const rows: number[] = [];
  for (let { row } = find(store, query, -1, 1); row >= 0; { row } = find(store, query, row, 1))
    rows.push(row);
  return rows;
}

describe('event points', () => {
  it.each([
    [
      'b7-e1000-emulated',
      [
        'reg:TDT',
        'exit:EPT_MISCONFIG reg:TDT',
        'kind:exit -reg:TDT,RDT reason:EPT_MISCONFIG',
        'dma.write addr:0x100000..0x200000 length>60',
        'handler dur>100',
      ],
    ],
    ['d6-faults', ['iommu.fault', 'iommu.walk levels:4', '-kind:exit track:iommu']],
    [
      'c1-virtio-blk',
      ['virtq.kick queue:0', 'virtq.kick queue:1', 'virtq.interrupt', 'io.complete length>=512'],
    ],
    ['smp-ipi', ['ipi.send', 'irq.deliver track:"vCPU 1"']],
  ] as const)(
    'stop %s at each row that the find box finds',
    async (name, queries) => {
      const job = await jobOf(sample(name));
      const { store, end } = runJob(job);
      for (const query of queries) {
        const run = new ControlledRun(job, { checksRam: true });
        // Those that the building of the machine recorded are there before the run begins.
        const { rows } = run.moment;
        const wanted = rowsOf(store, query).filter((row) => row >= rows);
        run.setPoints([{ id: 7, kind: 'event', query }]);
        const found = stopsOf(run);
        expect([query, found.flatMap(({ hits }) => hits.map(({ row }) => row))]).toEqual([query, wanted]);
        expect(run.end().end.summary.traceHash).toBe(end.summary.traceHash);
      }
    },
    60_000,
  );
});

describe('an exit by its register', () => {
  it('is the one that the access to it goes back to', async () => {
    const { store } = runJob(await jobOf(sample('b7-e1000-emulated')));
    const accesses = rowsOf(store, 'mmio.write reg:TDT');
    expect(accesses.length).toBeGreaterThan(1);
    expect(rowsOf(store, 'exit:EPT_MISCONFIG reg:TDT')).toEqual(accesses.map((row) => store.causeOf(row)));
  });
});

describe('points of code and data', () => {
  let job: RunJob;
  beforeAll(async () => {
    job = await jobOf(sample('b7-e1000-emulated'));
  });

  it('are met forwards and backwards at the same moments', () => {
    const run = new ControlledRun(job);
    const { store } = runJob(job);
    // The instruction that writes the tail pointer for each packet.
    const row = rowsOf(store, 'reg:TDT').at(-1) ?? 0;
    const address = BigInt(store.placeAt(store.get(row).place)?.rip ?? 0);
    const points: StopPoint[] = [{ id: 1, kind: 'code', vm: 0, address }];
    run.setPoints(points);
    const forwards = stopsOf(run);
    // As often as the trace has accesses of that instruction.
    const place = store.get(row).place;
    const accesses = rowsOf(store, 'mmio.write reg:TDT').filter((each) => store.get(each).place === place);
    expect(forwards.length).toBe(accesses.length);
    expect(forwards.length).toBeGreaterThan(1);
    const last = forwards.slice(-3);
    expect(stopsBack(run, last.length)).toEqual(last);
    expect(run.registers(0).rip).toBe(address);
    run.seek({ kind: 'moment', moment: forwards[0].moment });
    expect(run.registers(0).rip).toBe(address);
    expect(run.forward().moment).toEqual(forwards[1].moment);
    expect(run.backward().moment).toEqual(forwards[0].moment);
    expect(run.backward().reason).toBe('beginning');
    run.seek({ kind: 'instructions', instructions: 200 });
    expect(run.backward({ kind: 'instructions', instructions: 100 })).toMatchObject({
      reason: 'goal',
      moment: { instructions: 100 },
    });
  });

  it('count an access made at this very moment on the way back, where that is asked for', () => {
    const run = new ControlledRun(job);
    const written = bytesOf('tx_next');
    run.setPoints([
      { id: 1, kind: 'data', vm: 0, ...written, access: 'write' },
      // What is about to be executed here has not been.
      { id: 2, kind: 'code', vm: 0, address: run.registers(0).rip },
    ]);
    const forwards = stopsOf(run);
    const [, , third] = forwards;
    run.seek({ kind: 'moment', moment: third.moment });
    expect(run.backward(undefined, { withPresent: true })).toMatchObject({ reason: 'point', ...third });
    expect(run.backward(undefined, { withPresent: true })).toMatchObject({ reason: 'point', ...third });
    expect(run.backward()).toMatchObject({ reason: 'point', ...forwards[1] });
    // A code point at the present moment is of what comes.
    const address = run.registers(0).rip;
    run.setPoints([{ id: 3, kind: 'code', vm: 0, address }]);
    const here = run.moment;
    expect(run.backward(undefined, { withPresent: true }).moment).not.toEqual(here);
  });

  /** Guest-physical bytes of a static; the guest maps its memory one to one. */
  const bytesOf = (name: string): { address: number; length: number } => {
    const variable = imageOf(job.guests[0]).debug.global(name);
    const location = variable?.locationAt(0n);
    if (!variable || location?.kind !== 'expression') throw new Error(`no static ${name}`);
    const address = new DataView(location.bytes.buffer, location.bytes.byteOffset + 1).getBigUint64(0, true);
    return { address: Number(address), length: 4 };
  };

  it('say who wrote, vCPU or device, before and after', () => {
    const { store } = runJob(job);
    const [row = 0] = rowsOf(store, 'dma.write length>60');
    const { a: address, b: length } = store.get(row);
    const run = new ControlledRun(job, { checksRam: true });
    const asked: number[] = [];
    run.setPoints([
      {
        id: 3,
        kind: 'data',
        vm: 0,
        address,
        length,
        access: 'write',
        when: (hit) => asked.push(hit.id) > 0 && hit.access?.isDevice === true,
      },
    ]);
    const stop = run.forward();
    expect(stop.reason).toBe('point');
    expect(stop.hits[0].access).toMatchObject({ isDevice: true, who: 'e1000', write: true });
    expect(asked.length).toBeGreaterThan(0);
    const after = stop.hits[0].access;
    expect(
      run.readMemory({ kind: 'physical', vm: 0 }, BigInt(after?.address ?? 0), after?.length ?? 0),
    ).toEqual(after?.after);
    const { moment } = stop;
    while (run.forward().reason === 'point');
    let back = run.backward();
    while (back.reason === 'point' && back.moment.instructions > moment.instructions) back = run.backward();
    expect(back).toMatchObject({ reason: 'point', moment, hits: stop.hits });
  });

  it('change nothing when they cannot be set', () => {
    const run = new ControlledRun(job);
    expect(() => run.setPoints([{ id: 1, kind: 'event', query: 'nonsense:1' }])).toThrow(QueryError);
    expect(() => run.setPoints([{ id: 1, kind: 'code', vm: 3, address: 1n }])).toThrow(RangeError);
    expect(() =>
      run.setPoints([{ id: 1, kind: 'data', vm: 0, address: -1, length: 1, access: 'read' }]),
    ).toThrow(RangeError);
    expect(run.forward().reason).toBe('ended');
  });
});

describe('writes into the machine', () => {
  it('begin another future, which is the same at every return', async () => {
    const job = await jobOf(sample('timer'));
    const untouched = freely(job);
    const run = new ControlledRun(job, { checksRam: true });
    const store = new TraceStore(emptyMeta('test', 1));
    const take = (): void => {
      for (let delta = run.takeDelta(); delta; delta = run.takeDelta()) store.append(delta);
    };
    run.forward({ kind: 'cycles', cycles: Math.floor(untouched.summary.cycles * 0.9) });
    take();
    const { moment: far } = run;
    run.seek({ kind: 'cycles', cycles: Math.floor(untouched.summary.cycles / 2) });
    const { moment } = run;
    expect(run.hasFuture).toBe(true);
    const stack = run.registers(0).general[4];
    run.writeRegister(0, { general: 15 }, 0x1234_5678_9abc_def0n);
    run.writeMemory({ kind: 'virtual', cpu: 0 }, stack - 64n, Uint8Array.of(1, 2, 3, 4));
    expect(run.hasFuture).toBe(false);
    expect(run.frontier).toEqual(moment);
    expect(run.moment).toEqual(moment);
    const holds = (): void => {
      expect(run.registers(0).general[15]).toBe(0x1234_5678_9abc_def0n);
      expect([...run.readMemory({ kind: 'virtual', cpu: 0 }, stack - 64n, 4)]).toEqual([1, 2, 3, 4]);
    };
    holds();
    run.seek({ kind: 'instructions', instructions: 10 });
    run.at({ kind: 'moment', moment }, (there) =>
      expect(there.registers(0).general[15]).toBe(0x1234_5678_9abc_def0n),
    );
    run.seek({ kind: 'moment', moment });
    holds();
    expect(() => run.writeMemory({ kind: 'physical', vm: 0 }, 1n << 40n, Uint8Array.of(1))).toThrow(
      RangeError,
    );
    expect(run.hasFuture).toBe(false);
    run.forward({ kind: 'cycles', cycles: far.cycles });
    take();
    run.forward();
    const { end, deltas } = run.end();
    for (const delta of deltas) store.append(delta);
    // The timeline was cut and has grown anew.
    expect(store.rows).toBe(end.summary.events);
    expect(hashOf(store)).toBe(end.summary.traceHash);
  });
});

describe('an interrupt', () => {
  it('ends a motion, and one backwards where it began', async () => {
    const memory = new SharedArrayBuffer(4);
    const job = await jobOf(sample('spin'));
    const run = new ControlledRun(job, { interrupt: memory });
    Atomics.store(new Int32Array(memory), 0, 1);
    expect(run.forward().reason).toBe('interrupted');
    run.seek({ kind: 'instructions', instructions: 5_000_000 });
    const { moment } = run;
    run.setPoints([{ id: 1, kind: 'code', vm: 0, address: 1n }]);
    run.interrupt();
    expect(run.backward()).toMatchObject({ reason: 'interrupted', moment });
    expect(run.backward().reason).toBe('beginning');
  });
});
