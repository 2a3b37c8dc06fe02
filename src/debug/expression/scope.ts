/** What names mean at a place of the program: locals by block, statics and globals, enumerators, functions, types. */
import type {
  DebugFunction,
  DebugLocation,
  DebugScope,
  DebugType,
  DebugVariable,
} from '../../guest/dwarf/model';
import { DebugError } from '../frames/errors';
import type { Frame } from '../frames/frame';
import type { MachineWriter } from '../frames/machine';
import type { Program } from '../frames/program';
import { variablePlace } from '../frames/variable-place';
import type { TypeSyntax } from './syntax';
import { basicTypesOf, pointerTo, VOID } from './types';
import { Value } from './value';

/** Where an expression is evaluated. */
export interface EvaluationContext {
  readonly program: Program;
  readonly frame: Frame;
  /** Absent: assignments are refused. */
  readonly writer?: MachineWriter;
}

/** What a name stands for at an address. */
export type Binding =
  | {
      readonly kind: 'variable';
      readonly variable: DebugVariable;
      readonly location: DebugLocation | undefined;
    }
  | { readonly kind: 'constant'; readonly type: DebugType; readonly value: bigint }
  | { readonly kind: 'address'; readonly type: DebugType; readonly address: bigint };

/** A variable with its location at an address. */
function variableBinding(variable: DebugVariable, pc: bigint): Binding {
  return { kind: 'variable', variable, location: variable.locationAt(pc) };
}

/** A variable of the blocks around a place, the innermost first. */
export function localNamed(scopes: readonly DebugScope[], name: string): DebugVariable | undefined {
  for (const { variables } of scopes) {
    const found = variables.find((each) => each.name === name);
    if (found) return found;
  }
  return undefined;
}

/** What a name stands for; undefined: nothing that can be seen from the place. */
export function lookUp(name: string, { program, frame }: EvaluationContext): Binding | undefined {
  const pc = frame.callPc;
  const local = localNamed(frame.scopes, name);
  if (local) return variableBinding(local, pc);
  const known = program.debug?.named(name, pc);
  if (known?.kind === 'variable') return variableBinding(known.variable, pc);
  const enumerator = program.debug?.enumerator(name);
  if (enumerator) return { kind: 'constant', ...enumerator };
  return known ? functionBinding(known.function) : symbolBinding(name, program);
}

/** A function's code, with the types of its parameters. */
function functionBinding({ variables, result, entry }: DebugFunction): Binding {
  const parameters = variables.filter(({ isParameter }) => isParameter).map(({ type }) => type);
  return {
    kind: 'address',
    type: { kind: 'function', result, parameters, variadic: false },
    address: entry,
  };
}

/** A name that only the symbol table has: code is a function of unknown type, data an array of bytes. */
function symbolBinding(name: string, { symbols, architecture, isCode }: Program): Binding | undefined {
  const symbol = symbols.named(name);
  if (!symbol) return undefined;
  const { address, size } = symbol;
  const type: DebugType = isCode(address)
    ? { kind: 'function', result: VOID, parameters: [], variadic: false }
    : { kind: 'array', element: basicTypesOf(architecture).unsignedChar, count: Number(size) };
  return { kind: 'address', type, address };
}

/**
 * What a name stands for in a file (`file.c::x`) or as a static of a function (`f::x`).
 * @throws DebugError when there is no such file or function, or nothing of that name in it
 */
export function lookUpScoped(scope: string, name: string, { program }: EvaluationContext): Binding {
  const { debug } = program;
  const [named] = debug?.functionsNamed(scope) ?? [];
  if (named) {
    const variable = localNamed([named, ...blocksOf(named)], name);
    if (variable) return variableBinding(variable, named.entry);
    throw new DebugError(`Function ${scope} has no variable ${name}.`);
  }
  const files = program.lines.files.filter((file) => file === scope || file.endsWith(`/${scope}`));
  if (files.length === 0)
    throw new DebugError(`There is no file and no function ${scope} in the debug information.`);
  for (const file of files) {
    const pc = addressIn(file, program);
    const variable = pc === undefined ? undefined : debug?.globalsOf(pc).find((each) => each.name === name);
    if (variable && pc !== undefined) return variableBinding(variable, pc);
  }
  const functions = debug
    ?.functionsNamed(name)
    .filter(({ declared }) => files.includes(declared?.file ?? ''));
  if (functions?.length) return functionBinding(functions[0]);
  throw new DebugError(`${scope} has no variable and no function ${name}.`);
}

/** Some address of a file's code. */
function addressIn(file: string, { lines }: Program): bigint | undefined {
  const line = lines.nextLineWithCode(file, 1);
  return line === undefined ? undefined : lines.addressesOf(file, line)[0];
}

/** Blocks deeper than any program's; a hostile tree is cut there. */
const MAX_BLOCKS = 10_000;

/** All blocks within one, functions inlined there left out. */
function blocksOf(scope: DebugScope): DebugScope[] {
  const blocks = scope.scopes.filter(({ inlined }) => !inlined);
  for (let i = 0; i < blocks.length && blocks.length < MAX_BLOCKS; i++)
    blocks.push(...blocks[i].scopes.filter(({ inlined }) => !inlined));
  return blocks;
}

/** The value that a name stands for. */
export function valueOf(binding: Binding, { frame }: EvaluationContext): Value {
  const { activation } = frame;
  switch (binding.kind) {
    case 'variable':
      return Value.at(
        binding.variable.type,
        variablePlace(binding.variable.name, binding.location, activation),
        activation,
      );
    case 'constant':
      return Value.of(binding.type, binding.value, activation);
    case 'address':
      return Value.at(binding.type, { kind: 'memory', address: binding.address }, activation);
  }
}

/** A variable that a scope lists, as a value. */
export function variableValue(variable: DebugVariable, frame: Frame): Value {
  const place = variablePlace(variable.name, variable.locationAt(frame.callPc), frame.activation);
  return Value.at(variable.type, place, frame.activation);
}

/**
 * The type that is written.
 * @param typeOf the type of an expression, for typeof
 * @throws DebugError when the program has none of that name
 */
export function resolveType(
  syntax: TypeSyntax,
  context: EvaluationContext,
  typeOf: (node: Extract<TypeSyntax, { kind: 'typeof' }>) => DebugType,
): DebugType {
  const { program, frame } = context;
  const { architecture, debug } = program;
  switch (syntax.kind) {
    case 'basic':
      return syntax.name === 'void' ? VOID : basicTypesOf(architecture)[syntax.name];
    case 'named': {
      const type = debug?.typeNamed(syntax.name, frame.callPc);
      if (type) return type;
      throw new DebugError(`The program has no type ${syntax.name}.`);
    }
    case 'typeof':
      return typeOf(syntax);
    case 'pointer':
      return pointerTo(resolveType(syntax.target, context, typeOf), architecture);
    case 'array': {
      const element = resolveType(syntax.element, context, typeOf);
      return { kind: 'array', element, count: syntax.count };
    }
    case 'function':
      return {
        kind: 'function',
        result: resolveType(syntax.result, context, typeOf),
        parameters: syntax.parameters.map((each) => resolveType(each, context, typeOf)),
        variadic: syntax.variadic,
      };
  }
}
