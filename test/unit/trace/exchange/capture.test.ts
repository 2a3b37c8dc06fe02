import { describe, expect, it } from 'vitest';
import { readCapture } from '../../../../src/trace/exchange/capture';
import { CaptureError } from '../../../../src/trace/exchange/capture-model';
import { block, concat, enhancedPacket, interfaceBlock, pcap, Pen, sectionHeader } from './build-capture';

const frame = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);
const both = [true, false];
const name = (little: boolean): string => (little ? 'little-endian' : 'big-endian');

describe('a classic capture', () => {
  for (const little of both) {
    it.each([
      ['microseconds', 0xa1b2c3d4, 1000],
      ['nanoseconds', 0xa1b23c4d, 1],
    ])(`${name(little)}, %s`, (_name, magic, unit) => {
      const packets = [
        { seconds: 1700000000, part: 999_999, bytes: frame(60, 1) },
        { seconds: 1700000001, part: 5, bytes: frame(61, 2) },
      ];
      const { frames, leftOut } = readCapture(pcap(little, magic, packets));
      expect(leftOut).toBe(0);
      expect(frames).toEqual([
        { atNs: 0, frame: packets[0].bytes },
        { atNs: 1e9 + (5 - 999_999) * unit, frame: packets[1].bytes },
      ]);
    });
  }

  it('times count from the earliest packet, wherever it stands', () => {
    const packets = [7, 3, 9].map((part) => ({ seconds: 5, part, bytes: frame(60, part) }));
    expect(readCapture(pcap(true, 0xa1b23c4d, packets)).frames.map(({ atNs }) => atNs)).toEqual([4, 0, 6]);
  });

  it('takes a check sequence that was captured away', () => {
    const packets = [{ seconds: 5, part: 0, bytes: frame(64, 9) }];
    // Two 16-bit words of it, and the flag that says so.
    const network = ((2 << 28) | 0x0400_0000 | 1) >>> 0;
    expect(readCapture(pcap(true, 0xa1b23c4d, packets, network)).frames[0].frame).toEqual(frame(60, 9));
    // What was cut off behind 64 of 1518 bytes had the check sequence in it.
    const cut = [{ ...packets[0], original: 1518 }];
    expect(readCapture(pcap(true, 0xa1b23c4d, cut, network)).frames[0].frame).toHaveLength(64);
  });

  it('leaves out what no wire carries, and counts it', () => {
    const lengths = [13, 14, 1518, 1519, 60_000];
    const packets = lengths.map((length, part) => ({ seconds: 1, part, bytes: frame(length, 3) }));
    const { frames, leftOut } = readCapture(pcap(true, 0xa1b23c4d, packets));
    expect(frames.map((each) => each.frame.length)).toEqual([14, 1518]);
    expect(leftOut).toBe(3);
  });
});

describe('a pcapng capture', () => {
  const resolution = (byte: number) => [9, Uint8Array.of(byte)] as const;
  const offset = (little: boolean, seconds: number) =>
    [14, new Pen(little).number(BigInt(seconds), 8).bytes] as const;

  for (const little of both) {
    it(`${name(little)}: resolutions, offsets and blocks that it need not know`, () => {
      const capture = concat(
        sectionHeader(little),
        interfaceBlock(little, [[2, Uint8Array.of(65, 66, 67)], resolution(9), [0, new Uint8Array(0)]]),
        interfaceBlock(little),
        interfaceBlock(little, [resolution(0x80 | 10), offset(little, 1)]),
        block(little, 0x0000_0bad, frame(13, 7)),
        enhancedPacket(little, 0, 2_000_000_123n, frame(60, 1)),
        enhancedPacket(little, 1, 2_000_001n, frame(61, 2)),
        // 1024 units a second: one and a half, and a second more.
        enhancedPacket(little, 2, 1536n, frame(62, 3)),
      );
      expect(readCapture(capture).frames).toEqual([
        { atNs: 0, frame: frame(60, 1) },
        { atNs: 1000 - 123, frame: frame(61, 2) },
        { atNs: 500_000_000 - 123, frame: frame(62, 3) },
      ]);
    });
  }

  it('sections in different orders of bytes have interfaces of their own', () => {
    const capture = concat(
      ...both.flatMap((little) => [
        sectionHeader(little),
        interfaceBlock(little, [resolution(little ? 9 : 6)]),
        enhancedPacket(little, 0, 5000n, frame(60, little ? 1 : 2)),
      ]),
    );
    expect(readCapture(capture).frames.map(({ atNs }) => atNs)).toEqual([0, 5_000_000 - 5000]);
  });

  it('simple packets are as long as the interface lets them be; the obsolete block is read too', () => {
    const simple = block(true, 3, new Pen(true).number(1500, 4).raw(frame(64, 4)).bytes);
    const old = new Pen(true).number(0, 2).number(0, 2).number(0, 8).number(60, 4).number(60, 4);
    const capture = concat(
      sectionHeader(true),
      interfaceBlock(true, [], 1, 64),
      simple,
      block(true, 2, old.raw(frame(60, 5)).bytes),
    );
    expect(readCapture(capture).frames.map((each) => each.frame)).toEqual([frame(64, 4), frame(60, 5)]);
  });
});

describe('what is no capture, or damaged', () => {
  const good = pcap(true, 0xa1b2c3d4, [{ seconds: 1, part: 1, bytes: frame(60, 1) }]);
  const begin = concat(sectionHeader(true), interfaceBlock(true));
  const packet = enhancedPacket(true, 0, 1n, frame(60, 1));
  const long = packet.slice();
  new DataView(long.buffer).setUint32(20, 1000, true);
  const twoLengths = packet.slice();
  twoLengths[packet.length - 4] ^= 4;
  const resolution = (byte: number): Uint8Array => interfaceBlock(true, [[9, Uint8Array.of(byte)]]);
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /no capture/],
    ['another file', Uint8Array.from(Buffer.from('{ "vms": [] }')), /no capture/],
    ['a header alone', good.slice(0, 24), /no Ethernet frame/],
    ['half a header', good.slice(0, 20), /cut off: 24 bytes are missing at offset 0 of 20/],
    ['half a packet', good.slice(0, 60), /cut off/],
    ['Wi-Fi', pcap(true, 0xa1b2c3d4, [{ seconds: 1, part: 1, bytes: frame(60, 1) }], 105), /link type 105/],
    ['a section without its order', block(true, 0x0a0d0d0a, frame(16, 0)), /order of bytes/],
    [
      'a packet without an interface',
      concat(sectionHeader(true), packet),
      /interface 0, which is not described/,
    ],
    ['Wi-Fi in pcapng', concat(sectionHeader(true), interfaceBlock(true, [], 105), packet), /link type 105/],
    ['a packet that is longer than its block', concat(begin, long), /cut off/],
    ['a block that is longer than the file', concat(begin, packet.slice(0, -4)), /cut off/],
    ['a block of two lengths', concat(begin, twoLengths), /two lengths/],
    ['a block of no length', concat(begin, new Uint8Array(12)), /a block of 0 bytes/],
    ['times that no clock has', concat(sectionHeader(true), resolution(0xff), packet), /2\^-127/],
    ['more such times', concat(sectionHeader(true), resolution(0x7f), packet), /10\^-127/],
  ])('%s', (_name, bytes, message) => {
    expect(() => readCapture(bytes)).toThrow(CaptureError);
    expect(() => readCapture(bytes)).toThrow(message);
  });
});
