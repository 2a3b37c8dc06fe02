/** Call frame information, row by row as binutils' readelf interprets it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { FrameTable, type FrameRow } from '../../../src/guest/dwarf/frame';
import type { RegisterRule } from '../../../src/guest/dwarf/frame-program';
import { ElfFile } from '../../../src/guest/elf/elf';
import { has, kitDir, root, run, temporaryFolder } from './build';

const folder = temporaryFolder();
afterAll(folder.remove);
const fixtures = join(root, 'test/fixtures/debug');

/** readelf's names of registers. */
const numbers = new Map(
  'rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 ra'
    .split(' ')
    .map((name, number) => [name, number]),
);
for (const [name, number] of [
  ['rflags', 49],
  ['cs', 51],
  ['ss', 52],
] as const)
  numbers.set(name, number);

/** One row of `readelf --debug-dump=frames-interp`. */
interface OracleRow {
  readonly location: bigint;
  readonly cfa: string;
  readonly rules: ReadonlyMap<number, string>;
}

function oracle(file: string): OracleRow[] {
  const rows: OracleRow[] = [];
  let columns: string[] = [];
  let inFunction = false;
  for (const line of run('readelf', ['--debug-dump=frames-interp', file]).split('\n')) {
    // A rule that is a register has its name behind it: r0 (rax).
    const words = line
      .replace(/ \(\w+\)/g, '')
      .trim()
      .split(/\s+/);
    if (/^[0-9a-f]{8} [0-9a-f]{16} /.test(line)) inFunction = words.includes('FDE');
    else if (words[0] === 'LOC') columns = words.slice(2);
    else if (inFunction && /^[0-9a-f]{16}$/.test(words[0])) {
      const rules = new Map<number, string>();
      columns.forEach((name, index) => {
        const number = numbers.get(name);
        if (number === undefined) throw new Error(`readelf names a register ${name}`);
        rules.set(number, words[index + 2]);
      });
      rows.push({ location: BigInt(`0x${words[0]}`), cfa: words[1], rules });
    }
  }
  return rows;
}

const signed = (value: bigint): string => (value < 0n ? String(value) : `+${value}`);
const names = [...numbers.keys()];

/** A rule as readelf writes it. */
function ruleText(rule: RegisterRule | undefined): string {
  switch (rule?.kind) {
    case undefined:
    case 'undefined':
      return 'u';
    case 'same':
      return 's';
    case 'offset':
      return `c${signed(rule.offset)}`;
    case 'value-offset':
      return `v${signed(rule.offset)}`;
    case 'register':
      return `r${rule.register}`;
    case 'expression':
      return 'exp';
    case 'value-expression':
      return 'vexp';
  }
}

function cfaText({ cfa }: FrameRow): string {
  if (cfa?.kind === 'register') return `${names[cfa.register]}${signed(cfa.offset)}`;
  return cfa ? 'exp' : '';
}

function compare(path: string): number {
  const table = FrameTable.of(new ElfFile(new Uint8Array(readFileSync(path)), path));
  expect(table.problems).toEqual([]);
  const rows = oracle(path);
  // readelf has one row for each state; of several at one address the last holds.
  const last = new Map(rows.map((row) => [row.location, row]));
  for (const { location, cfa, rules } of last.values()) {
    const where = `${path} at 0x${location.toString(16)}`;
    const row = table.rowAt(location);
    if (!row) throw new Error(`${where}: no row`);
    expect(cfaText(row), where).toBe(cfa);
    for (const [number, rule] of rules)
      expect(ruleText(row.registers.get(number)), `${where}, ${names[number]}`).toBe(rule);
  }
  return last.size;
}

const LINK = ['-static', '-nostdlib', '-no-pie', '-Wl,--build-id=none'];

