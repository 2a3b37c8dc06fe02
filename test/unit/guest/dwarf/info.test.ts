/** What of debug information gdb is no measure for: several ways to the same answer, packed and split files, damage. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { DebugInfo, DebugScope, DebugType } from '../../../../src/guest/dwarf/model';
import { GuestImage } from '../../../../src/guest/image';
import { linkObjects } from '../../../../src/guest/link/link';
import { has, run, temporaryFolder } from '../build';
import { buildProgram } from './programs';
import { fullText, shortText } from './type-text';

const folder = temporaryFolder();
afterAll(folder.remove);

function load(file: string): GuestImage {
  return GuestImage.parse(new Uint8Array(readFileSync(file)), file);
}

/** A folder of its own, so that two builds do not meet. */
function place(name: string): string {
  const path = join(folder.path, name);
  mkdirSync(path);
  return path;
}

/** What a program says by names alone; addresses and paths are left out, so that builds can be compared. */
function summary({ debug }: GuestImage): unknown {
  const globals = debug.globalNames().map((name) => {
    const type = debug.global(name)?.type;
    return `${name}: ${type && fullText(type)}`;
  });
  const functions = ['work', 'reach', '_start'].flatMap((name) =>
    debug.functionsNamed(name).map((each) => [name, shortText(each.result), each.isExternal, namesIn(each)]),
  );
  const types = ['struct node', 'struct packet', 'u64', 'unsigned long', 'enum state'].map((name) => {
    const type = debug.typeNamed(name);
    return `${name}: ${type && fullText(type)}`;
  });
  return {
    globals: globals.sort(),
    functions,
    types,
    busy: debug.enumerator('BUSY')?.value,
    problems: debug.problems,
  };
}

/** Names of all that a function has; versions of DWARF differ in which blocks a compiler tells of. */
function namesIn(scope: DebugScope): string[] {
  const own = (each: DebugScope): string[] => [
    ...(each.inlined ? [`${each.inlined.name}()`] : []),
    ...each.variables.map(({ name }) => name),
    ...each.scopes.flatMap(own),
  ];
  return [...new Set(own(scope))].sort();
}

