/** Static position-independent executables: made here byte by byte, damaged, and by the computer's own gcc. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { planBoot } from '../../../src/guest/boot/boot';
import { GuestImageError } from '../../../src/guest/errors';
import { GuestImage } from '../../../src/guest/image';
import { memoryMap } from '../../../src/machine/firmware/memory-map';
import { jobOf, runJob } from '../../support/runs';
import { has, run } from './build';

const MIB = 1 << 20;
/** Where a file that is linked to 0 goes. */
const BASE = 0x200000n;
const folder = mkdtempSync(join(tmpdir(), 'trapline-pie-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Pie {
  /** Words of 64 bits: place, info, addend. */
  relocations?: readonly (readonly [bigint, bigint, bigint])[];
  tags?: readonly (readonly [bigint, bigint])[];
  linkedTo?: bigint;
}

const PROGRAMS = 2;
const DYNAMIC = 64 + 56 * PROGRAMS;
const TAGS = 8;
const TABLE = DYNAMIC + 16 * TAGS;

/** ET_DYN (System V ABI, chapter 5): the whole file is one PT_LOAD, with a PT_DYNAMIC in it; the code is its last eight bytes. */
function pie({ relocations = [], tags = [], linkedTo = 0n }: Pie = {}): Uint8Array {
  const size = TABLE + 24 * relocations.length + 16;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const quads = (at: number, values: readonly bigint[]): void =>
    values.forEach((value, index) => view.setBigUint64(at + 8 * index, BigInt.asUintN(64, value), true));
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 3, true);
  view.setUint16(18, 62, true);
  quads(24, [linkedTo + BigInt(size - 8), 64n]);
  view.setUint16(54, 56, true);
  view.setUint16(56, PROGRAMS, true);
  const program = (at: number, type: number, from: number, length: number): void => {
    view.setUint32(at, type, true);
    view.setUint32(at + 4, 7, true);
    const address = linkedTo + BigInt(from);
    quads(at + 8, [BigInt(from), address, address, BigInt(length), BigInt(length)]);
  };
  program(64, 1, 0, size);
  program(120, 2, DYNAMIC, 16 * TAGS);
  const own = [[7n, linkedTo + BigInt(TABLE)], [8n, BigInt(24 * relocations.length)], [9n, 24n], ...tags];
  quads(DYNAMIC, own.flat());
  quads(TABLE, relocations.flat());
  bytes.set([0xf4, 0xeb, 0xfd], size - 8);
  return bytes;
}

const data = BigInt(TABLE + 24); // the word behind a table of one

function word(bytes: Uint8Array, address: bigint): bigint {
  const { file } = GuestImage.parse(bytes, 'pie.elf');
  const home = file.segments[0];
  const view = new DataView(home.bytes.buffer, home.bytes.byteOffset);
  return view.getBigUint64(Number(address - home.address), true);
}

const refusal =
  (of: Pie): (() => unknown) =>
  () =>
    GuestImage.parse(pie(of), 'pie.elf');

