/**
 * What registers held when a function was entered, by what call sites say (DWARF 5, 2.5.1.7 and 3.4). Functions that ended with a jump
 * into others have left no frame: which they were is concluded from call sites, as far as there is only one way.
 */
import type { CallSite, DebugFunction } from '../../guest/dwarf/model';
import type { Architecture } from './architecture';
import { compute, type ExpressionFrame } from './dwarf-expression';
import { DebugError, OptimisedOutError } from './errors';
import type { Program } from './program';

/** An activation, as far as its entry values need it. */
export interface EnteredFrame extends ExpressionFrame {
  readonly program: Program;
  readonly pc: bigint;
  /** `pc` is that of an instruction yet to execute: the frame has not called, but has been interrupted. */
  readonly isExact: boolean;
  readonly function: DebugFunction | undefined;
  readonly above: EnteredFrame | undefined;
}

/** A call and the frame that its values are worked out in. */
export interface Call {
  readonly site: CallSite;
  readonly frame: ExpressionFrame;
}

/** Jumps from one function to the next, those of a program that are looked at, and chains of them that are compared. */
const LONGEST_CHAIN = 32;
const MOST_SITES = 2000;
const MOST_CHAINS = 64;

/**
 * The value of DW_OP_entry_value.
 * @param expression its block
 * @throws OptimisedOutError when the caller does not tell, or who called is not certain
 */
export function entryValue(expression: Uint8Array, frame: EnteredFrame): bigint {
  const call = enteringCall(frame);
  return call ? argument(expression, call) : unknown();
}

function argument(expression: Uint8Array, { site, frame }: Call): bigint {
  const parameter = site.parameters.find(({ location }) => equal(location, expression));
  return parameter ? compute(parameter.value, site.unit, frame) : unknown();
}

function unknown(): never {
  throw new OptimisedOutError(
    'It has been optimised out: it was a value at the entry of the function, and the caller does not tell which.',
  );
}

/** The call that entered a frame's function; undefined: none is known for certain. */
export function enteringCall(frame: EnteredFrame): Call | undefined {
  const { above, function: home, program } = frame;
  const site = above && !above.isExact ? above.function?.callSite(above.pc) : undefined;
  if (!above || !site || !home) return undefined;
  const search = new JumpSearch(program, home.entry);
  // A function that may jump to itself by way of others has arguments that no call site on the stack tells.
  if (search.chainsFrom([home.entry], false)?.length !== 0) return undefined;
  const targets = targetsOf(site, program, above);
  if (targets.includes(home.entry)) return { site, frame: above };
  const chains = search.chainsFrom(targets, true);
  if (!chains || chains.length === 0) return undefined;
  const certain = commonEnd(chains);
  const isWhole = chains.every(({ length }) => length === certain.length);
  let call: Call | undefined = isWhole ? { site, frame: above } : undefined;
  for (const jump of certain)
    call = { site: jump, frame: new JumpFrame(above, call, jump.returnAddress - 1n) };
  return call;
}

/** Where a call leads; none: the debug information does not tell. */
function targetsOf(
  { target, unit }: CallSite,
  { debug, symbols }: Program,
  caller: ExpressionFrame | undefined,
): readonly bigint[] {
  switch (target?.kind) {
    case 'address':
      return [target.address];
    case 'name': {
      const entries = debug?.functionsNamed(target.name).map(({ entry }) => entry) ?? [];
      const symbol = symbols.named(target.name);
      return entries.length > 0 || !symbol ? entries : [symbol.address];
    }
    case 'expression':
      return caller ? computed(target.bytes, unit, caller) : [];
    default:
      return [];
  }
}

function computed(bytes: Uint8Array, unit: CallSite['unit'], caller: ExpressionFrame): readonly bigint[] {
  try {
    return [compute(bytes, unit, caller)];
  } catch (error) {
    if (error instanceof DebugError) return [];
    throw error;
  }
}

/** Looks for all ways from one function to another by jumps. */
class JumpSearch {
  private sites = 0;

  constructor(
    private readonly program: Program,
    /** Entry of the function that is to be reached. */
    private readonly goal: bigint,
  ) {}

  /**
   * @param isGoalOut whether a start at the goal is no way
   * @returns undefined: there are too many, or a jump leads nobody knows where
   */
  chainsFrom(starts: readonly bigint[], isGoalOut: boolean): readonly (readonly CallSite[])[] | undefined {
    const found: (readonly CallSite[])[] = [];
    const visit = (entry: bigint, chain: readonly CallSite[]): boolean => {
      if (chain.length >= LONGEST_CHAIN) return false;
      for (const site of this.program.debug?.functionAt(entry)?.tailCalls ?? []) {
        if (chain.some(({ returnAddress }) => returnAddress === site.returnAddress)) continue;
        if (++this.sites > MOST_SITES || found.length > MOST_CHAINS) return false;
        const targets = targetsOf(site, this.program, undefined);
        if (targets.length === 0) return false;
        const next = [...chain, site];
        if (targets.includes(this.goal)) found.push(next);
        if (!targets.every((target) => target === this.goal || visit(target, next))) return false;
      }
      return true;
    };
    const isKnown = starts.every((start) => (isGoalOut && start === this.goal) || visit(start, []));
    return isKnown ? found : undefined;
  }
}

/** The jumps with which all ways end, in the order of time. */
function commonEnd(chains: readonly (readonly CallSite[])[]): readonly CallSite[] {
  const [first] = chains;
  let count = 0;
  const isCommon = (at: number): boolean =>
    chains.every((chain) => chain.at(-at)?.returnAddress === first.at(-at)?.returnAddress);
  while (count < first.length && isCommon(count + 1)) count++;
  return first.slice(first.length - count);
}

/** A function at its jump to another: it has given its frame back, and registers that callees keep are those of its caller again. */
class JumpFrame implements ExpressionFrame {
  readonly architecture: Architecture;

  constructor(
    private readonly caller: EnteredFrame,
    /** The call or the jump that entered it. */
    private readonly call: Call | undefined,
    readonly lookupPc: bigint,
  ) {
    this.architecture = caller.architecture;
  }

  register(number: number): bigint | undefined {
    return this.architecture.keptByCallees.has(number) ? this.caller.register(number) : unknown();
  }

  readMemory(address: bigint, length: number): Uint8Array {
    return this.caller.readMemory(address, length);
  }

  frameBase(): bigint {
    return unknown();
  }

  cfa(): bigint {
    return unknown();
  }

  entryValue(expression: Uint8Array): bigint {
    return this.call ? argument(expression, this.call) : unknown();
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
