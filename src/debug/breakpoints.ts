/** Breakpoints on lines, functions and instructions. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { basename } from 'node:path';
import type { StopPointPlace } from '../run/control/control';
import { Breakpoint, counterKey, type BreakpointWishes } from './breakpoint';
import type { Handlers, SessionContext } from './context';
import { HitCounters, type HitCounter } from './hit-counter';
import { addressOf, listOf, RequestError, textOf, wholeNumber } from './errors';
import type { BreakpointPlace, Program } from './program';
import type { PointOwner, StopReason } from './points';
import { reasonOf } from '../run/reason';

interface Placed {
  readonly place: StopPointPlace;
  readonly owner: PointOwner;
}

/** The hits so far of a breakpoint by its key. */
type CounterOf = (key: string) => HitCounter;

/** Furthest line that is looked for code. */
const MOST_LINES = 1_000_000;

export class Breakpoints {
  private nextId = 1;
  /** Requests as they came, to be made again for another run, and what was answered last. */
  private readonly kept = new Map<string, { set: () => DebugProtocol.Breakpoint[]; told: string[] }>();
  readonly counters = new HitCounters();

  constructor(private readonly context: SessionContext) {}

  readonly handlers: Handlers = {
    setBreakpoints: (args: DebugProtocol.SetBreakpointsArguments) => {
      const path = textOf(args.source?.path, 'The path of a source');
      const wanted = args.breakpoints ?? (args.lines ?? []).map((line) => ({ line }));
      return this.replace(`source ${path}`, listOf(wanted, 'breakpoints'), (each, id, counterOf) =>
        this.onLine(path, each, id, counterOf),
      );
    },
    setFunctionBreakpoints: (args: DebugProtocol.SetFunctionBreakpointsArguments) =>
      this.replace('functions', listOf(args.breakpoints, 'breakpoints'), (each, id, counterOf) =>
        this.onFunction(each, id, counterOf),
      ),
    setInstructionBreakpoints: (args: DebugProtocol.SetInstructionBreakpointsArguments) =>
      this.replace('instructions', listOf(args.breakpoints, 'breakpoints'), (each, id, counterOf) =>
        this.onInstruction(each, id, counterOf),
      ),
    breakpointLocations: (args: DebugProtocol.BreakpointLocationsArguments) => ({
      body: { breakpoints: this.locations(args) },
    }),
  };

  /** An id that no other breakpoint has. */
  takeId(): number {
    return this.nextId++;
  }

  /**
   * Sets all breakpoints anew, for a run that has just been built: the first, which a client need not wait for, or another, of guests
   * that may have been compiled anew. Tells the client of those whose place or whose verification is another one now.
   */
  setAgain(): void {
    this.counters.clear();
    for (const group of this.kept.values()) {
      const before = group.told;
      const breakpoints = group.set();
      group.told = breakpoints.map((each) => JSON.stringify(each));
      breakpoints.forEach((breakpoint, index) => {
        if (group.told[index] !== before[index])
          this.context.send('breakpoint', { reason: 'changed', breakpoint });
      });
    }
  }

  /** Replaces a group of breakpoints; each is answered by itself, what is wrong with one keeps no other from being set. */
  private replace<T>(
    group: string,
    wanted: readonly T[],
    set: (
      wanted: T,
      id: number,
      counterOf: CounterOf,
    ) => { answer: DebugProtocol.Breakpoint; placed: readonly Placed[] },
  ): { body: { breakpoints: DebugProtocol.Breakpoint[] } } {
    const ids = wanted.map(() => this.takeId());
    const setAll = (): DebugProtocol.Breakpoint[] => {
      const counterOf = this.counters.renew(group);
      const results = wanted.map((each, index) => {
        try {
          return set(each, ids[index], counterOf);
        } catch (error) {
          if (!(error instanceof RequestError)) throw error;
          return { answer: { id: ids[index], verified: false, message: reasonOf(error) }, placed: [] };
        }
      });
      this.context.points.replace(
        group,
        results.flatMap(({ placed }) => placed),
      );
      return results.map(({ answer }) => answer);
    };
    const breakpoints = setAll();
    const told = breakpoints.map((each) => JSON.stringify(each));
    if (wanted.length > 0) this.kept.set(group, { set: setAll, told });
    else this.kept.delete(group);
    return { body: { breakpoints } };
  }