describe.skipIf(!has('gcc'))('DebugInfo (needs gcc)', () => {
  const plain = load(buildProgram(place('plain'), 'gcc', ['-O2', '-gdwarf-5']));

  it('finds the definition of what a unit only declares in another', () => {
    const { debug } = plain;
    const self = debug.global('shared', debug.functionsNamed('work')[0].entry);
    const ring = self?.type;
    if (ring?.kind !== 'struct') throw new Error('shared is a struct');
    const nodes = ring.members[2].type;
    if (nodes.kind !== 'array' || nodes.element.kind !== 'pointer') throw new Error('nodes are pointers');
    expect(fullText(nodes.element.target)).toBe(
      'struct node 16 {next@0:0 *struct node; value@64:0 int 4; pair@96:0 [2] of short 2}',
    );
  });

  it('tells statics of one name apart by the code that sees them', () => {
    const { debug } = plain;
    const seen = ['work', 'reach'].map(
      (name) => debug.global('table', debug.functionsNamed(name)[0].entry)?.type,
    );
    expect(seen.map((type) => type && fullText(type))).toEqual(['[3] of [2] of int 4', 'int 4']);
  });

  it('knows types by the ways in which C writes them', () => {
    const { debug } = plain;
    const text = (name: string): string | undefined => {
      const type = debug.typeNamed(name);
      return type && fullText(type);
    };
    expect(['unsigned', 'unsigned  int', 'long unsigned', 'int short', 'long long'].map(text)).toEqual([
      'unsigned int 4',
      'unsigned int 4',
      'unsigned long 8',
      'short 2',
      'long long 8',
    ]);
    expect(text('struct nothing')).toBeUndefined();
    expect(debug.enumerator('BROKEN')).toMatchObject({
      value: -2n,
      type: { kind: 'enum', name: 'state', bytes: 4 },
    });
    expect(debug.enumerator('HIGH')?.value).toBe(0x80000000n);
  });

  it('says where an inlined function is called', () => {
    const { debug } = plain;
    const found: string[] = [];
    const walk = ({ inlined, scopes }: DebugScope): void => {
      const at = inlined?.callSite;
      const text = at && readFileSync(at.file, 'utf8').split('\n')[at.line - 1];
      if (inlined) found.push(`${inlined.name} ${text?.slice(at?.column ? at.column - 1 : 0).slice(0, 6)}`);
      scopes.forEach(walk);
    };
    walk(debug.functionsNamed('work')[0]);
    expect(new Set(found)).toEqual(new Set(['twice twice(']));
  });

  it('has the values of arguments at a call, by its return address', () => {
    const { debug } = plain;
    const start = debug.functionsNamed('_start')[0];
    const call = /([0-9a-f]+):\t[^\n]*call[^\n]*<reach>\n +([0-9a-f]+):/.exec(
      run('objdump', ['-d', '--no-show-raw-insn', plain.file.name]),
    );
    const site = start.callSite(BigInt(`0x${call?.[2]}`));
    // DW_OP_reg4 (rsi) is the second argument, and it is DW_OP_lit3.
    expect(site?.parameters.map(({ location, value }) => [[...location], [...value]])).toContainEqual([
      [0x54],
      [0x33],
    ]);
  });

  const zstd = has('objcopy') && /zstd/.test(run('objcopy', ['--help']));
  it.each([
    ['DWARF 4', ['-gdwarf-4']],
    ['DWARF 3', ['-gdwarf-3', '-gstrict-dwarf']],
    ['64-bit DWARF', ['-gdwarf-5', '-gdwarf64']],
    ['type units in .debug_types', ['-gdwarf-4', '-fdebug-types-section']],
    ['type units in .debug_info', ['-gdwarf-5', '-fdebug-types-section']],
    ['sections packed with zlib', ['-gdwarf-5', '-gz=zlib']],
    ['sections packed as of old', ['-gdwarf-5', '-gz=zlib-gnu']],
  ])('says the same with %s', (name, how) => {
    const other = load(buildProgram(place(name.replace(/\W/g, '-')), 'gcc', ['-O2', ...how]));
    expect(other.debugProblem).toBeUndefined();
    expect(summary(other)).toEqual(summary(plain));
  });

  it.skipIf(!zstd)('says the same with sections packed with zstd (needs an objcopy that packs so)', () => {
    const file = buildProgram(place('zstd'), 'gcc', ['-O2', '-gdwarf-5']);
    run('objcopy', ['--compress-debug-sections=zstd', file]);
    expect(summary(load(file))).toEqual(summary(plain));
  });

  it('says the same of objects that our linker and `ld -r` put together', () => {
    const at = place('objects');
    buildProgram(at, 'gcc', ['-O2']);
    const objects = ['first', 'second'].map((name) => {
      const out = join(at, `${name}.o`);
      run('gcc', [
        '-g',
        '-O2',
        '-gdwarf-5',
        '-ffreestanding',
        '-fno-stack-protector',
        '-fcf-protection=none',
        '-fno-pic',
        '-c',
        '-o',
        out,
        join(at, `${name}.c`),
      ]);
      return out;
    });
    run('ld', ['-r', '-o', join(at, 'both.o'), ...objects]);
    const both = linkObjects([{ name: 'both.o', bytes: new Uint8Array(readFileSync(join(at, 'both.o'))) }]);
    expect(summary(GuestImage.parse(both, 'both'))).toEqual(summary(plain));
    const each = linkObjects(objects.map((name) => ({ name, bytes: new Uint8Array(readFileSync(name)) })));
    expect(summary(GuestImage.parse(each, 'each'))).toEqual(summary(plain));
  });

  it('gives addresses where a static position-independent executable lies', () => {
    const image = load(buildProgram(place('pie'), 'gcc', ['-O2', '-gdwarf-5', '-fpie'], ['-static-pie']));
    expect(image.file.bias).not.toBe(0n);
    for (const name of ['work', 'reach', '_start'])
      expect(image.debug.functionsNamed(name)[0].entry).toBe(image.symbol(name)?.address);
    const location = image.debug.global('tight')?.locationAt(0n);
    if (location?.kind !== 'expression') throw new Error('tight is in memory');
    const address = new DataView(location.bytes.slice().buffer).getBigUint64(1, true);
    expect(address + location.unit.bias).toBe(image.symbol('tight')?.address);
  });

  it.each(['-gdwarf-4', '-gdwarf-5'])(
    'refuses what is split into files of its own with a sentence (%s)',
    (version) => {
      const { debug } = load(
        buildProgram(place(`split${version}`), 'gcc', ['-O0', version, '-gsplit-dwarf']),
      );
      expect(debug.functionsNamed('work')).toEqual([]);
      expect(debug.problems).toEqual([expect.stringMatching(/\.dwo.*compile without -gsplit-dwarf\.$/)]);
    },
  );

  it('answers what it can of damaged sections, and never hangs or throws', () => {
    const good = new Uint8Array(readFileSync(plain.file.name));
    const sections = plain.file.sections.filter(({ name }) => name.startsWith('.debug_'));
    const spot = fc
      .constantFrom(...sections)
      .chain(({ offset, size }) => fc.nat(size - 1).map((at) => offset + at));
    const byte = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 }));
    const pcs = plain.symbols.functions().map(({ address }) => address + 4n);
    let told = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(spot, byte), { minLength: 1, maxLength: 12 }), (edits) => {
        const bytes = good.slice();
        for (const [index, value] of edits) bytes[index] = value;
        const { debug } = GuestImage.parse(bytes, 'damaged');
        askAll(debug, pcs);
        told += debug.problems.length;
      }),
      { numRuns: 400 },
    );
    expect(told).toBeGreaterThan(50);
  });
});

