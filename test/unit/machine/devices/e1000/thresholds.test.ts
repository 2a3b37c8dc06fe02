/** Fetching ahead, writing back in bursts, and the causes that go with them (3.2.4, 3.2.5, 3.4.1, 3.4.2, 13.4.43). */
import { describe, expect, it } from 'vitest';
import { Cause, Ctrl, Reg, Rctl, Tctl, TxCmd } from '../../../../../src/machine/devices/e1000/constants';
import { Config } from '../../../../../src/machine/pci/config';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { frameTo, MAC, Nic, RX_BUFFERS, RX_ON, RX_RING, TX_BUFFERS, TX_RING } from './nic';

const WHOLE = TxCmd.EOP | TxCmd.IFCS | TxCmd.RS;
const PEER = [0x02, 0, 0, 0, 0, 7];
const LARGE = 128;
const UNIT = 1024 * 3;
const GRAN = 1 << 24;

/** TXDCTL or RXDCTL by descriptors. */
function control({ prefetch = 0, host = 0, writeBack = 0, low = 0 }): number {
  return (prefetch | (host << 8) | (writeBack << 16) | GRAN | (low << 25)) >>> 0;
}

/** A NIC with a ring of 128 transmit descriptors of one 60-byte frame, and as many receive descriptors. */
function largeRings(latency: number): Nic {
  const nic = new Nic({ latency });
  nic.bus.memory.set(frameTo(PEER, 60), TX_BUFFERS);
  for (let i = 0; i < LARGE; i++) {
    const tx = nic.descriptor(TX_RING, i);
    tx.setUint32(0, TX_BUFFERS, true);
    tx.setUint16(8, 60, true);
    tx.setUint8(11, WHOLE);
    nic.descriptor(RX_RING, i).setUint32(0, RX_BUFFERS + i * 2048, true);
  }
  for (const [register, value] of [
    [Reg.TDBAL, TX_RING],
    [Reg.TDLEN, LARGE * 16],
    [Reg.RDBAL, RX_RING],
    [Reg.RDLEN, LARGE * 16],
    [Reg.TCTL, Tctl.EN],
    [Reg.RCTL, RX_ON],
  ])
    nic.set(register, value);
  nic.world.drain();
  return nic;
}

/** Descriptors of each burst of a kind at a ring. */
function bursts(nic: Nic, kind: number, ring: number): number[] {
  const within = ({ a }: { a: number }): boolean => a >= ring && a < ring + LARGE * 16;
  return nic.world
    .ofKind(kind)
    .filter(within)
    .map(({ b }) => b / 16);
}

/** Indices whose status byte has DD. */
function done(nic: Nic, ring: number): number[] {
  const all = Array.from({ length: LARGE }, (_, i) => i);
  return all.filter((i) => (nic.descriptor(ring, i).getUint8(12) & 1) !== 0);
}

describe('e1000 descriptor fetches', () => {
  it('take all there are, up to the 64 that the chip holds, and more only when those are used', () => {
    const nic = largeRings(100);
    nic.setAndWait(Reg.TDT, 100);
    expect(bursts(nic, Kind.DmaRead, TX_RING)).toEqual([64, 36]);
    expect([nic.wire.frames.length, nic.get(Reg.TDH)]).toEqual([100, 100]);
  });

  it('end at the end of the ring', () => {
    const nic = largeRings(0);
    nic.setAndWait(Reg.TDT, 120);
    nic.setAndWait(Reg.TDT, 10);
    expect(bursts(nic, Kind.DmaRead, TX_RING).slice(-2)).toEqual([8, 10]);
  });

  it('begin before the chip is empty: below PTHRESH, when HTHRESH are there', () => {
    // The data of the first descriptors is on its way when the tail moves on.
    const fetches = (host: number, given: number): number[] => {
      const nic = largeRings(1000);
      nic.set(Reg.TXDCTL, control({ prefetch: 8, host }));
      nic.set(Reg.TDT, 4);
      nic.world.advanceTo(nic.world.time + 1500);
      nic.set(Reg.TDT, 4 + given);
      const begun = bursts(nic, Kind.DmaRead, TX_RING);
      nic.world.drain();
      expect(nic.wire.frames).toHaveLength(4 + given);
      return begun;
    };
    expect(fetches(4, 4)).toEqual([4, 4]);
    expect(fetches(5, 4)).toEqual([4]);
  });

  it('wait for an empty chip without PTHRESH', () => {
    const nic = largeRings(1000);
    nic.set(Reg.TDT, 4);
    nic.world.advanceTo(nic.world.time + 1500);
    nic.set(Reg.TDT, 8);
    expect(bursts(nic, Kind.DmaRead, TX_RING)).toEqual([4]);
    nic.world.drain();
    expect(nic.wire.frames).toHaveLength(8);
  });
});

