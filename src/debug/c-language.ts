/** `Language` over the unwinder and the evaluator of C expressions. */
import type { DebugScope, DebugVariable } from '../guest/dwarf/model';
import type { ControlReader } from '../run/control/control';
import { framesOf, unwound } from './c-frames';
import { isTrue } from './expression/arithmetic';
import { childrenOf, countChildren, type Child } from './expression/children';
import { compileExpression, type CompiledExpression } from './expression/compile';
import { complete } from './expression/complete';
import { formatValue, SUMMARY, type FormatOptions } from './expression/format';
import { variableValue, type EvaluationContext } from './expression/scope';
import { sizeOf, typeName } from './expression/types';
import type { Value } from './expression/value';
import { DebugError } from './frames/errors';
import type { MachineWriter } from './frames/machine';
import type { Change, Completion, Format, Frame, Language, NamedValue, ShownValue } from './language';
import type { Program } from './program';
import { writableRegister } from './register-numbers';

/** Frames of a stack that is asked for without a limit. */
const MOST_FRAMES = 512;
/** Expressions that are kept ready: those of conditions are evaluated again and again. */
const MOST_KEPT = 256;

export class CLanguage implements Language {
  /** By the function that they are evaluated in, or the program where there is none. */
  private readonly ready = new WeakMap<object, Map<string, CompiledExpression>>();

  /** @param programs by VM */
  constructor(private readonly programs: readonly Program[]) {}

  frames(reader: ControlReader, cpu: number, limit = MOST_FRAMES): readonly Frame[] {
    const program = this.programs[reader.cpus[cpu]?.vm ?? -1];
    return program ? framesOf(reader, cpu, program, limit) : [];
  }

  locals(frame: Frame, format?: Format): readonly NamedValue[] {
    const { scopes } = unwound(frame);
    const seen = new Set<string>();
    // What an inner block declares hides what the outer one has of that name.
    return inOrder(scopes)
      .filter(({ name }) => !seen.has(name) && seen.add(name))
      .map((each) => named(each, frame, format));
  }

  globals(frame: Frame, format?: Format): readonly NamedValue[] {
    return frame.program.debug.globalsOf(frame.codeAt).map((each) => named(each, frame, format));
  }

  evaluate(frame: Frame, expression: string, format?: Format): ShownValue {
    const compiled = this.compiled(frame, expression);
    if (compiled.changes) throw new DebugError('An assignment can be made in the console only.');
    const options = compiled.format ? { ...optionsOf(format), format: compiled.format } : optionsOf(format);
    return shown(compiled.evaluate(contextOf(frame)), expression, options);
  }

  test(frame: Frame, expression: string): boolean {
    const compiled = this.compiled(frame, expression);
    if (compiled.changes) throw new DebugError('A condition cannot assign.');
    return isTrue(compiled.evaluate(contextOf(frame)));
  }

  changes(frame: Frame, expression: string): readonly Change[] | undefined {
    const compiled = this.compiled(frame, expression);
    if (!compiled.changes) return undefined;
    const changes: Change[] = [];
    const { architecture } = frame.program.unwinding;
    const writer: MachineWriter = {
      writeMemory: (address, bytes) => changes.push({ kind: 'memory', address, bytes }),
      writeRegister: (number, value) => {
        const register = writableRegister(architecture, number);
        if (!register) throw new DebugError(`Register ${architecture.nameOf(number)} cannot be changed.`);
        changes.push({ kind: 'register', register, value });
      },
    };
    compiled.evaluate({ ...contextOf(frame), writer });
    return changes;
  }

  completions(frame: Frame, text: string, cursor: number): readonly Completion[] {
    const { start, items } = complete(text, cursor, contextOf(frame));
    return items.map(({ label, kind, detail }) => ({
      label,
      start,
      length: cursor - start,
      kind,
      ...(detail !== undefined && { detail }),
    }));
  }

  /** Names are looked up anew at each place; what is kept is that the text is understood, for its function. */
  private compiled(frame: Frame, text: string): CompiledExpression {
    const own = unwound(frame);
    const place = own.function ?? frame.program;
    const ready = this.ready.get(place) ?? new Map<string, CompiledExpression>();
    if (ready.size === 0) this.ready.set(place, ready);
    const known = ready.get(text);
    if (known) return known;
    const compiled = compileExpression(text, frame.program.unwinding, own);
    if (ready.size >= MOST_KEPT) ready.clear();
    ready.set(text, compiled);
    return compiled;
  }
}

function contextOf(frame: Frame): EvaluationContext {
  return { program: frame.program.unwinding, frame: unwound(frame) };
}

function optionsOf(format: Format = {}): FormatOptions {
  return format.hex ? { ...SUMMARY, format: 'x' } : SUMMARY;
}

/** Parameters first, then locals, the inner blocks' before the outer ones'. */
function inOrder(scopes: readonly DebugScope[]): DebugVariable[] {
  const all = scopes.flatMap(({ variables }) => variables);
  return [...all.filter(({ isParameter }) => isParameter), ...all.filter(({ isParameter }) => !isParameter)];
}

/** A variable of a list; one that cannot be told says why in place of its value. */
function named(variable: DebugVariable, frame: Frame, format?: Format): NamedValue {
  const { name } = variable;
  try {
    return { name, value: shown(variableValue(variable, unwound(frame)), name, optionsOf(format)) };
  } catch (error) {
    if (!(error instanceof DebugError)) throw error;
    return { name, value: unknown(`<${error.message}>`, typeName(variable.type), name) };
  }
}

function unknown(text: string, type: string, expression: string): ShownValue {
  return {
    text,
    type,
    indexed: 0,
    named: 0,
    memory: undefined,
    expression,
    isLvalue: false,
    parts: () => [],
  };
}

function shown(value: Value, expression: string, options: FormatOptions): ShownValue {
  let text: string;
  try {
    text = formatValue(value, options);
  } catch (error) {
    if (!(error instanceof DebugError)) throw error;
    return unknown(`<${error.message}>`, typeName(value.type), expression);
  }
  const { named: namedParts, indexed } = countChildren(value);
  const { address } = value;
  return {
    text,
    type: typeName(value.type),
    indexed,
    named: namedParts,
    memory: address === undefined ? undefined : { address, length: sizeOf(value.type) },
    expression,
    isLvalue: value.isAssignable,
    parts: (first, count) => childrenOf(value, expression, first, count).map((each) => part(each, options)),
  };
}

function part({ name, value, expression }: Child, options: FormatOptions): NamedValue {
  return { name, value: shown(value, expression, options) };
}
