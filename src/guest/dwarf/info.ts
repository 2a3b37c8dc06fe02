/**
 * Debug information as a debugger asks for it, read from the file's sections as far as it is asked for: units are found by their
 * headers, what a unit has by one walk over it, and a name that its unit does not have by one quick walk over all.
 *
 * This is read here, and by no library: those on npm are for WebAssembly modules or are one compiled program (LLDB's), which could
 * neither be asked for a part of a file nor be held to limits on a hostile one.
 */
import { indexUnits, RangeMap } from './address-index';
import { canonicalTypeName, standardType } from './c-names';
import type { AddressRange } from './lists';
import { readCallSites } from './call-sites';
import type { CallSite, DebugFunction, DebugInfo, DebugNamed, DebugType, DebugVariable } from './model';
import { entryOf, NameIndex, type Place } from './name-index';
import { At, Tag } from './numbers';
import { Problems } from './problems';
import { Program, type ProgramFacts, type ProgramSections } from './program';
import { FunctionScope } from './scopes';
import type { Entry, Unit } from './units';
import { variableOf, type Variable } from './variables';

/** What one unit has. */
interface UnitContents {
  readonly names: NameIndex;
  readonly code: RangeMap<FunctionScope>;
  readonly byOffset: ReadonlyMap<number, FunctionScope>;
}

/** DW_LANG_Mips_Assembler: what assemblers of any machine say. Their functions have no prologue that a compiler would have made. */
const LANGUAGE_ASSEMBLER = 0x8001;

const tagWords: Readonly<Record<number, string | undefined>> = {
  [Tag.structure]: 'struct ',
  [Tag.class]: 'struct ',
  [Tag.union]: 'union ',
  [Tag.enumeration]: 'enum ',
};

/** The debug information of a file that has some, or none. */
export class DwarfInfo implements DebugInfo {
  private readonly found: Problems;
  private readonly program: () => Program | undefined;
  private readonly unitByAddress: () => RangeMap<Unit>;
  private readonly names: () => NameIndex;
  private readonly contents = new Map<Unit, UnitContents>();

  /**
   * @param file its name, for messages
   * @param sections reads them; not called before they are needed
   * @param addressBytes of the file's format: how long a `long` is
   */
  constructor(
    file: string,
    sections: () => ProgramSections,
    facts: ProgramFacts,
    private readonly addressBytes: 4 | 8,
  ) {
    this.found = new Problems(file);
    this.program = this.found.later(() => this.open(sections(), facts), undefined);
    this.unitByAddress = this.found.later(() => {
      const program = this.program();
      return program ? indexUnits(program) : new RangeMap<Unit>([]);
    }, new RangeMap<Unit>([]));
    this.names = this.found.later(() => this.indexNames(), new NameIndex());
  }

  get problems(): readonly string[] {
    this.program();
    return this.found.list;
  }

  functionAt(pc: bigint): DebugFunction | undefined {
    return this.contentsAt(pc)?.code.at(pc);
  }

  functionsNamed(name: string): readonly DebugFunction[] {
    const places = this.names().functions.get(name) ?? [];
    return places.flatMap(({ unit, offset }) => this.contentsOf(unit).byOffset.get(offset) ?? []);
  }

  global(name: string, pc?: bigint): DebugVariable | undefined {
    const own = (pc === undefined ? undefined : this.contentsAt(pc))?.names.globals.get(name);
    const others = own ?? this.names().globals.get(name) ?? [];
    const ranked = others.flatMap((place) =>
      this.found.guard(() => {
        const entry = entryOf(place);
        const isPlaced = entry.owner(At.location) !== undefined || entry.owner(At.constValue) !== undefined;
        return [{ place, rank: (isPlaced ? 2 : 0) + (entry.flag(At.external) ? 1 : 0) }];
      }, []),
    );
    const best = ranked.reduce<(typeof ranked)[number] | undefined>(
      (before, each) => (before && before.rank >= each.rank ? before : each),
      undefined,
    );
    return best && this.variable(best.place);
  }

  named(name: string, pc?: bigint): DebugNamed | undefined {
    const own = pc === undefined ? undefined : this.contentsAt(pc);
    const [ownPlace] = own?.names.functions.get(name) ?? [];
    const functions = this.functionsNamed(name);
    const seen =
      (ownPlace && own?.byOffset.get(ownPlace.offset)) ?? functions.find(({ isExternal }) => isExternal);
    // No two external names are the same, so that a variable beside an external function is a static of another unit.
    const isFunction = seen !== undefined && !own?.names.globals.has(name);
    const variable = isFunction ? undefined : this.global(name, pc);
    if (variable) return { kind: 'variable', variable };
    const found = seen ?? functions.at(0);
    return found && { kind: 'function', function: found };
  }

