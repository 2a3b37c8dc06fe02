/**
 * Prints the interpreter's part of the table as AssemblyScript: the numbers of the operations, and the cases of the inner
 * loop. `scripts/build-core.mjs` puts both into `core/generated/` before it compiles the core.
 */
import { NEXT, conditionLines, memoryStore, registerStore, signedLoad, unsignedLoad } from './interpreted';
import {
  accessesMemory,
  uses,
  type Definition,
  type Expression,
  type Operation,
  type Operator,
  type Place,
} from './definition';
import { generalCases, generalNumbersSource } from './general';
import { FAST_NAMES, OPERATIONS } from './table';

const R1 = 'cpu + <i32>load<u16>(pc, U_R1)';
const R2 = 'cpu + <i32>load<u16>(pc, U_R2)';

const NAMES: Record<string, string> = {
  first: 'x',
  second: 'y',
  value: 'r',
  immediate: 'load<i64>(pc, U_IMM)',
  address: 'where',
  effective: 'address(cpu, pc)',
  holds: '(holds ? 1 : 0)',
};

function print(expression: Expression, d: Definition): string {
  if (typeof expression === 'number') return `${expression}`;
  if (expression === 'memory') return unsignedLoad('at', d.bits);
  if (typeof expression === 'string') return NAMES[expression];
  if ('register' in expression) return `load<i64>(cpu, ${expression.register})`;
  if ('signed32' in expression) return `<i64><i32>(${print(expression.signed32, d)})`;
  return combine(expression.operator, print(expression.left, d), print(expression.right, d));
}

function combine(operator: Operator, left: string, right: string): string {
  if (operator === 'pick') return `(holds ? ${left} : ${right})`;
  if (operator === '>>>') return `<i64>(<u64>(${left}) >> <u64>(${right}))`;
  return `(${left} ${operator} ${right})`;
}

/** Address in the core's memory of an operand that is not an immediate. */
function addressOf(place: Place): string {
  if (place === 'R1') return 'first';
  if (place === 'R2') return R2;
  if (place === 'memory') return 'at';
  if (place === 'immediate') throw new RangeError('an immediate has no address');
  return `cpu + ${place.register}`;
}

function read(place: Place, bits: Definition['bits'], signed: boolean): string {
  if (place === 'immediate') return NAMES.immediate;
  return (signed ? signedLoad : unsignedLoad)(addressOf(place), bits);
}

function memoryLines(d: Definition): string[] {
  if (!accessesMemory(d)) return [];
  const lines = d.address === undefined ? [] : [`const where = ${print(d.address, d)};`];
  const address = d.address === undefined ? 'address(cpu, pc)' : 'where';
  const bytes = (d.second === 'memory' ? (d.from ?? d.bits) : d.bits) / 8;
  return [
    ...lines,
    `const at = ${d.stores ? 'writable' : 'readable'}(mmu, ${address}, ${bytes});`,
    'if (!at) break;',
  ];
}

function operandLines(d: Definition): string[] {
  const lines: string[] = [];
  if ([d.first, d.second, d.to].includes('R1')) lines.push(`const first = ${R1};`);
  const signed = d.signed ?? false;
  if (d.first && uses(d, 'first')) lines.push(`const x = ${read(d.first, d.bits, signed)};`);
  if (d.second && uses(d, 'second')) lines.push(`const y = ${read(d.second, d.from ?? d.bits, signed)};`);
  return lines;
}

function flagLines(d: Definition): string[] {
  const { flags } = d;
  if (!flags) return [];
  const kind = `CC_${flags.kind} | ${64 - d.bits}`;
  const lines: string[] = [];
  if (flags.carry === 'kept') lines.push('const carry: i64 = keptCarry(cc, a, b);');
  else if (flags.carry !== undefined) lines.push(`const carry = ${print(flags.carry, d)} << 8;`);
  lines.push(`a = ${print(flags.a, d)};`, `b = ${print(flags.b, d)};`);
  lines.push(`cc = ${kind}${flags.carry === undefined ? '' : ' | carry'};`);
  return lines;
}

function resultLines(d: Definition): string[] {
  const lines = (d.sets ?? []).map(([register, to]) => `store<i64>(cpu, ${print(to, d)}, ${register});`);
  if (d.to === undefined) return lines;
  if (d.to === 'memory') return [...lines, memoryStore('at', d.bits, 'r')];
  return [...lines, registerStore(addressOf(d.to), d.bits, 'r')];
}

/** The lines of a definition's case. */
function caseLines(d: Definition): string[] {
  const lines: string[] = [];
  if (d.intercept !== undefined)
    lines.push(`if ((load<u32>(cpu, C_INTERCEPTS) >> ${d.intercept}) & 1) break;`);
  if (d.condition) lines.push(...conditionLines(d.condition));
  lines.push(...memoryLines(d), ...operandLines(d));
  if (d.value !== undefined) lines.push(`const r = ${print(d.value, d)};`);
  for (const each of d.fits ?? []) lines.push(`if (<i64><i32>${NAMES[each]} != ${NAMES[each]}) break;`);
  return [...lines, ...flagLines(d), ...resultLines(d), ...NEXT];
}

function casesOf(operation: Operation): string {
  const { name, definition, interpreted } = operation;
  const lines = definition ? caseLines(definition) : (interpreted ?? []);
  return [`case fast.F_${name}: {`, ...lines.map((line) => `  ${line}`), '}'].join('\n');
}

/** `core/generated/fast-ops.ts`: the numbers of the operations by name. */
export function numbersSource(): string {
  return [
    '/** Made by scripts/build-core.mjs from the table of operations: not to be changed here. */',
    ...FAST_NAMES.map((name, i) => `export const F_${name} = ${i + 1};`),
    '',
  ].join('\n');
}

/** Puts cases at the mark of a frame; throws RangeError when it has none. */
function fillFrame(frame: string, cases: string): string {
  const mark = '// cases of the table';
  if (!frame.includes(mark)) throw new RangeError(`the frame has no line "${mark}" for its cases`);
  return frame.replace(mark, () => cases);
}

/**
 * `core/generated/run.ts`: the inner loop. Where a case begins, `B` is the budget, `pc` the micro-op, `cc`, `a` and `b` are the
 * flags (`C_CC`, `C_CCA`, `C_CCB`), `mmu` is the translation context.
 */
export function interpreterSource(frame: string): string {
  return fillFrame(frame, OPERATIONS.map(casesOf).join('\n'));
}

/** `core/generated/dispatch.ts`: the general operations. */
export function dispatchSource(frame: string): string {
  return fillFrame(frame, generalCases());
}

/** Sources of `core/generated/` by file name. `read` gives the frames in `core/run/`. */
export function generatedSources(read: (name: string) => string): Record<string, string> {
  return {
    'fast-ops.ts': numbersSource(),
    'ops.ts': generalNumbersSource(),
    'run.ts': interpreterSource(read('loop-frame.ts')),
    'dispatch.ts': dispatchSource(read('dispatch-frame.ts')),
  };
}
