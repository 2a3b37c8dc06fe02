/** What stops a run: the same instructions and accesses as stepping through it shows, and nothing of it in the trace. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunJob } from '../../src/protocol/run';
import { RunSession } from '../../src/run/session';
import type { Hit } from '../../src/vmm/stops';
import { randomSource } from '../conformance/native-oracle/generate';
import { freely } from '../support/journeys';
import { randomGuest } from '../support/random-guest';
import { jobOf, runJob, sample } from '../support/runs';
import { Kind } from '../../src/trace/vocabulary/events';

const seeds = fc.integer({ min: 1, max: 0x7fffffff });
const runs = (usual: number): fc.Parameters<[number]> => ({
  seed: 20261130,
  numRuns: Number(process.env.TRAPLINE_STOPS_RUNS ?? usual),
  endOnFailure: true,
});
/** Most instructions that are stepped through; the rest of a run goes freely. */
const STEPPED = 6000;
const UD2 = [0x0f, 0x0b];
const GATES = 256;

type Random = () => number;

/** An instruction that is about to be executed, when its CPU had retired so many. */
interface Arrival {
  cpu: number;
  count: number;
  address: bigint;
}

function cpusOf(session: RunSession): RunSession['machine']['guests'][number]['cpus'] {
  return session.machine.guests[0].cpus;
}

/** Where the handlers begin that the CPUs' gates lead to. */
function handlersOf(session: RunSession): Set<bigint> {
  const { memory } = session.machine.guests[0];
  const found = new Set<bigint>();
  for (const { cpu } of cpusOf(session)) {
    const [, , base, limit] = cpu.save().hardware.tables;
    if (limit !== BigInt(GATES * 16 - 1)) continue;
    const view = new DataView(memory.read(Number(base), GATES * 16).buffer);
    for (let at = 0; at < GATES * 16; at += 16) {
      const low = view.getUint16(at, true) | (view.getUint16(at + 6, true) << 16);
      found.add(BigInt.asUintN(32, BigInt(low)));
    }
  }
  return found;
}

/**
 * The instructions that are executed in 64-bit mode, found by stepping. A step shows where a CPU stood and where it stands; all
 * handlers begin with a push of one byte, so that one who stands behind that has entered the handler meanwhile.
 */
function stepped(job: RunJob): Arrival[] {
  const session = new RunSession(job);
  const cpus = cpusOf(session);
  const arrivals: Arrival[] = [];
  const { memory } = session.machine.guests[0];
  let handlers = new Set<bigint>();
  const stand = (): { count: number; address: bigint; long: boolean }[] =>
    cpus.map(({ cpu }) => ({
      count: cpu.instructions(),
      address: (BigInt(cpu.ripHigh >>> 0) << 32n) | BigInt(cpu.ripLow >>> 0),
      long: cpu.mode() === 'long',
    }));
  let before = stand();
  while (session.instructions < STEPPED && session.runInstructions(1)) {
    if (session.instructions % 100 < 2) handlers = handlersOf(session);
    const after = stand();
    after.forEach(({ count, address }, cpu) => {
      const was = before[cpu];
      if (count === was.count || !was.long) return;
      expect(count - was.count).toBe(1);
      const entered = address - 1n !== was.address && handlers.has(address - 1n);
      const isUd2 = UD2.every((byte, i) => memory.read(Number(was.address) + i, 1)[0] === byte);
      if (!entered || isUd2) arrivals.push({ cpu, count: was.count, address: was.address });
      if (entered) arrivals.push({ cpu, count: was.count, address: address - 1n });
    });
    before = after;
  }
  return arrivals;
}

/** A run that is stopped at every hit and goes on, by strides as `stride` says. */
function stoppedRun(
  job: RunJob,
  set: (session: RunSession) => void,
  onHit: (hit: Hit, session: RunSession) => void,
  stride: (session: RunSession) => boolean,
): { traceHash: string; session: RunSession } {
  const session = new RunSession(job);
  set(session);
  session.machine.host.stops.onHit = (hit) => {
    onHit(hit, session);
    return true;
  };
  while (stride(session));
  const { end } = session.end();
  return { traceHash: end.summary.traceHash, session };
}

function strides(random: Random): (session: RunSession) => boolean {
  return (session) => {
    const kind = random() % 4;
    if (kind === 0) return session.step();
    if (kind === 1) return session.runInstructions(1 + (random() % 300));
    return session.runTo(session.elapsed + 1 + (random() % 20_000));
  };
}

describe('code points', () => {
  it('stop before the instructions that stepping shows, in whatever strides, and leave the trace as it is', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomSource(seed);
        const job = randomGuest(seed, seed % 2 === 0 ? 1 : 2);
        const all = stepped(job);
        const addresses = [...new Set(all.map(({ address }) => address))];
        const points = Array.from({ length: 1 + (random() % 12) }, () => ({
          vm: 0,
          address: addresses[random() % addresses.length],
          ...(random() % 4 === 0 && { cpu: 0 }),
        }));
        const isPoint = ({ cpu, address }: Arrival): boolean =>
          points.some((point) => point.address === address && (point.cpu ?? cpu) === cpu);
        const expected = all.filter(isPoint);
        const hits: Arrival[] = [];
        const { traceHash } = stoppedRun(
          job,
          ({ machine }) => machine.host.stops.setCode(points),
          (hit, session) => {
            if (hit.kind !== 'code') return;
            const { cpu, address } = hit;
            hits.push({ cpu, count: cpusOf(session)[cpu].cpu.instructions(), address });
          },
          strides(random),
        );
        for (const cpu of [0, 1]) {
          const last = all.findLast((each) => each.cpu === cpu)?.count ?? 0;
          const ofCpu = (list: Arrival[]): Arrival[] =>
            list.filter((each) => each.cpu === cpu && each.count < last);
          expect(ofCpu(hits)).toEqual(ofCpu(expected));
        }
        expect(traceHash).toBe(freely(job).traceHash);
      }),
      runs(6),
    );
  });
});

