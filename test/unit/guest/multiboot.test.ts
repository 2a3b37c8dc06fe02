/** Multiboot 1: kernels made here byte by byte, and what a kernel finds by following the pointers it is given. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planBoot } from '../../../src/guest/boot/boot';
import type { BootParameters, BootPlan } from '../../../src/guest/boot/plan';
import { GuestImageError } from '../../../src/guest/errors';
import { GuestImage } from '../../../src/guest/image';
import { brokenHeaderRule, findMultibootHeader } from '../../../src/guest/boot/multiboot-header';
import { memoryMap } from '../../../src/machine/firmware/memory-map';

const MIB = 1 << 20;
const RAM = 8 * MIB;
const CODE = [0xf4, 0xeb, 0xfd];

/** The words of a header with its checksum. */
function header(flags: number, addresses: readonly number[] = []): number[] {
  return [0x1badb002, flags, -(0x1badb002 + flags) >>> 0, ...addresses];
}

function words(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setUint32(4 * index, value >>> 0, true));
  return bytes;
}

interface Kernel {
  header?: readonly number[];
  physical?: number;
  virtual?: number;
  entry?: number;
  memorySize?: number;
}

/** A 32-bit ELF file (System V ABI, figures 1-3 and 2-1): one segment that holds the header and three bytes of code. */
function elf32(kernel: Kernel = {}): Uint8Array {
  const content = new Uint8Array([...words(kernel.header ?? header(0)), ...CODE]);
  const physical = kernel.physical ?? MIB;
  const virtual = kernel.virtual ?? physical;
  const bytes = new Uint8Array(84 + content.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 3, true);
  view.setUint32(24, kernel.entry ?? virtual + content.length - CODE.length, true);
  view.setUint32(28, 52, true);
  view.setUint16(42, 32, true);
  view.setUint16(44, 1, true);
  const size = kernel.memorySize ?? content.length;
  bytes.set(words([1, 84, virtual, physical, content.length, size, 7, 4]), 52);
  bytes.set(content, 84);
  return bytes;
}

function plan(bytes: Uint8Array, parameters?: BootParameters, ram = RAM): BootPlan {
  return planBoot(GuestImage.parse(bytes, 'kernel').file, memoryMap(ram), parameters);
}

/** RAM after the loader has been there, and the registers. */
function booted(
  bytes: Uint8Array,
  parameters?: BootParameters,
): {
  ram: DataView;
  entry: number;
  eax: number;
  info: number;
} {
  const { start, pieces } = plan(bytes, parameters);
  const ram = new Uint8Array(RAM);
  for (const piece of pieces) ram.set(piece.bytes, piece.address);
  if (start.mode !== 'protected') throw new Error('not in protected mode');
  return { ram: new DataView(ram.buffer), entry: start.entry, eax: start.eax, info: start.ebx };
}

function text(ram: DataView, at: number): string {
  let result = '';
  for (let i = at; ram.getUint8(i) !== 0; i++) result += String.fromCharCode(ram.getUint8(i));
  return result;
}

describe('a kernel is started', () => {
  it('in protected mode at its entry, with the magic in EAX', () => {
    const { ram, entry, eax } = booted(elf32());
    expect(entry).toBe(MIB + 12);
    expect(eax).toBe(0x2badb002);
    expect([0, 1, 2].map((i) => ram.getUint8(entry + i))).toEqual(CODE);
  });

  it('where it is loaded when it is linked to run elsewhere', () => {
    expect(booted(elf32({ virtual: 0xc0100000 })).entry).toBe(MIB + 12);
  });

  it('from a 64-bit file too', () => {
    const bytes = new Uint8Array(64 + 56 + 12 + CODE.length);
    const view = new DataView(bytes.buffer);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    view.setUint16(16, 2, true);
    view.setUint16(18, 62, true);
    view.setBigUint64(24, BigInt(MIB + 12), true);
    view.setBigUint64(32, 64n, true);
    view.setUint16(54, 56, true);
    view.setUint16(56, 1, true);
    bytes.set(words([1, 7, 120, 0, MIB, 0, MIB, 0, 15, 0, 15, 0]), 64);
    bytes.set([...words(header(0)), ...CODE], 120);
    const { ram, entry, eax } = booted(bytes);
    expect([entry, eax, ram.getUint8(entry)]).toEqual([MIB + 12, 0x2badb002, CODE[0]]);
  });

  it('by the address fields of its header where it is no ELF file', () => {
    const load = 0x200000;
    // 16 bytes precede the header; all the file is loaded, and a page is zeroed after it.
    const bytes = new Uint8Array([
      ...words([1, 2, 3, 4]),
      ...words(header(1 << 16, [load + 16, load, 0, load + 0x1000, load + 48])),
      ...CODE,
    ]);
    const { ram, entry } = booted(bytes);
    expect(entry).toBe(load + 48);
    expect(ram.getUint32(load + 8, true)).toBe(3);
    expect(ram.getUint8(entry)).toBe(CODE[0]);
  });

  it('by the address fields even if it is an ELF file', () => {
    const load = 0x200000;
    const fields = [load + 84, load, 0, 0, load + 84 + 32];
    const { ram, entry } = booted(elf32({ header: header(1 << 16, fields) }));
    expect(entry).toBe(load + 116);
    expect(ram.getUint32(load, true)).toBe(0x464c457f);
    expect(ram.getUint8(entry)).toBe(CODE[0]);
  });
});

