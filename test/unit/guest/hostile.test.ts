/** A real guest, damaged at random: debug information, symbols and headers that lie. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { compileGuest } from '../../../src/guest/compile/compiler';
import { GuestImageError } from '../../../src/guest/errors';
import { GuestImage } from '../../../src/guest/image';
import { driversDir, has, kitDir, temporaryFolder } from './build';

const folder = temporaryFolder();
afterAll(folder.remove);

/** An assembly file of five lines: a small image, so that a random change is likely to hit something. */
describe.skipIf(!has('gcc'))('a damaged guest (needs gcc)', () => {
  it('throws nothing but a GuestImageError, and answers or refuses in bounded time', async () => {
    const source = join(driversDir, 'hello.c');
    const built = await compileGuest({
      sources: [source],
      defines: {},
      optimise: '0',
      kitDir,
      cacheDir: folder.path,
      compiler: '',
    });
    if (!built.ok) throw new Error(built.message);
    const good = new Uint8Array(readFileSync(built.elfPath));
    const image = GuestImage.parse(good, 'hello.elf');
    const entry = image.symbol('main')!.address;
    expect(image.resolve(entry)).toMatchObject({ symbol: 'main', file: source });

    // Changes go where they matter: into the headers and into the sections that are parsed.
    const ranges = image.file.sections
      .filter((each) => /^\.(debug_(line|info|abbrev|line_str|str)|symtab|strtab|shstrtab)$/.test(each.name))
      .map((each) => ({ from: each.offset, size: each.size }));
    ranges.push(
      { from: 0, size: 64 + 4 * 56 },
      { from: good.length - 64 * image.file.sections.length, size: 64 * image.file.sections.length },
    );
    expect(ranges.length).toBeGreaterThanOrEqual(8);
    const place = fc
      .nat(ranges.length - 1)
      .chain((range) => fc.nat(ranges[range].size - 1).map((offset) => ranges[range].from + offset));
    const byte = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(place, byte), { minLength: 1, maxLength: 8 }), (edits) => {
        const bytes = good.slice();
        for (const [index, value] of edits) bytes[index] = value;
        try {
          const damaged = GuestImage.parse(bytes, 'hello.elf');
          damaged.resolve(entry);
          damaged.lines.addressesOf(source, 10);
        } catch (error) {
          expect(error).toBeInstanceOf(GuestImageError);
        }
      }),
      { numRuns: 600 },
    );
  });
});
