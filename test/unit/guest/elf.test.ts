/** The ELF reader on small files made here byte by byte, and on damaged ones. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planBoot } from '../../../src/guest/boot/boot';
import { ElfFile } from '../../../src/guest/elf/elf';
import { GuestImageError } from '../../../src/guest/errors';
import { memoryMap } from '../../../src/machine/firmware/memory-map';
import { GuestImage } from '../../../src/guest/image';

const CODE = new Uint8Array([0xf4, 0xeb, 0xfd]);
const ADDRESS = 0x100000;

/** Offsets in the file that `tiny` makes. */
const at = {
  class: 4,
  data: 5,
  type: 16,
  machine: 18,
  entry: 24,
  phoff: 32,
  phentsize: 54,
  phnum: 56,
  program: 64,
};

/** The smallest guest: an ELF header, one PT_LOAD with three bytes of code and 4096 bytes of zeros after them. */
function tiny(change: (view: DataView) => void = () => undefined): Uint8Array {
  const bytes = new Uint8Array(64 + 56 + CODE.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(at.type, 2, true);
  view.setUint16(at.machine, 62, true);
  view.setBigUint64(at.entry, BigInt(ADDRESS), true);
  view.setBigUint64(at.phoff, 64n, true);
  view.setUint16(at.phentsize, 56, true);
  view.setUint16(at.phnum, 1, true);
  view.setUint32(at.program, 1, true); // PT_LOAD
  view.setUint32(at.program + 4, 5, true); // read, execute
  view.setBigUint64(at.program + 8, 120n, true); // offset
  view.setBigUint64(at.program + 16, BigInt(ADDRESS), true);
  view.setBigUint64(at.program + 24, BigInt(ADDRESS), true);
  view.setBigUint64(at.program + 32, BigInt(CODE.length), true);
  view.setBigUint64(at.program + 40, BigInt(CODE.length + 4096), true);
  bytes.set(CODE, 120);
  change(view);
  return bytes;
}

const parse = (bytes: Uint8Array): GuestImage => GuestImage.parse(bytes, 'guest.elf');

describe('a good file', () => {
  it('gives its entry and segment', () => {
    const { file: elf } = parse(tiny());
    expect(elf.entry).toBe(BigInt(ADDRESS));
    expect(elf.segments).toEqual([
      {
        address: BigInt(ADDRESS),
        virtualAddress: BigInt(ADDRESS),
        bytes: CODE,
        memorySize: BigInt(CODE.length + 4096),
        readable: true,
        writable: false,
        executable: true,
      },
    ]);
    expect(elf.buildId).toBeUndefined();
  });

  it('has no names and no lines when it is stripped', () => {
    expect(parse(tiny()).resolve(ADDRESS)).toEqual({});
  });

  it('is booted with identity tables for 4 GiB, as a walk finds', () => {
    const plan = planBoot(parse(tiny()).file, memoryMap(4 << 20));
    const { start } = plan;
    if (start.mode !== 'long') throw new Error('not in long mode');
    expect([start.entry, start.rdi]).toEqual([BigInt(ADDRESS), BigInt(4 << 20)]);
    const ram = new Uint8Array(4 << 20);
    for (const { address, bytes } of plan.pieces) ram.set(bytes, address);
    expect(ram.subarray(ADDRESS, ADDRESS + 3)).toEqual(CODE);
    const view = new DataView(ram.buffer);
    for (const address of [0, 0x1fffff, 0x200000, ADDRESS, 0x3fffffff, 0x40000000, 0xfee000b0, 0xffffffff]) {
      let table = BigInt(start.cr3);
      for (const shift of [39n, 30n]) {
        const entry = view.getBigUint64(Number(table + 8n * ((BigInt(address) >> shift) & 511n)), true);
        expect(entry & 0x83n).toBe(3n); // present, writable, a table
        table = entry & ~0xfffn;
      }
      const page = view.getBigUint64(Number(table + 8n * ((BigInt(address) >> 21n) & 511n)), true);
      expect(page & 0x83n).toBe(0x83n); // present, writable, 2 MiB
      expect((page & ~0x1fffffn) + (BigInt(address) & 0x1fffffn)).toBe(BigInt(address));
    }
    const entryAbove4GiB = view.getBigUint64(start.cr3 + 4096 + 8 * 4, true);
    expect(entryAbove4GiB).toBe(0n);
  });
});

describe('a file that is no guest is refused with what it is', () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const cases: [name: string, bytes: Uint8Array, message: RegExp][] = [
    ['empty', new Uint8Array(0), /is empty/],
    ['text', text('#include <stdio.h>\n'), /not an ELF file/],
    ['a script', text('#!/bin/sh\n'), /a script/],
    ['a Windows program', text('MZ..............'), /Windows/],
    ['a library', text('!<arch>\n'), /static library/],
    ['AArch64', tiny((view) => view.setUint16(at.machine, 183, true)), /AArch64, not for x86/],
    ['an unknown machine', tiny((view) => view.setUint16(at.machine, 999, true)), /machine 999/],
    [
      'big-endian',
      tiny((view) => (view.setUint8(at.data, 2), view.setUint16(at.machine, 21, false))),
      /PowerPC64/,
    ],
    ['of no class', tiny((view) => view.setUint8(at.class, 3)), /ELF class 3/],
    ['an object file', tiny((view) => view.setUint16(at.type, 1, true)), /object file/],
    [
      'for a dynamic linker',
      tiny((view) => (view.setUint16(at.type, 3, true), view.setUint32(at.program, 3, true))),
      /-static-pie/,
    ],
    ['dynamic', tiny((view) => view.setUint32(at.program, 3, true)), /dynamically linked.*-static/],
    ['nothing to load', tiny((view) => view.setUint16(at.phnum, 0, true)), /nothing to load/],
    [
      'program headers beyond the end',
      tiny((view) => view.setBigUint64(at.phoff, 1n << 40n, true)),
      /truncated or damaged/,
    ],
    [
      'a segment beyond the end',
      tiny((view) => view.setBigUint64(at.program + 32, 5000n, true)),
      /more bytes in the file/,
    ],
    [
      'a segment past 2^64',
      tiny((view) => view.setBigUint64(at.program + 24, (1n << 64n) - 1n, true)),
      /64-bit address space/,
    ],
    ['cut short', tiny().subarray(0, 121), /truncated or damaged/],
    ['only a header', tiny().subarray(0, 30), /truncated/],
  ];

  it.each(cases)('%s', (_, bytes, message) => {
    expect(() => parse(bytes)).toThrow(GuestImageError);
    expect(() => parse(bytes)).toThrow(message);
  });
});

