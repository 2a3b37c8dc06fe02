/** Line tables against binutils: addr2line and objdump read the same files on their own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { GuestImage } from '../../../src/guest/image';
import { driversDir, has, kitDir, run, temporaryFolder } from './build';

const tools = ['gcc', 'objdump', 'addr2line', 'nm'];
const missing = tools.filter((each) => !has(each));
const folder = temporaryFolder();
afterAll(folder.remove);

let built = 0;

/** Links a driver and two files of the kit's as one executable, with its own flags: DWARF version and optimisation. */
function build(name: string, version: number, optimise: string, extra: string[] = []): string {
  const out = join(folder.path, `${name}-${version}-${optimise}-${extra.length}-${built++}.elf`);
  const kit = [
    'start.S',
    'boot.c',
    'interrupts.c',
    'exception.c',
    'access-log.c',
    'memory.c',
    'print.c',
    'pci.c',
  ];
  const flags = [
    ...[
      '-std=gnu11',
      `-O${optimise}`,
      '-g',
      `-gdwarf-${version}`,
      '-ffreestanding',
      '-fno-pic',
      '-no-pie',
      '-static',
      '-nostdlib',
    ],
    ...[
      '-mgeneral-regs-only',
      '-mno-red-zone',
      '-fcf-protection=none',
      '-Wl,--build-id=sha1',
      '-I',
      kitDir,
      ...extra,
    ],
  ];
  const sources = [...kit.map((each) => join(kitDir, each)), join(driversDir, `${name}.c`)];
  run('gcc', [...flags, '-T', join(kitDir, 'guest.ld'), '-o', out, ...sources]);
  return out;
}

function load(file: string): GuestImage {
  return GuestImage.parse(new Uint8Array(readFileSync(file)), file);
}

/** Addresses of all instructions, by the disassembler. */
function instructions(file: string): bigint[] {
  return [...run('objdump', ['-d', '-j', '.text', file]).matchAll(/^ +([0-9a-f]+):\t/gm)].map((match) =>
    BigInt(`0x${match[1]}`),
  );
}