describe('e1000 write-backs', () => {
  it('come one by one without a threshold, for descriptors that ask for a report only', () => {
    const nic = largeRings(0);
    for (const i of [1, 2]) nic.descriptor(TX_RING, i).setUint8(11, TxCmd.EOP | TxCmd.IFCS);
    nic.setAndWait(Reg.TDT, 4);
    expect(done(nic, TX_RING)).toEqual([0, 3]);
  });

  it('gather until WTHRESH of them are there, from the first that asks for a report on', () => {
    const nic = largeRings(100);
    nic.descriptor(TX_RING, 0).setUint8(11, TxCmd.EOP | TxCmd.IFCS);
    nic.descriptor(TX_RING, 2).setUint8(11, TxCmd.EOP | TxCmd.IFCS);
    nic.set(Reg.TXDCTL, control({ writeBack: 4 }));
    nic.setAndWait(Reg.TDT, 4);
    expect([done(nic, TX_RING), nic.get(Reg.TDH)]).toEqual([[], 4]);
    expect(nic.get(Reg.ICR) & (Cause.TXDW | Cause.TXQE)).toBe(Cause.TXQE);
    nic.setAndWait(Reg.TDT, 5);
    expect(done(nic, TX_RING)).toEqual([1, 2, 3, 4]);
    expect(bursts(nic, Kind.DmaWrite, TX_RING)).toEqual([4]);
    expect(nic.get(Reg.ICR) & Cause.TXDW).toBe(Cause.TXDW);
  });

  it('are forced by TIDV, and TXDW follows them', () => {
    const nic = largeRings(100);
    nic.set(Reg.IMS, Cause.TXDW);
    nic.set(Reg.TXDCTL, control({ writeBack: 16 }));
    nic.set(Reg.TIDV, 2);
    const start = nic.world.time;
    nic.setAndWait(Reg.TDT, 3);
    expect([done(nic, TX_RING), bursts(nic, Kind.DmaWrite, TX_RING)]).toEqual([[0, 1, 2], [3]]);
    // The first descriptor was done after its fetch and its data's; then 2 units, then the write-back.
    expect(nic.bus.rises).toEqual([start + 200 + 2 * UNIT + 100]);
  });

  it('count cache lines without GRAN, by the cache line size register in units of four bytes', () => {
    const nic = largeRings(0);
    nic.device.pci.write(Config.CacheLineSize, 1, 16);
    nic.set(Reg.TXDCTL, 1 << 16);
    nic.setAndWait(Reg.TDT, 3);
    expect(done(nic, TX_RING)).toEqual([]);
    // A line of 64 bytes is four descriptors.
    nic.setAndWait(Reg.TDT, 4);
    expect(done(nic, TX_RING)).toEqual([0, 1, 2, 3]);
  });

  it('come when the chip is full, whatever the threshold', () => {
    const nic = largeRings(0);
    nic.device.pci.write(Config.CacheLineSize, 1, 64);
    nic.set(Reg.TXDCTL, 63 << 16);
    nic.setAndWait(Reg.TDT, 100);
    expect([done(nic, TX_RING).length, nic.wire.frames.length]).toEqual([64, 100]);
  });

  it('of receive descriptors gather too; RDH counts what is written, RDTR flushes, RXT0 follows', () => {
    const nic = largeRings(100);
    nic.set(Reg.RXDCTL, control({ writeBack: 4 }));
    nic.set(Reg.RDTR, 3);
    nic.set(Reg.IMS, Cause.RXT0);
    nic.setAndWait(Reg.RDT, 100);
    const start = nic.world.time;
    for (let i = 0; i < 6; i++) nic.device.receive(frameTo(MAC, 60 + i));
    nic.world.advanceTo(start + 2 * UNIT);
    expect([nic.get(Reg.RDH), done(nic, RX_RING)]).toEqual([4, [0, 1, 2, 3]]);
    nic.world.drain();
    expect([nic.get(Reg.RDH), bursts(nic, Kind.DmaWrite, RX_RING)]).toEqual([6, [4, 2]]);
    const last = nic.world.ofKind(Kind.DmaWrite).filter(({ a }) => a === RX_BUFFERS + 5 * 2048)[0];
    expect(nic.bus.rises).toEqual([last.time + last.duration + 3 * UNIT + 100]);
  });

  it('do not wait while a frame has no descriptor left', () => {
    const nic = largeRings(0);
    nic.set(Reg.RXDCTL, control({ writeBack: 8 }));
    nic.set(Reg.RDTR, 0xffff);
    nic.setAndWait(Reg.RDT, 2);
    for (let i = 0; i < 3; i++) nic.device.receive(frameTo(MAC));
    nic.world.advanceTo(nic.world.time + 1);
    expect([nic.get(Reg.RDH), done(nic, RX_RING)]).toEqual([2, [0, 1]]);
  });
});