/** Asks everything that a debugger can ask; types and scopes as deep as a view would open them. */
function askAll(debug: DebugInfo, pcs: readonly bigint[]): void {
  const askType = (type: DebugType, depth: number): void => {
    if (depth > 6) return;
    if ('target' in type) askType(type.target, depth + 1);
    if (type.kind === 'array') askType(type.element, depth + 1);
    if (type.kind === 'struct' || type.kind === 'union')
      for (const member of type.members) askType(member.type, depth + 1);
    if (type.kind === 'function') type.parameters.forEach((each) => askType(each, depth + 1));
    if (type.kind === 'enum') void [type.values, type.bytes, type.signed];
  };
  const askScope = (scope: DebugScope, pc: bigint): void => {
    for (const variable of scope.variables) {
      askType(variable.type, 3);
      void [variable.locationAt(pc), variable.declared];
    }
    void scope.inlined;
    scope.scopes.forEach((each) => askScope(each, pc));
  };
  for (const pc of pcs) {
    const home = debug.functionAt(pc);
    if (!home) continue;
    void [
      home.entry,
      home.afterPrologue,
      home.declared,
      home.isExternal,
      home.frameBaseAt(pc),
      home.callSite(pc),
    ];
    askType(home.result, 0);
    askScope(home, pc);
    for (const variable of debug.globalsOf(pc)) askType(variable.type, 0);
  }
  for (const name of debug.globalNames()) debug.global(name)?.locationAt(0n);
  for (const name of ['struct node', 'struct self', 'u64']) {
    const type = debug.typeNamed(name);
    if (type) askType(type, 0);
  }
  debug.functionsNamed('work');
  debug.enumerator('BUSY');
}

describe.skipIf(!has('clang'))('a block of a function inlined (needs clang)', () => {
  it('has what its concrete entry leaves out, and the function does not', () => {
    const path = place('blocks');
    writeFileSync(
      join(path, 'blocks.c'),
      `volatile int port;
static inline __attribute__((always_inline)) void fill(int count)
{
    for (int i = 0; i < count; i++) {
        int lost;
        __asm__("nop" : "=r"(lost)); // removed, and with it the variable
        int written = i * 3;
        port = written;
    }
}
void _start(void)
{
    fill(port);
    for (;;)
        port = 0;
}
`,
    );
    const file = join(path, 'blocks');
    run('clang', ['-O2', '-g', '-nostdlib', '-static', '-ffreestanding', join(path, 'blocks.c'), '-o', file]);
    const start = load(file).debug.functionsNamed('_start')[0];
    const names = ({ variables }: DebugScope): string[] => variables.map(({ name }) => name).sort();
    const fill = start.scopes.find(({ inlined }) => inlined?.name === 'fill');
    const loop = fill?.scopes[0];
    expect([fill, loop, loop?.scopes[0]].map((each) => each && names(each))).toEqual([
      ['count'],
      ['i'],
      ['lost', 'written'],
    ]);
  });
});