  globalNames(): readonly string[] {
    return [...this.names().globals.keys()];
  }

  globalsOf(pc: bigint): readonly DebugVariable[] {
    const places = [...(this.contentsAt(pc)?.names.globals.values() ?? [])].flat();
    return places.flatMap((place) => this.variable(place) ?? []);
  }

  typeNamed(name: string, pc?: bigint): DebugType | undefined {
    const canonical = canonicalTypeName(name).replace(/\s+/g, ' ');
    const own = pc === undefined ? undefined : this.contentsAt(pc)?.names.types.get(canonical);
    return (
      this.typeAt(own ?? this.names().types.get(canonical)) ?? standardType(canonical, this.addressBytes)
    );
  }

  enumerator(name: string): { readonly value: bigint; readonly type: DebugType } | undefined {
    const type = this.typeAt(this.names().enumerators.get(name));
    if (type?.kind !== 'enum') return undefined;
    const found = type.values.find((each) => each.name === name);
    return found && { value: found.value, type };
  }

  private open(sections: ProgramSections, facts: ProgramFacts): Program {
    const definition = (tag: number, name: string): Entry | undefined => {
      const word = tagWords[tag];
      const place = word === undefined ? undefined : this.names().types.get(word + name);
      return place && entryOf(place);
    };
    const variable = (offset: number): DebugVariable | undefined => {
      const unit = program.units.unitAt(offset);
      const entry = unit?.entryAt(offset - unit.start);
      return entry && variableOf(program, entry);
    };
    const program: Program = new Program(sections, facts, this.found, definition, variable);
    if (program.units.all.some(({ kind }) => kind === 'skeleton')) this.noteSplit();
    return program;
  }

  private noteSplit(): void {
    this.found.note(
      'part of its debug information is in files of its own (.dwo), which are not read: compile without -gsplit-dwarf.',
    );
  }

  private indexNames(): NameIndex {
    const names = new NameIndex();
    for (const unit of this.program()?.units.all ?? []) this.addNames(names, unit, false);
    return names;
  }

  private addNames(names: NameIndex, unit: Unit, deep: boolean): void {
    this.found.guard(() => {
      // DWARF 4 knew no skeleton units: GNU compilers say it by an attribute.
      if (unit.root.get(At.gnuDwoName) || unit.root.get(At.dwoName)) this.noteSplit();
      names.add(unit, deep);
    }, undefined);
  }

  private contentsAt(pc: bigint): UnitContents | undefined {
    const unit = this.unitByAddress().at(pc);
    return unit && this.contentsOf(unit);
  }

  private contentsOf(unit: Unit): UnitContents {
    let contents = this.contents.get(unit);
    if (!contents) {
      contents = this.readContents(unit);
      this.contents.set(unit, contents);
    }
    return contents;
  }

  private readContents(unit: Unit): UnitContents {
    const names = new NameIndex();
    this.addNames(names, unit, true);
    const byOffset = new Map<number, FunctionScope>();
    const rows: { range: AddressRange; value: FunctionScope }[] = [];
    const program = this.program();
    const callSites = this.found.later(
      () => (program ? readCallSites(program, unit) : new Map<bigint, CallSite>()),
      new Map<bigint, CallSite>(),
    );
    for (const place of program ? names.code : []) {
      const scope = this.found.guard(
        () => program && functionOf(program, place, names, callSites),
        undefined,
      );
      if (!scope) continue;
      byOffset.set(place.offset, scope);
      for (const range of scope.ranges) rows.push({ range, value: scope });
    }
    return { names, code: new RangeMap(rows), byOffset };
  }

  private variable(place: Place): Variable | undefined {
    const program = this.program();
    return program && this.found.guard(() => variableOf(program, entryOf(place)), undefined);
  }

  private typeAt(place: Place | undefined): DebugType | undefined {
    const program = this.program();
    return place && program && this.found.guard(() => program.types.of(entryOf(place)), undefined);
  }
}

function functionOf(
  program: Program,
  place: Place,
  names: NameIndex,
  callSites: () => ReadonlyMap<bigint, CallSite>,
): FunctionScope | undefined {
  const entry = entryOf(place);
  const ranges = program.rangesOf(entry);
  if (!ranges || ranges.length === 0) return undefined;
  const { root } = entry.unit;
  const isGnu = root.text(At.producer)?.startsWith('GNU C') ?? false;
  const isAssembly = root.number(At.language) === LANGUAGE_ASSEMBLER;
  const begins = isAssembly || (isGnu && names.hasLocationLists);
  return new FunctionScope(program, entry, ranges, entry.name ?? '', begins, callSites);
}