describe('a guest that does not fit its VM', () => {
  const elf = (address: bigint, size: bigint): ElfFile =>
    new ElfFile(
      tiny((view) => {
        view.setBigUint64(at.program + 16, address, true);
        view.setBigUint64(at.program + 24, address, true);
        view.setBigUint64(at.program + 40, size, true);
        view.setBigUint64(at.entry, address, true);
      }),
      'guest.elf',
    );

  it('is told how much it needs', () => {
    const needs = 40n << 20n;
    expect(() => planBoot(elf(0x100000n, needs), memoryMap(32 << 20))).toThrow(
      /needs 41 MiB of RAM, the VM has 32 MiB: raise memoryMiB/,
    );
    expect(() => planBoot(elf(0x100000n, needs), memoryMap(41 << 20))).not.toThrow();
    expect(() => planBoot(elf(0x100000n, needs + 1n), memoryMap(41 << 20))).toThrow(/needs 42 MiB/);
  });

  it('is told that a kernel address is no RAM', () => {
    expect(() => planBoot(elf(0xffffffff80000000n, 4096n), memoryMap(32 << 20))).toThrow(/which is no RAM/);
  });

  it('may not lie on the loader', () => {
    expect(() => planBoot(elf(0x1000n, 16n), memoryMap(32 << 20))).toThrow(
      /below 0x8000 belongs to the loader/,
    );
  });

  it('must have code at its entry', () => {
    const file = new ElfFile(
      tiny((view) => view.setBigUint64(at.entry, 0x300000n, true)),
      'guest.elf',
    );
    expect(() => planBoot(file, memoryMap(32 << 20))).toThrow(/starts at 0x300000, where it has no code/);
  });
});

describe('hostile files', () => {
  it('only ever end in a GuestImageError', () => {
    const base = tiny();
    const edit = fc.tuple(fc.nat(base.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 12 }), fc.nat(base.length), (edits, length) => {
        const bytes = base.slice(0, length);
        for (const [index, value] of edits) if (index < length) bytes[index] = value;
        expectOnlyGuestErrors(() => planBoot(parse(bytes).file, memoryMap(32 << 20)));
      }),
      { numRuns: 2000 },
    );
  });
});

function expectOnlyGuestErrors(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(GuestImageError);
  }
}
