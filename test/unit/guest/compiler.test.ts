/** The compiler driver with the computer's own gcc. */
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'jsonc-parser';
import { afterAll, describe, expect, it } from 'vitest';
import { compileGuest, type CompileOptions, type CompileResult } from '../../../src/guest/compile/compiler';
import { GuestImage } from '../../../src/guest/image';
import { parseDependencies } from '../../../src/guest/compile/object-cache';
import { driversDir, has, kitDir, run, temporaryFolder } from './build';

const folder = temporaryFolder();
afterAll(folder.remove);
let folders = 0;

/** A new empty folder. */
function fresh(): string {
  const path = join(folder.path, `f${folders++}`);
  mkdirSync(path);
  return path;
}

function write(path: string, text: string): string {
  writeFileSync(path, text);
  return path;
}

function compile(sources: string[], more: Partial<CompileOptions> = {}): Promise<CompileResult> {
  const cacheDir = join(folder.path, 'cache');
  return compileGuest({ sources, defines: {}, optimise: '2', kitDir, cacheDir, compiler: '', ...more });
}

async function compiled(sources: string[], more: Partial<CompileOptions> = {}): Promise<string> {
  const result = await compile(sources, more);
  if (!result.ok) throw new Error(result.message);
  return result.elfPath;
}

/** The sources that the sample scenarios name together, and drivers that no scenario names. */
function sampleSources(): string[][] {
  const scenariosDir = join(driversDir, '../scenarios');
  const named = readdirSync(scenariosDir).flatMap((file) => {
    const text = readFileSync(join(scenariosDir, file), 'utf8');
    const { vms = [] } = parse(text) as { vms?: { guest: { sources?: string[] } }[] };
    return vms.flatMap(({ guest: { sources } }) => (sources ? [sources.map((path) => basename(path))] : []));
  });
  const used = new Set(named.flat());
  const alone = readdirSync(driversDir).filter((name) => name.endsWith('.c') && !used.has(name));
  const all = new Map([...named, ...alone.map((name) => [name])].map((names) => [names.join(' + '), names]));
  return [...all.values()].sort((a, b) => (a.join() < b.join() ? -1 : 1));
}
const samples = sampleSources();

