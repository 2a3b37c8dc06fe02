/**
 * Stacks, variables and expressions compared with stock gdb: a program runs under it natively, and at random instructions the same
 * registers and memory are given to our own code.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { compileExpression } from '../../../src/debug/expression/compile';
import { formatValue } from '../../../src/debug/expression/format';
import { variableValue } from '../../../src/debug/expression/scope';
import { DebugError } from '../../../src/debug/frames/errors';
import { stackOf, type Frame } from '../../../src/debug/frames/frame';
import { programOf, type Program } from '../../../src/debug/frames/program';
import { GuestImage } from '../../../src/guest/image';
import { has, root, run, temporaryFolder } from '../guest/build';
import { gdbStops, machineOf, type GdbFrame, type GdbStop } from './gdb-dump';

const folder = temporaryFolder();
afterAll(folder.remove);

const SOURCE = join(root, 'test/fixtures/debug/values.c');

/** Evaluated at each stop; none of them may differ. */
const EXPRESSIONS = [
  ...['ring', 'registers', 'text', 'runs', 'many', 'grid', 'single', 'twice', 'extended', 'truth', 'wide'],
  ...['small', 'untyped', 'twisted', 'words', 'word', 'last', 'first', 'counter', 'sink'],
  ...['&ring', '&ring.points[1]', '*first.next', 'first.next->name', 'first.work', '*first.work', 'main'],
  ...['&main', 'ring.bits.b', 'ring.bits.b - 1', 'ring.bits.c << 3'],
  ...['ring.flags', '(enum flags)7', '(enum flags)0', '(enum flags)64', '(enum state)3', 'BUSY', 'BUSY + 1'],
  ...['READ | WRITE', 'sizeof(struct ring)', 'sizeof ring.label', 'sizeof(int[4])', '(char)321', '(u8)321'],
  ...['(signed char)200', '7 / -2', '7 % -2', '-7 / 2u', '1 << 31', '1u << 31', '1 == 1.0'],
  ...['3 > 2 > 1', '5 & 3 == 1', '!first.next', '&many[10] - many', '*(many + 250)', '(long)&ring & 0xfff'],
  ...['ring.points[0] ', 'ring.table[1][2]', '*ring.table', 'grid[0]@3', '*ring.points@2', 'ring.label[0]'],
  ...['0.1f', '1.0/3', '1e100', '1.0f/3', '(float)1/3', '2 * single', '(int)2.9', '(int)-2.9'],
  ...['0x7fffffff + 1', '0xffffffff + 1', '4294967295 + 1', '2147483648', '0x80000000', '010', '1.5e3'],
  ...['(_Bool)5', "'a' + 1", "'\\n' + 0", "'\\x41' + 0", '(void *)0', '(char *)0', '(struct point *)0'],
  ...[
    '&((struct ring *)0)->tail',
    '((struct ring *)0)->points',
    '*(u32 *)&ring',
    '(u64)untyped == (u64)&counter',
  ],
  ...['$sp', '$pc', '$rax', '$eax', '$ax', '$al', '$ah', '$r12', '$r12d', '$cs', '$rsp == $sp', '$rip'],
  ...["'values.c'::counter", 'deep::visits', 'doubled', 'doubled == first.work', 'text[0]', '*text@4'],
  ...['ring.one', 'ring.two', 'word.low', 'word.bytes', 'untyped', 'twisted[1]', '*twisted', '**twisted'],
  ...['/x ring', '/d ring.bits', '/x many', '/x text', '/o 8', '/t 10', '/z (short)5', '/c 65', '/u small'],
  ...['/x small', '/d (u8)200', '/x word', '/x &ring', '/x BUSY', '/d &ring', '/t 0', '/o 0', '/x first'],
  ...[
    'words[0]',
    'words[1]',
    '*words[2]',
    'words[2][1]',
    '(1, 2)',
    '2 + 3 * 4 - 6 / 2',
    '1 || 1 / 0',
    '0 && 1 / 0',
  ],
  ...['ring.ratio * 2', 'ring.ratio == 0.75', 'extended * 2'],
];

const UNREADABLE = /^error: (?:Cannot access memory|Memory at 0x)/;

const text = (evaluate: () => string): string => {
  try {
    return evaluate();
  } catch (error) {
    if (error instanceof DebugError) return `error: ${error.message}`;
    throw error;
  }
};