  private onLine(path: string, wanted: DebugProtocol.SourceBreakpoint, id: number, counterOf: CounterOf) {
    const line = this.context.fromClientLine(wholeNumber(wanted.line, 'A line', 0, MOST_LINES));
    const column = wanted.column === undefined ? 0 : this.context.fromClientColumn(wanted.column);
    const source: DebugProtocol.Source = { name: basename(path), path };
    const found = this.context.debuggee.programs.flatMap((program) => {
      const place = program.placeOf(path, line, column);
      return place ? [{ program, place }] : [];
    });
    const [first] = found;
    if (!first) throw new RequestError(this.whyNoCode(path));
    const owner = this.make(id, 'breakpoint', wanted, counterOf(counterKey(`${line}:${column}`, wanted)), {
      source,
      line: first.place.line,
    });
    const answer: DebugProtocol.Breakpoint = {
      id,
      verified: true,
      source,
      line: this.context.toClientLine(first.place.line),
      ...(first.place.column > 0 && { column: this.context.toClientColumn(first.place.column) }),
    };
    return {
      answer,
      placed: found.flatMap(({ program, place }) => placedIn(program, place.addresses, owner)),
    };
  }

  private whyNoCode(path: string): string {
    const knows = this.context.debuggee.programs.some((program) => program.fileFor(path) !== undefined);
    return knows
      ? 'There is no code at or behind this line: the compiler made none, or left it out as unused.'
      : `No guest of this scenario is made from ${basename(path)}, or it has no debug information.`;
  }

  private onFunction(wanted: DebugProtocol.FunctionBreakpoint, id: number, counterOf: CounterOf) {
    const name = textOf(wanted.name, 'The name of a function').trim();
    const found = this.context.debuggee.programs.flatMap((program) =>
      entriesOf(program, name).map((address) => ({ program, address })),
    );
    const [first] = found;
    if (!first) throw new RequestError(`No guest has a function ${name}.`);
    const owner = this.make(id, 'function breakpoint', wanted, counterOf(counterKey(name, wanted)));
    const place = first.program.lookup(first.address);
    const answer: DebugProtocol.Breakpoint = {
      id,
      verified: true,
      instructionReference: hexAddress(first.address),
      ...(place && {
        source: { name: basename(place.file), path: place.file },
        line: this.context.toClientLine(place.line),
      }),
    };
    return { answer, placed: found.flatMap(({ program, address }) => placedIn(program, [address], owner)) };
  }

  private onInstruction(wanted: DebugProtocol.InstructionBreakpoint, id: number, counterOf: CounterOf) {
    const base = addressOf(wanted.instructionReference, 'An instruction reference');
    const offset = wholeNumber(wanted.offset ?? 0, 'An offset', Number.MIN_SAFE_INTEGER);
    const address = BigInt.asUintN(64, base + BigInt(offset));
    const owner = this.make(
      id,
      'instruction breakpoint',
      wanted,
      counterOf(counterKey(hexAddress(address), wanted)),
    );
    const placed = this.context.debuggee.programs.flatMap((program) => placedIn(program, [address], owner));
    return { answer: { id, verified: true, instructionReference: hexAddress(address) }, placed };
  }

  private make(
    id: number,
    reason: StopReason,
    wishes: BreakpointWishes,
    hits: HitCounter,
    place?: { source: DebugProtocol.Source; line: number },
  ): Breakpoint {
    return new Breakpoint(this.context, id, reason, wishes, hits, place);
  }

  private locations(args: DebugProtocol.BreakpointLocationsArguments): DebugProtocol.BreakpointLocation[] {
    const path = textOf(args.source?.path, 'The path of a source');
    const first = this.context.fromClientLine(wholeNumber(args.line, 'A line', 0, MOST_LINES));
    const last =
      args.endLine === undefined
        ? first
        : this.context.fromClientLine(wholeNumber(args.endLine, 'A line', 0, MOST_LINES));
    const found = new Map<string, DebugProtocol.BreakpointLocation>();
    for (const program of this.context.debuggee.programs) {
      const file = program.fileFor(path);
      if (file === undefined) continue;
      for (const { line, column } of program.image.lines.statementsIn(file, first, last)) {
        const place = {
          line: this.context.toClientLine(line),
          ...(column > 0 && { column: this.context.toClientColumn(column) }),
        };
        found.set(`${line}:${column}`, place);
      }
    }
    return [...found.values()];
  }
}

function placedIn(program: Program, addresses: BreakpointPlace['addresses'], owner: PointOwner): Placed[] {
  return addresses.map((address) => ({ place: { kind: 'code', vm: program.vm, address }, owner }));
}

/** Where functions of a name begin, behind their prologues; of those without debug information at their symbol. */
function entriesOf(program: Program, name: string): bigint[] {
  const known = program.debug.functionsNamed(name).map(({ afterPrologue }) => afterPrologue);
  if (known.length > 0) return known;
  const symbol = program.image.symbols.functions().find((each) => each.name === name);
  return symbol ? [symbol.address] : [];
}

export function hexAddress(address: bigint): string {
  return `0x${address.toString(16)}`;
}
