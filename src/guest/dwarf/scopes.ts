/** Functions, their blocks, and what is inlined into them (DWARF 5, 3.3 to 3.5). */
import type { SourcePlace } from './line';
import type { AddressRange } from './lists';
import type { CallSite, DebugFunction, DebugLocation, DebugScope, DebugType, DebugVariable } from './model';
import { At, Tag } from './numbers';
import { calledAt, declaredAt, type Program } from './program';
import type { Entry, Unit } from './units';
import { variableOf } from './variables';

/** Blocks in blocks, deeper than any program has them; what is deeper is left out. */
const DEEPEST = 256;
/** A concrete entry may have another concrete one between it and the abstract one. */
const LONGEST_CHAIN = 4;

interface Contents {
  readonly variables: readonly DebugVariable[];
  readonly scopes: readonly DebugScope[];
}

const EMPTY: Contents = { variables: [], scopes: [] };

class Scope implements DebugScope {
  private readonly contents: () => Contents;

  constructor(
    protected readonly program: Program,
    protected readonly die: Entry,
    readonly ranges: readonly AddressRange[],
    private readonly depth: number,
  ) {
    this.contents = program.problems.later(() => this.readContents(), EMPTY);
  }

  get variables(): readonly DebugVariable[] {
    return this.contents().variables;
  }

  get scopes(): readonly DebugScope[] {
    return this.contents().scopes;
  }

  get inlined(): DebugScope['inlined'] {
    const { die, program } = this;
    if (die.tag !== Tag.inlinedSubroutine) return undefined;
    return program.problems.guard(
      () => ({ name: die.name ?? '', callSite: program.placeOf(die, calledAt) }),
      { name: '', callSite: undefined },
    );
  }

  private readContents(): Contents {
    const variables: DebugVariable[] = [];
    const scopes: DebugScope[] = [];
    const origin = this.die.reference(At.abstractOrigin);
    const add = (entry: Entry, depth: number): void => {
      if (entry.tag === Tag.variable || entry.tag === Tag.formalParameter) {
        const variable = variableOf(this.program, entry);
        if (variable) variables.push(variable);
      } else if (entry.tag === Tag.lexicalBlock || entry.tag === Tag.inlinedSubroutine) {
        addScope(entry, depth);
      }
    };
    const addScope = (entry: Entry, depth: number): void => {
      if (depth > DEEPEST) {
        this.program.problems.note(`blocks more than ${DEEPEST} deep are left out.`);
        return;
      }
      const ranges = this.program.rangesOf(entry);
      // A block without an address is none of its own: what it has belongs to the one around it.
      if (ranges === undefined && entry.tag === Tag.lexicalBlock)
        for (const child of entry.children()) add(child, depth + 1);
      else if (ranges && ranges.length > 0) scopes.push(new Scope(this.program, entry, ranges, depth));
    };
    for (const child of this.die.children()) add(child, this.depth + 1);
    // Compilers leave out what is the same as in the origin, or is optimised out.
    const concrete = origin ? originsBelow(this.die, origin.unit, this.depth) : new Set<number>();
    const inherit = (entry: Entry, depth: number): void => {
      if (concrete.has(entry.offset)) return;
      if (entry.tag === Tag.variable || entry.tag === Tag.formalParameter) add(entry, depth);
      // A block that has been optimised out as a whole has no address, either.
      else if (entry.tag === Tag.lexicalBlock && depth <= DEEPEST)
        for (const child of entry.children()) inherit(child, depth + 1);
    };
    for (const child of origin?.children() ?? []) inherit(child, this.depth + 1);
    return { variables, scopes };
  }
}

/** Entries of a unit that a scope has concrete ones of, itself or in its blocks. */
function originsBelow(scope: Entry, unit: Unit, depth: number): Set<number> {
  const found = new Set<number>();
  for (const child of scope.children()) {
    let from = child.reference(At.abstractOrigin);
    for (let count = 0; from && count < LONGEST_CHAIN; count++) {
      if (from.unit === unit) found.add(from.offset);
      from = from.reference(At.abstractOrigin);
    }
    if (child.tag === Tag.lexicalBlock && depth < DEEPEST)
      for (const offset of originsBelow(child, unit, depth + 1)) found.add(offset);
  }
  return found;
}

