/** Row C2: what the device reads and writes of split and of packed rings, from the DMA rows, against what the driver put there. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { between, countedRun, ofKind, type CountedRun } from '../../../support/section-a';

const Mark = { begins: 1, ends: 2 } as const;
const PHASES = ['one part', 'a chain', 'indirect', 'round the ring'] as const;
const [CHAIN, INDIRECT] = [1, 2];
/** As the driver's source says. */
const [PARTS, BYTES] = [3, 16];
/** By the specification: a descriptor (2.7.5, 2.8.13), an entry of the used ring (2.7.8), and a word. */
const [DESCRIPTOR, USED_ENTRY, WORD] = [16, 8, 2];
/** Where in the available and in the used ring the index and the entries are (2.7.6, 2.7.8). */
const [INDEX, RING] = [2, 4];

interface Area {
  address: number;
  bytes: number;
}
interface Buffer {
  phase: number;
  begin: number;
  slots: number;
  address: number;
}

/** Buffers that go there behind the phases, for the driver to print. */
const LOOKED_AT = 2;

/** A transaction within an area: where it begins there, and how long it is. */
interface Part {
  kind: number;
  at: number;
  bytes: number;
}

interface Rings {
  run: CountedRun;
  entries: number;
  kicks: number;
  written: number;
  areas: Record<'descriptors' | 'driver' | 'device' | 'tables', Area>;
  buffers: Buffer[];
  /** DMA rows of each phase. */
  phases: TraceEvent[][];
}

async function rings(name: string): Promise<Rings> {
  const run = await countedRun(name);
  const [entries, count, kicks, written, ...rest] = run.words('c2_log');
  const area = (i: number): Area => ({ address: rest[2 * i], bytes: rest[2 * i + 1] });
  const buffers = Array.from({ length: count }, (_, i): Buffer => {
    const [phase, begin, slots, address] = rest.slice(8 + 4 * i, 12 + 4 * i);
    return { phase, begin, slots, address };
  });
  const dma = run.store.meta.tracks.find(({ type, name: track }) => type === 'dma' && track === 'virtio-rng');
  const rows = [Kind.DmaRead, Kind.DmaWrite].flatMap((kind) => ofKind(run, kind, dma?.id));
  const marks = (id: number): TraceEvent[] => ofKind(run, Kind.Mark).filter(({ a }) => a === id);
  const ends = marks(Mark.ends);
  return {
    ...{ run, entries, kicks, written, buffers },
    areas: { descriptors: area(0), driver: area(1), device: area(2), tables: area(3) },
    phases: marks(Mark.begins).map((begin, i) => between(rows, begin, ends[i])),
  };
}

/** The transactions of rows that touch an area. */
function within(rows: readonly TraceEvent[], { address, bytes }: Area): Part[] {
  return rows
    .filter(({ a, b }) => a < address + bytes && address < a + b)
    .map(({ kind, a, b }) => ({ kind, at: a - address, bytes: b }));
}
const reads = (parts: readonly Part[]): Part[] => parts.filter(({ kind }) => kind === Kind.DmaRead);
const writes = (parts: readonly Part[]): Part[] => parts.filter(({ kind }) => kind === Kind.DmaWrite);
const place = ({ at, bytes }: Part): [number, number] => [at, bytes];

/** Transactions on the rings themselves: neither on data nor on tables beside them. */
function onRings({ areas }: Rings, rows: readonly TraceEvent[]): number {
  return [areas.descriptors, areas.driver, areas.device].flatMap((area) => within(rows, area)).length;
}

let split: Rings;
let packed: Rings;
beforeAll(async () => {
  split = await rings('c2-split-rings');
  packed = await rings('c2-packed-rings');
});

describe.each(['split', 'packed'])('C2: %s rings', (format) => {
  const of = (): Rings => (format === 'split' ? split : packed);

  it('end well, and hold what they expect', () => {
    const { run, phases } = of();
    expect(run.end.meta.message).toBeUndefined();
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(phases.length).toBe(PHASES.length);
    expect([Kind.DeviceMisused, Kind.VirtioNeedsReset].flatMap((kind) => ofKind(run, kind))).toEqual([]);
  });

  it('carry every buffer once, whole, and are kicked as often as the driver says', () => {
    const { run, buffers, written, kicks } = of();
    const partsOf = ({ phase }: Buffer): number => (phase === CHAIN || phase === INDIRECT ? PARTS : 1);
    const bytes = buffers.reduce((sum, buffer) => sum + partsOf(buffer) * BYTES, 0);
    expect(written).toBe(bytes);
    const used = ofKind(run, Kind.VirtqUsed).reduce((sum, { b }) => sum + b, 0);
    expect(used).toBe(buffers.length);
    expect(ofKind(run, Kind.Ioeventfd).length).toBe(kicks);
  });

  it('have the data written part by part', () => {
    const { phases, buffers } = of();
    phases.forEach((rows, phase) => {
      const ofPhase = buffers.slice(0, -LOOKED_AT).filter((each) => each.phase === phase);
      const [{ address }] = ofPhase;
      const data = within(rows, { address, bytes: PARTS * BYTES });
      expect(reads(data)).toEqual([]);
      const bytes = data.reduce((sum, part) => sum + part.bytes, 0);
      const parts = phase === CHAIN || phase === INDIRECT ? PARTS : 1;
      expect(bytes).toBe(ofPhase.length * parts * BYTES);
    });
  });

  it('have a table of descriptors read for each indirect buffer, and for no other', () => {
    const { phases, buffers, areas } = of();
    phases.forEach((rows, phase) => {
      const tables = within(rows, areas.tables);
      const expected =
        phase === INDIRECT ? buffers.slice(0, -LOOKED_AT).filter((each) => each.phase === phase) : [];
      expect(writes(tables)).toEqual([]);
      expect(tables.map(({ bytes }) => bytes)).toEqual(expected.map(() => PARTS * DESCRIPTOR));
    });
  });
});