describe('e1000 transmit causes', () => {
  it('raises TXD_LOW when the descriptors left come down to 8 × LWTHRESH', () => {
    const nic = largeRings(1000);
    nic.set(Reg.TXDCTL, control({ low: 1 }));
    nic.set(Reg.IMS, Cause.TXD_LOW);
    nic.set(Reg.TDT, 11);
    const start = nic.world.time;
    nic.world.drain();
    // One fetch, then three packets' data; eight are left of eleven.
    expect(nic.bus.rises).toEqual([start + 4000]);
  });

  it('raises TXQE with the write-back that the last descriptor asks for, not before', () => {
    const nic = largeRings(1000);
    nic.set(Reg.IMS, Cause.TXQE);
    nic.set(Reg.TDT, 1);
    const start = nic.world.time;
    nic.world.advanceTo(start + 2000);
    expect([nic.get(Reg.TDH), nic.bus.line]).toEqual([1, false]);
    nic.world.drain();
    expect(nic.bus.rises).toEqual([start + 3000]);
  });

  it('SRPD comes with a small packet, at once', () => {
    const nic = largeRings(0);
    nic.set(Reg.RSRPD, 64);
    nic.set(Reg.RDTR, 1000);
    nic.setAndWait(Reg.RDT, 10);
    nic.device.receive(frameTo(MAC, 65));
    nic.world.advanceTo(nic.world.time + 1);
    expect(nic.get(Reg.ICR)).toBe(0);
    nic.device.receive(frameTo(MAC, 64));
    nic.world.advanceTo(nic.world.time + 1);
    expect(nic.get(Reg.ICR)).toBe(Cause.SRPD | Cause.RXT0);
  });
});

