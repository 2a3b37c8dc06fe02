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
    /** Of a block whose entry does not name its abstract one: finds it. */
    private readonly abstractBlock: FindBlock = () => undefined,
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
    const origin = this.die.reference(At.abstractOrigin) ?? this.abstractBlock(this.die);
    const find = this.die.tag === Tag.lexicalBlock ? this.abstractBlock : blockFinder(origin);
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
      else if (ranges && ranges.length > 0) scopes.push(new Scope(this.program, entry, ranges, depth, find));
    };
    for (const child of this.die.children()) add(child, this.depth + 1);
    if (origin)
      variables.push(...this.leftOut(origin, originsBelow(this.die, origin.unit, this.depth), this.depth));
    return { variables, scopes };
  }

  /**
   * Variables of an abstract scope without a concrete one: compilers leave out what is optimised out, and what is the same in all. Those of
   * a block that is left out count to the scope, as other debuggers have it.
   */
  private leftOut(origin: Entry, concrete: ReadonlySet<number>, depth: number): DebugVariable[] {
    const found: DebugVariable[] = [];
    for (const child of origin.children()) {
      if (concrete.has(child.offset)) continue;
      const isVariable = child.tag === Tag.variable || child.tag === Tag.formalParameter;
      const variable = isVariable ? variableOf(this.program, child) : undefined;
      if (variable) found.push(variable);
      const isLeftOut = child.tag === Tag.lexicalBlock && depth < DEEPEST && !hasOneOf(child, concrete);
      if (isLeftOut) found.push(...this.leftOut(child, concrete, depth + 1));
    }
    return found;
  }
}

/** Whether a variable of an abstract block has a concrete entry: then the block has one, too. */
function hasOneOf(block: Entry, concrete: ReadonlySet<number>): boolean {
  for (const { offset } of block.children()) if (concrete.has(offset)) return true;
  return false;
}

type FindBlock = (block: Entry) => Entry | undefined;

/** Finds the abstract block, in an abstract function, of a block that names it by its variables only, as clang has it. */
function blockFinder(origin: Entry | undefined): FindBlock {
  let homes: ReadonlyMap<number, Entry> | undefined;
  return (block) => {
    if (!origin) return undefined;
    for (const child of block.children()) {
      const variable = child.tag === Tag.variable ? child.reference(At.abstractOrigin) : undefined;
      if (variable?.unit !== origin.unit) continue;
      homes ??= homesOf(origin, new Map(), 0);
      return homes.get(variable.offset);
    }
    return undefined;
  };
}

/** Blocks below an entry by the offsets of their variables. */
function homesOf(within: Entry, homes: Map<number, Entry>, depth: number): Map<number, Entry> {
  for (const child of within.children()) {
    if (child.tag === Tag.lexicalBlock && depth < DEEPEST) homesOf(child, homes, depth + 1);
    else if (child.tag === Tag.variable && within.tag === Tag.lexicalBlock) homes.set(child.offset, within);
  }
  return homes;
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
  private readonly start: () => bigint;

  /**
   * @param locationsHoldAtEntry whether variables are where their locations say from the first instruction on
   * @param callSites of the unit, by return address
   */
  constructor(
    program: Program,
    die: Entry,
    ranges: readonly AddressRange[],
    readonly name: string,
    private readonly locationsHoldAtEntry: boolean,
    private readonly callSites: () => ReadonlyMap<bigint, CallSite>,
  ) {
    super(program, die, ranges, 0);
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

  get tailCalls(): readonly CallSite[] {
    return [...this.callSites().values()].filter(
      ({ isTail, returnAddress }) =>
        isTail && this.ranges.some(({ low, high }) => returnAddress > low && returnAddress <= high),
    );
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
}
