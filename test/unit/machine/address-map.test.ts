import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressMap } from '../../../src/machine/address-map';
import { NO_CPU, type RegisterBlock } from '../../../src/machine/bus';

/** Plain bytes, with a list of the accesses made. */
class Bytes implements RegisterBlock {
  readonly bytes: Uint8Array;
  readonly accesses: string[] = [];
  constructor(size: number) {
    this.bytes = Uint8Array.from({ length: size }, (_, i) => (i * 37 + 11) & 0xff);
  }
  read(offset: number, size: number): number {
    this.accesses.push(`r${size}@${offset}`);
    return this.bytes.subarray(offset, offset + size).reduceRight((value, byte) => value * 256 + byte, 0);
  }
  write(offset: number, size: number, value: number): void {
    this.accesses.push(`w${size}@${offset}=${value.toString(16)}`);
    for (let i = 0; i < size; i++) this.bytes[offset + i] = (value >>> (8 * i)) & 0xff;
  }
  registerName(): undefined {
    return undefined;
  }
}

const HIGH = 2 ** 51;

describe('AddressMap', () => {
  it('finds the region of an address, at any height', () => {
    const map = new AddressMap<string>('MMIO');
    map.add(0x1000, 0x100, new Bytes(0x100), 'a');
    map.add(0xfee00000, 0x1000, new Bytes(0x1000), 'b');
    map.add(HIGH, 0x10, new Bytes(0x10), 'c');
    const tags = [
      0xfff,
      0x1000,
      0x10ff,
      0x1100,
      0xfee00fff,
      0xfee01000,
      HIGH - 1,
      HIGH,
      HIGH + 15,
      HIGH + 16,
    ];
    expect(tags.map((address) => map.find(address)?.tag)).toEqual([
      undefined,
      'a',
      'a',
      undefined,
      'b',
      undefined,
      undefined,
      'c',
      'c',
      undefined,
    ]);
  });

  it('splits eight bytes into two of four, and accesses over a word boundary into aligned pieces', () => {
    const map = new AddressMap<string>('MMIO');
    const block = new Bytes(32);
    map.add(HIGH, 32, block, 'x');
    map.read(HIGH + 8, 8);
    map.write(HIGH, 8, 0x11223344, 0x55667788);
    map.read(HIGH + 3, 4);
    map.write(HIGH + 2, 4, 0xaabbccdd);
    map.write(HIGH + 1, 2, 0xeeff);
    expect(block.accesses).toEqual([
      'r4@8',
      'r4@12',
      'w4@0=11223344',
      'w4@4=55667788',
      'r1@3',
      'r2@4',
      'r1@6',
      'w2@2=ccdd',
      'w2@4=aabb',
      'w1@1=ff',
      'w1@2=ee',
    ]);
  });

  it('reads the same bytes in whatever way they are asked for', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.constantFrom(1, 2, 4, 8), (offset, size) => {
        const map = new AddressMap<string>('MMIO');
        const block = new Bytes(16);
        map.add(0x2000, 16, block, 'x');
        const low = map.read(0x2000 + offset, size);
        const value = BigInt(low) | (BigInt(map.resultHigh) << 32n);
        let expected = 0n;
        for (let i = size - 1; i >= 0; i--)
          expected = (expected << 8n) | BigInt(block.bytes[offset + i] ?? 0xff);
        expect(value).toBe(expected);
      }),
    );
  });

  it('reads ones and writes nothing where nobody is', () => {
    const map = new AddressMap<string>('I/O ports');
    expect([map.read(0x80, 1), map.read(0x80, 2), map.read(0x80, 4)]).toEqual([0xff, 0xffff, 0xffffffff]);
    map.write(0x80, 4, 1);
    expect([map.read(0x80, 8), map.resultHigh]).toEqual([0xffffffff, 0xffffffff]);
  });

  it('refuses overlapping regions', () => {
    const map = new AddressMap<string>('MMIO');
    map.add(0x1000, 0x1000, new Bytes(16), 'a');
    expect(() => map.add(0x1fff, 1, new Bytes(1), 'b')).toThrow(/overlaps/);
    expect(() => map.add(0x800, 0x2000, new Bytes(1), 'b')).toThrow(/overlaps/);
    expect(() => map.add(-1, 1, new Bytes(1), 'b')).toThrow(RangeError);
    map.add(0x2000, 1, new Bytes(1), 'b');
  });

  it('moves and disables regions; on a clash the one added first answers, however the clash came about', () => {
    const build = (): {
      map: AddressMap<string>;
      place: (which: 0 | 1, base: number, on: boolean) => void;
    } => {
      const map = new AddressMap<string>('MMIO');
      const regions = [
        map.add(0x1000, 0x100, new Bytes(256), 'a', false),
        map.add(0x3000, 0x100, new Bytes(256), 'b', false),
      ];
      return { map, place: (which, base, on) => void map.place(regions[which], base, on) };
    };
    const one = build();
    one.place(0, 0x5000, true);
    expect([one.map.find(0x1000)?.tag, one.map.find(0x5010)?.tag]).toEqual([undefined, 'a']);
    one.place(1, 0x5080, true);
    const two = build();
    two.place(1, 0x5080, true);
    two.place(0, 0x5000, true);
    for (const { map } of [one, two])
      expect([map.find(0x5090)?.tag, map.find(0x5170)?.tag]).toEqual(['a', undefined]);
    for (const { map, place } of [one, two]) {
      place(0, 0x5000, false);
      expect([map.find(0x5090)?.tag, map.find(0x5000)?.tag]).toEqual(['b', undefined]);
    }
  });
});

describe('who accesses', () => {
  it('is told to the block with every piece of an access', () => {
    const seen: unknown[] = [];
    const block: RegisterBlock = {
      read: (offset, size, initiator) => {
        seen.push(['read', offset, size, initiator]);
        return 0;
      },
      write: (offset, size, _value, initiator) => void seen.push(['write', offset, size, initiator]),
      registerName: () => undefined,
    };
    const map = new AddressMap<string>('MMIO');
    map.add(0x1000, 0x10, block, 'tag');
    map.read(0x1000, 8, 2);
    map.read(0x1003, 2, 1);
    map.write(0x1000, 8, 0, 0, 3);
    map.write(0x100e, 4, 0, 0, 4); // its second half is outside
    map.read(0x1000, 4);
    expect(seen).toEqual([
      ['read', 0, 4, 2],
      ['read', 4, 4, 2],
      ['read', 3, 1, 1],
      ['read', 4, 1, 1],
      ['write', 0, 4, 3],
      ['write', 4, 4, 3],
      ['write', 14, 2, 4],
      ['read', 0, 4, NO_CPU],
    ]);
  });
});