describe('the information structure', () => {
  const modules = [
    { bytes: new TextEncoder().encode('NR_CPUS=2\n'), cmdline: 'env' },
    { bytes: new Uint8Array(5000).fill(7), cmdline: '' },
  ];
  const parameters = { cmdline: 'kernel console=uart', modules };

  it('has the command line, the name of the loader and the memory sizes', () => {
    const { ram, info } = booted(elf32(), parameters);
    const flags = ram.getUint32(info, true);
    expect(flags & 0x24d).toBe(0x24d);
    expect(text(ram, ram.getUint32(info + 16, true))).toBe('kernel console=uart');
    expect(text(ram, ram.getUint32(info + 64, true))).toBe('Trapline');
    expect(ram.getUint32(info + 4, true)).toBe(639);
    expect(ram.getUint32(info + 8, true)).toBe((RAM - MIB) / 1024);
  });

  it('tells a kernel that asks for a video mode of the text screen, and warns where graphics were meant', () => {
    const video = (mode: number): Uint8Array =>
      elf32({ header: header(4, [0, 0, 0, 0, 0, mode, 80, 25, 0]) });
    for (const mode of [0, 1]) {
      const { ram, info } = booted(video(mode));
      expect(ram.getUint32(info, true) & (1 << 12)).toBe(1 << 12);
      expect(Number(ram.getBigUint64(info + 88, true))).toBe(0xb8000);
      expect([96, 100, 104].map((at) => ram.getUint32(info + at, true))).toEqual([160, 80, 25]);
      expect([108, 109].map((at) => ram.getUint8(info + at))).toEqual([16, 2]); // bits of a character; EGA text
    }
    expect(plan(video(1)).warning).toBeUndefined();
    expect(plan(video(0)).warning).toMatch(/asks for a graphics mode.*text screen only/);
    const { ram, info } = booted(elf32());
    expect(ram.getUint32(info, true) & (1 << 12)).toBe(0);
  });

  it('leads to the modules, at pages of their own behind the kernel', () => {
    const { ram, info } = booted(elf32({ memorySize: 0x3210 }), parameters);
    expect(ram.getUint32(info + 20, true)).toBe(2);
    const table = ram.getUint32(info + 24, true);
    const found = [0, 1].map((index) => {
      const [start, end, line, reserved] = [0, 4, 8, 12].map((at) =>
        ram.getUint32(table + 16 * index + at, true),
      );
      expect(start % 4096).toBe(0);
      expect(start).toBeGreaterThanOrEqual(MIB + 0x3210);
      expect(reserved).toBe(0);
      return { bytes: new Uint8Array(ram.buffer.slice(start, end)), cmdline: text(ram, line) };
    });
    expect(found).toEqual(modules);
  });

  it('has a memory map that covers just what is RAM and free on a PC', () => {
    const { ram, info } = booted(elf32(), parameters);
    const length = ram.getUint32(info + 44, true);
    const start = ram.getUint32(info + 48, true);
    const usable: [number, number][] = [];
    let at = start;
    while (at < start + length) {
      const base = Number(ram.getBigUint64(at + 4, true));
      const size = Number(ram.getBigUint64(at + 12, true));
      if (ram.getUint32(at + 20, true) === 1) usable.push([base, base + size]);
      at += ram.getUint32(at, true) + 4;
    }
    expect(at).toBe(start + length);
    expect(usable).toEqual([
      [0, 0x9fc00],
      [MIB, RAM],
    ]);
  });
});

describe('what keeps a loader from finding a header', () => {
  const at = (offset: number, parts: readonly number[]): Uint8Array => {
    const bytes = new Uint8Array(9000);
    bytes.set(words(parts), offset);
    return bytes;
  };

  it('is told by the rule', () => {
    expect(brokenHeaderRule(at(8196, header(0)))).toMatch(/0x2004.*in the first 8192 bytes/);
    expect(brokenHeaderRule(at(6, header(0)))).toMatch(/0x6, which is no multiple of 4/);
    expect(brokenHeaderRule(at(8, [0x1badb002, 3, 0]))).toMatch(/add up to 0x1badb005/);
    expect(brokenHeaderRule(new Uint8Array(3))).toMatch(/nowhere/);
  });
});

describe('a kernel is given a stack', () => {
  const stackOf = (bytes: Uint8Array): number => {
    const { start } = plan(bytes);
    return start.mode === 'protected' ? start.stack : -1;
  };

  it('at the top of conventional memory, or below what it has there itself', () => {
    expect(stackOf(elf32())).toBe(0x9fc00);
    expect(stackOf(elf32({ physical: 0x9f000 }))).toBe(0x9f000);
    expect(stackOf(elf32({ physical: 0x90000 }))).toBe(0x9fc00);
  });
});