describe('a static position-independent executable', () => {
  it('linked to 0 is loaded at 2 MiB, and starts there', () => {
    const bytes = pie();
    const { file } = GuestImage.parse(bytes, 'pie.elf');
    expect(file.segments.map(({ address, virtualAddress }) => [address, virtualAddress])).toEqual([
      [BASE, BASE],
    ]);
    const { start } = planBoot(file, memoryMap(16 * MIB));
    expect(start).toMatchObject({ mode: 'long', entry: BASE + BigInt(bytes.length - 8) });
    expect(() => planBoot(file, memoryMap(2 * MIB))).toThrow(/needs 3 MiB/);
  });

  it('linked to 1 MiB or above stays there', () => {
    const { file } = GuestImage.parse(pie({ linkedTo: 0x100000n }), 'pie.elf');
    expect(file.segments[0].address).toBe(0x100000n);
  });

  it('has its relative relocations applied, and the file itself is left as it was', () => {
    const bytes = pie({ relocations: [[data, 8n, 0x123n]] });
    const before = bytes.slice();
    expect(word(bytes, BASE + data)).toBe(BASE + 0x123n);
    expect(bytes).toEqual(before);
    const high = pie({ linkedTo: 0x400000n, relocations: [[0x400000n + data, 8n, 0x400123n]] });
    expect(word(high, 0x400000n + data)).toBe(0x400123n);
  });

  it('with a negative addend wraps, as the processor adds', () => {
    expect(word(pie({ relocations: [[data, 8n, -0x200001n]] }), BASE + data)).toBe((1n << 64n) - 1n);
  });

  it.each([
    ['R_X86_64_64', 1n, /Bsymbolic/],
    ['R_X86_64_GLOB_DAT', 6n, /Bsymbolic/],
    ['R_X86_64_JUMP_SLOT', 7n, /Bsymbolic/],
    ['R_X86_64_TPOFF64', 18n, /thread-local/],
    ['R_X86_64_IRELATIVE', 37n, /-nostdlib/],
    ['of type 4000', 4000n, /-no-pie/],
  ])('with a relocation %s is refused, and told what to do', (name, type, remedy) => {
    const it = refusal({ relocations: [[data, type, 0n]] });
    expect(it).toThrow(GuestImageError);
    expect(it).toThrow(`relocation ${name} at 0x${data.toString(16)}`);
    expect(it).toThrow(remedy);
  });

  it('that needs more than a file can give is refused', () => {
    expect(refusal({ tags: [[1n, 0n]] })).toThrow(/shared libraries/);
    expect(refusal({ tags: [[35n, 8n]] })).toThrow(/nopack-relative-relocs/);
    expect(refusal({ tags: [[18n, 16n]] })).toThrow(/DT_REL/);
  });

  it('with sizes and places that cannot be is damaged', () => {
    expect(refusal({ tags: [[8n, 1n << 63n]] })).toThrow(/damaged/);
    expect(
      refusal({
        tags: [
          [8n, 24n],
          [9n, 0n],
        ],
      }),
    ).toThrow(/damaged: relocations of 0 bytes/);
    expect(
      refusal({
        tags: [
          [8n, 24n],
          [7n, 1n << 40n],
        ],
      }),
    ).toThrow(/table of relocations at 0x10000000000/);
    expect(refusal({ relocations: [[1n << 40n, 8n, 0n]] })).toThrow(/0x10000000000 is not in the file/);
    // The last byte of it would lie behind the file.
    expect(refusal({ relocations: [[data + 9n, 8n, 0n]] })).toThrow(/not in the file/);
  });

  it('that is damaged anywhere ends in a GuestImageError, or is read', () => {
    const good = pie({ relocations: [[data, 8n, 0x123n]] });
    const change = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = good.slice();
        for (const [at, value] of changes) bytes[at] = value;
        try {
          GuestImage.parse(bytes, 'pie.elf');
        } catch (error) {
          expect(error).toBeInstanceOf(GuestImageError);
        }
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});

const SOURCE = `static int seven = 7;
static int *pointer = &seven;
int answer(void)
{
    return 6 * *pointer;
}
void _start(void)
{
    __asm__ volatile("outl %0, %w1; hlt" : : "a"(answer()), "Nd"(0xf4));
}
`;

describe.skipIf(!has('gcc'))('gcc -static-pie (needs gcc)', () => {
  it('runs, reaches its data by a relocated pointer, and has its names and lines where it runs', async () => {
    const [source, elf] = [join(folder, 'pie.c'), join(folder, 'pie.elf')];
    writeFileSync(source, SOURCE);
    const flags = [
      '-O0',
      '-g',
      '-static-pie',
      '-fPIE',
      '-nostdlib',
      '-ffreestanding',
      '-mno-red-zone',
      '-fcf-protection=none',
    ];
    run('gcc', [...flags, '-mgeneral-regs-only', '-o', elf, source]);
    const text = '{ "vms": [{ "guest": { "elf": "pie.elf" } }] }';
    const { end, store } = runJob(await jobOf(join(folder, 'pie.trapline.json'), text));
    expect(end.summary.vms[0]?.exitCode).toBe(42);

    const image = GuestImage.parse(new Uint8Array(readFileSync(elf)), elf);
    expect(image.symbol('_start')?.address).toBe(image.file.entry);
    expect(image.file.entry).toBeGreaterThan(BASE);
    expect(image.debugProblem).toBeUndefined();
    // A function's first row is the line of its brace's owner: that of its name.
    expect(image.resolve(image.symbol('answer')!.address)).toEqual({
      symbol: 'answer',
      file: source,
      line: 4,
    });
    expect(store.meta.places.map(({ file }) => file)).toContain(source);
  });
});
