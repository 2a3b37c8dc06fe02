import { describe, expect, it } from 'vitest';
import { Cause, Reg, Stat, Tctl, TxCmd } from '../../../../../src/machine/devices/e1000/constants';
import { DropReason } from '../../../../../src/machine/devices/intel-nic/constants';
import { crc32 } from '../../../../../src/machine/link/checksum';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { frameTo, LATENCIES, Nic, RING, TX_BUFFERS, TX_RING } from './nic';

const WHOLE = TxCmd.EOP | TxCmd.IFCS | TxCmd.RS;
const PEER = [0x02, 0, 0, 0, 0, 7];

describe.each(LATENCIES)('e1000 transmit, DMA of %i cycles', (latency) => {
  it('sends what the descriptor says when the tail moves, and writes DD back', () => {
    const nic = new Nic({ latency }).start();
    const frame = frameTo(PEER, 100);
    nic.fill(0, frame, WHOLE);
    nic.setAndWait(Reg.TDT, 1);
    expect(nic.wire.frames).toEqual([frame]);
    expect(nic.descriptor(TX_RING, 0).getUint8(12) & 1).toBe(1);
    expect(nic.get(Reg.TDH)).toBe(1);
    expect(nic.get(Reg.ICR)).toBe(Cause.TXDW | Cause.TXQE | Cause.TXD_LOW);
    expect(nic.get(Reg.ICR)).toBe(0);
    expect([nic.get(Stat.GPTC), nic.get(Stat.TPT), nic.get(Stat.GOTCL)]).toEqual([1, 1, 104]);
    expect(nic.get(Stat.GPTC)).toBe(0);
  });

  it('gathers a packet from several descriptors and reports only where RS asks', () => {
    const nic = new Nic({ latency }).start();
    const frame = frameTo(PEER, 90);
    nic.fill(0, frame.subarray(0, 14), TxCmd.IFCS);
    nic.fill(1, frame.subarray(14, 60), TxCmd.IFCS);
    nic.fill(2, frame.subarray(60), WHOLE);
    nic.setAndWait(Reg.TDT, 3);
    expect(nic.wire.frames).toEqual([frame]);
    expect([0, 1, 2].map((i) => nic.descriptor(TX_RING, i).getUint8(12))).toEqual([0, 0, 1]);
  });

  it('keeps a packet whose EOP descriptor comes with a later tail write', () => {
    const nic = new Nic({ latency }).start();
    const frame = frameTo(PEER, 80);
    nic.fill(0, frame.subarray(0, 40), TxCmd.IFCS);
    nic.setAndWait(Reg.TDT, 1);
    expect(nic.wire.frames).toEqual([]);
    nic.fill(1, frame.subarray(40), WHOLE);
    nic.setAndWait(Reg.TDT, 2);
    expect(nic.wire.frames).toEqual([frame]);
  });

  it('wraps at the end of the ring', () => {
    const nic = new Nic({ latency }).start();
    const sent: Uint8Array[] = [];
    for (let i = 0; i < RING * 2 + 3; i++) {
      sent.push(frameTo(PEER, 60 + i, i));
      nic.fill(i % RING, sent[i], WHOLE);
      nic.setAndWait(Reg.TDT, (i + 1) % RING);
    }
    expect(nic.wire.frames).toEqual(sent);
    expect(nic.get(Reg.TDH)).toBe(3);
  });

  it('waits for TCTL.EN', () => {
    const nic = new Nic({ latency }).start();
    nic.set(Reg.TCTL, 0);
    nic.fill(0, frameTo(PEER), WHOLE);
    nic.setAndWait(Reg.TDT, 1);
    expect(nic.wire.frames).toHaveLength(0);
    nic.setAndWait(Reg.TCTL, Tctl.EN);
    expect(nic.wire.frames).toHaveLength(1);
  });

  it('pads short packets with PSP only', () => {
    const nic = new Nic({ latency }).start();
    nic.fill(0, frameTo(PEER, 20), WHOLE);
    nic.setAndWait(Reg.TDT, 1);
    nic.set(Reg.TCTL, Tctl.EN);
    nic.fill(1, frameTo(PEER, 20), WHOLE);
    nic.setAndWait(Reg.TDT, 2);
    expect(nic.wire.frames.map((frame) => frame.length)).toEqual([60, 20]);
    expect([...nic.wire.frames[0].subarray(20)]).toEqual(new Array(40).fill(0));
  });

  it('takes the last four bytes as FCS without IFCS where they are one, and sends all of the packet where not', () => {
    const nic = new Nic({ latency }).start();
    const frame = frameTo(PEER, 64);
    const whole = new Uint8Array(68);
    whole.set(frame);
    new DataView(whole.buffer).setUint32(64, crc32(frame), true);
    nic.fill(0, whole, TxCmd.EOP);
    const wrong = whole.slice();
    wrong[67] ^= 1;
    nic.fill(1, wrong, TxCmd.EOP);
    nic.setAndWait(Reg.TDT, 2);
    expect(nic.wire.frames).toEqual([frame, wrong]);
  });

  it('inserts the checksum from CSS at CSO with IC', () => {
    const nic = new Nic({ latency }).start();
    // The IPv4 header example of RFC 1071's kind: 4500 0073 0000 4000 4011 .... c0a8 0001 c0a8 00c7 sums up to checksum b861.
    const header = [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];
    const frame = new Uint8Array(34);
    frame.set(PEER);
    frame.set(header, 14);
    nic.fill(0, frame, WHOLE | TxCmd.IC);
    nic.descriptor(TX_RING, 0).setUint8(10, 24);
    nic.descriptor(TX_RING, 0).setUint8(13, 14);
    nic.setAndWait(Reg.TDT, 1);
    expect([...nic.wire.frames[0].subarray(24, 26)]).toEqual([0xb8, 0x61]);
  });

  it('drops and goes on where a buffer or the ring is outside memory', () => {
    const nic = new Nic({ latency }).start();
    nic.fill(0, frameTo(PEER), WHOLE);
    nic.descriptor(TX_RING, 0).setUint32(4, 0xffffffff, true);
    nic.fill(1, frameTo(PEER), WHOLE);
    nic.setAndWait(Reg.TDT, 2);
    expect(nic.wire.frames).toHaveLength(1);
    nic.set(Reg.TDBAH, 0xffffffff);
    nic.setAndWait(Reg.TDT, 4);
    expect(nic.get(Reg.TDH)).toBe(4);
    // One for the buffer, one for each of the two descriptors that cannot be read.
    const drops = nic.world.ofKind(Kind.PacketDrop).map((note) => note.b);
    expect(drops).toEqual(new Array(3).fill(DropReason.DmaAbort));
  });

  it('does one round at most for a tail outside the ring, and nothing for a ring without length', () => {
    for (const transmitNanoseconds of [0, 100]) {
      const nic = new Nic({ latency, timing: { transmitNanoseconds, receiveNanoseconds: 0 } }).start();
      for (let i = 0; i < RING; i++) nic.fill(i, frameTo(PEER), WHOLE);
      nic.setAndWait(Reg.TDT, 0x1234);
      nic.world.drain();
      expect(nic.wire.frames).toHaveLength(RING);
      nic.set(Reg.TDLEN, 0);
      nic.setAndWait(Reg.TDT, 5);
      nic.world.drain();
      expect(nic.wire.frames).toHaveLength(RING);
    }
  });

  it('hands a frame over when the wire is free, by itself, and keeps fetching meanwhile', () => {
    const nic = new Nic({ latency }).start();
    for (let i = 0; i < 3; i++) nic.fill(i, frameTo(PEER), WHOLE);
    nic.wire.wait = 100_000;
    nic.set(Reg.TDT, 3);
    nic.world.advanceTo(nic.world.time + 50_000);
    expect([nic.wire.frames.length, nic.get(Reg.TDH)]).toEqual([0, 3]);
    nic.wire.wait = 0;
    nic.world.drain();
    expect(nic.wire.frames).toHaveLength(3);
  });

  it('holds what 16 KiB can hold while the wire is busy, and no descriptor more is done', () => {
    const nic = new Nic({ latency }).start();
    for (let i = 0; i < RING; i++) nic.fill(i, frameTo(PEER, 3000), WHOLE);
    nic.wire.wait = 1_000_000;
    nic.set(Reg.TDT, RING - 1);
    nic.world.advanceTo(nic.world.time + 500_000);
    // Five frames of 3000 bytes are 15000; six would be more than 16384.
    expect(nic.get(Reg.TDH)).toBe(5);
    expect([4, 5].map((i) => nic.descriptor(TX_RING, i).getUint8(12))).toEqual([1, 0]);
    nic.wire.wait = 0;
    nic.world.drain();
    expect([nic.wire.frames.length, nic.get(Reg.TDH)]).toEqual([7, 7]);
  });

  it('as hardware of its own takes its time for each packet while the CPU goes on', () => {
    const nic = new Nic({ latency, timing: { transmitNanoseconds: 10_000, receiveNanoseconds: 0 } }).start();
    for (let i = 0; i < 3; i++) nic.fill(i, frameTo(PEER), WHOLE);
    const start = nic.world.time;
    nic.set(Reg.TDT, 3);
    // Fetch of the descriptors, then for each packet 10 µs of work and the fetch of its data, with the write-back of the
    // one before already begun.
    const step = 30_000 + latency;
    const at = [1, 2, 3].flatMap((n) =>
      [latency + n * step - 1, latency + n * step].map((time) => {
        nic.world.advanceTo(start + time);
        return nic.wire.frames.length;
      }),
    );
    expect(at).toEqual([0, 1, 1, 2, 2, 3]);
    expect(nic.world.ofKind(Kind.DeviceWork).map(({ duration }) => duration)).toEqual([
      30_000, 30_000, 30_000,
    ]);
  });

  it('hangs each packet on the doorbell that asked for it', () => {
    const nic = new Nic({ latency }).start();
    for (let i = 0; i < 3; i++) nic.fill(i, frameTo(PEER), WHOLE);
    nic.setAndWait(Reg.TDT, 3);
    const packets = nic.world.ofKind(Kind.PacketTx);
    expect(packets.map((note) => note.b)).toEqual([0, 1, 2]);
    // The packet hangs on its data's fetch, that on its descriptor's, that on the tail's move.
    for (const note of packets) {
      expect(nic.world.chain(note).map(({ kind }) => kind)).toEqual([
        Kind.DmaRead,
        Kind.DmaRead,
        Kind.RingTail,
        Kind.Doorbell,
      ]);
      expect(nic.world.chain(note)[0].a).toBe(TX_BUFFERS + 0x1000 * note.b);
    }
    // The interrupt hangs on the write-back.
    const [back] = nic.world.ofKind(Kind.DmaWrite);
    expect(nic.world.chain(back).map(({ kind }) => kind)).toEqual([
      Kind.DmaRead,
      Kind.DmaRead,
      Kind.RingTail,
      Kind.Doorbell,
    ]);
  });

  it('delays TXDW of IDE descriptors by TIDV, at most TADV', () => {
    const nic = new Nic().start();
    nic.set(Reg.IMS, Cause.TXDW);
    nic.set(Reg.TIDV, 10);
    nic.set(Reg.TADV, 15);
    const unit = 1024 * 3;
    for (const [index, time] of [0, 8 * unit, 14 * unit].entries()) {
      nic.world.advanceTo(time);
      nic.fill(index, frameTo(PEER), WHOLE | TxCmd.IDE);
      nic.set(Reg.TDT, index + 1);
    }
    nic.world.advanceTo(100 * unit);
    // Each packet starts the 10 units anew; 15 units after the first one the absolute timer ends the waiting.
    expect(nic.bus.rises).toEqual([15 * unit]);
  });
});
