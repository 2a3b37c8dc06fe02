/** Row B5: vCPUs and QEMU's main loop are threads that share the physical CPUs by a visible schedule, and QEMU's lock. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind, kinds } from '../../../../src/trace/vocabulary/events';
import { countedRun, cpuTracks, endOf, ofKind, trackOf, type CountedRun } from '../../../support/section-a';
import { exitsOf, userExits } from '../../../support/section-b';

const PAGE = 4096;
const STATUS = 0x0008;
const RDT = 0x2818;

const overlap = (a: TraceEvent, b: TraceEvent): boolean => a.start < endOf(b) && b.start < endOf(a);
const covers = (spans: TraceEvent[], time: number): boolean =>
  spans.some((span) => span.start <= time && time <= endOf(span));

/** Spans by the start, none of which may overlap the next. */
function disjoint(spans: TraceEvent[]): void {
  const sorted = [...spans].sort((a, b) => a.start - b.start);
  for (const [i, span] of sorted.entries()) if (i > 0) expect(overlap(sorted[i - 1], span)).toBe(false);
}

describe('B5: threads', () => {
  let run: CountedRun;
  let log: { packets: number; tails: number; reads: number[] };
  let vcpus: number[];
  let mainLoop: number;
  let turns: TraceEvent[];
  const turnsOf = (track: number): TraceEvent[] => turns.filter(({ a }) => a === track);

  beforeAll(async () => {
    run = await countedRun('b5-threads');
    const [packets, tails, ...reads] = run.words('b5_log');
    log = { packets, tails, reads };
    vcpus = cpuTracks(run, 'vcpu');
    mainLoop = trackOf(run, 'QEMU main loop');
    turns = ofKind(run, Kind.CpuThread);
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(run.end.summary.packets.rx).toBe(log.packets);
  });

  it('takes each vCPU to QEMU as often as it reads, and not for the other', () => {
    const nic = run.log.entries.find(({ isPort, address }) => !isPort && address < 0xfec0_0000)!.address;
    for (const [vcpu, reads] of log.reads.entries()) {
      const own = exitsOf(run, vcpu).filter(
        ({ row, reason }) => reason.startsWith('EPT_') && row.a === nic + STATUS,
      );
      expect(own.length).toBe(reads);
      for (const exit of own) expect(userExits(exit)).toBe(1);
      expect(reads).toBeGreaterThan(0);
    }
    const tails = exitsOf(run).filter(({ row }) => row.a === nic + RDT);
    expect(Math.floor(nic / PAGE) * PAGE).toBe(nic);
    // One more sets the ring up.
    expect(tails.length).toBe(log.tails + 1);
  });

  it('gives a physical CPU to one thread at a time, and a thread one CPU', () => {
    const cpus = run.store.meta.tracks.filter(({ type }) => type === 'cpu').map(({ id }) => id);
    expect(cpus.length).toBe(2);
    for (const cpu of cpus) disjoint(turns.filter(({ track }) => track === cpu));
    for (const thread of [...vcpus, mainLoop]) disjoint(turnsOf(thread));
    // All three have had turns, and there are fewer CPUs than threads: somebody had to wait.
    for (const thread of [...vcpus, mainLoop]) expect(turnsOf(thread).length).toBeGreaterThan(1);
    expect(ofKind(run, Kind.SchedReady).length).toBeGreaterThan(0);
  });

  it('does nothing in the name of a thread that has no CPU', () => {
    for (const vcpu of vcpus) {
      const work = [Kind.GuestKernel, Kind.KvmHandle, Kind.QemuHandle].flatMap((kind) =>
        ofKind(run, kind, vcpu),
      );
      for (const { start } of work) expect(covers(turnsOf(vcpu), start)).toBe(true);
      for (const wait of ofKind(run, Kind.SchedReady, vcpu))
        for (const turn of turnsOf(vcpu)) expect(overlap(wait, turn)).toBe(false);
    }
    for (const { start } of ofKind(run, Kind.SchedRun, mainLoop))
      expect(covers(turnsOf(mainLoop), start)).toBe(true);
  });

  it('has one thread in QEMU at a time: the others wait for the lock, and say for whom', () => {
    const waits = ofKind(run, Kind.LockWait);
    const threads = [...vcpus, mainLoop];
    expect(waits.length).toBeGreaterThan(0);
    for (const { track, b } of waits) {
      expect(threads).toContain(track);
      expect(threads).toContain(b);
      expect(b).not.toBe(track);
    }
    // vCPUs wait for each other and for the main loop.
    expect(waits.some(({ track, b }) => vcpus.includes(track) && vcpus.includes(b))).toBe(true);
    expect(waits.some(({ track, b }) => vcpus.includes(track) && b === mainLoop)).toBe(true);
    // With the lock a vCPU is in QEMU from the end of its wait: no two are at the same time.
    disjoint(vcpus.flatMap((vcpu) => ofKind(run, Kind.QemuHandle, vcpu)));
    const legs = (track: number): TraceEvent[] =>
      run.rows.filter((row) => row.track === track && kinds.get(row.kind)!.group === 'leg');
    for (const wait of waits.filter(({ track }) => vcpus.includes(track))) {
      const next = legs(wait.track).find(({ start }) => start >= endOf(wait));
      expect(next?.kind).toBe(Kind.QemuHandle);
    }
    // Whoever is said to hold it is in QEMU, or is on its way there with the lock in hand.
    for (const { start, b } of waits.filter((wait) => wait.b === mainLoop))
      expect(covers(ofKind(run, Kind.SchedRun, b), start)).toBe(true);
  });

  it('writes each packet into memory on the main loop, which was woken for it', () => {
    const nic = run.store.meta.tracks.find(({ name, type }) => name === 'e1000' && type === 'dma')!.id;
    const writes = ofKind(run, Kind.DmaWrite, nic);
    // The frame and its descriptor.
    expect(writes.length).toBe(2 * log.packets);
    for (const { start } of writes) expect(covers(turnsOf(mainLoop), start)).toBe(true);
    expect(ofKind(run, Kind.SchedWake, mainLoop).length).toBeGreaterThanOrEqual(log.packets);
  });
});
