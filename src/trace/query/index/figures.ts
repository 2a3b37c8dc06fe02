/**
 * Figures of a stretch of rows that statistics are made of: exits by kind, exits by place, accesses by register, packets. Those of
 * each whole block are kept, and of each 16 and 256 of them, so that a window asks for few rows.
 */
import { Kind, byKind } from '../../vocabulary/events';
import { Durations } from './durations';
import { Numbers } from './numbers';

const EXIT = 1;
const READ = 2;
const WRITE = 3;
const PACKET = 4;
const accesses = new Map<number, number>([
  ...[Kind.MmioRead, Kind.PioIn, Kind.CfgRead].map((kind) => [kind, READ] as const),
  ...[Kind.MmioWrite, Kind.PioOut, Kind.CfgWrite].map((kind) => [kind, WRITE] as const),
  ...[Kind.PacketTx, Kind.PacketRx, Kind.PacketDrop].map((kind) => [kind, PACKET] as const),
]);
/** In which figures an event is; 0: in none. */
export const figureOf = byKind(({ id, group }) => (group === 'exit' ? EXIT : (accesses.get(id) ?? 0)));

/** What figures ask of a row. */
export interface FigureRows {
  startOf(row: number): number;
  durationOf(row: number): number;
  kindOf(row: number): number;
  trackOf(row: number): number;
  placeOf(row: number): number;
  aOf(row: number): number;
  bOf(row: number): number;
}

/** Exits of one kind at one place. */
export interface PlaceFigures {
  place: number;
  kind: number;
  exits: number;
  cycles: number;
  /** Cycles of the longest. */
  longest: number;
}

export interface RegisterFigures {
  track: number;
  /** As the argument has it. */
  register: number;
  /** The first access. */
  row: number;
  reads: number;
  writes: number;
}

const KINDS = 0x1_0000;

export class Figures {
  readonly exits = new Map<number, Durations>();
  readonly places = new Map<number, PlaceFigures>();
  readonly registers = new Map<number, Map<number, RegisterFigures>>();
  readonly packets = { tx: 0, rx: 0, dropped: 0, bytesTx: 0, bytesRx: 0 };

  /** Adds a row of a kind that has a figure. */
  add(rows: FigureRows, row: number): void {
    const kind = rows.kindOf(row);
    const figure = figureOf[kind];
    if (figure === EXIT) this.addExit(kind, rows.placeOf(row), rows.durationOf(row));
    else if (figure === PACKET) this.addPacket(kind, rows.aOf(row));
    else
      this.addAccess(
        rows.trackOf(row),
        rows.aOf(row),
        row,
        Number(figure === READ),
        Number(figure === WRITE),
      );
  }

  private addExit(kind: number, place: number, duration: number): void {
    this.exitsOf(kind).add(duration);
    if (place > 0) this.addPlace({ place, kind, exits: 1, cycles: duration, longest: duration });
  }

  private exitsOf(kind: number): Durations {
    let found = this.exits.get(kind);
    if (found === undefined) this.exits.set(kind, (found = new Durations()));
    return found;
  }

  private addPlace(figures: PlaceFigures): void {
    const { place, kind, exits, cycles, longest } = figures;
    const found = this.places.get(place * KINDS + kind);
    if (found === undefined) this.places.set(place * KINDS + kind, figures);
    else {
      found.exits += exits;
      found.cycles += cycles;
      found.longest = Math.max(found.longest, longest);
    }
  }

  private addAccess(track: number, register: number, row: number, reads: number, writes: number): void {
    let ofTrack = this.registers.get(track);
    if (ofTrack === undefined) this.registers.set(track, (ofTrack = new Map<number, RegisterFigures>()));
    const found = ofTrack.get(register);
    if (found === undefined) ofTrack.set(register, { track, register, row, reads, writes });
    else {
      found.reads += reads;
      found.writes += writes;
      found.row = Math.min(found.row, row);
    }
  }

