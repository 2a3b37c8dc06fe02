import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reg, Stat, TxCmd } from '../../../../../src/machine/devices/e1000/constants';
import { DropReason } from '../../../../../src/machine/devices/intel-nic/constants';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { LATENCIES, Nic, TX_BUFFERS, TX_RING } from './nic';

const ETHERNET = 14;
const IP = 20;
const TCP = 20;
const HEADER = ETHERNET + IP + TCP;
const SOURCE = [10, 0, 0, 1];
const DESTINATION = [10, 0, 0, 2];

/** Sum of big-endian words with end-around carry, by the book. */
function sumOf(bytes: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes[i] * 256 + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum % 65536) + Math.floor(sum / 65536);
  return sum;
}

/** A TCP packet as a driver hands it over for offload: IP checksum 0, pseudo-header sum (with `length`) in the TCP checksum. */
function tcpPacket(payload: number, length: number): Uint8Array {
  const packet = new Uint8Array(HEADER + payload);
  const view = new DataView(packet.buffer);
  packet.set([2, 0, 0, 0, 0, 7, 2, 0, 0, 0, 0, 9, 8, 0, 0x45]);
  view.setUint16(ETHERNET + 2, IP + TCP + payload);
  view.setUint16(ETHERNET + 4, 0xfffe);
  packet.set([64, 6, 0, 0, ...SOURCE, ...DESTINATION], ETHERNET + 8);
  view.setUint32(ETHERNET + IP + 4, 0xfffffff0);
  packet[ETHERNET + IP + 12] = 0x50;
  packet[ETHERNET + IP + 13] = 0x19;
  view.setUint16(ETHERNET + IP + 16, sumOf([...SOURCE, ...DESTINATION, 0, 6, length >> 8, length & 0xff]));
  for (let i = 0; i < payload; i++) packet[HEADER + i] = (i * 7 + 1) & 0xff;
  return packet;
}

function contextDescriptor(nic: Nic, index: number, segmentSize: number): void {
  const view = nic.descriptor(TX_RING, index);
  const fields = [
    ETHERNET,
    ETHERNET + 10,
    ETHERNET + IP - 1,
    0,
    ETHERNET + IP,
    ETHERNET + IP + 16,
    0,
    0,
    0,
    0,
    0,
  ];
  fields.forEach((value, i) => view.setUint8(i, value));
  view.setUint8(11, TxCmd.DEXT | TxCmd.RS | 0b11 | (segmentSize > 0 ? TxCmd.TSE : 0));
  view.setUint8(12, 0);
  view.setUint8(13, HEADER);
  view.setUint16(14, segmentSize, true);
}

function dataDescriptor(nic: Nic, index: number, data: Uint8Array, command: number): void {
  nic.bus.memory.set(data, TX_BUFFERS + 0x8000 * index);
  const view = nic.descriptor(TX_RING, index);
  view.setUint32(0, TX_BUFFERS + 0x8000 * index, true);
  view.setUint32(4, 0, true);
  view.setUint32(8, data.length | (1 << 20), true);
  view.setUint32(12, 0x0300, true);
  view.setUint8(11, command | TxCmd.DEXT);
}

/** Sets POPTS of a data descriptor. */
function setOptions(nic: Nic, index: number, options: number): void {
  nic.descriptor(TX_RING, index).setUint8(13, options);
}

/** Both checksums of a received packet are right when the sums over what they cover are all ones. */
function expectChecksums(frame: Uint8Array): void {
  const length = frame.length - ETHERNET - IP;
  expect(sumOf([...frame.subarray(ETHERNET, ETHERNET + IP)])).toBe(0xffff);
  const pseudo = [...SOURCE, ...DESTINATION, 0, 6, length >> 8, length & 0xff];
  expect(sumOf([...pseudo, ...frame.subarray(ETHERNET + IP)])).toBe(0xffff);
}

const LAST = TxCmd.EOP | TxCmd.IFCS | TxCmd.RS;