describe.skipIf(missing.length > 0)(
  `line tables (needs ${tools.join(', ')}; missing: ${missing.join(', ') || 'none'})`,
  () => {
    const variants = [2, 3, 4, 5].flatMap((version) =>
      ['0', '2'].map((optimise) => [version, optimise] as const),
    );

    it.each(variants)(
      'DWARF %i at -O%s: every instruction has the line that addr2line gives',
      (version, optimise) => {
        const file = build('e1000', version, optimise);
        const image = load(file);
        expect(image.debugProblem).toBeUndefined();
        const addresses = instructions(file);
        expect(addresses.length).toBeGreaterThan(1000);
        const theirs = run(
          'addr2line',
          ['-e', file],
          addresses.map((each) => `0x${each.toString(16)}`).join('\n'),
        )
          .trim()
          .split('\n')
          .map((line) => line.replace(/ \(discriminator \d+\)$/, ''));
        const ours = addresses.map((address) => {
          const place = image.lines.lookup(address);
          return place ? `${place.file}:${place.line}` : '??:?';
        });
        // Some releases of addr2line name the unit's main file for a function of a header (DWARF 5 counts files from 0), so in the
        // header's functions only the line is compared. The decoded table, below, has its file too.
        const header = /^tl_(physical|spin_lock|spin_unlock)$/;
        const ofHeader = addresses.map((each) => header.test(image.symbols.functionAt(each)?.name ?? ''));
        expect(ofHeader.filter(Boolean).length).toBeLessThan(addresses.length / 50);
        const comparable = (line: string, index: number): string =>
          ofHeader[index] ? line.replace(/^.*:/, '') : line;
        expect(ours.map(comparable)).toEqual(
          theirs.map((line) => (/:[?0]$/.test(line) ? '??:?' : line)).map(comparable),
        );
      },
    );

    it.each(['0', '2'])(
      'at -O%s every row of the decoded table is found, with its file and line',
      (optimise) => {
        const file = build('uart', 5, optimise);
        const { lines } = load(file);
        // `name line address [view] [x]`; the last row of an address wins, and END closes a sequence.
        const rows = [
          ...run('objdump', ['--dwarf=decodedline', file]).matchAll(
            /^(\S+\.[chS]) +(\d+|-) +(0x[0-9a-f]+)/gm,
          ),
        ];
        const last = new Map(rows.map((match) => [match[3], `${match[1]}:${match[2]}`]));
        expect(last.size).toBeGreaterThan(300);
        for (const [address, expected] of last) {
          if (expected.endsWith(':-') || expected.endsWith(':0')) continue;
          const place = lines.lookup(BigInt(address))!;
          expect(`${place.file.split('/').pop()}:${place.line}`, address).toBe(expected);
        }
      },
    );

    it('reads compressed debug sections', () => {
      const plain = load(build('hello', 5, '2'));
      const packed = load(build('hello', 5, '2', ['-gz=zlib']));
      const main = plain.symbol('main')!.address;
      expect(packed.debugProblem).toBeUndefined();
      expect(packed.resolve(main)).toEqual(plain.resolve(main));
      expect(packed.resolve(main).file).toBe(join(driversDir, 'hello.c'));
    });

    it('reads debug sections of the older packed kind, which have a name of their own', () => {
      const plain = load(build('hello', 5, '2'));
      const file = build('hello', 5, '2');
      run('objcopy', ['--compress-debug-sections=zlib-gnu', file]);
      const packed = load(file);
      const main = plain.symbol('main')!.address;
      expect(packed.file.sections.map(({ name }) => name)).toContain('.zdebug_line');
      expect(packed.debugProblem).toBeUndefined();
      expect(packed.resolve(main)).toEqual(plain.resolve(main));
    });

    it('says of debug sections packed in an unknown way how to get lines', () => {
      const file = build('hello', 5, '2', ['-gz=zlib']);
      const bytes = new Uint8Array(readFileSync(file));
      const section = load(file).file.sections.find(({ name }) => name === '.debug_line')!;
      new DataView(bytes.buffer).setUint32(section.offset, 9, true); // no ELFCOMPRESS_… that there is
      const image = GuestImage.parse(bytes, 'hello.elf');
      expect(image.resolve(image.symbol('main')!.address)).toEqual({ symbol: 'main' });
      expect(image.debugProblem).toMatch(
        /no source lines\. hello\.elf has section \.debug_line packed with method 9.*-gz=none or -gz=zlib/,
      );
    });

    it('reads 64-bit DWARF', () => {
      const image = load(build('hello', 5, '2', ['-gdwarf64']));
      expect(image.debugProblem).toBeUndefined();
      expect(image.resolve(image.symbol('main')!.address).file).toBe(join(driversDir, 'hello.c'));
    });

    it('finds the code of a line, and the next line that has code', () => {
      const image = load(build('uart', 5, '0'));
      const file = join(driversDir, 'uart.c');
      const source = readFileSync(file, 'utf8').split('\n');
      const empty = source.indexOf('int main(void)'); // its index, and so the 1-based number of the blank line above
      expect(source[empty - 1]).toBe('');
      const next = image.lines.nextLineWithCode(file, empty)!;
      expect(source[next - 1]).toMatch(/^\{|int main/);
      const call = source.findIndex((line) => line.includes('uart_start(115200);')) + 1;
      const addresses = image.lines.addressesOf(file, call);
      expect(addresses.length).toBeGreaterThanOrEqual(1);
      for (const address of addresses)
        expect(image.resolve(address)).toEqual({ symbol: 'main', file, line: call });
      expect(image.lines.addressesOf(file, source.indexOf('') + 1)).toEqual([]);
      expect(image.lines.nextLineWithCode(file, source.length + 1)).toBeUndefined();
    });

    it('an access leads to the line of the driver that makes it, not into the kit', () => {
      const file = build('mmio-read-loop', 5, '2');
      const image = load(file);
      const source = readFileSync(join(driversDir, 'mmio-read-loop.c'), 'utf8').split('\n');
      const marks = source.flatMap((line, index) => (line.includes('tl_mark(') ? [index + 1] : []));
      const vmcalls = [...run('objdump', ['-d', file]).matchAll(/^ +([0-9a-f]+):.*\tvmcall/gm)].map(
        (match) => match[1],
      );
      expect(vmcalls.map((each) => image.resolve(BigInt(`0x${each}`)).line)).toEqual(marks);
    });

    it('knows the same functions and variables as nm', () => {
      const file = build('e1000', 5, '2');
      const image = load(file);
      const rows = [
        ...run('nm', ['-S', file]).matchAll(/^([0-9a-f]{16}) ([0-9a-f]{16}) [tTdDbBrR] (\S+)$/gm),
      ];
      expect(rows.length).toBeGreaterThan(40);
      const names = rows.map((row) => row[3]);
      for (const [, address, size, name] of rows as unknown as [string, string, string, string][]) {
        if (names.filter((each) => each === name).length > 1) continue;
        expect(image.symbol(name), name).toEqual({
          name,
          address: BigInt(`0x${address}`),
          size: BigInt(`0x${size}`),
        });
      }
      const main = image.symbol('main')!;
      expect(image.symbols.functionAt(main.address + main.size - 1n)?.name).toBe('main');
      expect(image.symbols.functionAt(main.address + main.size)?.name).not.toBe('main');
    });

    it('leads paths of the debug information to where the sources are', () => {
      const file = build('hello', 5, '0', [`-ffile-prefix-map=${driversDir}=/elsewhere/drivers`]);
      const image = GuestImage.parse(new Uint8Array(readFileSync(file)), file, [
        { from: '/elsewhere/', to: '/home/me/work' },
      ]);
      const main = image.symbol('main')!.address;
      expect(load(file).resolve(main).file).toBe('/elsewhere/drivers/hello.c');
      expect(image.resolve(main).file).toBe('/home/me/work/drivers/hello.c');
    });
  },
);