  private addPacket(kind: number, bytes: number): void {
    const { packets } = this;
    if (kind === Kind.PacketTx) {
      packets.tx++;
      packets.bytesTx += bytes;
    } else if (kind === Kind.PacketRx) {
      packets.rx++;
      packets.bytesRx += bytes;
    } else packets.dropped++;
  }

  /** Adds figures that were kept. */
  addKept(kept: KeptFigures): void {
    const { exits, values, places, registers, packets } = kept;
    let value = 0;
    for (let i = 0; i < exits.kind.length; i++) {
      const durations = this.exitsOf(exits.kind.at(i));
      durations.addTotals(exits.count.at(i), exits.total.at(i), exits.min.at(i), exits.max.at(i));
      for (const end = value + exits.values.at(i); value < end; value++)
        durations.addValue(values.value.at(value), values.times.at(value));
    }
    for (let i = 0; i < places.place.length; i++)
      this.addPlace({
        place: places.place.at(i),
        kind: places.kind.at(i),
        exits: places.exits.at(i),
        cycles: places.cycles.at(i),
        longest: places.longest.at(i),
      });
    for (let i = 0; i < registers.track.length; i++)
      this.addAccess(
        registers.track.at(i),
        registers.register.at(i),
        registers.row.at(i),
        registers.reads.at(i),
        registers.writes.at(i),
      );
    const sums = this.packets;
    sums.tx += packets.tx.at(0);
    sums.rx += packets.rx.at(0);
    sums.dropped += packets.dropped.at(0);
    sums.bytesTx += packets.bytesTx.at(0);
    sums.bytesRx += packets.bytesRx.at(0);
  }
}

/** Columns of figures that are kept. */
const keptColumns = {
  exits: ['kind', 'count', 'total', 'min', 'max', 'values'],
  /** Of all exits one after the other. */
  values: ['value', 'times'],
  places: ['place', 'kind', 'exits', 'cycles', 'longest'],
  registers: ['track', 'register', 'row', 'reads', 'writes'],
  packets: ['tx', 'rx', 'dropped', 'bytesTx', 'bytesRx'],
} as const;

/** Figures in columns. */
export type KeptFigures = {
  [Table in keyof typeof keptColumns]: Record<(typeof keptColumns)[Table][number], Numbers>;
};

function columnsOf<Name extends string>(
  names: readonly Name[],
  rows: readonly Readonly<Record<Name, number>>[],
): Record<Name, Numbers> {
  const columns = Object.fromEntries(names.map((name) => [name, new Numbers()])) as Record<Name, Numbers>;
  for (const name of names) {
    for (const row of rows) columns[name].push(row[name]);
    columns[name].compact();
  }
  return columns;
}

/** Puts figures into columns. */
export function keep({ exits, places, registers, packets }: Figures): KeptFigures {
  const values: { value: number; times: number }[] = [];
  const ofKinds = [...exits].map(([kind, durations]) => {
    const few = durations.few();
    for (const [value, times] of few) values.push({ value, times });
    const { count, total, min, max } = durations;
    return { kind, count, total, min, max, values: few.size };
  });
  return {
    exits: columnsOf(keptColumns.exits, ofKinds),
    values: columnsOf(keptColumns.values, values),
    places: columnsOf(keptColumns.places, [...places.values()]),
    registers: columnsOf(
      keptColumns.registers,
      [...registers.values()].flatMap((ofTrack) => [...ofTrack.values()]),
    ),
    packets: columnsOf(keptColumns.packets, [packets]),
  };
}

/** The tables of figures that are kept, with their columns, in the order in which they are stored. */
export const keptTables = Object.entries(keptColumns) as unknown as readonly (readonly [
  table: keyof KeptFigures,
  columns: readonly string[],
])[];

/** Whether figures that were stored can be added up. */
export function checkKept({ exits, values, registers, packets }: KeptFigures, rows: number): boolean {
  let all = 0;
  for (const count of exits.values.used) all += count;
  for (const row of registers.row.used) if (row >= rows) return false;
  return all === values.value.length && packets.tx.length === 1;
}