describe.each(LATENCIES)('e1000 offloads, DMA of %i cycles', (latency) => {
  it('inserts IP and TCP checksums by the context', () => {
    const nic = new Nic({ latency }).start();
    contextDescriptor(nic, 0, 0);
    dataDescriptor(nic, 1, tcpPacket(101, TCP + 101), LAST);
    nic.setAndWait(Reg.TDT, 2);
    expect(nic.wire.frames).toHaveLength(1);
    expectChecksums(nic.wire.frames[0]);
    expect([0, 1].map((i) => nic.descriptor(TX_RING, i).getUint8(12) & 1)).toEqual([1, 1]);
  });

  it('cuts a large packet into segments that are right one by one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 100, max: 1460 }), (payload, mss) => {
        const nic = new Nic({ latency }).start();
        const packet = tcpPacket(payload, 0);
        contextDescriptor(nic, 0, mss);
        dataDescriptor(nic, 1, packet.subarray(0, HEADER), TxCmd.TSE | TxCmd.IFCS);
        dataDescriptor(nic, 2, packet.subarray(HEADER), LAST | TxCmd.TSE);
        nic.setAndWait(Reg.TDT, 3);
        // Short segments are padded to 60 bytes; the IP length says what belongs to the packet.
        const frames = nic.wire.frames.map((frame) =>
          frame.subarray(0, ETHERNET + frame[16] * 256 + frame[17]),
        );
        expect(frames).toHaveLength(Math.ceil(payload / mss));
        expect(frames.flatMap((frame) => [...frame.subarray(HEADER)])).toEqual([...packet.subarray(HEADER)]);
        frames.forEach((frame, i) => {
          const view = new DataView(frame.buffer, frame.byteOffset);
          expectChecksums(frame);
          expect(view.getUint16(ETHERNET + 4)).toBe((0xfffe + i) % 65536);
          expect(view.getUint32(ETHERNET + IP + 4)).toBe((0xfffffff0 + i * mss) % 2 ** 32);
          expect(view.getUint8(ETHERNET + IP + 13)).toBe(i === frames.length - 1 ? 0x19 : 0x10);
        });
        expect(nic.get(Stat.TSCTC)).toBe(1);
      }),
      { numRuns: 40 },
    );
  });

  it('goes on cutting on another machine, wherever it was when it moved', () => {
    const prepare = (id: string): Nic => {
      const nic = new Nic({ latency: latency + 10 }, undefined, id).start();
      const packet = tcpPacket(5000, 0);
      contextDescriptor(nic, 0, 900);
      dataDescriptor(nic, 1, packet.subarray(0, 1500), TxCmd.TSE | TxCmd.IFCS);
      dataDescriptor(nic, 2, packet.subarray(1500), LAST | TxCmd.TSE);
      nic.set(Reg.TDT, 3);
      return nic;
    };
    const whole = prepare('e1000');
    whole.world.drain();
    expect(whole.wire.frames).toHaveLength(6);
    for (let moment = 0; moment < 12; moment++) {
      const from = prepare('e1000');
      from.world.advanceTo(from.world.time + moment * (latency + 10));
      const to = new Nic({ latency }, undefined, 'other');
      to.bus.memory.set(from.bus.memory);
      to.device.adopt(structuredClone(from.device.save().hardware));
      to.world.drain();
      expect([...from.wire.frames, ...to.wire.frames]).toEqual(whole.wire.frames);
      expect([to.get(Reg.TDH), to.descriptor(TX_RING, 2).getUint8(12) & 1]).toEqual([3, 1]);
    }
  });

  it('keeps the context of segmentation and that of other packets apart (3.3.6.1, TSE)', () => {
    const nic = new Nic({ latency }).start();
    contextDescriptor(nic, 0, 0);
    contextDescriptor(nic, 1, 500);
    dataDescriptor(nic, 2, tcpPacket(101, TCP + 101), LAST);
    dataDescriptor(nic, 3, tcpPacket(700, 0), LAST | TxCmd.TSE);
    dataDescriptor(nic, 4, tcpPacket(33, TCP + 33), LAST);
    nic.setAndWait(Reg.TDT, 5);
    expect(nic.wire.frames.map(({ length }) => length - HEADER)).toEqual([101, 500, 200, 33]);
    for (const frame of nic.wire.frames) expectChecksums(frame);
  });

  it('leaves the TCP checksum of segments alone where it is not asked for', () => {
    const nic = new Nic({ latency }).start();
    const packet = tcpPacket(700, 0);
    contextDescriptor(nic, 0, 500);
    dataDescriptor(nic, 1, packet, LAST | TxCmd.TSE);
    setOptions(nic, 1, 1);
    nic.setAndWait(Reg.TDT, 2);
    const sums = nic.wire.frames.map((frame) => [...frame.subarray(HEADER - 4, HEADER - 2)]);
    expect(sums).toEqual([0, 1].map(() => [...packet.subarray(HEADER - 4, HEADER - 2)]));
  });

  it('writes a checksum of zero as ones: of UDP zero would mean that there is none', () => {
    const nic = new Nic({ latency }).start();
    const packet = tcpPacket(100, TCP + 100);
    contextDescriptor(nic, 0, 0);
    // What is to be summed is made all ones by its last word.
    const [high, low] = [HEADER + 98, HEADER + 99];
    packet.fill(0, high);
    const rest = 0xffff - sumOf([...packet.subarray(ETHERNET + IP)]);
    [packet[high], packet[low]] = [rest >> 8, rest & 0xff];
    dataDescriptor(nic, 1, packet, LAST);
    nic.setAndWait(Reg.TDT, 2);
    expect([...nic.wire.frames[0].subarray(HEADER - 4, HEADER - 2)]).toEqual([0xff, 0xff]);
  });

  it('drops a packet to be cut with a senseless context', () => {
    const nic = new Nic({ latency }).start();
    contextDescriptor(nic, 0, 0);
    dataDescriptor(nic, 1, tcpPacket(500, 0), LAST | TxCmd.TSE);
    nic.setAndWait(Reg.TDT, 2);
    expect(nic.wire.frames).toEqual([]);
    expect(nic.world.ofKind(Kind.PacketDrop).map(({ b }) => b)).toEqual([DropReason.BadContext]);
  });

  it('survives any descriptors', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 16, maxLength: 16 }), { minLength: 7, maxLength: 7 }),
        (ring) => {
          const nic = new Nic({ latency }).start();
          ring.forEach((bytes, i) => {
            // Low addresses, so that most buffers are in memory.
            bytes.fill(0, 3, 8);
            nic.bus.memory.set(bytes, TX_RING + i * 16);
          });
          nic.setAndWait(Reg.TDT, 7);
          expect(nic.get(Reg.TDH)).toBe(7);
        },
      ),
    );
  });
});
