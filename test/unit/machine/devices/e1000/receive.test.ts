import { describe, expect, it } from 'vitest';
import {
  Cause,
  Ctrl,
  Rctl,
  Reg,
  Stat,
  Tctl,
  TxCmd,
} from '../../../../../src/machine/devices/e1000/constants';
import { DropReason } from '../../../../../src/machine/devices/intel-nic/constants';
import { crc32 } from '../../../../../src/machine/link/checksum';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { frameTo, LATENCIES, MAC, Nic, RING, RX_ON as ON, RX_RING } from './nic';

const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const OTHER = [0x02, 0, 0, 0, 0, 7];

describe.each(LATENCIES)('e1000 receive, DMA of %i cycles', (latency) => {
  it('puts a frame into the next buffer and writes DD, EOP and the length back', () => {
    const nic = new Nic({ latency }).start();
    const frame = frameTo(MAC, 77);
    nic.receive(frame);
    expect(nic.buffer(0, 77)).toEqual(frame);
    expect(nic.writtenBack(0)).toEqual([77, 0b111, 0]);
    expect(nic.get(Reg.RDH)).toBe(1);
    expect(nic.get(Reg.ICR)).toBe(Cause.RXT0);
    expect([nic.get(Stat.GPRC), nic.get(Stat.TPR), nic.get(Stat.GORCL), nic.get(Stat.PRC64 + 4)]).toEqual([
      1, 1, 81, 1,
    ]);
    const [note] = nic.world.ofKind(Kind.PacketRx);
    expect([note?.a, note?.b]).toEqual([77, 0]);
  });

  it('keeps the FCS in memory without SECRC', () => {
    const nic = new Nic({ latency }).start(RING - 1, Rctl.EN | Rctl.BAM);
    const frame = frameTo(MAC, 60);
    nic.receive(frame);
    expect(nic.writtenBack(0)[0]).toBe(64);
    const stored = nic.buffer(0, 64);
    expect(new DataView(stored.buffer).getUint32(60, true)).toBe(crc32(frame));
  });

  it('computes the FCS of IEEE 802.3', () => {
    // Check value of CRC-32: the sum of the digits 1 to 9 in ASCII.
    expect(crc32(Uint8Array.from('123456789', (digit) => digit.charCodeAt(0)))).toBe(0xcbf43926);
  });

  it('spans descriptors when a frame is longer than a buffer', () => {
    const small = 3 << 16;
    const nic = new Nic({ latency }).start(RING - 1, ON | small);
    const frame = frameTo(MAC, 600);
    for (let i = 256; i < 600; i++) frame[i] = i & 0xff;
    nic.receive(frame);
    expect([0, 1, 2].map((i) => nic.writtenBack(i))).toEqual([
      [256, 1, 0],
      [256, 1, 0],
      [88, 0b111, 0],
    ]);
    const parts = [nic.buffer(0, 256), nic.buffer(1, 256), nic.buffer(2, 88)].flatMap((part) => [...part]);
    expect(parts).toEqual([...frame]);
  });

  it('keeps frames in the packet buffer while the ring is empty, and stores as many as RDT gives descriptors for', () => {
    const nic = new Nic({ latency }).start(2);
    for (let i = 0; i < 5; i++) nic.receive(frameTo(MAC, 60 + i));
    expect([nic.get(Reg.RDH), nic.get(Stat.MPC), nic.get(Reg.ICR) & Cause.RXO]).toEqual([2, 0, 0]);
    // The third, fourth and fifth frame found no buffer in the host's memory.
    expect([nic.get(Stat.RNBC), nic.get(Stat.GPRC)]).toEqual([3, 5]);
    nic.setAndWait(Reg.RDT, 3);
    expect([nic.get(Reg.RDH), nic.writtenBack(2)[0], nic.writtenBack(3)[0]]).toEqual([3, 62, 0]);
    nic.setAndWait(Reg.RDT, 7);
    expect([nic.get(Reg.RDH), nic.writtenBack(3)[0], nic.writtenBack(4)[0]]).toEqual([5, 63, 64]);
    expect(nic.world.ofKind(Kind.PacketDrop)).toEqual([]);
  });

  it('loses a frame when the 48 KiB are full, counts it in MPC and raises RXO', () => {
    const nic = new Nic({ latency }).start(0);
    // 1514 bytes and their FCS: 32 frames are 48576 of 49152 bytes.
    for (let i = 0; i < 40; i++) nic.receive(frameTo(MAC, 1514));
    expect([nic.get(Stat.MPC), nic.get(Stat.TPR), nic.get(Stat.GPRC)]).toEqual([8, 40, 32]);
    expect(nic.get(Reg.ICR) & Cause.RXO).toBe(Cause.RXO);
    expect(nic.world.ofKind(Kind.PacketDrop).map((note) => note.b)).toEqual(
      new Array(8).fill(DropReason.BufferFull),
    );
    for (let i = 1; i < 2 * RING; i++) nic.setAndWait(Reg.RDT, i % RING);
    expect(nic.world.ofKind(Kind.PacketRx)).toHaveLength(2 * RING - 1);
  });

  it('says when it cannot receive, and when it can again', () => {
    const nic = new Nic({ latency }).start(0);
    for (let i = 0; i < 32; i++) nic.receive(frameTo(MAC, 1514));
    expect([572, 573].map((length) => nic.device.canReceive(length))).toEqual([true, false]);
    expect(nic.wire.rooms).toBe(0);
    nic.setAndWait(Reg.RDT, 1);
    expect([nic.wire.rooms, nic.device.canReceive(573)]).toEqual([1, true]);
    nic.setAndWait(Reg.RDT, 2);
    expect(nic.wire.rooms).toBe(1);
    nic.set(Reg.RCTL, 0);
    expect(nic.device.canReceive(60)).toBe(false);
    nic.set(Reg.RCTL, ON);
    expect(nic.wire.rooms).toBe(2);
  });

  it('divides the 64 KiB by PBA, which a reset keeps', () => {
    const nic = new Nic({ latency }).start(0);
    expect(nic.get(Reg.PBA)).toBe(0x00100030);
    nic.set(Reg.PBA, 8);
    nic.set(Reg.CTRL, Ctrl.RST);
    expect(nic.get(Reg.PBA)).toBe(0x00380008);
    nic.set(Reg.CTRL, Ctrl.FD | Ctrl.SLU);
    nic.start(0);
    for (let i = 0; i < 10; i++) nic.receive(frameTo(MAC, 1020));
    // Eight of 1024 bytes with FCS are all of 8 KiB.
    expect(nic.get(Stat.MPC)).toBe(2);
  });

  it('keeps frames while the function is no bus master', () => {
    const nic = new Nic({ latency }).start();
    nic.setBusMaster(false);
    for (let i = 0; i < 3; i++) nic.receive(frameTo(MAC, 60 + i));
    expect([nic.get(Reg.RDH), nic.get(Stat.MPC), nic.bus.dma.writes.length]).toEqual([0, 0, 0]);
    nic.setBusMaster(true);
    nic.world.drain();
    expect([0, 1, 2].map((i) => nic.writtenBack(i)[0])).toEqual([60, 61, 62]);
  });

  it('does again what was under way when the function was taken off the bus', () => {
    // With an interruption at every moment of three frames' way.
    for (let moment = 0; moment < 30; moment++) {
      const nic = new Nic({ latency: 100 }).start();
      nic.bus.dma.refuse = () => (nic.device.pci.busMaster ? undefined : 'master-abort');
      for (let i = 0; i < 3; i++) nic.device.receive(frameTo(MAC, 60 + i));
      nic.world.advanceTo(nic.world.time + moment * 33);
      nic.setBusMaster(false);
      nic.world.drain();
      nic.setBusMaster(true);
      nic.world.drain();
      expect([0, 1, 2].map((i) => nic.writtenBack(i))).toEqual([60, 61, 62].map((length) => [length, 7, 0]));
      expect(nic.get(Reg.RDH)).toBe(3);
    }
  });

  it('leaves a null descriptor as it is but for DD, and begins the frame in the next (3.2.5.2)', () => {
    const nic = new Nic({ latency }).start(RING - 1, 0);
    nic.descriptor(RX_RING, 0).setUint32(0, 0, true);
    nic.descriptor(RX_RING, 0).setUint16(8, 0x1234, true);
    nic.descriptor(RX_RING, 0).setUint16(14, 0x5678, true);
    nic.setAndWait(Reg.RCTL, ON | (3 << 16));
    const frame = frameTo(MAC, 600);
    for (let i = 12; i < 600; i++) frame[i] = i & 0xff;
    nic.set(Reg.VET, 0);
    nic.receive(frame);
    expect(nic.writtenBack(0)).toEqual([0x1234, 1, 0]);
    expect(nic.descriptor(RX_RING, 0).getUint16(14, true)).toBe(0x5678);
    expect([1, 2, 3].map((i) => nic.writtenBack(i))).toEqual([
      [256, 1, 0],
      [256, 1, 0],
      [88, 7, 0],
    ]);
    const parts = [nic.buffer(1, 256), nic.buffer(2, 256), nic.buffer(3, 88)].flatMap((part) => [...part]);
    expect(parts).toEqual([...frame]);
    expect(nic.bus.dma.writes.every(({ address }) => address >= RX_RING)).toBe(true);
  });

  it('strips the tag with CTRL.VME, and leaves it without', () => {
    const tagged = frameTo(MAC, 100);
    tagged.set([0x81, 0x00, 0x61, 0x23, 0x08, 0x00], 12);
    for (const strips of [true, false]) {
      const nic = new Nic({ latency }).start();
      if (strips) nic.set(Reg.CTRL, nic.get(Reg.CTRL) | Ctrl.VME);
      nic.receive(tagged);
      const plain = [...tagged.subarray(0, 12), ...tagged.subarray(16)];
      expect(nic.writtenBack(0)).toEqual(strips ? [96, 0b1111, 0] : [100, 0b0111, 0]);
      expect(nic.descriptor(RX_RING, 0).getUint16(14, true)).toBe(strips ? 0x6123 : 0);
      expect([...nic.buffer(0, strips ? 96 : 100)]).toEqual(strips ? plain : [...tagged]);
    }
  });

  it('stores a frame longer than all its buffers piece by piece, as the driver gives descriptors', () => {
    const nic = new Nic({ latency }).start(2, ON | (3 << 16));
    const frame = frameTo(MAC, 600);
    nic.receive(frame);
    expect([nic.get(Reg.RDH), nic.writtenBack(0), nic.writtenBack(1)]).toEqual([2, [256, 1, 0], [256, 1, 0]]);
    nic.setAndWait(Reg.RDT, 3);
    expect([nic.get(Reg.RDH), nic.writtenBack(2)]).toEqual([3, [88, 7, 0]]);
  });

  it('wraps at the end of the ring', () => {
    const nic = new Nic({ latency }).start();
    for (let i = 0; i < RING + 3; i++) {
      nic.receive(frameTo(MAC, 60 + i));
      nic.set(Reg.RDT, i % RING);
    }
    expect(nic.writtenBack(2)[0]).toBe(60 + RING + 2);
    expect(nic.get(Reg.RDH)).toBe(3);
  });

  it('raises RXDMT0 once when half, a quarter or an eighth of the ring is left', () => {
    for (const [code, left] of [
      [0, 4],
      [1, 2],
      [2, 1],
    ] as const) {
      const nic = new Nic({ latency }).start(RING - 1, ON | (code << 8));
      const hits = Array.from({ length: RING - 1 }, () => {
        nic.receive(frameTo(MAC));
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
      const nic = new Nic({ latency }).start(RING - 1, rctl);
      if (hash !== undefined) nic.set(Reg.MTA + (hash >> 5) * 4, 1 << (hash & 31));
      nic.receive(frameTo(address));
      expect(nic.get(Stat.GPRC), `${rctl.toString(16)} ${[...address].join(':')}`).toBe(wanted ? 1 : 0);
    }
  });

  it('uses any valid receive address register', () => {
    const nic = new Nic({ latency }).start();
    nic.set(Reg.RAL0 + 15 * 8, 0x00000002);
    nic.set(Reg.RAL0 + 15 * 8 + 4, 0x80000700);
    nic.receive(frameTo(OTHER));
    nic.set(Reg.RAL0 + 15 * 8 + 4, 0x00000700);
    nic.receive(frameTo(OTHER));
    expect(nic.get(Stat.GPRC)).toBe(1);
  });

  it('passes VLANs by the filter table', () => {
    const nic = new Nic({ latency }).start(RING - 1, ON | Rctl.VFE);
    const tagged = frameTo(MAC, 64);
    tagged.set([0x81, 0x00, 0x00, 0x45], 12);
    nic.receive(tagged);
    expect(nic.get(Stat.GPRC)).toBe(0);
    nic.set(Reg.VFTA + (0x45 >> 5) * 4, 1 << (0x45 & 31));
    nic.receive(tagged);
    expect(nic.get(Stat.GPRC)).toBe(1);
  });

  it('refuses frames that are too short, and too long: 1522 bytes with FCS, 16384 with LPE', () => {
    const nic = new Nic({ latency }).start();
    nic.receive(frameTo(MAC, 59));
    nic.receive(frameTo(MAC, 1519));
    expect([nic.get(Stat.RUC), nic.get(Stat.ROC), nic.get(Stat.RLEC), nic.get(Stat.GPRC)]).toEqual([
      1, 1, 2, 0,
    ]);
    for (const length of [1514, 1515, 1518]) nic.receive(frameTo(MAC, length));
    nic.setAndWait(Reg.RCTL, ON | Rctl.LPE | Rctl.BSEX | (1 << 16));
    for (const length of [1519, 16380, 16381]) nic.receive(frameTo(MAC, length));
    expect([nic.get(Stat.GPRC), nic.get(Stat.ROC)]).toEqual([5, 1]);
  });

  it('drops where a buffer or the ring cannot be reached, and waits for a ring without length', () => {
    const nic = new Nic({ latency }).start(RING - 1, 0);
    nic.descriptor(RX_RING, 0).setUint32(4, 1, true);
    nic.setAndWait(Reg.RCTL, ON);
    nic.receive(frameTo(MAC));
    nic.setAndWait(Reg.RDBAH, 0xffffffff);
    nic.receive(frameTo(MAC));
    nic.receive(frameTo(MAC));
    nic.setAndWait(Reg.RDLEN, 0);
    nic.receive(frameTo(MAC));
    expect(nic.world.ofKind(Kind.PacketDrop).map((note) => note.b)).toEqual(
      new Array(3).fill(DropReason.DmaAbort),
    );
    expect([nic.get(Reg.RDH), nic.bus.dma.writes]).toEqual([0, []]);
  });

  it.each([
    ['RCTL.LBM', Rctl.LBM, 0],
    ['its PHY', 0, 0x4140], // 1000 Mb/s, full duplex, loopback
  ])('loops transmitted frames back by %s, and counts them as sent', (_by, mode, control) => {
    const nic = new Nic({ latency }).start(RING - 1, ON | mode);
    if (control !== 0) nic.set(Reg.MDIC, (1 << 26) | (1 << 21) | control);
    const frame = frameTo(MAC, 70);
    nic.fill(0, frame, TxCmd.EOP | TxCmd.IFCS);
    nic.set(Reg.TCTL, Tctl.EN);
    nic.setAndWait(Reg.TDT, 1);
    expect(nic.wire.frames).toEqual([]);
    expect(nic.buffer(0, 70)).toEqual(frame);
    expect([nic.get(Stat.GPTC), nic.get(Stat.GPRC)]).toEqual([1, 1]);
  });

  it('as hardware of its own takes its time for each frame', () => {
    const nic = new Nic({ latency, timing: { transmitNanoseconds: 0, receiveNanoseconds: 10_000 } }).start();
    const start = nic.world.time;
    nic.device.receive(frameTo(MAC));
    nic.device.receive(frameTo(MAC));
    // 30000 cycles of work, then data and write-back one after the other; the next work begins with the data's end.
    const ends = [30_000 + 2 * latency, 60_000 + 3 * latency];
    const heads = ends.flatMap((end) =>
      [end - 1, end].map((time) => {
        nic.world.advanceTo(start + time);
        return nic.get(Reg.RDH);
      }),
    );
    expect(heads).toEqual([0, 1, 1, 2]);
  });

  it('hangs a received packet on its data and its descriptor', () => {
    const nic = new Nic({ latency }).start();
    nic.world.trace.instant(Kind.LinkTransit, 64, 0);
    nic.receive(frameTo(MAC));
    const [packet] = nic.world.ofKind(Kind.PacketRx);
    expect(nic.world.chain(packet).map(({ kind }) => kind)).toEqual([
      Kind.RingHead,
      Kind.DmaWrite,
      Kind.DmaWrite,
      Kind.LinkTransit,
    ]);
  });
});