/** Bytes of the guest's stacks, counters and tables, wherever they are: pieces of what a run writes. */
function somethingWritten(job: RunJob, random: Random): { address: number; length: number }[] {
  const session = new RunSession(job);
  const [guest] = session.machine.guests;
  const before = guest.memory.read(0, guest.memory.size);
  while (session.runInstructions(2000) && session.instructions < 2 * STEPPED);
  const after = guest.memory.read(0, guest.memory.size);
  const changed: number[] = [];
  for (let at = 0; at < after.length; at++) if (after[at] !== before[at]) changed.push(at);
  return Array.from({ length: 1 + (random() % 6) }, () => ({
    address: changed[random() % changed.length],
    length: 1 + (random() % 24),
  }));
}

describe('data ranges', () => {
  it('tell of every write that changes bytes as they are, and leave the trace as it is', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomSource(seed);
        const job = randomGuest(seed, seed % 2 === 0 ? 1 : 2);
        const ranges = somethingWritten(job, random).map((range) => ({
          vm: 0,
          ...range,
          read: random() % 3 === 0,
          write: true,
        }));
        const watch = ({ machine }: RunSession): void => machine.host.stops.setData(ranges);
        const log: string[][] = [];
        const run = (stride: (session: RunSession) => boolean): string => {
          const lines: string[] = [];
          log.push(lines);
          const told = (hit: Hit): void => {
            if (hit.kind !== 'data') return;
            const { who, write, address, before, after } = hit;
            lines.push(`${who} ${write ? 'writes' : 'reads'} ${address}: ${before.join()} > ${after.join()}`);
          };
          return stoppedRun(job, watch, told, stride).traceHash;
        };
        const { traceHash } = freely(job);
        expect(run((session) => session.step())).toBe(traceHash);
        expect(run(strides(random))).toBe(traceHash);
        expect(log[1]).toEqual(log[0]);
        expect(log[0].length).toBeGreaterThan(0);
      }),
      runs(5),
    );
  });

  it('know what the bytes are after each instruction', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomSource(seed);
        const job = randomGuest(seed, 2);
        const ranges = somethingWritten(job, random);
        const session = new RunSession(job);
        const { memory } = session.machine.guests[0];
        const { stops } = session.machine.host;
        const known = memory.read(0, memory.size);
        const cut = (address: number, bytes: Uint8Array): number[] =>
          Array.from(bytes).filter((_, i) =>
            ranges.some(
              (range) => address + i >= range.address && address + i < range.address + range.length,
            ),
          );
        stops.setData(ranges.map((range) => ({ vm: 0, ...range, read: true, write: true })));
        stops.onHit = (hit) => {
          if (hit.kind !== 'data') return false;
          const { address, before, after } = hit;
          const was = known.slice(address, address + before.length);
          expect(cut(address, before)).toEqual(cut(address, was));
          known.set(after, address);
          return false;
        };
        for (let total = 0; total < STEPPED && session.runInstructions(1); total++) {
          for (const { address, length } of ranges)
            expect(memory.read(address, length)).toEqual(known.slice(address, address + length));
        }
      }),
      runs(5),
    );
  });
});

/** A DMA as its row in the trace has it: whose lane, and which bytes. */
interface Transaction {
  lane: string;
  write: boolean;
  address: number;
  length: number;
}

describe.each(['b7-e1000-emulated', 'c6-vhost', 'd1-passthrough'])('a watch on DMA (%s)', (name) => {
  let job: RunJob;
  beforeAll(async () => {
    job = await jobOf(sample(name));
  });

  it('tells of the transactions that the trace has, by the device', () => {
    const random = randomSource(20261130);
    const { store, end } = runJob(job);
    const transactions: Transaction[] = [];
    for (let row = 0; row < store.rows; row++) {
      const { kind, track, a, b } = store.get(row);
      if (kind !== Kind.DmaRead && kind !== Kind.DmaWrite) continue;
      const write = kind === Kind.DmaWrite;
      transactions.push({ lane: store.meta.tracks[track].name, write, address: a, length: b });
    }
    const chosen = Array.from({ length: 6 }, () => transactions[random() % transactions.length]);
    const told: Transaction[] = [];
    const { traceHash } = stoppedRun(
      job,
      ({ machine }) =>
        machine.host.stops.setData(
          chosen.map(({ address, write }) => ({ vm: 0, address, length: 1, read: !write, write })),
        ),
      (hit) => {
        if (hit.kind !== 'data' || hit.cpu !== undefined) return;
        told.push({ lane: hit.who, write: hit.write, address: hit.address, length: hit.length });
      },
      strides(random),
    );
    expect(traceHash).toBe(end.summary.traceHash);
    const touched = ({ address, length, write }: Transaction): boolean =>
      chosen.some((one) => one.write === write && one.address >= address && one.address < address + length);
    const expected = transactions.filter(touched);
    const line = ({ write, address, length }: Transaction): string =>
      `${write ? 'w' : 'r'} 0x${address.toString(16)} ${length}`;
    expect(told.map(line).sort()).toEqual(expected.map(line).sort());
    const lanes = new Set(expected.map(({ lane }) => lane));
    for (const { lane: who } of told)
      expect(
        [...lanes].some((lane) => lane.startsWith(who)),
        who,
      ).toBe(true);
  });
});