describe('e1000 transmit descriptors', () => {
  it('with a null address or no length send nothing, and are done (3.3.3)', () => {
    const nic = largeRings(10);
    nic.descriptor(TX_RING, 0).setUint32(0, 0, true);
    nic.descriptor(TX_RING, 1).setUint16(8, 0, true);
    nic.setAndWait(Reg.TDT, 2);
    expect([nic.wire.frames, done(nic, TX_RING), nic.get(Reg.TDH)]).toEqual([[], [0, 1], 2]);
  });

  it('have a tag inserted with VLE and CTRL.VME: type from VET, control from the last one (9.2.1)', () => {
    const nic = largeRings(10);
    for (const index of [0, 1]) {
      nic.descriptor(TX_RING, index).setUint8(11, WHOLE | TxCmd.VLE);
      nic.descriptor(TX_RING, index).setUint16(14, 0x6123, true);
    }
    nic.setAndWait(Reg.TDT, 1);
    nic.set(Reg.CTRL, nic.get(Reg.CTRL) | Ctrl.VME);
    nic.setAndWait(Reg.TDT, 2);
    const frame = frameTo(PEER, 60);
    const tagged = [...frame.subarray(0, 12), 0x81, 0x00, 0x61, 0x23, ...frame.subarray(12)];
    expect(nic.wire.frames.map((each) => [...each])).toEqual([[...frame], tagged]);
  });

  it('leave the packet buffer only while the transmitter is on', () => {
    const nic = largeRings(10);
    nic.wire.wait = 1000;
    nic.set(Reg.TDT, 2);
    nic.world.advanceTo(nic.world.time + 500);
    nic.set(Reg.TCTL, 0);
    nic.wire.wait = 0;
    nic.world.drain();
    expect(nic.wire.frames).toHaveLength(0);
    nic.setAndWait(Reg.TCTL, Tctl.EN);
    expect(nic.wire.frames).toHaveLength(2);
  });
});

describe('e1000 VLAN filter', () => {
  it('passes what VFTA has, and compares the CFI with CFIEN (9.3)', () => {
    const received = (rctl: number, tag: number): boolean => {
      const nic = largeRings(0);
      nic.set(Reg.VFTA + (0x123 >> 5) * 4, 1 << (0x123 & 31));
      nic.set(Reg.RCTL, RX_ON | rctl);
      nic.setAndWait(Reg.RDT, 10);
      const frame = frameTo(MAC, 80);
      frame.set([0x81, 0x00, tag >> 8, tag & 0xff], 12);
      nic.receive(frame);
      return nic.get(Reg.RDH) === 1;
    };
    expect([0x123, 0x124].map((tag) => received(Rctl.VFE, tag))).toEqual([true, false]);
    expect([0x124, 0x1123].map((tag) => received(0, tag))).toEqual([true, true]);
    expect([0x0123, 0x1123].map((tag) => received(Rctl.VFE | Rctl.CFIEN, tag))).toEqual([true, false]);
    expect([0x0123, 0x1123].map((tag) => received(Rctl.VFE | Rctl.CFIEN | Rctl.CFI, tag))).toEqual([
      false,
      true,
    ]);
  });
});

describe('e1000 reset in mid-flight', () => {
  it('ignores the ends of what had begun, and works anew', () => {
    for (let moment = 0; moment < 12; moment++) {
      const nic = new Nic({ latency: 100 }).start();
      nic.fill(0, frameTo(PEER, 80), WHOLE);
      nic.set(Reg.TDT, 1);
      nic.device.receive(frameTo(MAC, 70));
      nic.world.advanceTo(nic.world.time + moment * 33);
      nic.set(Reg.CTRL, Ctrl.RST);
      const sent = nic.wire.frames.length;
      nic.world.drain();
      expect([Reg.TDH, Reg.RDH, Reg.ICR].map((at) => nic.get(at))).toEqual([0, 0, 0]);
      expect([nic.wire.frames.length, nic.bus.line]).toEqual([sent, false]);
      nic.set(Reg.CTRL, Ctrl.FD | Ctrl.SLU);
      nic.start();
      nic.fill(0, frameTo(PEER, 90), WHOLE);
      nic.setAndWait(Reg.TDT, 1);
      nic.receive(frameTo(MAC, 91));
      expect([nic.wire.frames.at(-1)?.length, nic.get(Reg.TDH), nic.writtenBack(0)[0]]).toEqual([90, 1, 91]);
    }
  });
});
