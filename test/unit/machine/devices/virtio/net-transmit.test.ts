/** Packets from the driver to the wire (5.1.6.2): headers, layouts, checksums, segmentation, and a wire that is busy. */
import { describe, expect, it } from 'vitest';
import { NetDrop } from '../../../../../src/machine/devices/virtio/net/constants';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { F, NetBench, frameOf, numberOf, type HeaderFields } from './net-driver';
import { checksummed, segmentsOf, sumIsRight, tcpPacket, type PacketOptions } from './net-packets';

const NEEDS_CSUM = 1;
const GSO = { TCPV4: 1, UDP: 3, TCPV6: 4, UDP_L4: 5, ECN: 0x80 } as const;
/** Where a driver has the device put a TCP checksum. */
const TCP_CHECKSUM = 16;
const OFFLOADS = [F.CSUM, F.HOST_TSO4, F.HOST_TSO6, F.HOST_ECN];

const text = (length: number, seed = 3): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * seed + (i >> 8)) & 0xff);

describe('a packet that is sent', () => {
  const forms = [
    ['12 bytes with VERSION_1', {}, 12],
    ['10 bytes for a legacy driver', { legacy: true }, 10],
    ['12 bytes for a legacy driver with MRG_RXBUF', { legacy: true, features: [F.MRG_RXBUF] }, 12],
  ] as const;

  it.each(forms)('has a header of %s', (_name, options, bytes) => {
    const bench = new NetBench(options).start();
    expect(bench.headerBytes).toBe(bytes);
    const frames = [frameOf(1), frameOf(2, 61), frameOf(3, 1514)];
    for (const frame of frames) bench.transmit(frame);
    bench.world.drain();
    expect(bench.frames).toEqual(frames);
    expect(bench.wire.sent.map(({ packet }) => packet)).toEqual([0, 1, 2]);
    expect(bench.world.ofKind(Kind.PacketTx).map(({ a }) => a)).toEqual([60, 61, 1514]);
    // Nothing is written into what the device reads.
    expect(bench.reap(1).map(({ written }) => written)).toEqual([0, 0, 0]);
    expect(bench.needsReset).toBe(false);
  });

  const layouts: [string, number[]][] = [
    ['header and frame apart', [12]],
    ['all in one', []],
    ['the header in two parts', [5, 7]],
    ['the header with a bit of the frame', [20, 3]],
    ['bytes one by one', new Array<number>(13).fill(1)],
  ];
  const shapes = (['chain', 'table', 'mixed'] as const).flatMap((as) =>
    [false, true].map((packed) => [as, packed] as const),
  );

  it.each(shapes)('may lie in any parts, as a %s (packed: %s)', (as, packed) => {
    for (const [, lengths] of layouts) {
      const bench = new NetBench({ packed }).start();
      bench.bus.dma.latency = 13;
      bench.transmit(frameOf(9, 700), { lengths, as });
      bench.world.drain();
      expect(bench.frames).toEqual([frameOf(9, 700)]);
      expect(bench.reap(1)).toHaveLength(1);
    }
  });

  it('is sent as it is when its header has flags that there are not, and fields that they would give a meaning', () => {
    const bench = new NetBench({ features: OFFLOADS }).start();
    bench.transmit(frameOf(1, 100), {
      header: { flags: 0xff & ~NEEDS_CSUM, start: 34, offset: 16, gsoSize: 9 },
    });
    bench.world.drain();
    expect(bench.frames).toEqual([frameOf(1, 100)]);
    expect(bench.drops).toEqual([]);
  });

  it('is padded to what Ethernet demands', () => {
    const bench = new NetBench().start();
    bench.transmit(frameOf(1, 20));
    bench.world.drain();
    expect(bench.frames).toEqual([Uint8Array.from([...frameOf(1, 20), ...new Array<number>(40).fill(0)])]);
  });

  it('is lost with a row when nothing is plugged in', () => {
    const bench = new NetBench({ noWire: true }).start();
    bench.transmit(frameOf(1));
    bench.world.drain();
    expect(bench.drops).toEqual([NetDrop.LinkDown]);
    expect(bench.reap(1)).toHaveLength(1);
  });

  it.each([0, 1, 11])('of %i bytes, fewer than a header, makes the device need a reset', (length) => {
    const bench = new NetBench().start();
    bench.add(1, bench.place(new Uint8Array(length)), length === 0 ? bench.place(new Uint8Array(8)) : []);
    bench.world.drain();
    expect(bench.needsReset).toBe(true);
    expect(bench.frames).toEqual([]);
    expect(bench.world.ofKind(Kind.VirtioNeedsReset)).toHaveLength(1);
    // And works again after that.
    bench.start();
    bench.transmit(frameOf(2));
    bench.world.drain();
    expect(bench.frames).toEqual([frameOf(2)]);
  });

  it('that is nothing but a header is a frame of padding', () => {
    const bench = new NetBench().start();
    bench.transmit(new Uint8Array(0));
    bench.world.drain();
    expect(bench.frames).toEqual([new Uint8Array(60)]);
  });

  it('is lost when it is longer than the network carries', () => {
    const bench = new NetBench({ net: { mtu: 1500 } }).start();
    const tagged = frameOf(3, 1518);
    tagged.set([0x81, 0], 12);
    bench.transmit(frameOf(1, 1514));
    bench.transmit(tagged);
    bench.transmit(frameOf(2, 1515));
    bench.transmit(frameOf(4, 60));
    bench.world.drain();
    expect(bench.frames.map(({ length }) => length)).toEqual([1514, 1518, 60]);
    expect(bench.drops).toEqual([NetDrop.Oversize]);
    expect(bench.reap(1)).toHaveLength(4);
  });

  it('is lost when it is longer than any packet may be, without being read', () => {
    const bench = new NetBench().start();
    bench.add(1, [{ address: 0x1000, length: 0xffffffff }]);
    bench.transmit(frameOf(4));
    bench.world.drain();
    expect(bench.drops).toEqual([NetDrop.Oversize]);
    expect(bench.frames).toEqual([frameOf(4)]);
  });
});