/** Where gdb does not show a function inlined that begins right here. */
function withoutBeginning(frames: readonly Frame[], gdb: readonly GdbFrame[]): readonly Frame[] {
  const begins = ({ kind, scopes, pc }: Frame): boolean =>
    kind === 'inlined' && (scopes.at(-1)?.ranges.some(({ low }) => low === pc) ?? false);
  let shown = frames;
  while (shown.length > gdb.length && begins(shown[0])) shown = shown.slice(1);
  return shown;
}

function variablesOf(frame: Frame): [string, string][] {
  const found = new Map<string, string>();
  for (const { variables } of frame.scopes)
    for (const variable of variables)
      if (!found.has(variable.name))
        found.set(
          variable.name,
          text(() => formatValue(variableValue(variable, frame))),
        );
  return [...found].sort();
}

const sorted = (variables: GdbFrame['variables']): [string, string][] =>
  variables.map(([name, value]): [string, string] => [name, value]).sort();

function compareStack(program: Program, stop: GdbStop): void {
  const all = stackOf(program, machineOf(stop));
  const frames = withoutBeginning(all, stop.frames);
  const isHidden = frames.length < all.length;
  const where = (level: number): string =>
    `frame ${level} ${stop.frames[level].name} at ${BigInt(stop.frames[level].pc).toString(16)}`;
  expect(
    frames.map(({ name, kind }) => [name, kind === 'inlined']),
    where(0),
  ).toEqual(stop.frames.map(({ name, inlined }) => [name, inlined]));
  frames.forEach((frame, level) => {
    const gdb = stop.frames[level];
    expect(frame.pc, where(level)).toBe(BigInt(gdb.pc));
    // What has a function inlined stands at its call; where gdb hides that function, it shows its declaration.
    if (frame.place && (level > 0 || !isHidden)) expect(frame.place.line, where(level)).toBe(gdb.line);
    for (const [number, value] of Object.entries(gdb.registers))
      expect(frame.activation.register(Number(number)), `${where(level)}, register ${number}`).toBe(
        BigInt(value),
      );
    expect(variablesOf(frame), where(level)).toEqual(sorted(gdb.variables));
  });
}

/** What gdb says of what cannot be read is told in other words. */
function compareExpressions(program: Program, stop: GdbStop): void {
  const [frame] = stackOf(program, machineOf(stop), 1);
  const ours = EXPRESSIONS.map((expression) => [
    expression,
    text(() => {
      const compiled = compileExpression(expression, program, frame);
      const value = compiled.evaluate({ program, frame });
      const { format } = compiled;
      return formatValue(value, { elements: 200, depth: 20, length: 100_000, ...(format && { format }) });
    }),
  ]);
  const same = (shown: string): string => (UNREADABLE.test(shown) ? 'unreadable' : shown);
  expect(ours.map(([expression, shown]) => [expression, same(shown)])).toEqual(
    EXPRESSIONS.map((expression) => [expression, same(stop.expressions[expression])]),
  );
}

const FLAGS = [
  '-g',
  '-static',
  '-nostdlib',
  '-no-pie',
  '-fno-pic',
  '-fno-stack-protector',
  '-fcf-protection=none',
];

/** Whether this computer lets gdb run a program. */
const canTrace =
  process.arch === 'x64' &&
  has('gdb') &&
  spawnSync('gdb', ['-nx', '-batch', '-ex', 'python print(1)', '-ex', 'run', '/bin/true'], {
    encoding: 'utf8',
  }).stdout?.includes('exited normally');

describe.skipIf(!canTrace)('against gdb (needs gdb with Python, and ptrace)', () => {
  describe.each(['gcc', 'clang'])('%s', (compiler) => {
    it.skipIf(!has(compiler)).each([
      ['-O0', '-gdwarf-5'],
      ['-O0', '-gdwarf-4'],
      ['-O1', '-gdwarf-5'],
      ['-O2', '-gdwarf-5'],
      ['-O2', '-gdwarf-4'],
    ])(`%s %s (needs ${compiler})`, { timeout: 120_000 }, (optimise, version) => {
      const path = join(folder.path, `values-${compiler}${optimise}${version}`);
      run(
        compiler,
        [...FLAGS, version, optimise, '-Wno-everything', '-o', path, SOURCE].filter(
          (flag) => compiler === 'clang' || flag !== '-Wno-everything',
        ),
      );
      const image = GuestImage.parse(new Uint8Array(readFileSync(path)), path);
      const program = programOf(image);
      const stops = gdbStops(path, 60, 20261129, EXPRESSIONS);
      if (!stops) throw new Error('gdb did not run');
      expect(stops.length).toBeGreaterThan(10);
      for (const stop of stops) compareStack(program, stop);
      compareExpressions(program, stops[0]);
      compareExpressions(program, stops[stops.length - 1]);
    });
  });
});
