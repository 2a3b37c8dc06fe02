/** The guest kit's own code, as far as it can be tried without a machine: natively, and by looking at the built guest. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ACCESS_LOG_SYMBOL, readAccessLog } from '../../../src/guest/access-log';
import { compileGuest } from '../../../src/guest/compile/compiler';
import { GuestImage } from '../../../src/guest/image';
import { driversDir, fixturesDir, has, kitDir, run, temporaryFolder } from './build';

const folder = temporaryFolder();
afterAll(folder.remove);

async function image(name: string, defines = {}): Promise<{ image: GuestImage; file: string }> {
  const sources = [join(driversDir, name)];
  const result = await compileGuest({
    sources,
    defines,
    optimise: '2',
    kitDir,
    cacheDir: folder.path,
    compiler: '',
  });
  if (!result.ok) throw new Error(result.message);
  return {
    image: GuestImage.parse(new Uint8Array(readFileSync(result.elfPath)), name),
    file: result.elfPath,
  };
}

describe.skipIf(!has('gcc') || process.arch !== 'x64')('the kit (needs gcc on x86-64)', () => {
  it.each(['-O0', '-O2'])('at %s prints, moves and compares as the C library does', (optimise) => {
    const program = join(folder.path, `print${optimise}`);
    const source = join(fixturesDir, 'print-native.c');
    run('gcc', ['-std=gnu11', optimise, '-w', '-fno-builtin', '-I', kitDir, '-o', program, source]);
    const rows = run(program, [])
      .trim()
      .split('\n')
      .map((line) => line.split('\t'));
    expect(rows).toHaveLength(21);
    for (const [format, kit, library] of rows) expect(kit, format).toBe(library);
  });

  it('finds virtual functions, their places and their BARs', () => {
    const program = join(folder.path, 'sriov');
    const source = join(fixturesDir, 'sriov-native.c');
    run('gcc', ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-I', kitDir, '-o', program, source]);
    const hex = (value: number): string => value.toString(16);
    // The fixture's PF is 00:03.0; First VF Offset E8H, VF Stride 2; BARs of 16 KiB (64 bits) and 4 KiB.
    const requester = (3 << 3) + 0xe8 + 5 * 2;
    const place = `${hex(requester >> 8)}:${hex((requester >> 3) & 31)}.${requester & 7}`;
    const [large, small] = [0x8d0000000, 0xc1000000];
    const [vfEnable, memory, ari] = [1, 8, 0x10];
    expect(run(program, []).trim().split('\n')).toEqual([
      'capabilities 140 0',
      'none 0 0',
      'found 1 63',
      `bar0 ${hex(large)} 4000`,
      'bar1 0 0',
      'bar2 0 0',
      `bar3 ${hex(small)} 1000`,
      'bar4 0 0',
      'bar5 0 0',
      'too many 0',
      `enable 1 ${hex(vfEnable | memory | ari)} 4`,
      `enable 1 ${hex(ari)} 0`,
      `vf ${place} 8086 10ed ${hex(large + 5 * 0x4000)} ${hex(small + 5 * 0x1000)}`,
    ]);
  });

  it('has one stub for each vector, 16 bytes apart, that pushes its number and an error code where the processor does not', async () => {
    const { file } = await image('hello.c');
    const listing = run('objdump', ['-d', '--disassemble=tl_stubs', file]);
    const pushes = new Map<number, bigint[]>();
    const base = BigInt(`0x${/([0-9a-f]{16}) <tl_stubs>:/.exec(listing)![1]}`);
    for (const [, address, value] of listing.matchAll(/^ +([0-9a-f]+):.*\tpush +\$0x([0-9a-f]+)/gm)) {
      const vector = Number((BigInt(`0x${address}`) - base) / 16n);
      pushes.set(vector, [...(pushes.get(vector) ?? []), BigInt.asUintN(32, BigInt(`0x${value}`))]);
    }
    expect(pushes.size).toBe(256);
    const withErrorCode = [8, 10, 11, 12, 13, 14, 17, 21, 29, 30]; // SDM vol. 3, table 6-1; AMD APM vol. 2, table 8-1
    for (const [vector, values] of pushes) {
      expect(values, `vector ${vector}`).toEqual(
        withErrorCode.includes(vector) ? [BigInt(vector)] : [0n, BigInt(vector)],
      );
    }
  });

  it('sleeps with nothing between STI and HLT', async () => {
    const { file } = await image('e1000.c');
    const listing = run('objdump', ['-d', '--no-show-raw-insn', '--disassemble=main', file]);
    expect(listing).toMatch(/\tsti *\n.*\thlt *\n.*\tcli/);
  });

  it('has an access log where the symbol says, with the layout that its reader expects', async () => {
    const { image: guest, file } = await image('hello.c');
    const symbol = guest.symbol(ACCESS_LOG_SYMBOL)!;
    const segment = guest.file.segments.find(
      (each) => symbol.address >= each.address && symbol.address < each.address + each.memorySize,
    )!;
    const at = Number(symbol.address - segment.address);
    const log = readAccessLog(segment.bytes.slice(at, at + Number(symbol.size)));
    expect(log).toEqual({
      mmioReads: 0,
      mmioWrites: 0,
      pioReads: 0,
      pioWrites: 0,
      msrReads: 0,
      msrWrites: 0,
      cpuid: 0,
      hlt: 0,
      vmcalls: 0,
      entriesLost: 0,
      entries: [],
    });
    expect(has('readelf') && run('readelf', ['-sW', file])).toMatch(
      / OBJECT +GLOBAL DEFAULT +\d+ tl_access_log/,
    );
  });

  it('reads every counter of the log from its place', () => {
    const bytes = new Uint8Array(16 + 10 * 8 + 2 * 32);
    const view = new DataView(bytes.buffer);
    bytes.set(new TextEncoder().encode('TLOG'));
    [1, 2, 2].forEach((value, index) => view.setUint32(4 + 4 * index, value, true));
    for (let i = 0; i < 10; i++) view.setBigUint64(16 + 8 * i, BigInt(i + 1), true);
    [0xfee00000, 3, 4, 0, 0x3f8, 5, 6, 1].forEach((value, index) =>
      view.setBigUint64(96 + 8 * index, BigInt(value), true),
    );
    expect(readAccessLog(bytes)).toEqual({
      mmioReads: 1,
      mmioWrites: 2,
      pioReads: 3,
      pioWrites: 4,
      msrReads: 5,
      msrWrites: 6,
      cpuid: 7,
      hlt: 8,
      vmcalls: 9,
      entriesLost: 10,
      entries: [
        { address: 0xfee00000, isPort: false, reads: 3, writes: 4 },
        { address: 0x3f8, isPort: true, reads: 5, writes: 6 },
      ],
    });
    bytes[0] = 0;
    expect(() => readAccessLog(bytes)).toThrow(/no access log/);
    expect(() => readAccessLog(bytes.subarray(0, 10))).toThrow(/wanted at offset/);
  });

  it('can be built without the log', async () => {
    const { image: guest, file } = await image('mmio-read-loop.c', { TL_NO_ACCESS_LOG: 1 });
    expect(guest.symbol('main')).toBeDefined();
    expect(run('objdump', ['-d', '--disassemble=main', file])).not.toContain('tl_log');
  });
});
