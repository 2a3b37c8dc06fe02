/** C expressions on a machine made by hand. Values that C11 decides are those that the computer's own compiler gives. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { DebugType } from '../../../src/guest/dwarf/model';
import { childrenOf, countChildren } from '../../../src/debug/expression/children';
import { compileExpression } from '../../../src/debug/expression/compile';
import { complete } from '../../../src/debug/expression/complete';
import { formatValue, FULL, SUMMARY } from '../../../src/debug/expression/format';
import type { EvaluationContext } from '../../../src/debug/expression/scope';
import { typeName } from '../../../src/debug/expression/types';
import type { Value } from '../../../src/debug/expression/value';
import { DebugError } from '../../../src/debug/frames/errors';
import { innermostFrame } from '../../../src/debug/frames/frame';
import { integerOf } from '../../../src/debug/frames/machine';
import { has, run, temporaryFolder } from '../guest/build';
import { at, CODE, FakeMachine, fakeDebug, fakeProgram, implicitPointer, variable } from './fake-program';

const folder = temporaryFolder();
afterAll(folder.remove);

const base = (name: string, bytes: number, encoding: 'signed' | 'unsigned' | 'character'): DebugType => ({
  kind: 'base',
  name,
  bytes,
  encoding,
});
const int = base('int', 4, 'signed');
const u8 = base('unsigned char', 1, 'unsigned');
const u32: DebugType = { kind: 'typedef', name: 'u32', target: base('unsigned int', 4, 'unsigned') };
const ring: DebugType = {
  kind: 'struct',
  name: 'ring',
  bytes: 32,
  get members() {
    return [
      { name: 'head', type: u32, offset: 0 },
      { name: 'low', type: u32, offset: 4, bits: { first: 3, width: 5 } },
      { name: 'sign', type: int, offset: 4, bits: { first: 8, width: 4 } },
      { name: 'next', type: pointer, offset: 8 },
      {
        type: {
          kind: 'union',
          bytes: 4,
          members: [
            { name: 'word', type: u32, offset: 0 },
            { name: 'byte', type: u8, offset: 0 },
          ],
        },
        offset: 16,
      },
      { name: 'data', type: { kind: 'array', element: u8, count: 8 }, offset: 20 },
    ] as const;
  },
};
const pointer: DebugType = { kind: 'pointer', bytes: 8, target: ring };

const DATA = 0x200000n;
const STACK = 0x300000n;
const [RAX, RBX, RBP, RSP, RIP] = [0, 3, 6, 7, 16];

let machine: FakeMachine;
let context: EvaluationContext;
beforeEach(() => {
  machine = new FakeMachine().map(CODE, 0x1000).map(DATA, 0x1000).map(STACK, 0x1000);
  machine.registers
    .set(RIP, CODE + 4n)
    .set(RSP, STACK)
    .set(RBP, STACK + 0x100n)
    .set(RAX, 0x1122334455667788n)
    .set(RBX, 5n);
  const locals = [
    variable('i', int, [0x91, 0x6c]), // DW_OP_fbreg -20
    variable('p', pointer, [0x91, 0x60]), // DW_OP_fbreg -32
    variable('fast', int, [0x53]), // DW_OP_reg3
    variable('gone', int, []),
    variable('halves', base('long', 8, 'signed'), [0x53, 0x93, 4, 0x50, 0x93, 4]),
    variable('literal', int, [0x35, 0x9f]),
    implicitPointer(
      'nowhere',
      { kind: 'pointer', bytes: 8, target: int },
      variable('nine', int, [0x39, 0x9f]),
      0,
    ),
  ];
  const debug = fakeDebug(locals, [variable('rings', { kind: 'array', element: ring, count: 4 }, at(DATA))], {
    u32,
    ring: { kind: 'typedef', name: 'ring', target: ring },
    'struct ring': ring,
  });
  const program = fakeProgram([['main', CODE, 0x1000n]], { debug });
  context = { program, frame: innermostFrame(program, machine), writer: machine };
  machine.words(STACK + 0xe0n, DATA + 32n);
  machine.writeMemory(STACK + 0x100n - 20n, Uint8Array.of(0xe8, 3, 0, 0));
  machine.words(DATA + 32n, 0x00000af900000007n, DATA);
});

const evaluate = (text: string, where: EvaluationContext = context): Value =>
  compileExpression(text, where.program, where.frame).evaluate(where);
const shown = (text: string): string => {
  const { format } = compileExpression(text, context.program, context.frame);
  return formatValue(evaluate(text), { ...FULL, ...(format && { format }) });
};

describe('an expression', () => {
  it.each([
    ['i', '1000'],
    ['i == 1000 && p->head == 7', '1'],
    ['p->head', '7'],
    ['p.head', '7'],
    ['rings[1].low', '31'],
    ['p->sign', '-6'],
    ['p == &rings[1]', '1'],
    ['p - rings', '1'],
    [
      '*p->next',
      '{head = 0, low = 0, sign = 0, next = 0x0, {word = 0, byte = 0}, data = {0, 0, 0, 0, 0, 0, 0, 0}}',
    ],
    ['fast', '5'],
    ['gone', '<optimized out>'],
    ['literal', '5'],
    ['nowhere', '<synthetic pointer>'],
    ['*nowhere', '9'],
    ['halves == ($rax << 32) + 5', '1'],
    ['$eax', '1432778632'],
    ['$cr3', '4096'],
    ['$pc', '0x100004 <main+4>'],
    ['main', '{void (void)} 0x100000 <main>'],
    ['(u32)i', '1000'],
    ['(ring *)p', '0x200020'],
    ['((struct ring *)p)->head', '7'],
    ['sizeof(ring)', '32'],
    ['sizeof rings / sizeof *rings', '4'],
    ['(i)', '1000'],
    ['/x i', '0x3e8'],
    ['i /x', '0x3e8'],
    ['i / 10', '100'],
    ['(typeof(i))3.7', '3'],
    ['"ab"[1]', "98 'b'"],
  ])('%s is %s', (text, expected) => {
    expect(shown(text)).toBe(expected);
  });

  it.each([
    ['x', 'There is no variable, function or constant x that can be seen from main.'],
    ['gone + 1', 'gone has been optimised out at this place of the program.'],
    ['*(int *)8', 'Memory at 0x8 cannot be read: nothing is mapped there.'],
    ['&fast', 'fast has no address: it is kept in register rbx.'],
    ['main()', 'Functions are not called: that would let the guest do what it does not do by itself.'],
    ['(struct ring){1}', 'Compound literals are not evaluated here: they would need memory of the guest.'],
    ['(struct rung *)p', 'The program has no type struct rung.'],
    ['p->tail', 'struct ring has no member tail.'],
    ['i.x', 'int has no members.'],
    ['*i', '* is for pointers, and this is int.'],
    ['i / 0', 'Division by zero.'],
    ['1 << 32', 'A shift by 32 has no meaning in C: int has 32 bits.'],
    ['i +', 'A value is missing at the end of the expression.'],
    ['i i', 'An operator is missing before "i" at column 3.'],
    ['(i', ') is missing at the end of the expression.'],
    ['09', '09 begins with 0 and so is octal, which has no 8 and no 9.'],
    ['`', '"`" at column 1 cannot be read as C.'],
    ['', 'There is no expression.'],
    ['$nix', 'There is no register $nix.'],
    ['nix.c::x', 'There is no file and no function nix.c in the debug information.'],
    ['*(void *)p', 'What a void * points to has no type: cast it to a pointer to something first.'],
    [
      'literal = 1',
      'It cannot be changed: the compiler has put its value into the code, and it lies nowhere.',
    ],
    ['1 = 2', 'Only a variable or what a pointer points to can be assigned to.'],
  ])('%s is refused: %s', (text, message) => {
    expect(() => shown(text)).toThrow(new DebugError(message));
  });

  it('assigns to memory, bit fields, registers and pieces, and only where that is allowed', () => {
    const readOnly = { program: context.program, frame: context.frame };
    expect(() => evaluate('i = 5', readOnly)).toThrow(
      'Nothing can be assigned here: this expression may only read.',
    );
    expect(compileExpression('i = 5', context.program).changes).toBe(true);
    expect(compileExpression('i == 5', context.program).changes).toBe(false);
    expect(shown('i = 5')).toBe('5');
    expect(integerOf(machine.readMemory(STACK + 0x100n - 20n, 8))).toBe(5n); // and nothing beside it
    expect(shown('p->low = 9')).toBe('9');
    expect(integerOf(machine.readMemory(DATA + 36n, 4))).toBe(0xa49n); // 9 in bits 3 to 7 of AF9H
    expect(shown('p->sign -= 1')).toBe('-7');
    expect(shown('i++')).toBe('5');
    expect(shown('++i')).toBe('7');
    expect(shown('fast += 2')).toBe('7');
    expect(machine.register(RBX)).toBe(7n);
    expect(shown('$al = 1')).toBe('1');
    expect(machine.register(RAX)).toBe(0x1122334455667701n);
    expect(shown('halves = 0x100000002')).toBe('4294967298');
    expect([machine.register(RBX), machine.register(RAX)]).toEqual([2n, 0x1122334400000001n]);
    expect(shown('rings[0] = *p, rings[0].head')).toBe('7');
    expect(shown('p = 0')).toBe('0x0');
  });

  it('is evaluated again where its names mean something else', () => {
    const compiled = compileExpression('i', context.program);
    expect(formatValue(compiled.evaluate(context))).toBe('1000');
    machine.registers.set(RBP, STACK + 0x200n);
    const frame = innermostFrame(context.program, machine);
    expect(formatValue(compiled.evaluate({ ...context, frame }))).toBe('0');
  });

  it.skipIf(!has('gcc') || process.arch !== 'x64')(
    'comes to what the compiler says (needs gcc on x86-64)',
    () => {
      const literals = [
        '7',
        '-3',
        '1u',
        '2147483647',
        '0xffffffff',
        '1L',
        '-5L',
        '3ul',
        '(char)200',
        '(unsigned char)200',
      ];
      literals.push('(short)-2', '1.5', '0.1f', '0x1p-2', "'a'", '(_Bool)9', '1ull << 63', '(__int128)-7');
      const operators = [
        '+',
        '-',
        '*',
        '/',
        '%',
        '<',
        '>',
        '<=',
        '>=',
        '==',
        '!=',
        '&',
        '|',
        '^',
        '&&',
        '||',
        '? 3u :',
        ',',
      ];
      const isInteger = (text: string): boolean => !/\.|p-/.test(text);
      const texts = literals.flatMap((left) =>
        literals.flatMap((right) =>
          operators
            .filter((operator) => !/^[%&|^]$/.test(operator) || (isInteger(left) && isInteger(right)))
            .map((operator) => `(${left}) ${operator} (${right})`),
        ),
      );
      for (const literal of literals.filter(isInteger))
        texts.push(`~(${literal})`, `!(${literal})`, `(${literal}) << 3`, `(${literal}) >> 2`);
      const lines = texts.map((text) => `S(${text})`);
      const source = `#include <stdio.h>
      #define S(...) T((__VA_ARGS__))
      #define T(e) printf("%d %d %a\\n", (int)sizeof(e), _Generic((e), float: 2, double: 2, default: ((__typeof__(e))-1 < 0)), (double)(e));
      int main(void) { ${lines.join('\n')} return 0; }`;
      const binary = join(folder.path, 'arithmetic');
      const compiled = spawnSync('gcc', ['-w', '-x', 'c', '-o', binary, '-'], {
        input: source,
        encoding: 'utf8',
      });
      expect(compiled.stderr).toBe('');
      const expected = run(binary, []).trim().split('\n');
      const ours = texts.map((text) => {
        const value = evaluate(text);
        const type = value.bare;
        if (type.kind !== 'base') throw new Error(text);
        const isFloat = type.encoding === 'float';
        const sign = isFloat ? 2 : Number(/^(?:signed|character)$/.test(type.encoding));
        return { text, line: `${type.bytes} ${sign}`, number: Number(value.scalar()) };
      });
      ours.forEach(({ text, line, number }, index) => {
        const [size, sign, hex] = expected[index].split(' ');
        expect(`${text}: ${line}`).toBe(`${text}: ${size} ${sign}`);
        expect(number === 0 ? 0 : number, text).toBe(hexadecimal(hex));
      });
    },
  );

  it('is parsed or refused, whatever it is', () => {
    const pieces = [
      'i',
      'p',
      'rings',
      '->',
      '.',
      '[',
      ']',
      '(',
      ')',
      '*',
      '&',
      '+',
      '-',
      '=',
      '==',
      '?',
      ':',
      ',',
      '@',
      '1',
      '0x',
      "'a'",
      '"s"',
      'sizeof',
      'struct',
      'ring',
      'int',
      '$rax',
      '::',
      '/x',
      '++',
      '!',
      '~',
      '<<',
      '1e',
      '{',
    ];
    const text = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.array(fc.constantFrom(...pieces), { maxLength: 14 }).map((parts) => parts.join(' ')),
    );
    fc.assert(
      fc.property(text, (each) => {
        try {
          formatValue(evaluate(each), SUMMARY);
        } catch (error) {
          if (
            !(error instanceof DebugError) &&
            !(error instanceof RangeError && /mapped/.test(error.message))
          )
            throw error;
        }
        complete(each, each.length, context);
      }),
      { numRuns: 5000 },
    );
    for (const deep of [
      '('.repeat(5000),
      '-'.repeat(5000),
      `i${'+i'.repeat(4000)}`,
      '*'.repeat(9000),
      `${'('.repeat(900)}i`,
    ])
      expect(() => evaluate(deep)).toThrow(DebugError);
  });
});

/** A number that `%a` has written. */
function hexadecimal(text: string): number {
  const match = /^(-?)0x([0-9a-f])\.?([0-9a-f]*)p([+-]\d+)$/.exec(text);
  if (!match) throw new Error(text);
  const [, sign, whole, fraction, exponent] = match;
  const value = parseInt(whole + fraction, 16) * 2 ** (Number(exponent) - 4 * fraction.length);
  return value === 0 ? 0 : sign === '-' ? -value : value;
}

