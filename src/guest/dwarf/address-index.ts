/** Which unit the code at an address belongs to. */
import { ByteReader } from '../elf/byte-reader';
import { readInitialLength, readOffset } from './form';
import type { AddressRange } from './lists';
import { upperBound } from '../sorted';
import type { Unit } from './units';
import type { Program } from './program';

/** Ranges of addresses with what they belong to, for look-up. Of ranges that overlap the one that begins last counts. */
export class RangeMap<T> {
  private readonly starts: BigUint64Array;
  private readonly rows: readonly { readonly range: AddressRange; readonly value: T }[];

  constructor(rows: readonly { readonly range: AddressRange; readonly value: T }[]) {
    this.rows = [...rows].sort((a, b) =>
      a.range.low < b.range.low ? -1 : a.range.low > b.range.low ? 1 : 0,
    );
    this.starts = BigUint64Array.from(this.rows, ({ range }) => range.low);
  }

  at(address: bigint): T | undefined {
    const row = this.rows[upperBound(this.starts, address) - 1] as (typeof this.rows)[number] | undefined;
    return row && address < row.range.high ? row.value : undefined;
  }
}

/** Units by address: from .debug_aranges (DWARF 5, 6.1.2), and of units that it does not have from their first entry. */
export function indexUnits(program: Program): RangeMap<Unit> {
  const rows: { range: AddressRange; value: Unit }[] = [];
  const listed = new Set<Unit>();
  program.problems.guard(() => {
    for (const { unit, range } of addressRanges(program)) {
      listed.add(unit);
      rows.push({ range, value: unit });
    }
  }, undefined);
  for (const unit of program.units.all) {
    if (unit.kind === 'type' || listed.has(unit)) continue;
    const ranges = program.problems.guard(() => program.rangesOf(unit.root), undefined) ?? [];
    for (const range of ranges) rows.push({ range, value: unit });
  }
  return new RangeMap(rows);
}

function* addressRanges(program: Program): Generator<{ unit: Unit; range: AddressRange }> {
  const section = program.sections.addressRanges;
  if (!section) return;
  const reader = new ByteReader(section, 'section .debug_aranges');
  while (reader.left >= 4) {
    const start = reader.offset;
    const { length, offsetSize } = readInitialLength(reader);
    const end = reader.offset + length;
    if (length === 0) continue; // linkers align the pieces with zeros
    const version = reader.u16();
    const unit = program.units.unitAt(readOffset(reader, offsetSize));
    const addressSize = reader.u8();
    const segmentSize = reader.u8();
    if (version === 2 && unit && segmentSize === 0 && (addressSize === 4 || addressSize === 8)) {
      const tuple = 2 * addressSize;
      reader.seek(start + Math.ceil((reader.offset - start) / tuple) * tuple);
      while (reader.offset + tuple <= end) {
        const low = program.inMemory(reader.unsigned(addressSize));
        const range = { low, high: low + reader.unsigned(addressSize) };
        if (range.high > low && program.facts.isLoaded(low)) yield { unit, range };
      }
    }
    reader.seek(end);
  }
}
