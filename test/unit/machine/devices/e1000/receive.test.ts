import { describe, expect, it } from 'vitest';
import {
  Cause,
  DropReason,
  Rctl,
  Reg,
  Stat,
  Tctl,
  TxCmd,
} from '../../../../../src/machine/devices/e1000/constants';
import { crc32 } from '../../../../../src/machine/devices/e1000/checksum';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { frameTo, MAC, Nic, RING, RX_BUFFERS, RX_RING } from './nic';

const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const OTHER = [0x02, 0, 0, 0, 0, 7];
const ON = Rctl.EN | Rctl.BAM | Rctl.SECRC;

function buffer(nic: Nic, index: number, length: number): Uint8Array {
  return nic.bus.memory.slice(RX_BUFFERS + index * 0x1000, RX_BUFFERS + index * 0x1000 + length);
}

/** Length, status and errors as written back. */
function writtenBack(nic: Nic, index: number): [length: number, status: number, errors: number] {
  const view = nic.descriptor(RX_RING, index);
  return [view.getUint16(8, true), view.getUint8(12), view.getUint8(13)];
}

describe('e1000 receive', () => {
  it('puts a frame into the next buffer and writes DD, EOP and the length back', () => {
    const nic = new Nic().start();
    const frame = frameTo(MAC, 77);
    nic.device.receive(frame);
    expect(buffer(nic, 0, 77)).toEqual(frame);
    expect(writtenBack(nic, 0)).toEqual([77, 0b111, 0]);
    expect(nic.get(Reg.RDH)).toBe(1);
    expect(nic.get(Reg.ICR)).toBe(Cause.RXT0);
    expect([nic.get(Stat.GPRC), nic.get(Stat.TPR), nic.get(Stat.GORCL), nic.get(Stat.PRC64 + 4)]).toEqual([
      1, 1, 81, 1,
    ]);
    const [note] = nic.world.ofKind(Kind.PacketRx);
    expect([note?.a, note?.b]).toEqual([77, 0]);
  });

  it('keeps the FCS in memory without SECRC', () => {
    const nic = new Nic().start(RING - 1, Rctl.EN | Rctl.BAM);
    const frame = frameTo(MAC, 60);
    nic.device.receive(frame);
    expect(writtenBack(nic, 0)[0]).toBe(64);
    const stored = buffer(nic, 0, 64);
    expect(new DataView(stored.buffer).getUint32(60, true)).toBe(crc32(frame));
  });

  it('computes the FCS of IEEE 802.3', () => {
    // Check value of CRC-32: the sum of the digits 1 to 9 in ASCII.
    expect(crc32(Uint8Array.from('123456789', (digit) => digit.charCodeAt(0)))).toBe(0xcbf43926);
  });

  it('spans descriptors when a frame is longer than a buffer', () => {
    const small = 3 << 16;
    const nic = new Nic().start(RING - 1, ON | small);
    const frame = frameTo(MAC, 600);
    for (let i = 256; i < 600; i++) frame[i] = i & 0xff;
    nic.device.receive(frame);
    expect([0, 1, 2].map((i) => writtenBack(nic, i))).toEqual([
      [256, 1, 0],
      [256, 1, 0],
      [88, 0b111, 0],
    ]);
    const parts = [buffer(nic, 0, 256), buffer(nic, 1, 256), buffer(nic, 2, 88)].flatMap((part) => [...part]);
    expect(parts).toEqual([...frame]);
  });

  it('drops when the ring is full, counts MPC and raises RXO; goes on when descriptors come', () => {
    const nic = new Nic().start(2);
    for (let i = 0; i < 4; i++) nic.device.receive(frameTo(MAC, 60 + i));
    expect(nic.get(Reg.RDH)).toBe(2);
    expect(nic.get(Stat.MPC)).toBe(2);
    expect(nic.get(Reg.ICR) & Cause.RXO).toBe(Cause.RXO);
    expect(nic.world.ofKind(Kind.PacketDrop).map((note) => note.b)).toEqual([
      DropReason.RingFull,
      DropReason.RingFull,
    ]);
    nic.set(Reg.RDT, 3);
    nic.device.receive(frameTo(MAC, 99));
    expect(writtenBack(nic, 2)[0]).toBe(99);
  });

  it('drops a frame whole when there are descriptors for a part of it only', () => {
    const nic = new Nic().start(2, ON | (3 << 16));
    nic.device.receive(frameTo(MAC, 600));
    expect(nic.get(Reg.RDH)).toBe(0);
    expect(nic.get(Stat.MPC)).toBe(1);
  });

  it('wraps at the end of the ring', () => {
    const nic = new Nic().start();
    for (let i = 0; i < RING + 3; i++) {
      nic.device.receive(frameTo(MAC, 60 + i));
      nic.set(Reg.RDT, i % RING);
    }
    expect(writtenBack(nic, 2)[0]).toBe(60 + RING + 2);
    expect(nic.get(Reg.RDH)).toBe(3);
  });

  it('raises RXDMT0 once when half, a quarter or an eighth of the ring is left', () => {
    for (const [code, left] of [
      [0, 4],
      [1, 2],
      [2, 1],
    ] as const) {
      const nic = new Nic().start(RING - 1, ON | (code << 8));
      const hits = Array.from({ length: RING - 1 }, () => {
        nic.device.receive(frameTo(MAC));
        return (nic.get(Reg.ICR) & Cause.RXDMT0) !== 0;
      });
      // After n frames RING - 1 - n descriptors are free.
      expect(hits.flatMap((hit, i) => (hit ? [RING - 1 - (i + 1)] : []))).toEqual([left]);
    }
  });

  it('filters by address', () => {
    const group = [0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb];
    const hashOf = (bytes: number[]): number => ((bytes[4] | (bytes[5] << 8)) >> 4) & 0xfff;
    const cases: [rctl: number, address: readonly number[] | Uint8Array, wanted: boolean, hash?: number][] = [
      [ON, MAC, true],
      [ON, OTHER, false],
      [ON | Rctl.UPE, OTHER, true],
      [ON, BROADCAST, true],
      [ON & ~Rctl.BAM, BROADCAST, false],
      [ON, group, false],
      [ON | Rctl.MPE, group, true],
      [ON | Rctl.UPE, group, false],
      [ON, group, true, hashOf(group)],
      [ON, group, false, hashOf(group) ^ 1],
      [ON & ~Rctl.EN, MAC, false],
    ];
    for (const [rctl, address, wanted, hash] of cases) {
      const nic = new Nic().start(RING - 1, rctl);
      if (hash !== undefined) nic.set(Reg.MTA + (hash >> 5) * 4, 1 << (hash & 31));
      nic.device.receive(frameTo(address));
      expect(nic.get(Stat.GPRC), `${rctl.toString(16)} ${[...address].join(':')}`).toBe(wanted ? 1 : 0);
    }
  });

  it('uses any valid receive address register', () => {
    const nic = new Nic().start();
    nic.set(Reg.RAL0 + 15 * 8, 0x00000002);
    nic.set(Reg.RAL0 + 15 * 8 + 4, 0x80000700);
    nic.device.receive(frameTo(OTHER));
    nic.set(Reg.RAL0 + 15 * 8 + 4, 0x00000700);
    nic.device.receive(frameTo(OTHER));
    expect(nic.get(Stat.GPRC)).toBe(1);
  });

  it('passes VLANs by the filter table', () => {
    const nic = new Nic().start(RING - 1, ON | Rctl.VFE);
    const tagged = frameTo(MAC, 64);
    tagged.set([0x81, 0x00, 0x00, 0x45], 12);
    nic.device.receive(tagged);
    expect(nic.get(Stat.GPRC)).toBe(0);
    nic.set(Reg.VFTA + (0x45 >> 5) * 4, 1 << (0x45 & 31));
    nic.device.receive(tagged);
    expect(nic.get(Stat.GPRC)).toBe(1);
  });

  it('refuses frames that are too short, and too long without LPE', () => {
    const nic = new Nic().start();
    nic.device.receive(frameTo(MAC, 59));
    nic.device.receive(frameTo(MAC, 1515));
    expect([nic.get(Stat.RUC), nic.get(Stat.ROC), nic.get(Stat.GPRC)]).toEqual([1, 1, 0]);
    nic.device.receive(frameTo(MAC, 1514));
    nic.set(Reg.RCTL, ON | Rctl.LPE);
    nic.device.receive(frameTo(MAC, 1515));
    expect(nic.get(Stat.GPRC)).toBe(2);
  });

  it('drops where a buffer or the ring is outside memory, and for a ring without length', () => {
    const nic = new Nic().start();
    nic.descriptor(RX_RING, 0).setUint32(4, 1, true);
    nic.device.receive(frameTo(MAC));
    nic.set(Reg.RDBAH, 0xffffffff);
    nic.device.receive(frameTo(MAC));
    nic.set(Reg.RDLEN, 0);
    nic.device.receive(frameTo(MAC));
    expect(nic.world.ofKind(Kind.PacketDrop).map((note) => note.b)).toEqual([
      DropReason.DmaAbort,
      DropReason.DmaAbort,
      DropReason.RingFull,
    ]);
    expect(nic.get(Stat.GPRC)).toBe(0);
  });

  it('loops transmitted frames back with RCTL.LBM', () => {
    const nic = new Nic().start(RING - 1, ON | Rctl.LBM);
    const frame = frameTo(MAC, 70);
    nic.fill(0, frame, TxCmd.EOP | TxCmd.IFCS);
    nic.set(Reg.TCTL, Tctl.EN);
    nic.set(Reg.TDT, 1);
    expect(nic.wire.frames).toEqual([]);
    expect(buffer(nic, 0, 70)).toEqual(frame);
  });

  it('as hardware of its own takes frames from its buffer one after the other, and loses what exceeds it', () => {
    const nic = new Nic({ timing: { transmitNanoseconds: 0, receiveNanoseconds: 100 } }).start();
    nic.device.receive(frameTo(MAC));
    nic.device.receive(frameTo(MAC));
    const done = [299, 300, 599, 600].map((time) => {
      nic.world.advanceTo(time);
      return nic.get(Reg.RDH);
    });
    expect(done).toEqual([0, 1, 1, 2]);
    for (let i = 0; i < 40; i++) nic.device.receive(frameTo(MAC, 1514));
    // 48 KiB hold 32 frames of 1514 bytes.
    expect(nic.get(Stat.MPC)).toBe(8);
  });
});
