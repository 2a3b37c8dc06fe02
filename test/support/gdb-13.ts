/**
 * Where gdb 13 has other values than the debug information gives, and why. Each of these says what gdb is expected to show, or
 * what must be so that it shows nothing: what it shows besides is a difference.
 */
import type { DebugScope } from '../../src/guest/dwarf/model';
import { formatValue } from '../../src/debug/expression/format';
import { localNamed } from '../../src/debug/expression/scope';
import { bare, isComposite, sizeOf } from '../../src/debug/expression/types';
import { Value } from '../../src/debug/expression/value';
import { Activation } from '../../src/debug/frames/activation';
import { compute, locate, type ExpressionFrame } from '../../src/debug/frames/dwarf-expression';
import { enteringCall } from '../../src/debug/frames/entry-value';
import { DebugError } from '../../src/debug/frames/errors';
import type { Frame } from '../../src/debug/frames/frame';
import type { Program } from '../../src/debug/frames/program';
import { machineOf } from '../../src/debug/register-numbers';
import type { ControlledRun } from '../../src/run/control/controlled-run';

/** Values as gdb writes them, all elements that it shows. */
export const OPTIONS = { elements: 200, depth: 20, length: 100_000 };

/** What gdb shows of a variable whose value is not known. */
export const OPTIMISED_OUT = '<optimized out>';

/** A value as text; one that cannot be had as the reason. */
export function textOf(evaluate: () => string): string {
  try {
    return evaluate();
  } catch (error) {
    if (error instanceof DebugError) return `error: ${error.message}`;
    throw error;
  }
}

/**
 * Whether a variable that gdb shows as optimised out belongs to a block of the frame's function that does not contain the place. A
 * compiler may put the block's concrete entry elsewhere in the tree than the abstract one is. Then gdb's `inherit_abstract_dies` takes
 * the abstract block for one that has no concrete entry and adds its variables, without a place, to the function.
 */
export function isOfBlockElsewhere({ scopes, callPc }: Frame, name: string): boolean {
  const within = (scope: DebugScope): boolean =>
    scope.scopes
      .filter(({ inlined }) => !inlined)
      .some(
        (block) =>
          (block.variables.some((each) => each.name === name) &&
            !block.ranges.some(({ low, high }) => low <= callPc && callPc < high)) ||
          within(block),
      );
  return scopes.some(within);
}

/**
 * Whether gdb leaves out a variable that is optimised out wherever its block is: the block's concrete entry does not name the abstract
 * one, as those of clang do not, and `inherit_abstract_dies` adds what is missing only to entries that do.
 */
export function isMissingInBlock({ scopes }: Frame, name: string): boolean {
  const home = scopes.find(({ variables }) => variables.some((each) => each.name === name));
  const isBlock = home !== undefined && home !== scopes.at(-1) && !home.inlined;
  return isBlock && home.ranges.every(({ low }) => localNamed([home], name)?.locationAt(low) === undefined);
}

/**
 * A variable of which pieces tell the first bytes only (DWARF 5, 2.6.1.2), as gdb shows it. In a struct
 * `check_pieced_synthetic_pointer` finds no piece that speaks against it and takes what follows the last one for pointers without a
 * value; elsewhere `rw_pieced_value` leaves the bytes 0 and says of none that it is not known.
 * @param shown as we have it
 * @returns undefined where pieces tell everything
 */
export function withBytesUncovered(frame: Frame, name: string, shown: string): string | undefined {
  const variable = localNamed(frame.scopes, name);
  const location = variable?.locationAt(frame.callPc);
  if (!variable || location?.kind !== 'expression') return undefined;
  const { type } = variable;
  if (shown.startsWith('error: ')) return undefined;
  const place = locate(location.bytes, location.unit, frame.activation);
  if (place.kind !== 'pieces' || place.pieces.some(({ location: { kind } }) => kind === 'implicit-pointer'))
    return undefined;
  const bits = 8 * sizeOf(type) - place.pieces.reduce((sum, piece) => sum + piece.bits, 0);
  if (bits <= 0) return undefined;
  if (isComposite(bare(type))) return shown.replaceAll(OPTIMISED_OUT, '<synthetic pointer>');
  const zeros = { bits, first: 0, location: { kind: 'value', bytes: new Uint8Array(bits / 8) } } as const;
  const whole = { kind: 'pieces', pieces: [...place.pieces, zeros] } as const;
  return textOf(() => formatValue(Value.at(type, whole, frame.activation), OPTIONS));
}

