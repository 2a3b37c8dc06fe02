/**
 * Figures of a stretch of rows that statistics are made of: durations of exits and walks by kind, exits by place, accesses by
 * register, packets, interrupts by vector, translations by device. Those of each whole block are kept, and of each 16 and 256 of
 * them, so that a window asks for few rows.
 */
import { Kind, byKind } from '../../vocabulary/events';
import { deliveryOf, vectorOf } from './deliveries';
import { Durations } from './durations';
import { Numbers } from './numbers';

const EXIT = 1;
const READ = 2;
const WRITE = 3;
const PACKET = 4;
const INTERRUPT = 5;
const TRANSLATION = 6;
const figureKinds = new Map<number, number>([
  ...[Kind.MmioRead, Kind.PioIn, Kind.CfgRead].map((kind) => [kind, READ] as const),
  ...[Kind.MmioWrite, Kind.PioOut, Kind.CfgWrite].map((kind) => [kind, WRITE] as const),
  ...[Kind.PacketTx, Kind.PacketRx, Kind.PacketDrop].map((kind) => [kind, PACKET] as const),
  ...[Kind.IommuHit, Kind.IommuWalk, Kind.IommuFault].map((kind) => [kind, TRANSLATION] as const),
]);
/** In which figures an event is; 0: in none. */
export const figureOf = byKind((row) => {
  if (row.group === 'exit') return EXIT;
  return vectorOf[row.id] > 0 ? INTERRUPT : (figureKinds.get(row.id) ?? 0);
});

/** What figures ask of a row. */
export interface FigureRows {
  startOf(row: number): number;
  durationOf(row: number): number;
  kindOf(row: number): number;
  trackOf(row: number): number;
  placeOf(row: number): number;
  aOf(row: number): number;
  bOf(row: number): number;
  /** -1: none. */
  causeOf(row: number): number;
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

/** Events of one kind with one vector. */
export interface VectorFigures {
  kind: number;
  vector: number;
  count: number;
}

/** Vectors that guests took in one way (`Delivery`). */
export interface DeliveryFigures {
  way: number;
  vector: number;
  count: number;
}

/** What a unit of an IOMMU did for one device. */
export interface TranslationFigures {
  /** The unit's. */
  track: number;
  /** Of the event that asked for the translation; the unit's where none is known. */
  device: number;
  hits: number;
  walks: number;
  /** Reads of paging entries by these walks, and their cycles. */
  references: number;
  cycles: number;
}

/** Accesses of one device that a unit refused for one reason. */
export interface FaultFigures {
  track: number;
  device: number;
  reason: number;
  count: number;
}

const KINDS = 0x1_0000;
const TRACKS = 0x1_0000;
const VECTORS = 256;

/** The figures of a key, which begin at `first`. */
function figuresOf<T>(map: Map<number, T>, key: number, first: () => T): T {
  let found = map.get(key);
  if (found === undefined) map.set(key, (found = first()));
  return found;
}

export class Figures {
  /** Of exits and walks, by kind. */
  readonly durations = new Map<number, Durations>();
  readonly places = new Map<number, PlaceFigures>();
  readonly registers = new Map<number, Map<number, RegisterFigures>>();
  readonly vectors = new Map<number, VectorFigures>();
  readonly deliveries = new Map<number, DeliveryFigures>();
  readonly translations = new Map<number, TranslationFigures>();
  readonly faults = new Map<string, FaultFigures>();
  readonly packets = { tx: 0, rx: 0, dropped: 0, bytesTx: 0, bytesRx: 0 };

  /** Adds a row of a kind that has a figure. */
  add(rows: FigureRows, row: number): void {
    const kind = rows.kindOf(row);
    const figure = figureOf[kind];
    if (figure === EXIT) this.addExit(kind, rows.placeOf(row), rows.durationOf(row));
    else if (figure === PACKET) this.addPacket(kind, rows.aOf(row));
    else if (figure === INTERRUPT) this.addInterrupt(rows, row, kind);
    else if (figure === TRANSLATION) this.addTranslation(rows, row, kind);
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
    this.durationsOf(kind).add(duration);
    if (place > 0) this.addPlace({ place, kind, exits: 1, cycles: duration, longest: duration });
  }

  private durationsOf(kind: number): Durations {
    return figuresOf(this.durations, kind, () => new Durations());
  }

  private addInterrupt(rows: FigureRows, row: number, kind: number): void {
    const vector = (vectorOf[kind] === 1 ? rows.aOf(row) : rows.bOf(row)) % VECTORS;
    this.addVector(kind, vector, 1);
    if (kind === Kind.IrqDeliver) this.addDelivery(deliveryOf(rows, row), vector, 1);
  }

  private addVector(kind: number, vector: number, count: number): void {
    figuresOf(this.vectors, kind * VECTORS + vector, () => ({ kind, vector, count: 0 })).count += count;
  }

  private addDelivery(way: number, vector: number, count: number): void {
    figuresOf(this.deliveries, way * VECTORS + vector, () => ({ way, vector, count: 0 })).count += count;
  }

  private addTranslation(rows: FigureRows, row: number, kind: number): void {
    const track = rows.trackOf(row);
    const device = askedBy(rows, row, track);
    if (kind === Kind.IommuFault) {
      this.addFaults(track, device, rows.bOf(row), 1);
      return;
    }
    const isWalk = kind === Kind.IommuWalk;
    const cycles = isWalk ? rows.durationOf(row) : 0;
    if (isWalk) this.durationsOf(kind).add(cycles);
    this.addTranslations({
      track,
      device,
      hits: Number(!isWalk),
      walks: Number(isWalk),
      references: isWalk ? rows.aOf(row) : 0,
      cycles,
    });
  }