describe('a checksum that is left to the device', () => {
  it.each([4, 6] as const)('is completed in a TCP packet of IPv%i', (version) => {
    for (const length of [0, 1, 2, 777, 1400]) {
      const bench = new NetBench({ features: OFFLOADS }).start();
      const { frame, at, pseudo } = tcpPacket({ version, payload: text(length) });
      bench.transmit(frame, { header: { flags: NEEDS_CSUM, start: at.tcp, offset: TCP_CHECKSUM } });
      bench.world.drain();
      const [sent] = bench.frames;
      const expected = checksummed(frame, at, pseudo);
      expect(sent.subarray(0, expected.length)).toEqual(expected);
      expect(sumIsRight(sent.subarray(0, expected.length), at, pseudo)).toBe(true);
    }
  });

  it('is written as FFFFH when it is 0, for 0 is none in UDP', () => {
    const bench = new NetBench({ features: OFFLOADS }).start();
    const frame = new Uint8Array(60);
    // One word of FFFFH from there on: its complement is 0.
    frame.set([0xff, 0xff], 30);
    bench.transmit(frame, { header: { flags: NEEDS_CSUM, start: 20, offset: 20 } });
    bench.world.drain();
    expect([...bench.frames[0].subarray(40, 42)]).toEqual([0xff, 0xff]);
  });

  it('is not touched without the flag', () => {
    const bench = new NetBench({ features: OFFLOADS }).start();
    const { frame, at } = tcpPacket({ version: 4, payload: text(100) });
    bench.transmit(frame, { header: { start: at.tcp, offset: TCP_CHECKSUM } });
    bench.world.drain();
    expect(bench.frames).toEqual([frame]);
  });

  it.each([
    [59, 0],
    [40, 19],
    [60, 0],
    [0xffff, 0xffff],
  ])('is not looked for outside the packet: start %i, offset %i', (start, offset) => {
    const bench = new NetBench({ features: OFFLOADS }).start();
    bench.transmit(frameOf(1, 60), { header: { flags: NEEDS_CSUM, start, offset } });
    bench.transmit(frameOf(2, 60), { header: { flags: NEEDS_CSUM, start: 40, offset: 18 } });
    bench.world.drain();
    expect(bench.drops).toEqual([NetDrop.BadOffload]);
    expect(bench.frames).toHaveLength(1);
    expect(bench.reap(1)).toHaveLength(2);
    expect(bench.needsReset).toBe(false);
  });
});

/** As a driver hands a large packet over. */
function largeHeader(options: PacketOptions, size: number, tcp: number): HeaderFields {
  return {
    flags: NEEDS_CSUM,
    gsoType: options.version === 4 ? GSO.TCPV4 : GSO.TCPV6,
    gsoSize: size,
    headerLength: tcp + 20 + (options.tcpOptions ?? 0),
    start: tcp,
    offset: TCP_CHECKSUM,
  };
}