describe('a kernel that cannot be loaded is told why', () => {
  const flat = (addresses: readonly number[], extra = 0): Uint8Array =>
    new Uint8Array([...words(header(1 << 16, addresses)), ...new Uint8Array(extra)]);
  const cases: [name: string, bytes: Uint8Array, message: RegExp][] = [
    ['it asks for the unknown', elf32({ header: header(8) }), /flags 0x8.*clear the bits 0x8/],
    [
      'its checksum is wrong',
      elf32({ header: [0x1badb002, 0, 1] }),
      /without a Multiboot header \(.*add up to 0x1badb003 instead of 0/,
    ],
    [
      'it has no header',
      elf32({ header: [0, 0, 0] }),
      /32-bit file without a Multiboot header \(the magic number.*nowhere/,
    ],
    ['it lies in video memory', elf32({ physical: 0xb8000 }), /0xb8000 to 0xb800e.*link it to 0x100000/],
    ['it lies in the firmware', elf32({ physical: 0xf0000 }), /no free RAM/],
    ['it starts nowhere', elf32({ entry: 0x300000 }), /starts at 0x300000, where it has no code/],
    ['it is too large', elf32({ memorySize: RAM }), /needs 9 MiB of RAM, the VM has 8 MiB/],
    ['it ends within its header', words(header(1 << 16)), /is truncated/],
    ['the header lies below load_addr', flat([MIB, MIB + 4, 0, 0, MIB]), /below load_addr/],
    [
      'it would begin before the file',
      flat([MIB + 64, MIB, 0, 0, MIB]),
      /64 bytes before the file's beginning/,
    ],
    ['load_end_addr lies below load_addr', flat([MIB, MIB, MIB - 4, 0, MIB]), /load_end_addr/],
    ['the file is too short', flat([MIB, MIB, MIB + 64, 0, MIB]), /loads 64 bytes.*has only 32/],
    ['bss_end_addr lies too low', flat([MIB, MIB, 0, MIB + 4, MIB]), /bss_end_addr/],
  ];

  it.each(cases)('%s', (_, bytes, message) => {
    expect(() => plan(bytes)).toThrow(GuestImageError);
    expect(() => plan(bytes)).toThrow(message);
  });

  it('its modules do not fit', () => {
    const modules = [{ bytes: new Uint8Array(RAM - 2 * MIB), cmdline: '' }];
    expect(() => plan(elf32(), { cmdline: '', modules })).not.toThrow();
    modules.push({ bytes: new Uint8Array(MIB), cmdline: '' });
    expect(() => plan(elf32(), { cmdline: '', modules })).toThrow(
      /with its modules needs 9 MiB.*raise memoryMiB to at least 9/,
    );
  });
});

describe('the header', () => {
  it('is found at multiples of 4 that leave it within 8 KiB, and nowhere else', () => {
    fc.assert(
      fc.property(fc.nat(8300), (offset) => {
        const bytes = new Uint8Array(9000);
        bytes.set(words(header(0)), offset);
        const found = findMultibootHeader(bytes, 'kernel');
        expect(found?.offset).toBe(offset % 4 === 0 && offset + 12 <= 8192 ? offset : undefined);
      }),
    );
  });
});

describe('hostile kernels', () => {
  const bases = [
    elf32(),
    elf32({ header: header(1 << 16, [MIB + 84, MIB, 0, 0, MIB + 116]) }),
    new Uint8Array([...words(header(1 << 16, [MIB, MIB, 0, MIB + 99, MIB + 32])), ...CODE]),
  ];
  it('end in a plan whose pieces lie in RAM, or in a GuestImageError', () => {
    const edit = fc.tuple(
      fc.nat(150),
      fc.oneof(fc.constantFrom(0, 0x7f, 0xff), fc.integer({ min: 0, max: 255 })),
    );
    const edits = fc.array(edit, { maxLength: 10 });
    fc.assert(
      fc.property(fc.constantFrom(...bases), edits, fc.boolean(), (base, changes, repair) => {
        const bytes = base.slice();
        for (const [index, value] of changes) if (index < bytes.length) bytes[index] = value;
        if (repair) fixChecksum(bytes);
        try {
          for (const piece of plan(bytes).pieces)
            expect(piece.address + piece.bytes.length).toBeLessThanOrEqual(RAM);
        } catch (error) {
          expect(error).toBeInstanceOf(GuestImageError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

/** Makes the first header with a whole magic valid again, so that what is behind the checksum is reached. */
function fixChecksum(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + 12 <= bytes.length; at += 4) {
    if (view.getUint32(at, true) !== 0x1badb002) continue;
    view.setUint32(at + 8, -(0x1badb002 + view.getUint32(at + 4, true)) >>> 0, true);
    return;
  }
}