  private addTranslations({ track, device, hits, walks, references, cycles }: TranslationFigures): void {
    const none = { track, device, hits: 0, walks: 0, references: 0, cycles: 0 };
    const found = figuresOf(this.translations, track * TRACKS + device, () => none);
    found.hits += hits;
    found.walks += walks;
    found.references += references;
    found.cycles += cycles;
  }

  private addFaults(track: number, device: number, reason: number, count: number): void {
    const key = `${track} ${device} ${reason}`;
    let found = this.faults.get(key);
    if (found === undefined) this.faults.set(key, (found = { track, device, reason, count: 0 }));
    found.count += count;
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
    const { durations, values, places, registers, packets } = kept;
    let value = 0;
    for (let i = 0; i < durations.kind.length; i++) {
      const { count, total, min, max } = durations;
      const ofKind = this.durationsOf(durations.kind.at(i));
      ofKind.addTotals(count.at(i), total.at(i), min.at(i), max.at(i));
      for (const end = value + durations.values.at(i); value < end; value++)
        ofKind.addValue(values.value.at(value), values.times.at(value));
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
    this.addKeptInterrupts(kept);
    this.addKeptTranslations(kept);
    const sums = this.packets;
    sums.tx += packets.tx.at(0);
    sums.rx += packets.rx.at(0);
    sums.dropped += packets.dropped.at(0);
    sums.bytesTx += packets.bytesTx.at(0);
    sums.bytesRx += packets.bytesRx.at(0);
  }

  private addKeptInterrupts({ vectors, deliveries }: KeptFigures): void {
    for (let i = 0; i < vectors.kind.length; i++)
      this.addVector(vectors.kind.at(i), vectors.vector.at(i), vectors.count.at(i));
    for (let i = 0; i < deliveries.way.length; i++)
      this.addDelivery(deliveries.way.at(i), deliveries.vector.at(i), deliveries.count.at(i));
  }

  private addKeptTranslations({ translations, faults }: KeptFigures): void {
    const { track, device, hits, walks, references, cycles } = translations;
    for (let i = 0; i < track.length; i++)
      this.addTranslations({
        track: track.at(i),
        device: device.at(i),
        hits: hits.at(i),
        walks: walks.at(i),
        references: references.at(i),
        cycles: cycles.at(i),
      });
    for (let i = 0; i < faults.track.length; i++)
      this.addFaults(faults.track.at(i), faults.device.at(i), faults.reason.at(i), faults.count.at(i));
  }
}

/** Track of the event that a translation or fault is for: its cause, or, where a walk is that, the walk's. */
function askedBy(rows: FigureRows, row: number, unit: number): number {
  const cause = rows.causeOf(row);
  if (cause < 0) return unit;
  if (rows.trackOf(cause) !== unit) return rows.trackOf(cause);
  const before = rows.causeOf(cause);
  return before < 0 ? unit : rows.trackOf(before);
}

/** Columns of figures that are kept. */
const keptColumns = {
  durations: ['kind', 'count', 'total', 'min', 'max', 'values'],
  /** Of all kinds one after the other. */
  values: ['value', 'times'],
  places: ['place', 'kind', 'exits', 'cycles', 'longest'],
  registers: ['track', 'register', 'row', 'reads', 'writes'],
  vectors: ['kind', 'vector', 'count'],
  deliveries: ['way', 'vector', 'count'],
  translations: ['track', 'device', 'hits', 'walks', 'references', 'cycles'],
  faults: ['track', 'device', 'reason', 'count'],
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
export function keep(figures: Figures): KeptFigures {
  const { durations, places, registers, vectors, deliveries, translations, faults, packets } = figures;
  const values: { value: number; times: number }[] = [];
  const ofKinds = [...durations].map(([kind, ofKind]) => {
    const few = ofKind.few();
    for (const [value, times] of few) values.push({ value, times });
    const { count, total, min, max } = ofKind;
    return { kind, count, total, min, max, values: few.size };
  });
  return {
    durations: columnsOf(keptColumns.durations, ofKinds),
    values: columnsOf(keptColumns.values, values),
    places: columnsOf(keptColumns.places, [...places.values()]),
    registers: columnsOf(
      keptColumns.registers,
      [...registers.values()].flatMap((ofTrack) => [...ofTrack.values()]),
    ),
    vectors: columnsOf(keptColumns.vectors, [...vectors.values()]),
    deliveries: columnsOf(keptColumns.deliveries, [...deliveries.values()]),
    translations: columnsOf(keptColumns.translations, [...translations.values()]),
    faults: columnsOf(keptColumns.faults, [...faults.values()]),
    packets: columnsOf(keptColumns.packets, [packets]),
  };
}

/** The tables of figures that are kept, with their columns, in the order in which they are stored. */
export const keptTables = Object.entries(keptColumns) as unknown as readonly (readonly [
  table: keyof KeptFigures,
  columns: readonly string[],
])[];

/** Whether figures that were stored can be added up. */
export function checkKept({ durations, values, registers, packets }: KeptFigures, rows: number): boolean {
  let all = 0;
  for (const count of durations.values.used) all += count;
  for (const row of registers.row.used) if (row >= rows) return false;
  return all === values.value.length && packets.tx.length === 1;
}