describe('what is inside of a value', () => {
  const parts = (text: string, start?: number, count?: number): [string, string][] =>
    childrenOf(evaluate(text), text, start, count).map(({ expression, value }) => [
      expression,
      formatValue(value),
    ]);

  it('is members, those of anonymous ones among them, elements by pages, or what a pointer points to', () => {
    expect(countChildren(evaluate('p'))).toEqual({ named: 7, indexed: 0 });
    expect(parts('p').map(([expression]) => expression)).toEqual(
      ['head', 'low', 'sign', 'next', 'word', 'byte', 'data'].map((name) => `p->${name}`),
    );
    expect(countChildren(evaluate('rings'))).toEqual({ named: 0, indexed: 4 });
    expect(parts('rings', 2, 10).map(([expression]) => expression)).toEqual(['rings[2]', 'rings[3]']);
    expect(parts('&i')).toEqual([['*(&i)', '1000']]);
    expect(parts('i')).toEqual([]);
    expect(parts('(void *)p')).toEqual([]);
  });

  it('is reached by the expression that is given with it', () => {
    for (const text of ['p', '*p', 'rings', 'rings[1]', 'rings + 1', 'p->next', '&p->head'])
      for (const { expression, value } of childrenOf(evaluate(text), text)) {
        expect(formatValue(evaluate(expression)), expression).toBe(formatValue(value));
        expect(typeName(evaluate(expression).type)).toBe(typeName(value.type));
      }
  });
});

describe('completion', () => {
  const labels = (text: string): string[] =>
    complete(text, text.length, context).items.map(({ label }) => label);

  it('knows names, members and registers', () => {
    expect(labels('')).toEqual(['i', 'p', 'fast', 'gone', 'halves', 'literal', 'nowhere', 'rings', 'main']);
    expect(labels('1 + ha')).toEqual(['halves']);
    expect(labels('p->')).toEqual(['head', 'low', 'sign', 'next', 'word', 'byte', 'data']);
    expect(labels('2 * rings[1].he')).toEqual(['head']);
    expect(labels('(p->next)->n')).toEqual(['next']);
    expect(labels('(i + p->next->')).toContain('data');
    expect(labels('$cr')).toEqual([]);
    expect(labels('$rs')).toEqual(['$rsi', '$rsp']);
    expect(labels('i.')).toEqual([]);
    expect(complete('rings[1].he', 11, context).start).toBe(9);
  });
});