/** An activation in which values at the entry come from elsewhere. */
function withEntryValues(activation: Activation, entryValue: ExpressionFrame['entryValue']): ExpressionFrame {
  return Object.create(activation, { entryValue: { value: entryValue } }) as ExpressionFrame;
}

/** A variable with values at the entry that come from elsewhere; undefined: its location uses none. */
function withValuesAtEntry(
  { scopes, activation, callPc }: Frame,
  name: string,
  entryValue: ExpressionFrame['entryValue'],
): string | undefined {
  const variable = localNamed(scopes, name);
  const location = variable?.locationAt(callPc);
  if (!variable || location?.kind !== 'expression') return undefined;
  let isUsed = false;
  const frame = withEntryValues(activation, (expression) => {
    isUsed = true;
    return entryValue(expression);
  });
  const shown = textOf(() =>
    formatValue(Value.at(variable.type, locate(location.bytes, location.unit, frame), activation), OPTIONS),
  );
  return isUsed ? shown : undefined;
}

/**
 * A variable of an inlined function as gdb has it: it takes the argument of DW_OP_entry_value from the right call site, but works it out
 * with the registers of the frame into which the function is inlined (`push_dwarf_reg_entry_value`: the previous frame of an inlined one),
 * where they should be those of that frame's caller (DWARF 5, 3.4.2).
 */
export function asOfFrameInlinedInto(frame: Frame, name: string): string | undefined {
  const call = enteringCall(frame.activation);
  if (frame.kind !== 'inlined' || !call) return undefined;
  const { parameters, unit } = call.site;
  return withValuesAtEntry(frame, name, (expression) => {
    const own = parameters.find(({ location }) => Buffer.compare(location, expression) === 0);
    if (!own) throw new DebugError('The call site does not tell.');
    return compute(own.value, unit, frame.activation);
  });
}

/**
 * A variable that uses values at the entry, as it is with what registers really held when the function was entered: the run goes back
 * there. gdb does not know them where it does not find the function that was called: by a call site that names an abstract instance
 * (`read_call_site_scope`: "target DIE has invalid low pc"), or by a jump of which DW_AT_call_pc alone is given, as clang does (it reads
 * DW_AT_call_return_pc).
 */
export function asOfEntry(
  run: ControlledRun,
  cpu: number,
  program: Program,
  frame: Frame,
  name: string,
): string | undefined {
  if (withValuesAtEntry(frame, name, () => 0n) === undefined) return undefined;
  const entered = activationAtEntry(run, cpu, program, frame.activation);
  const location = localNamed(frame.scopes, name)?.locationAt(frame.callPc);
  if (!entered || location?.kind !== 'expression') return undefined;
  return withValuesAtEntry(frame, name, (expression) => {
    if (expression[0] === GNU_PARAMETER_REF) throw new DebugError('No register has held it.');
    return compute(expression, location.unit, entered);
  });
}

const GNU_PARAMETER_REF = 0xfa;
const RSP = { general: 4 } as const;

/** The registers with which an activation began, where its return address lay at the top of the stack. */
function activationAtEntry(
  run: ControlledRun,
  cpu: number,
  program: Program,
  activation: Activation,
): Activation | undefined {
  const entry = activation.function?.entry;
  if (entry === undefined) return undefined;
  const { architecture } = program;
  const sp = activation.cfa() - BigInt(architecture.addressBytes);
  const now = (): Activation => Activation.top(program, machineOf(run, cpu, architecture, true));
  if (activation.level === 0 && activation.pc === entry) return now();
  const { moment } = run;
  const { vm } = run.cpus[cpu];
  const isIt = (): boolean => run.register(cpu, RSP) === sp;
  run.setPoints([{ id: 1, kind: 'code', vm, cpu, address: entry, when: isIt }]);
  try {
    return run.backward().reason === 'point' ? now() : undefined;
  } finally {
    run.setPoints([]);
    run.seek({ kind: 'moment', moment });
  }
}

/**
 * Whether gdb goes on where a stack has ended: above code that is not in the file it guesses what the frame may be by words on the
 * stack (`amd64_frame_cache`).
 */
export function isGuessedAbove(program: Program, last: Frame | undefined): boolean {
  return last !== undefined && !program.isCode(last.pc);
}