describe.skipIf(!has('gcc'))('compiling (needs gcc)', () => {
  it.each(
    samples.flatMap((names) =>
      (['0', '2', 's'] as const).map((optimise) => [names.join(' + '), optimise, names] as const),
    ),
  )('%s at -O%s: no warnings, and general-register instructions only', async (_title, optimise, names) => {
    const [name] = names;
    const result = await compile(
      names.map((each) => join(driversDir, each)),
      { optimise },
    );
    expect(result).toMatchObject({ ok: true, warnings: [], prebuilt: false });
    if (!result.ok) return;
    const image = GuestImage.parse(new Uint8Array(readFileSync(result.elfPath)), name);
    expect(image.debugProblem).toBeUndefined();
    expect(image.buildId).toMatch(/^[0-9a-f]{40}$/);
    expect(image.symbol('_start')?.address).toBe(image.file.entry);
    expect(image.file.segments[0]?.address).toBe(0x100000n);
    const { address } = image.symbol('main')!;
    expect(image.resolve(address)).toMatchObject({ symbol: 'main', file: join(driversDir, name) });
    if (has('objdump')) expect(run('objdump', ['-d', result.elfPath])).not.toMatch(/%[xyz]?mm\d|%st\b/);
  });

  it('gives the same bytes again, in another folder too, and does not compile what is unchanged', async () => {
    const source = write(join(fresh(), 'a.c'), '#include "trapline.h"\nint main(void) { return 0; }\n');
    const lines: string[] = [];
    const log = (line: string): void => void lines.push(line);
    const one = await compiled([source], { cacheDir: fresh(), log });
    expect(lines.filter((line) => line.startsWith('compiling a.c'))).toHaveLength(1);
    const cacheDir = fresh();
    const two = await compiled([source], { cacheDir });
    expect(readFileSync(two)).toEqual(readFileSync(one));
    lines.length = 0;
    const written = statSync(two).mtimeMs;
    expect(await compiled([source], { cacheDir, log })).toBe(two);
    expect(lines).toEqual([]);
    expect(statSync(two).mtimeMs).toBe(written);
  });

  it('compiles again what has changed: the source, its header, a macro, the optimisation', async () => {
    const dir = fresh();
    const cacheDir = fresh();
    const header = write(join(dir, 'number with spaces.h'), '#define NUMBER 1\n');
    const source = write(
      join(dir, 'b.c'),
      '#include "number with spaces.h"\n#ifndef MORE\n#define MORE 0\n#endif\nint main(void) { return NUMBER + MORE; }\n',
    );
    const lines: string[] = [];
    const build = async (more: Partial<CompileOptions> = {}): Promise<string> => {
      lines.length = 0;
      return compiled([source], { cacheDir, log: (line) => void lines.push(line), ...more });
    };
    const first = await build();
    write(header, '#define NUMBER 2\n');
    const second = await build();
    expect(lines.map((line) => line.split(' ')[1])).toEqual(['b.c']);
    expect(second).not.toBe(first);
    const third = await build({ defines: { MORE: 40 } });
    const main = (file: string): string => run('objdump', ['-d', '--disassemble=main', file]);
    expect(main(first)).toMatch(/mov +\$0x1,%eax/);
    expect(main(second)).toMatch(/mov +\$0x2,%eax/);
    expect(main(third)).toMatch(/mov +\$0x2a,%eax/);
    expect(await build({ optimise: '0' })).not.toBe(second);
    write(header, '#define NUMBER 1\n');
    expect(await build()).toBe(first);
  });

  it('the code is the same wherever the sources lie', async () => {
    const [here, there] = [fresh(), join(fresh(), 'a much longer name')];
    mkdirSync(there);
    for (const dir of [here, there]) cpSync(join(driversDir, 'e1000.c'), join(dir, 'e1000.c'));
    const code = async (dir: string): Promise<Uint8Array[]> => {
      const elf = GuestImage.parse(
        new Uint8Array(readFileSync(await compiled([join(dir, 'e1000.c')]))),
        'e',
      ).file;
      return ['.text', '.rodata', '.data'].map((name) => elf.section(name)!);
    };
    expect(await code(here)).toEqual(await code(there));
  });

  it('links C, assembly with and without preprocessor, and object files together', async () => {
    const dir = fresh();
    const main = write(
      join(dir, 'm.c'),
      'int one(void); int two(void); int three(void);\nint main(void) { return one() + two() + three(); }\n',
    );
    const one = write(join(dir, 'one.S'), '#define ONE 1\n.globl one\none: mov $ONE, %eax\nret\n');
    const two = write(join(dir, 'two.s'), '.globl two\ntwo: mov $2, %eax\nret\n');
    const three = join(dir, 'three.o');
    run('gcc', [
      '-c',
      '-ffreestanding',
      '-fno-pic',
      '-o',
      three,
      write(join(dir, 'three.c'), 'int three(void) { return 3; }\n'),
    ]);
    const image = GuestImage.parse(
      new Uint8Array(readFileSync(await compiled([main, one, two, three]))),
      'm',
    );
    for (const name of ['main', 'one', 'two', 'three']) expect(image.symbol(name), name).toBeDefined();
  });

  it('says where an error is, in every file that has one', async () => {
    const dir = fresh();
    const a = write(join(dir, 'a.c'), 'int main(void)\n{\n  return missing;\n}\n');
    const b = write(join(dir, 'b.c'), 'int f(void) { return 1 }\n');
    const result = await compile([a, b]);
    expect(result).toMatchObject({ ok: false, reason: 'compile-error' });
    if (result.ok) return;
    const errors = result.diagnostics.filter((each) => each.severity === 'error');
    expect(errors).toContainEqual({
      file: a,
      line: 3,
      column: 10,
      severity: 'error',
      message: expect.stringContaining("'missing' undeclared"),
    });
    expect(errors).toContainEqual(
      expect.objectContaining({ file: b, line: 1, message: expect.stringContaining("expected ';'") }),
    );
    expect(result.message).toContain("a.c:3: 'missing' undeclared");
  });

  it('passes warnings on, also from the cache', async () => {
    const source = write(join(fresh(), 'w.c'), 'int main(void)\n{\n  int unused;\n  return 0;\n}\n');
    const warning = {
      file: source,
      line: 3,
      column: 7,
      severity: 'warning',
      message: expect.stringContaining('unused variable'),
    };
    for (const time of ['fresh', 'cached']) {
      const result = await compile([source]);
      expect(result, time).toMatchObject({ ok: true, warnings: [warning] });
    }
  });

  it('says where something is used that nobody defines, and that main is missing', async () => {
    const dir = fresh();
    const source = write(
      join(dir, 'u.c'),
      'void nobody(void);\nint main(void)\n{\n  nobody();\n  return 0;\n}\n',
    );
    const undefinedUse = await compile([source]);
    expect(undefinedUse).toMatchObject({ ok: false, reason: 'compile-error' });
    expect(undefinedUse.ok ? [] : undefinedUse.diagnostics).toEqual([
      { file: source, line: 4, column: 1, severity: 'error', message: "undefined reference to `nobody'" },
    ]);
    const noMain = await compile([write(join(dir, 'n.c'), 'int f(void) { return 0; }\n')]);
    expect(noMain).toMatchObject({ ok: false, message: expect.stringContaining('no source defines main') });
  });

  it('takes for an error what would be a guest that does something else', async () => {
    const dir = fresh();
    const firstError = async (text: string): Promise<string> => {
      const result = await compile([write(join(dir, 'e.c'), text)]);
      return result.ok ? '' : (result.diagnostics.find((each) => each.severity === 'error')?.message ?? '');
    };
    expect(await firstError('int main(void) { return later(); }\n')).toMatch(/implicit declaration/);
    expect(await firstError('f(void) { return 1; }\nint main(void) { return f(); }\n')).toMatch(
      /defaults to 'int'/,
    );
    expect(await firstError('int main(void) { int *p = 5; return *p; }\n')).toMatch(/without a cast/);
  });

  it('says what a guest has in place of the C library, declared or not', async () => {
    const dir = fresh();
    const messages = async (text: string): Promise<string> => {
      const result = await compile([write(join(dir, 'l.c'), text)]);
      return result.ok ? '' : result.diagnostics.map((each) => each.message).join('\n');
    };
    expect(await messages('int main(void) { printf("x"); return 0; }\n')).toMatch(/printf.*use tl_printf/);
    expect(
      await messages('int printf(const char *, ...);\nint main(void) { printf("x"); return 0; }\n'),
    ).toMatch(/undefined reference to .printf'.*use tl_printf/);
    expect(await messages('void *malloc(unsigned long);\nint main(void) { return !malloc(1); }\n')).toMatch(
      /use tl_alloc/,
    );
    expect(await messages('int main(void) { tl_putc(65); return 0; }\n')).toMatch(/include "trapline.h"/);
  });

  it('says why there are no floating-point numbers, in a signature and in arithmetic', async () => {
    const dir = fresh();
    const result = await compile([
      write(
        join(dir, 'd.c'),
        'double half(int x)\n{\n  return x / 2.0;\n}\nint main(void) { return (int)half(3); }\n',
      ),
    ]);
    if (result.ok) throw new Error('compiled');
    expect(result.diagnostics.find(({ severity }) => severity === 'error')).toMatchObject({
      message: expect.stringMatching(
        /SSE register return.*need SSE, which this machine does not have.*-mgeneral-regs-only/,
      ),
    });
    const arithmetic = await compile([
      write(join(dir, 'a.c'), 'volatile double x = 1;\nint main(void)\n{\n  x = x * 2;\n  return 0;\n}\n'),
    ]);
    expect(arithmetic.ok ? [] : arithmetic.diagnostics).toContainEqual(
      expect.objectContaining({ line: 4, message: expect.stringMatching(/need SSE/) }),
    );
  });

  it('says what the library calls are that a compiler makes by itself', async () => {
    const dir = fresh();
    const messages = async (text: string): Promise<string> => {
      const result = await compile([write(join(dir, 'm.c'), text)]);
      return result.ok ? '' : result.diagnostics.map((each) => each.message).join('\n');
    };
    expect(
      await messages('volatile __int128 x = 9;\nint main(void)\n{\n  x = x / x;\n  return 0;\n}\n'),
    ).toMatch(/__divti3'; this is arithmetic of 128 bits/);
    // What -msoft-float makes of a multiplication.
    expect(await messages('long __muldf3(long, long);\nint main(void) { return __muldf3(1, 2); }\n')).toMatch(
      /__muldf3'; this is arithmetic with floating-point numbers/,
    );
  });

  it('runs constructors in the order of their priorities, with its own linker too', async () => {
    const dir = fresh();
    const source = write(
      join(dir, 'c.c'),
      [
        '#define RUNS(n) __attribute__((constructor n)) static void',
        'RUNS() plain(void) { __asm__ volatile(""); }',
        'RUNS((300)) third(void) { __asm__ volatile("nop"); }',
        'RUNS((200)) second(void) { __asm__ volatile("nop; nop"); }',
        'int main(void) { return 0; }',
      ].join('\n'),
    );
    const fake = write(
      join(dir, 'fakecc'),
      '#!/bin/sh\ncase " $* " in *" -c "*|*" -dumpmachine "*|*" --version "*) exec gcc "$@";; esac\necho "collect2: fatal error: cannot find ld" >&2\nexit 1\n',
    );
    run('chmod', ['+x', fake]);
    for (const compiler of ['', fake]) {
      const elf = await compiled([source], { compiler, cacheDir: join(dir, `cache${compiler.length}`) });
      const { file, symbols } = GuestImage.parse(new Uint8Array(readFileSync(elf)), 'c');
      const [start, end] = ['__init_array_start', '__init_array_end'].map(
        (name) => symbols.named(name)!.address,
      );
      const home = file.segments.find(
        ({ address, bytes }) => start >= address && end <= address + BigInt(bytes.length),
      )!;
      const table = new DataView(
        home.bytes.slice(Number(start - home.address), Number(end - home.address)).buffer,
      );
      const names = Array.from(
        { length: table.byteLength / 8 },
        (_, index) => symbols.functionAt(table.getBigUint64(8 * index, true))?.name,
      );
      expect(names, compiler).toEqual(['second', 'third', 'plain']);
    }
  });

  it('reports an error of the assembler', async () => {
    const source = write(join(fresh(), 'x.S'), '.globl main\nmain:\n  bogus %eax\n  ret\n');
    const result = await compile([source]);
    expect(result.ok ? [] : result.diagnostics).toContainEqual(
      expect.objectContaining({
        file: source,
        line: 3,
        severity: 'error',
        message: expect.stringContaining('bogus'),
      }),
    );
  });

  it('links by itself when the compiler cannot, and says so', async () => {
    const dir = fresh();
    // Refuses whatever is not -c, as a compiler does that comes without a linker.
    const fake = write(
      join(dir, 'fakecc'),
      '#!/bin/sh\ncase " $* " in *" -c "*|*" -dumpmachine "*|*" --version "*) exec gcc "$@";; esac\necho "collect2: fatal error: cannot find ld" >&2\nexit 1\n',
    );
    run('chmod', ['+x', fake]);
    const lines: string[] = [];
    const log = (line: string): void => void lines.push(line);
    const sources = [join(driversDir, 'hello.c')];
    const elf = await compiled(sources, { compiler: fake, cacheDir: join(dir, 'cache'), log });
    expect(lines.at(-1)).toMatch(/^linked by Trapline itself: .*cannot find ld/);
    const image = GuestImage.parse(new Uint8Array(readFileSync(elf)), 'hello');
    expect(image.symbol('_start')?.address).toBe(image.file.entry);
    expect(image.resolve(image.symbol('main')!.address)).toMatchObject({ symbol: 'main', file: sources[0] });

    const source = write(join(dir, 'lost.c'), 'int lost(void);\nint main(void) { return lost(); }\n');
    const result = await compile([source], { compiler: fake, cacheDir: join(dir, 'cache') });
    expect(result).toMatchObject({ ok: false, reason: 'compile-error' });
    if (!result.ok) expect(result.message).toMatch(/cannot find ld.*lost/);
  });

  it('can be cancelled, before and while it works', async () => {
    const source = write(join(fresh(), 'c.c'), 'int main(void) { return 0; }\n');
    expect(await compile([source], { signal: AbortSignal.abort() })).toMatchObject({
      ok: false,
      reason: 'cancelled',
    });
    const controller = new AbortController();
    const result = compile([source], {
      cacheDir: fresh(),
      signal: controller.signal,
      log: () => controller.abort(),
    });
    expect(await result).toMatchObject({ ok: false, reason: 'cancelled' });
    const cacheDir = fresh();
    await compile([source], { cacheDir, timeoutMs: 1 }).then((late) =>
      expect(late).toMatchObject({ ok: false, reason: 'timeout' }),
    );
    expect(readdirSync(cacheDir).filter((name) => name.startsWith('partial'))).toEqual([]);
  });

  it('a hanging compiler is stopped with what it has started', async () => {
    const dir = fresh();
    const fake = write(
      join(dir, 'fakecc'),
      `#!/bin/sh\ncase "$1" in -dumpmachine) echo x86_64-linux-gnu;; --version) echo fake 1;; *) sleep 1000 & echo $! > "${dir}/pid.$$"; wait;; esac\n`,
    );
    run('chmod', ['+x', fake]);
    const source = write(join(dir, 'h.c'), 'int main(void) { return 0; }\n');
    expect(await compile([source], { compiler: fake, timeoutMs: 500 })).toMatchObject({
      ok: false,
      reason: 'timeout',
    });
    const pids = readdirSync(dir)
      .filter((name) => name.startsWith('pid.'))
      .map((name) => Number(readFileSync(join(dir, name), 'utf8')));
    expect(pids.length).toBeGreaterThan(0);
    for (const pid of pids) expect(isRunning(pid), `process ${pid}`).toBe(false);
  });

  it('a macro cannot become anything but a macro', async () => {
    const marker = join(fresh(), 'made');
    const source = write(
      join(fresh(), 'd.c'),
      'const char *text = TEXT;\nint main(void) { return text[0]; }\n',
    );
    const image = await compiled([source], {
      defines: { TEXT: `"$(touch ${marker}) ; \`touch ${marker}\`"` },
    });
    expect(run('strings', [image])).toContain(`$(touch ${marker})`);
    expect(() => statSync(marker)).toThrow();
  });
});

/** A zombie is not running any more. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

describe.skipIf(!has('g++'))('C++ (needs g++)', () => {
  const text =
    '#include "trapline.h"\nstruct A {\n  int a;\n  A() : a(tl_inb(0x61)) {}\n} a;\nint main() { return a.a; }\n';

  it('is compiled by the C++ compiler beside the C compiler, and kept for the next time', async () => {
    for (const ending of ['cpp', 'cc', 'cxx']) {
      const source = write(join(fresh(), `a.${ending}`), text);
      const lines: string[] = [];
      const options = { log: (line: string): void => void lines.push(line) };
      const elf = await compiled([source], options);
      expect(lines.filter((line) => line.includes(basename(source)))).toEqual([
        expect.stringMatching(/ with g\+\+ /),
      ]);
      expect(await compiled([source], options)).toBe(elf);
      expect(lines.filter((line) => line.includes(basename(source)))).toHaveLength(1);
      const image = GuestImage.parse(new Uint8Array(readFileSync(elf)), 'a');
      expect(image.resolve(image.symbol('main')!.address)).toMatchObject({ file: source, line: 6 });
    }
  });

  it('has the header of the kit without a warning, also with everything of it used', async () => {
    const source = write(
      join(fresh(), 'all.cpp'),
      `#include "trapline.h"
static void handler(void *) { tl_apic_write(TL_APIC_TPR, 0); }
int main()
{
    tl_pci pci;
    if (!tl_pci_find(0x8086, 0x100e, 0, &pci))
        tl_exit(1);
    tl_irq_register(tl_pci_interrupt_line(&pci), handler, nullptr);
    tl_write8(0xfee00000, tl_read8(0xfee00000));
    tl_write64(0xfee00000, tl_read64(0xfee00000) + tl_read16(0xfee00000) + tl_rdtsc());
    tl_outw(0x80, tl_inw(0x80));
    tl_outl(0x80, tl_inl(0x80));
    tl_wrmsr(0x10, tl_rdmsr(0x10) + tl_cpuid(0, 0).eax);
    tl_cli();
    tl_wait_for_interrupt();
    tl_sti();
    tl_pause();
    tl_mark(1, tl_physical(tl_alloc(64, 64)));
    tl_spinlock lock = {};
    tl_spin_lock(&lock);
    tl_spin_unlock(&lock);
    tl_check(memcmp("a", "b", 1) != 0, "%s", "same");
    memcpy(tl_alloc(8, 8), &pci, sizeof(pci));
    return 0;
}
`,
    );
    expect(await compile([source])).toMatchObject({ ok: true, warnings: [] });
  });

  it('says where an error is, and what a guest has in place of a library', async () => {
    const source = write(join(fresh(), 'e.cpp'), 'int main()\n{\n  printf("x");\n}\n');
    const result = await compile([source]);
    expect(result.ok ? [] : result.diagnostics).toContainEqual(
      expect.objectContaining({
        file: source,
        line: 3,
        message: expect.stringMatching(/printf.*use tl_printf/),
      }),
    );
  });

  it('without its compiler is refused with what to install; C is compiled as ever', async () => {
    const dir = fresh();
    symlinkSync(run('sh', ['-c', 'command -v gcc']).trim(), join(dir, 'gcc'));
    const options = { compiler: join(dir, 'gcc') };
    const result = await compile([write(join(dir, 'a.cpp'), text)], options);
    expect(result).toMatchObject({ ok: false, reason: 'no-compiler' });
    if (!result.ok)
      expect(result.message).toMatch(/no C\+\+ compiler \(g\+\+\) beside .*apt-get install g\+\+/);
    await compiled([join(driversDir, 'hello.c')], options);
  });
});

describe('what is refused before any compiler runs', () => {
  const source = join(driversDir, 'hello.c');
  const cases: [
    what: string,
    sources: string[],
    defines: Record<string, string | number>,
    message: RegExp,
  ][] = [
    ['no source', [], {}, /no source/],
    [
      'a file that is no source',
      [join(driversDir, 'hello.java')],
      {},
      /\.c, \.cpp, \.cc, \.cxx, \.S, \.s, \.o/,
    ],
    ['a source that does not exist', [join(driversDir, 'helo.c')], {}, /does not exist/],
    ['a folder', [join(folder.path, 'dir.c')], {}, /not a file/],
    ['a source named twice', [source, source], {}, /named twice/],
    ['a macro with a space', [source], { 'A B': 1 }, /not a C identifier/],
    ['a macro that is an option', [source], { '-include': 1 }, /not a C identifier/],
    ['a macro with a value in it', [source], { 'A=1': 1 }, /not a C identifier/],
    ['a value with a line break', [source], { A: '1\n#include "/etc/passwd"' }, /printable ASCII/],
    ['a value that is no number', [source], { A: Number.NaN }, /cannot be used/],
  ];
  mkdirSync(join(folder.path, 'dir.c'));

  it.each(cases)('%s', async (_, sources, defines, message) => {
    const result = await compile(sources, { defines, compiler: '/nonexistent' });
    expect(result).toMatchObject({
      ok: false,
      reason: 'invalid-input',
      message: expect.stringMatching(message),
    });
  });
});

describe('without a usable compiler', () => {
  const source = join(driversDir, 'hello.c');

  it('says how to install one', async () => {
    const result = await compile([source], { env: { PATH: fresh() } });
    expect(result).toMatchObject({
      ok: false,
      reason: 'no-compiler',
      message: expect.stringContaining('sudo apt-get install gcc'),
    });
  });

  it('names the setting when that is wrong', async () => {
    const result = await compile([source], { compiler: '/usr/bin/no-such-cc' });
    expect(result).toMatchObject({
      reason: 'no-compiler',
      message: expect.stringMatching(/no-such-cc of the setting trapline\.compiler\.path does not exist/),
    });
  });

  it('passes over a compiler for another processor, and says so', async () => {
    const dir = fresh();
    run('chmod', ['+x', write(join(dir, 'gcc'), '#!/bin/sh\necho aarch64-linux-gnu\n')]);
    const result = await compile([source], { env: { PATH: dir } });
    expect(result).toMatchObject({
      reason: 'no-compiler',
      message: expect.stringContaining('compiles for aarch64-linux-gnu'),
    });
  });
});

describe('dependency rules of make', () => {
  it('are read as gcc writes them', () => {
    const rule = '/tmp/x.o: /w/a.c /w/my\\ file.h \\\n /w/k$$1.h /w/x\\#y.h\n';
    expect(parseDependencies(rule)).toEqual(['/w/a.c', '/w/my file.h', '/w/k$1.h', '/w/x#y.h']);
    expect(parseDependencies('')).toEqual([]);
  });
});

describe.skipIf(!has('gcc'))('ready-made guests (needs gcc to make them)', () => {
  it('serve unchanged samples, and their lines lead to the user’s files', async () => {
    const prebuiltDir = fresh();
    const mine = fresh();
    const prefixMap = [
      { from: driversDir, to: '/trapline/workspace/drivers' },
      { from: kitDir, to: '/trapline/guest-kit' },
    ];
    const elf = await compiled([join(driversDir, 'hello.c')], { prefixMap });
    cpSync(elf, join(prebuiltDir, 'hello.elf'));
    const sha256 = run('sha256sum', [join(driversDir, 'hello.c')]).split(' ')[0];
    const guest = {
      elf: 'hello.elf',
      sources: [{ path: 'drivers/hello.c', sha256 }],
      defines: { N: 1 },
      optimise: '2',
    };
    write(join(prebuiltDir, 'index.json'), JSON.stringify({ version: 1, guests: [guest] }));

    const source = join(mine, 'hello.c');
    cpSync(join(driversDir, 'hello.c'), source);
    const without = { env: { PATH: fresh() }, prebuiltDir, defines: { N: 1 } };
    const result = await compile([source], without);
    expect(result).toMatchObject({ ok: true, prebuilt: true, elfPath: join(prebuiltDir, 'hello.elf') });
    if (!result.ok) return;
    const image = GuestImage.parse(new Uint8Array(readFileSync(result.elfPath)), 'hello.elf', result.remap);
    expect(image.resolve(image.symbol('main')!.address).file).toBe(source);
    expect(image.resolve(image.symbol('tl_boot')!.address).file).toBe(join(kitDir, 'boot.c'));
    expect(image.lines.files.filter((each) => each.startsWith('/trapline'))).toEqual([]);

    expect(await compile([source], { ...without, defines: { N: 2 } })).toMatchObject({
      ok: false,
      message: expect.stringMatching(/ready-made with N=1 -O2 only.*apt-get/),
    });
    write(source, `${readFileSync(source, 'utf8')}\n`);
    expect(await compile([source], without)).toMatchObject({
      ok: false,
      message: expect.stringMatching(/hello\.c differs from the sample.*apt-get install gcc/),
    });
    const other = write(join(mine, 'mine.c'), 'int main(void) { return 0; }\n');
    const unknown = await compile([other], without);
    expect(unknown.ok ? '' : unknown.message).toMatch(/^No C compiler/);
    expect(basename(result.elfPath)).toBe('hello.elf');
  });
});