describe('a large TCP packet', () => {
  const packets: [string, PacketOptions][] = [
    ['of IPv4', { version: 4, payload: text(5000) }],
    ['of IPv6', { version: 6, payload: text(5000) }],
    ['whose last segment is whole', { version: 4, payload: text(4 * 1448) }],
    ['that is no larger than a segment', { version: 6, payload: text(100) }],
    ['with FIN, PSH and CWR', { version: 4, payload: text(3000), flags: 0x99 }],
    ['of IPv6 with FIN, PSH and CWR', { version: 6, payload: text(3000), flags: 0x99 }],
    ['whose numbers wrap', { version: 4, payload: text(4500), sequence: 0xffffff00, id: 0xfffe }],
    ['with options', { version: 4, payload: text(3001), ipOptions: 8, tcpOptions: 12 }],
    ['with an extension header', { version: 6, payload: text(3001), ipOptions: 8, tcpOptions: 12 }],
    ['behind a VLAN tag', { version: 4, payload: text(3001), tags: 1 }],
    ['behind two VLAN tags', { version: 6, payload: text(3001), tags: 2 }],
  ];

  it.each(packets)('%s is cut into segments, each with its own headers and sums', (_name, options) => {
    for (const size of [1400, 1448, 536, 1]) {
      const bounded = size === 1 ? { ...options, payload: options.payload.slice(0, 30) } : options;
      // With all of its headers a segment is longer than an ordinary network carries.
      const bench = new NetBench({ features: OFFLOADS, net: { mtu: 2000 } }).start();
      const { frame, at } = tcpPacket(bounded);
      bench.transmit(frame, { header: largeHeader(bounded, size, at.tcp), lengths: [12, at.payload] });
      bench.world.drain();
      const expected = segmentsOf(bounded, size);
      expect(bench.frames.map((each, i) => each.slice(0, expected[i]?.length))).toEqual(expected);
      expect(bench.reap(1)).toHaveLength(1);
      expect(bench.drops).toEqual([]);
    }
  });

  it('is cut by its own headers, whatever hdr_len says', () => {
    const options: PacketOptions = { version: 4, payload: text(3000) };
    for (const headerLength of [0, 1, 0xffff]) {
      const bench = new NetBench({ features: OFFLOADS }).start();
      const { frame, at } = tcpPacket(options);
      bench.transmit(frame, { header: { ...largeHeader(options, 1400, at.tcp), headerLength } });
      bench.world.drain();
      expect(bench.frames).toEqual(segmentsOf(options, 1400));
    }
  });

  it('may be marked for ECN', () => {
    const options: PacketOptions = { version: 4, payload: text(3000), flags: 0x90 };
    const bench = new NetBench({ features: OFFLOADS }).start();
    const { frame, at } = tcpPacket(options);
    const header = largeHeader(options, 1448, at.tcp);
    bench.transmit(frame, { header: { ...header, gsoType: GSO.TCPV4 | GSO.ECN } });
    bench.world.drain();
    const expected = segmentsOf(options, 1448);
    expect(bench.frames.map((each, i) => each.slice(0, expected[i]?.length))).toEqual(expected);
  });

  it('may be as long as 65550 bytes', () => {
    const options: PacketOptions = { version: 6, payload: text(65550 - 14 - 40 - 20) };
    const bench = new NetBench({ features: OFFLOADS }).start();
    const { frame, at } = tcpPacket(options);
    expect(frame.length).toBe(65550);
    bench.transmit(frame, { header: largeHeader(options, 1440, at.tcp) });
    bench.world.drain();
    const expected = segmentsOf(options, 1440);
    expect(bench.frames.map((each, i) => each.slice(0, expected[i]?.length))).toEqual(expected);
  });

  const good: PacketOptions = { version: 4, payload: text(3000) };
  const { frame: goodFrame, at: goodAt } = tcpPacket(good);
  const right = largeHeader(good, 1448, goodAt.tcp);
  const patched = (at: number, byte: number): Uint8Array => {
    const frame = goodFrame.slice();
    frame[at] = byte;
    return frame;
  };
  const wrong: [string, HeaderFields, Uint8Array][] = [
    ['without NEEDS_CSUM', { ...right, flags: 0 }, goodFrame],
    ['with segments of no bytes', { ...right, gsoSize: 0 }, goodFrame],
    ['with another place for the checksum', { ...right, offset: 6 }, goodFrame],
    ['whose TCP header begins within the IP header', { ...right, start: goodAt.tcp - 2 }, goodFrame],
    ['whose TCP header begins behind the IP header', { ...right, start: goodAt.tcp + 4 }, goodFrame],
    ['whose TCP header is not in the packet', { ...right, start: 0xfff0 }, goodFrame],
    ['that is IPv6 by its header', { ...right, gsoType: GSO.TCPV6 }, goodFrame],
    ['of a kind that was not offered: UDP', { ...right, gsoType: GSO.UDP }, goodFrame],
    ['of a kind that was not offered: UDP_L4', { ...right, gsoType: GSO.UDP_L4 }, goodFrame],
    ['of IP version 5', right, patched(goodAt.ip, 0x55)],
    ['of another protocol', right, patched(goodAt.ip + 9, 17)],
    ['whose TCP header is shorter than one', right, patched(goodAt.tcp + 12, 0x40)],
    ['whose TCP header is longer than the packet', right, goodFrame.slice(0, goodAt.tcp + 19)],
    ['without payload', right, goodFrame.slice(0, goodAt.payload)],
    ['of a few bytes', right, goodFrame.slice(0, 10)],
  ];

  it.each(wrong)('%s is lost with a row, and the next one is sent', (_name, header, frame) => {
    const bench = new NetBench({ features: OFFLOADS }).start();
    bench.transmit(frame, { header });
    bench.transmit(frameOf(1));
    bench.world.drain();
    expect(bench.drops).toEqual([NetDrop.BadOffload]);
    expect(bench.frames).toEqual([frameOf(1)]);
    expect(bench.reap(1)).toHaveLength(2);
    expect(bench.needsReset).toBe(false);
  });

  it('whose segments the network does not carry is lost', () => {
    const options: PacketOptions = { version: 4, payload: text(6000) };
    const bench = new NetBench({ features: OFFLOADS }).start();
    const { frame, at } = tcpPacket(options);
    bench.transmit(frame, { header: largeHeader(options, 3000, at.tcp) });
    bench.world.drain();
    expect(bench.frames).toEqual([]);
    expect(bench.drops).toEqual([NetDrop.Oversize]);
    expect(bench.reap(1)).toHaveLength(1);
  });
});