/** A function that has code (DW_TAG_subprogram). */
export class FunctionScope extends Scope implements DebugFunction {
  private readonly callSites: () => ReadonlyMap<bigint, CallSite>;
  private readonly start: () => bigint;

  /** @param locationsHoldAtEntry whether variables are where their locations say from the first instruction on */
  constructor(
    program: Program,
    die: Entry,
    ranges: readonly AddressRange[],
    readonly name: string,
    private readonly locationsHoldAtEntry: boolean,
  ) {
    super(program, die, ranges, 0);
    this.callSites = program.problems.later(() => this.readCallSites(), new Map<bigint, CallSite>());
    this.start = program.problems.later(() => this.readStart(), ranges[0].low);
  }

  get entry(): bigint {
    return this.start();
  }

  get afterPrologue(): bigint {
    if (this.locationsHoldAtEntry) return this.entry;
    const home = this.ranges.find(({ low, high }) => this.entry >= low && this.entry < high);
    return (home && this.program.facts.afterPrologue(this.entry, home.high)) ?? this.entry;
  }

  get result(): DebugType {
    return this.program.problems.guard(() => this.program.types.ofTyped(this.die), { kind: 'void' });
  }

  get declared(): SourcePlace | undefined {
    return this.program.problems.guard(() => this.program.placeOf(this.die, declaredAt), undefined);
  }

  get isExternal(): boolean {
    return this.program.problems.guard(() => this.die.flag(At.external), false);
  }

  frameBaseAt(pc: bigint): DebugLocation | undefined {
    return this.program.problems.guard(() => this.program.locationAt(this.die, At.frameBase, pc), undefined);
  }

  callSite(returnAddress: bigint): CallSite | undefined {
    return this.callSites().get(returnAddress);
  }

  /** DW_AT_entry_pc, which is an address or an offset from the lowest one (DWARF 5, 2.18); else where the code begins. */
  private readStart(): bigint {
    const { die, program, ranges } = this;
    const first = die.address(At.lowPc);
    const value = die.get(At.entryPc);
    const given = value?.kind === 'constant' ? (first ?? 0n) + value.value : die.unit.addressOf(value);
    const start = given ?? first;
    const address = start === undefined ? ranges[0].low : program.inMemory(start);
    return ranges.some(({ low, high }) => address >= low && address < high) ? address : ranges[0].low;
  }

  private readCallSites(): Map<bigint, CallSite> {
    const sites = new Map<bigint, CallSite>();
    const { unit } = this.die;
    for (const entry of descendants(this.die)) {
      if (entry.tag !== Tag.callSite && entry.tag !== Tag.gnuCallSite) continue;
      // GNU compilers gave the return address as DW_AT_low_pc before there was an attribute for it.
      const address = entry.address(At.callReturnPc) ?? entry.address(At.lowPc);
      if (address === undefined) continue;
      const returnAddress = this.program.inMemory(address);
      const parameters = [...entry.children()].flatMap(parameterOf);
      sites.set(returnAddress, { returnAddress, parameters, unit: this.program.contextOf(unit) });
    }
    return sites;
  }
}

/** A register or place of an argument, and what it had at the call. */
function parameterOf(entry: Entry): CallSite['parameters'] {
  if (entry.tag !== Tag.callSiteParameter && entry.tag !== Tag.gnuCallSiteParameter) return [];
  const location = entry.get(At.location);
  const value = entry.get(At.callValue) ?? entry.get(At.gnuCallSiteValue);
  return location?.kind === 'block' && value?.kind === 'block'
    ? [{ location: location.bytes, value: value.bytes }]
    : [];
}

/** All entries below one, in the file's order. */
function* descendants({ unit, hasChildren, end }: Entry): Generator<Entry> {
  if (!hasChildren) return;
  const cursor = unit.cursorAt(end);
  for (let depth = 1; depth > 0 && cursor.left > 0;) {
    const entry = unit.entryAt(cursor.offset);
    if (!entry) {
      cursor.ulebNumber(); // the end of a list
      depth--;
      continue;
    }
    yield entry;
    cursor.seek(entry.end);
    if (entry.hasChildren) depth++;
  }
}