describe('C2: split rings in memory', () => {
  it('have the table and the available ring read by the device, and the used ring written', () => {
    const { phases, areas } = split;
    const rows = phases.flat();
    expect(writes(within(rows, areas.descriptors))).toEqual([]);
    expect(writes(within(rows, areas.driver))).toEqual([]);
    expect(reads(within(rows, areas.device))).toEqual([]);
  });

  it('give each buffer an entry of both rings, in turn, and then move the index', () => {
    const { phases, areas, buffers, entries } = split;
    const carried = buffers.slice(0, -LOOKED_AT);
    const turn = carried.map((_buffer, i) => i % entries);
    const entriesRead = reads(within(phases.flat(), areas.driver)).filter(({ at }) => at >= RING);
    expect(entriesRead.map(place)).toEqual(turn.map((at) => [RING + WORD * at, WORD]));
    // Behind each entry the index; the flags, at 0, are for suppression.
    const used = writes(within(phases.flat(), areas.device)).filter(({ at }) => at >= INDEX);
    expect(used.map(place)).toEqual(
      turn.flatMap((at) => [
        [RING + USED_ENTRY * at, USED_ENTRY],
        [INDEX, WORD],
      ]),
    );
  });

  it('have the descriptors of each buffer read from its first one on', () => {
    const { phases, areas, buffers } = split;
    phases.forEach((rows, phase) => {
      const read = reads(within(rows, areas.descriptors));
      const ofPhase = buffers.slice(0, -LOOKED_AT).filter((each) => each.phase === phase);
      expect(read.map(({ at }) => at)).toEqual(ofPhase.map(({ begin }) => DESCRIPTOR * begin));
      read.forEach(({ bytes }, i) => expect(bytes).toBeGreaterThanOrEqual(DESCRIPTOR * ofPhase[i].slots));
    });
  });
});

describe('C2: packed rings in memory', () => {
  /** Where each buffer begins, if those before it have taken their descriptors one behind the other. */
  const positions = (): number[] => {
    let next = 0;
    return packed.buffers.map(({ slots }) => {
      const position = next % packed.entries;
      next += slots;
      return position;
    });
  };

  it('take buffers one behind the other, and go round', () => {
    expect(packed.buffers.map(({ begin }) => begin)).toEqual(positions());
    const slots = packed.buffers.reduce((sum, buffer) => sum + buffer.slots, 0);
    expect(slots).toBeGreaterThan(2 * packed.entries);
  });

  it('have each buffer written back over its first descriptor', () => {
    const { phases, areas } = packed;
    const back = writes(within(phases.flat(), areas.descriptors));
    expect(back.map(place)).toEqual(
      positions()
        .slice(0, -LOOKED_AT)
        .map((position) => [DESCRIPTOR * position, DESCRIPTOR]),
    );
  });

  it('have the descriptors of each buffer read, whichever end of the ring they are at', () => {
    const { phases, areas, buffers, entries } = packed;
    phases.forEach((rows, phase) => {
      const read = new Set(
        reads(within(rows, areas.descriptors)).flatMap(({ at, bytes }) =>
          Array.from({ length: bytes / DESCRIPTOR }, (_, i) => at / DESCRIPTOR + i),
        ),
      );
      const needed = buffers
        .slice(0, -LOOKED_AT)
        .filter((each) => each.phase === phase)
        .flatMap(({ begin, slots }) => Array.from({ length: slots }, (_, i) => (begin + i) % entries));
      expect(needed.filter((each) => !read.has(each))).toEqual([]);
    });
  });

  it('have the driver area read and the device area written, which only say who wants to be told', () => {
    const rows = packed.phases.flat();
    expect(writes(within(rows, packed.areas.driver))).toEqual([]);
    expect(reads(within(rows, packed.areas.device))).toEqual([]);
  });

  it('need three transactions less for each buffer: index and entry of available, index of used', () => {
    PHASES.forEach((_name, phase) => {
      const ofPhase = packed.buffers.slice(0, -LOOKED_AT).filter((each) => each.phase === phase);
      // The parts of a chain across the end of the ring are read by two.
      const across = ofPhase.filter(({ begin, slots }) => begin + slots > packed.entries).length;
      const [more, less] = [split, packed].map((each) => onRings(each, each.phases[phase]));
      expect(less).toBeLessThan(more);
      expect(more - less).toBe(3 * ofPhase.length - across);
    });
  });
});
