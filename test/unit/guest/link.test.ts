/** Our linker against the system's: the same objects, the same behaviour and the same source lines; and damaged objects. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { compileGuest } from '../../../src/guest/compile/compiler';
import { GuestImageError } from '../../../src/guest/errors';
import { GuestImage } from '../../../src/guest/image';
import { linkObjects } from '../../../src/guest/link/link';
import type { RunJob } from '../../../src/protocol/run';
import { runJob } from '../../support/runs';
import { driversDir, has, kitDir, root, run, temporaryFolder } from './build';

const folder = temporaryFolder();
afterAll(folder.remove);

/** The objects of a driver with the guest kit, and the executable that the system's linker makes of them. */
async function built(
  name: string,
): Promise<{ objects: { name: string; bytes: Uint8Array }[]; elf: Uint8Array }> {
  const cacheDir = join(folder.path, name);
  const source = join(driversDir, name);
  const result = await compileGuest({
    sources: [source],
    defines: {},
    optimise: '2',
    kitDir,
    cacheDir,
    compiler: '',
  });
  if (!result.ok) throw new Error(result.message);
  const files = readdirSync(cacheDir).filter((each) => each.endsWith('.o'));
  const objects = files.map((each) => ({
    name: each,
    bytes: new Uint8Array(readFileSync(join(cacheDir, each))),
  }));
  return { objects, elf: new Uint8Array(readFileSync(result.elfPath)) };
}

/** Objects of assembly texts. */
function assembled(...texts: string[]): { name: string; bytes: Uint8Array }[] {
  return texts.map((text, index) => {
    const base = join(folder.path, `piece${index}`);
    writeFileSync(`${base}.s`, text);
    run('gcc', ['-c', '-o', `${base}.o`, `${base}.s`]);
    return { name: `piece${index}.o`, bytes: new Uint8Array(readFileSync(`${base}.o`)) };
  });
}

const START = '.globl _start\n_start: hlt\n';

describe.skipIf(!has('gcc'))('linkObjects (needs gcc)', () => {
  it.each(['zlib', 'zlib-gnu'])(
    'keeps the lines of objects whose debug information is packed with %s',
    (method) => {
      const source = join(folder.path, `packed-${method}.c`);
      const object = join(folder.path, `packed-${method}.o`);
      writeFileSync(source, 'int value;\nvoid _start(void)\n{\n  for (;;)\n    value++;\n}\n');
      run('gcc', ['-c', '-g', '-O0', '-fno-pic', '-ffreestanding', '-o', object, source]);
      run('objcopy', [`--compress-debug-sections=${method}`, object]);
      const elf = linkObjects([{ name: 'packed.o', bytes: new Uint8Array(readFileSync(object)) }]);
      const image = GuestImage.parse(elf, 'packed');
      expect(image.debugProblem).toBeUndefined();
      expect(image.resolve(image.symbol('_start')!.address)).toEqual({
        symbol: '_start',
        file: source,
        line: 3,
      });
    },
  );

  it.each(['hello.c', 'uart.c', 'timer.c'])(
    'makes a guest of %s that does what the other linker’s does',
    async (name) => {
      const { objects, elf } = await built(name);
      const ours = linkObjects(objects);
      const scenarioText = JSON.stringify({ vms: [{ guest: { elf: 'x' } }] });
      const core = new Uint8Array(readFileSync(join(root, 'dist/cpu-core.wasm')));
      const job = (bytes: Uint8Array): RunJob => ({
        scenarioFile: '/x.trapline.json',
        scenarioText,
        guests: [{ elf: bytes, elfFile: 'x' }],
        core,
      });
      const [expected, found] = [elf, ours].map((bytes) => runJob(job(bytes)));
      expect(found.serial).toBe(expected.serial);
      expect(found.end.meta.facts.vms[0]).toEqual(expected.end.meta.facts.vms[0]);
      const image = GuestImage.parse(ours, 'ours');
      const reference = GuestImage.parse(elf, 'reference');
      expect(image.debugProblem).toBeUndefined();
      expect(image.symbols.functions().length).toBe(reference.symbols.functions().length);
      for (const { name: symbol, address } of reference.symbols.functions()) {
        expect(image.resolve(image.symbol(symbol)!.address)).toEqual(reference.resolve(address));
      }
    },
  );

  it('names what is missing and what is there twice', () => {
    expect(() => linkObjects(assembled(`${START} call nowhere\n`))).toThrow(/piece0\.o uses nowhere/);
    expect(() => linkObjects(assembled(START, START))).toThrow(
      /_start is defined in piece0\.o and in piece1\.o/,
    );
    expect(() => linkObjects(assembled('nop\n'))).toThrow(/No object defines _start/);
    expect(() => linkObjects(assembled(`${START}.data\n.byte _start\n`))).toThrow(
      /does not reach.*R_X86_64_8/,
    );
  });

  it('resolves weak, common and table-reached symbols', () => {
    const elf = linkObjects(
      assembled(
        `${START} movq there@GOTPCREL(%rip), %rax\n.weak gone\n.data\n.globl words\nwords: .quad gone, there, chosen\n.comm room, 64, 32\n.weak chosen\nchosen: .quad 1\n`,
        '.globl there\nthere: ret\n.globl chosen\n.data\nchosen: .quad 2\n.comm room, 4096, 64\n',
      ),
    );
    const image = GuestImage.parse(elf, 'x');
    const read = (address: bigint): bigint => {
      const segment = image.file.segments.find(
        (each) => address >= each.address && address < each.address + each.memorySize,
      )!;
      const { buffer, byteOffset } = segment.bytes;
      return new DataView(buffer, byteOffset).getBigUint64(Number(address - segment.address), true);
    };
    const words = image.symbol('words')!.address;
    const chosen = image.symbol('chosen')!.address;
    expect([0n, 8n, 16n].map((at) => read(words + at))).toEqual([0n, image.symbol('there')!.address, chosen]);
    expect(read(chosen)).toBe(2n);
    expect([image.symbol('room')!.size, image.symbol('room')!.address % 64n]).toEqual([4096n, 0n]);
  });

  it('throws nothing but a GuestImageError for damaged objects', async () => {
    const { objects } = await built('hello.c');
    const small = objects.reduce((least, each) => (each.bytes.length < least.bytes.length ? each : least));
    const { length } = small.bytes;
    const at = fc.oneof(
      fc.nat(63),
      fc.integer({ min: Math.max(0, length - 2000), max: length - 1 }),
      fc.nat(length - 1),
    );
    const edit = fc.tuple(at, fc.oneof(fc.constantFrom(0, 1, 0x7f, 0xff), fc.integer({ min: 0, max: 255 })));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), (edits) => {
        const bytes = small.bytes.slice();
        for (const [index, value] of edits) bytes[index] = value;
        try {
          linkObjects(objects.map((each) => (each === small ? { ...each, bytes } : each)));
        } catch (error) {
          expect(error).toBeInstanceOf(GuestImageError);
        }
      }),
      { numRuns: 150 },
    );
  });
});
