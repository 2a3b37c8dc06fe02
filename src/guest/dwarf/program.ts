/** What all parts of the debug information of one file share: sections, units, lists, and how the file lies in memory. */
import { ByteReader } from '../elf/byte-reader';
import { readInitialLength } from './form';
import type { SourcePlace } from './line';
import { readLineHeader } from './line-header';
import { Lists, type AddressRange, type ListSections } from './lists';
import type { DebugLocation, DebugVariable, ExpressionContext } from './model';
import { At } from './numbers';
import type { Problems } from './problems';
import { Types, sizeOf, type FindDefinition } from './types';
import { Units, placeOf, type DebugSections, type Entry, type Unit } from './units';

/** Where the file lies, and what is known of its lines. */
export interface ProgramFacts {
  /** Added to addresses in the file. */
  readonly bias: bigint;
  /** Whether an address in memory belongs to what is loaded. Linkers leave code that they dropped at 0 or at the highest address. */
  isLoaded(address: bigint): boolean;
  /** Where a source file is now. */
  remap(path: string): string;
  /** The first instruction after the prologue of a function at these addresses; see `LineTable.afterPrologue`. */
  afterPrologue(low: bigint, high: bigint): bigint | undefined;
}

/** All sections of debug information that are read. */
export interface ProgramSections extends DebugSections, ListSections {
  readonly line: Uint8Array | undefined;
  readonly addressRanges: Uint8Array | undefined;
}

/** Attributes that name a place in the source. */
export const declaredAt = { file: At.declFile, line: At.declLine, column: At.declColumn } as const;
export const calledAt = { file: At.callFile, line: At.callLine, column: At.callColumn } as const;

export class Program {
  readonly units: Units;
  readonly types: Types;
  private readonly lists: Lists;
  private readonly contexts = new Map<Unit, ExpressionContext>();
  private readonly files = new Map<Unit, readonly (string | undefined)[]>();

  constructor(
    readonly sections: ProgramSections,
    readonly facts: ProgramFacts,
    readonly problems: Problems,
    findDefinition: FindDefinition,
    /** The variable whose entry is at an offset of .debug_info. */
    private readonly findVariable: (offset: number) => DebugVariable | undefined,
  ) {
    this.units = new Units(sections, (error) => problems.note(error.message));
    this.types = new Types(problems, findDefinition);
    this.lists = new Lists(sections);
  }

  /** Addresses in memory of an entry's code, in the file's order; undefined where the entry says nothing of code. */
  rangesOf(entry: Entry): readonly AddressRange[] | undefined {
    return this.lists
      .rangesOf(entry)
      ?.map(({ low, high }) => ({ low: this.inMemory(low), high: this.inMemory(high) }))
      .filter(({ low, high }) => high > low && this.facts.isLoaded(low));
  }

  /** An address of the file as it is in memory. */
  inMemory(address: bigint): bigint {
    return BigInt.asUintN(64, address + this.facts.bias);
  }

  /**
   * The location that an attribute gives for code at an address. A list holds for the code that it names, a single expression for all.
   * @returns undefined where it gives none
   */
  locationAt(entry: Entry, attribute: number, pc: bigint): DebugLocation | undefined {
    const owner = entry.owner(attribute);
    const value = owner?.get(attribute);
    if (!owner || !value) return undefined;
    const bytes =
      value.kind === 'block'
        ? value.bytes
        : this.lists.locationIn(owner.unit, value, BigInt.asUintN(64, pc - this.facts.bias));
    if (!bytes || bytes.length === 0) return undefined;
    return { kind: 'expression', bytes, unit: this.contextOf(owner.unit) };
  }

  /** Whether an attribute gives different locations for different code. */
  hasLocationList(entry: Entry, attribute: number): boolean {
    const value = entry.get(attribute);
    return value !== undefined && this.lists.isLocationList(entry.unit, value);
  }

  /** The value of a variable that has no place (DW_AT_const_value), in as many bytes as its type has. */
  constantOf(entry: Entry): DebugLocation | undefined {
    const owner = entry.owner(At.constValue);
    const value = owner?.get(At.constValue);
    if (!owner || !value) return undefined;
    const text = owner.unit.text(value);
    if (text !== undefined) return { kind: 'constant', bytes: new TextEncoder().encode(`${text}\0`) };
    if (value.kind === 'block') return { kind: 'constant', bytes: value.bytes };
    const number = value.kind === 'constant' ? value.value : owner.unit.addressOf(value);
    if (number === undefined) return undefined;
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, number), true);
    const size = sizeOf(this.types.ofTyped(entry)) ?? 8;
    return {
      kind: 'constant',
      bytes: size <= 8 ? bytes.subarray(0, size) : widened(bytes, size, number < 0n),
    };
  }

  /** What expressions need of a unit. */
  contextOf(unit: Unit): ExpressionContext {
    let context = this.contexts.get(unit);
    if (!context) {
      const { addressSize, offsetSize } = unit.context;
      context = {
        addressSize,
        offsetSize,
        bias: this.facts.bias,
        address: (index) => this.problems.guard(() => unit.address(index), 0n),
        baseType: (offset) =>
          this.problems.guard(() => {
            const entry = unit.entryAt(offset);
            return entry && this.types.of(entry);
          }, undefined),
        variable: (offset) => this.problems.guard(() => this.findVariable(offset), undefined),
      };
      this.contexts.set(unit, context);
    }
    return context;
  }

  /** A place in the source that attributes of an entry, or of what it completes, name. */
  placeOf(entry: Entry, at: typeof declaredAt | typeof calledAt): SourcePlace | undefined {
    const owner = entry.owner(at.line);
    const file = owner?.number(at.file);
    const line = owner?.number(at.line);
    const path = owner && file !== undefined ? this.filesOf(owner.unit)[file] : undefined;
    if (!owner || path === undefined || line === undefined) return undefined;
    return { file: this.facts.remap(path), line, column: owner.number(at.column) ?? 0 };
  }

  /** Paths of a unit's source files, by the number that its entries give them. */
  private filesOf(unit: Unit): readonly (string | undefined)[] {
    const known = this.files.get(unit);
    if (known) return known;
    const files = this.problems.guard(() => this.readFiles(unit), []);
    this.files.set(unit, files);
    return files;
  }

  private readFiles(unit: Unit): readonly (string | undefined)[] {
    const { line, strings, lineStrings } = this.sections;
    const offset = unit.listOffset(unit.root.get(At.stmtList));
    if (!line || offset === undefined) return [];
    const reader = new ByteReader(line, 'section .debug_line', offset);
    const { length, offsetSize } = readInitialLength(reader);
    const table = new ByteReader(reader.span(length), `the line table at offset ${offset} of .debug_line`);
    return readLineHeader(table, { offsetSize, strings, lineStrings }, placeOf(unit)).files;
  }
}

/** More than a variable that compilers tell the value of ever has. */
const WIDEST_CONSTANT = 64;

function widened(bytes: Uint8Array, size: number, isNegative: boolean): Uint8Array {
  const wide = new Uint8Array(Math.min(size, WIDEST_CONSTANT)).fill(isNegative ? 0xff : 0);
  wide.set(bytes);
  return wide;
}