describe('a wire that is busy', () => {
  it('gets one frame after the other, and buffers come back when it has taken them', () => {
    const bench = new NetBench({ features: OFFLOADS }).start();
    bench.wire.perFrame = 1000;
    const begin = bench.world.time;
    for (let i = 0; i < 5; i++) bench.transmit(frameOf(i));
    bench.world.advanceTo(begin + 2500);
    expect(bench.frames.map(numberOf)).toEqual([0, 1, 2]);
    expect(bench.reap(1)).toHaveLength(3);
    bench.world.drain();
    expect(bench.frames.map(numberOf)).toEqual([0, 1, 2, 3, 4]);
    const times = bench.world.ofKind(Kind.PacketTx).map(({ time }) => time - begin);
    expect(times).toEqual([0, 1000, 2000, 3000, 4000]);
  });

  it('gets the segments of a packet one by one', () => {
    const options: PacketOptions = { version: 4, payload: text(5000) };
    const bench = new NetBench({ features: OFFLOADS }).start();
    bench.wire.perFrame = 1000;
    const { frame, at } = tcpPacket(options);
    const begin = bench.world.time;
    bench.transmit(frame, { header: largeHeader(options, 1448, at.tcp) });
    bench.world.advanceTo(begin + 1500);
    expect(bench.frames).toHaveLength(2);
    expect(bench.reap(1)).toHaveLength(0);
    bench.world.drain();
    expect(bench.frames).toHaveLength(4);
    expect(bench.reap(1)).toHaveLength(1);
  });

  it('is not waited for any more after a reset', () => {
    const bench = new NetBench().start();
    bench.wire.perFrame = 1000;
    for (let i = 0; i < 3; i++) bench.transmit(frameOf(i));
    bench.world.advanceTo(bench.world.time + 500);
    expect(bench.frames).toHaveLength(1);
    bench.start();
    expect(bench.world.queue.nextTime()).toBe(Infinity);
    bench.transmit(frameOf(7));
    bench.world.drain();
    expect(bench.frames.map(numberOf)).toEqual([0, 7]);
  });
});

describe('buffers that are shown together', () => {
  it.each([1, 3, 8])('are at most %i, and all when there is nothing more to send', (batch) => {
    const bench = new NetBench({ net: { batch } }).start();
    const ring = bench.ring(1);
    for (let i = 0; i < 7; i++) {
      const whole = Uint8Array.from([...new Uint8Array(12), ...frameOf(i)]);
      ring.add({ readable: bench.place(whole), writable: [] });
    }
    ring.publish();
    const before = bench.world.ofKind(Kind.VirtqInterrupt).length;
    // So that what is shown is shown before the next one is sent.
    bench.wire.perFrame = 1000;
    bench.kick(1);
    bench.world.drain();
    expect(bench.frames.map(numberOf)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(bench.world.ofKind(Kind.VirtqInterrupt).length - before).toBe(Math.ceil(7 / batch));
    expect(bench.reap(1)).toHaveLength(7);
  });
});