describe.each(['gcc', 'clang'])('call frame information by %s', (compiler) => {
  describe.skipIf(!has(compiler) || !has('readelf'))(`(needs ${compiler} and readelf)`, () => {
    it.each([
      ['.debug_frame', '-O0', ['-fno-asynchronous-unwind-tables']],
      ['.debug_frame', '-O2', ['-fno-asynchronous-unwind-tables']],
      ['.eh_frame', '-O0', ['-fasynchronous-unwind-tables']],
      ['.eh_frame', '-O2', ['-fasynchronous-unwind-tables', '-fomit-frame-pointer']],
    ])('has in %s at %s the rows that readelf has', (section, optimise, flags) => {
      const path = join(folder.path, `calls-${compiler}${optimise}${section}`);
      run(compiler, ['-g', optimise, ...flags, ...LINK, '-o', path, join(fixtures, 'calls.c')]);
      expect(compare(path)).toBeGreaterThan(8);
    });

    it.each([['.debug_frame'], ['.eh_frame']])('has every kind of rule in %s', (section) => {
      const path = join(folder.path, `rules-${compiler}${section}`);
      const source = join(folder.path, `rules-${compiler}${section}.S`);
      const text = readFileSync(join(fixtures, 'rules.S'), 'utf8');
      run('sh', ['-c', 'cat > "$0"', source], `    .cfi_sections ${section}\n${text}`);
      run(compiler, [...LINK, '-o', path, source]);
      expect(compare(path)).toBeGreaterThan(10);
      const file = new ElfFile(new Uint8Array(readFileSync(path)), path);
      const table = FrameTable.of(file);
      const at = (name: string): bigint => file.symbols().find((each) => each.name === name)?.address ?? 0n;
      // Some assemblers leave the mark out of .debug_frame.
      const isMarked = /Augmentation: +"[^"]*S/.test(run('readelf', ['--debug-dump=frames', path]));
      expect(table.rowAt(at('signal'))?.isSignalFrame).toBe(isMarked);
      expect(table.rowAt(at('rules'))?.isSignalFrame).toBe(false);
      expect(table.rowAt(at('rules') - 1n)).toBeUndefined();
    });

    it("describes the guest kit's way into an interrupt handler", () => {
      const path = join(folder.path, `kit-${compiler}`);
      const object = `${path}.o`;
      run(compiler, ['-c', '-o', object, join(kitDir, 'start.S')]);
      run('ld', ['-r', '-o', path, object]);
      // All but the symbols that C defines.
      run('ld', ['-static', '--unresolved-symbols=ignore-all', '-o', path, object]);
      expect(compare(path)).toBeGreaterThan(500);
    });
  });
});

describe('damaged call frame information', () => {
  /** A common entry and a function of 16 bytes at 0x1000 with a program. */
  const section = (program: readonly number[]): Uint8Array => {
    const common = [0xff, 0xff, 0xff, 0xff, 4, 0, 8, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1];
    const address = (value: number): number[] => [value & 255, (value >> 8) & 255, 0, 0, 0, 0, 0, 0];
    const description = [0, 0, 0, 0, ...address(0x1000), ...address(16), ...program];
    const entry = (bytes: number[]): number[] => [bytes.length & 255, bytes.length >> 8, 0, 0, ...bytes];
    return Uint8Array.from([...entry(common), ...entry(description)]);
  };
  const parse = (bytes: Uint8Array): FrameTable =>
    FrameTable.parse([{ bytes, address: 0n, kind: 'debug_frame' }], 8);

  it('is read as far as it is whole', () => {
    const table = parse(section([0x44, 0x0e, 16]));
    expect(table.rowAt(0x1003n)?.cfa).toEqual({ kind: 'register', register: 7, offset: 8n });
    expect(table.rowAt(0x1004n)?.cfa).toEqual({ kind: 'register', register: 7, offset: 16n });
    expect(table.rowAt(0x1010n)).toBeUndefined();
    expect(parse(section([0x0b])).rowAt(0x1000n)).toBeUndefined(); // restores what was not remembered
    expect(parse(section([0x1c])).rowAt(0x1000n)).toBeUndefined(); // no such instruction
    expect(parse(section([0x0f, 0x7f])).rowAt(0x1000n)).toBeUndefined(); // a block beyond the end
    expect(parse(section([]).subarray(0, 30)).problems).toHaveLength(1);
  });

  it('applies the bias to .debug_frame', () => {
    const table = FrameTable.parse(
      [{ bytes: section([0x44, 0x0e, 16]), address: 0n, kind: 'debug_frame' }],
      8,
      0x200000n,
    );
    expect(table.rowAt(0x1004n)).toBeUndefined();
    expect(table.rowAt(0x201004n)?.cfa).toEqual({ kind: 'register', register: 7, offset: 16n });
  });

  it('never crashes and never hangs', () => {
    const good = section([0x44, 0x0e, 16, 0x0a, 0x86, 2, 0x48, 0x0b, 0x16, 3, 2, 0x77, 8]);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 8 }),
        fc.uint8Array({ maxLength: 64 }),
        fc.constantFrom('debug_frame' as const, 'eh_frame' as const),
        (changes, tail, kind) => {
          const bytes = Uint8Array.from([...good, ...tail]);
          for (const [at, value] of changes) bytes[at] = value;
          const table = FrameTable.parse([{ bytes, address: 0x4000n, kind }], 8);
          for (let pc = 0xff8n; pc < 0x1020n; pc += 4n) table.rowAt(pc);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
