/** The physical function's receiver and transmitter, without virtualization: chapter 7, sections 7.1 and 7.2. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  Cause,
  DropReason,
  Hlreg0,
  Qdctl,
  RxError,
  RxStatus,
  TxCmd,
} from '../../../../../src/machine/devices/ixgbe/bits';
import { Reg, Stat } from '../../../../../src/machine/devices/ixgbe/offsets';
import {
  QueueReg,
  receiveBase,
  transmitBase,
} from '../../../../../src/machine/devices/ixgbe/queue-registers';
import { crc32, onesSum } from '../../../../../src/machine/link/checksum';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { frameOf, MAC, Nic, ONE_BUFFER, RING, RX_BUFFERS, taggedFrame, TX_RING, Type } from './nic';

const OUTSIDE = [0x02, 0, 0, 0, 0, 9];
const DD_EOP = RxStatus.DD | RxStatus.EOP;
const FCS = 4;
/** SRRCTL.DESCTYPE, and in it advanced descriptors with one buffer. */
const DESCRIPTOR_TYPE = 7 << 25;
const ADVANCED = 1 << 25;

/** A packet of IPv4 and TCP or UDP with right checksums. */
function ipFrame(protocol: 6 | 17, payload: number, to = MAC): Uint8Array {
  const headerBytes = protocol === 6 ? 20 : 8;
  const frame = new Uint8Array(34 + headerBytes + payload);
  const view = new DataView(frame.buffer);
  frame.set([...to, ...OUTSIDE, 0x08, 0x00, 0x45]);
  view.setUint16(16, frame.length - 14);
  frame.set([64, protocol], 22);
  frame.set([10, 0, 0, 1, 10, 0, 0, 2], 26);
  view.setUint16(24, ~onesSum(frame, 14, 34) & 0xffff);
  view.setUint16(34, 1000);
  view.setUint16(36, 2000);
  if (protocol === 6) frame[46] = 5 << 4;
  else view.setUint16(38, headerBytes + payload);
  for (let i = 0; i < payload; i++) frame[34 + headerBytes + i] = i;
  view.setUint16(34 + (protocol === 6 ? 16 : 6), ~transportSum(frame) & 0xffff);
  return frame;
}

/** The ones' complement sum of the transport layer with its pseudo-header (RFC 793, RFC 768). */
function transportSum(frame: Uint8Array): number {
  const length = frame.length - 34;
  const pseudo = Uint8Array.of(...frame.subarray(26, 34), 0, frame[23], length >> 8, length & 0xff);
  const all = Uint8Array.of(...pseudo, ...frame.subarray(34));
  return onesSum(all, 0, all.length);
}

describe('reception', () => {
  let nic: Nic;
  beforeEach(() => {
    nic = new Nic().start();
    nic.pf.startQueue();
  });

  it('stores a frame for the station, without its FCS, and says so in an advanced descriptor (7.1.6.2)', () => {
    const frame = frameOf(MAC, OUTSIDE, 100);
    nic.receive(frame);
    expect(nic.pf.frame(0)).toEqual(frame);
    expect(nic.pf.received(0)).toEqual({ info: 0, hash: 0, status: DD_EOP, errors: 0, length: 100, tag: 0 });
    expect(nic.pf.get(receiveBase(0) + QueueReg.head)).toBe(1);
    expect([nic.pf.get(Stat.GPRC), nic.pf.get(Stat.GPRC)]).toEqual([1, 0]);
  });

  it('keeps the FCS without HLREG0.RXCRCSTRP', () => {
    nic.pf.set(Reg.HLREG0, nic.pf.get(Reg.HLREG0) & ~Hlreg0.RX_CRC_STRIP);
    const frame = frameOf(MAC, OUTSIDE, 100);
    nic.receive(frame);
    const stored = nic.pf.frame(0);
    expect(stored).toHaveLength(100 + FCS);
    expect(new DataView(stored.buffer).getUint32(100, true)).toBe(crc32(frame));
  });

  it('writes a legacy descriptor where SRRCTL says so (7.1.5)', () => {
    nic = new Nic().start();
    nic.pf.startQueue(2);
    nic.receive(frameOf(MAC, OUTSIDE, 100));
    const view = nic.pf.descriptor(0x2000, 0);
    expect([view.getUint16(8, true), view.getUint8(12), view.getUint8(13)]).toEqual([100, DD_EOP, 0]);
  });

  it('takes neither what is for another station nor a broadcast without FCTRL.BAM', () => {
    nic.pf.set(Reg.FCTRL, 0);
    nic.receive(frameOf(OUTSIDE, OUTSIDE));
    nic.receive(frameOf([255, 255, 255, 255, 255, 255], OUTSIDE));
    expect(nic.pf.received(0).status).toBe(0);
    expect(nic.world.ofKind(Kind.PacketDrop).map(({ b }) => b)).toEqual([
      DropReason.Filtered,
      DropReason.Filtered,
    ]);
  });

  it('finds a group by the bit of its hash in MTA: bits 47 to 36 of the address (8.2.3.7.7)', () => {
    const group = [0x01, 0, 0x5e, 0, 0x12, 0x34];
    const hash = ((0x34 << 8) | 0x12) >> 4;
    nic.pf.set(Reg.MCSTCTRL, 1 << 2);
    nic.receive(frameOf(group, OUTSIDE));
    expect(nic.pf.received(0).status).toBe(0);
    nic.pf.set(Reg.MTA + 4 * (hash >> 5), 2 ** (hash & 31));
    nic.receive(frameOf(group, OUTSIDE));
    expect(nic.pf.received(0).status).toBe(DD_EOP);
  });

  it('spreads a long frame over as many buffers as it needs: EOP in the last one alone', () => {
    nic.pf.set(Reg.HLREG0, nic.pf.get(Reg.HLREG0) | Hlreg0.JUMBO);
    nic.pf.set(Reg.MAXFRS, 9000 << 16);
    const frame = frameOf(MAC, OUTSIDE, 5000);
    nic.receive(frame);
    const parts = [0, 1, 2].map((i) => nic.pf.received(i));
    expect(parts.map(({ length }) => length)).toEqual([2048, 2048, 904]);
    expect(parts.map(({ status }) => status)).toEqual([RxStatus.DD, RxStatus.DD, DD_EOP]);
    const stored = [0, 1, 2].flatMap((i) => [...nic.pf.frame(i)]);
    expect(Uint8Array.from(stored)).toEqual(frame);
  });

  it('has buffers of 2 KiB, with 256 bytes for headers, until software says otherwise: also the last queue (8.2.3.8.7)', () => {
    nic = new Nic().start();
    const sizes = [0, 127].map((queue) => nic.pf.get(receiveBase(queue) + QueueReg.srrctl));
    expect(sizes).toEqual([0x402, 0x402]);
    // A driver that changes the type of descriptors alone, as its sequence of initialization allows (4.6.7).
    nic.pf.startQueue((nic.pf.get(receiveBase(0) + QueueReg.srrctl) & ~DESCRIPTOR_TYPE) | ADVANCED);
    const frame = frameOf(MAC, OUTSIDE, 1500);
    nic.receive(frame);
    expect(nic.pf.received(0)).toMatchObject({ status: DD_EOP, length: 1500 });
    expect(nic.pf.frame(0)).toEqual(frame);
  });

  it('drops a frame that is longer than MAXFRS, or than 1518 without JUMBOEN', () => {
    nic.receive(frameOf(MAC, OUTSIDE, 1519));
    expect(nic.pf.get(Stat.ROC)).toBe(1);
    expect(nic.pf.received(0).status).toBe(0);
  });

  it('takes a tag out with RXDCTL.VME, and puts it into the descriptor', () => {
    nic = new Nic().start();
    nic.pf.startQueue(ONE_BUFFER, Qdctl.VME);
    const frame = frameOf(MAC, OUTSIDE, 100);
    nic.receive(taggedFrame(frame, 0x2005));
    expect(nic.pf.frame(0)).toEqual(frame);
    expect(nic.pf.received(0)).toMatchObject({ status: DD_EOP | RxStatus.VP, tag: 0x2005 });
  });

  it('has a frame wait for descriptors, and lose none', () => {
    for (let i = 0; i < RING + 2; i++) nic.receive(frameOf(MAC, OUTSIDE, 64, i));
    expect(nic.pf.get(receiveBase(0) + QueueReg.head)).toBe(RING - 1);
    for (let i = 0; i < 3; i++) nic.pf.renew(i);
    nic.pf.setAndWait(receiveBase(0) + QueueReg.tail, 2);
    expect(nic.pf.get(receiveBase(0) + QueueReg.head)).toBe(2);
    // The frames before have filled the ring but for its last descriptor.
    expect([RING - 1, 0, 1].map((i) => nic.pf.bus.memory[RX_BUFFERS + 0x1000 * i + 20])).toEqual([
      15, 16, 17,
    ]);
  });

  it('drops with DROP_EN what finds no descriptors, and counts it', () => {
    nic = new Nic().start();
    nic.pf.startQueue(ONE_BUFFER | (1 << 28));
    for (let i = 0; i < RING + 2; i++) nic.receive(frameOf(MAC, OUTSIDE));
    const reasons = nic.world.ofKind(Kind.PacketDrop).map(({ b }) => b);
    expect(reasons).toEqual([DropReason.NoDescriptors, DropReason.NoDescriptors, DropReason.NoDescriptors]);
    expect(nic.pf.get(0x1430)).toBe(3);
  });

  it('misses what the packet buffer has no room for: MPC, and a cause', () => {
    nic.pf.set(Reg.RXPBSIZE, 1 << 10);
    for (let i = 0; i < RING - 1; i++) nic.receive(frameOf(MAC, OUTSIDE));
    for (let i = 0; i < 3; i++) nic.receive(frameOf(MAC, OUTSIDE, 500));
    // The ring is used up, and two frames of 504 bytes are in a KiB.
    expect(nic.pf.get(Stat.MPC)).toBe(1);
    expect(nic.pf.get(Reg.EICR) & Cause.RX_MISS).toBe(Cause.RX_MISS);
  });

  it.each([
    { protocol: 6 as const, type: 0b010001, checked: RxStatus.L4CS | RxStatus.IPCS },
    { protocol: 17 as const, type: 0b100001, checked: RxStatus.L4CS | RxStatus.IPCS | RxStatus.UDPCS },
  ])(
    'tells the type of a packet of protocol $protocol, and that its checksums hold',
    ({ protocol, type, checked }) => {
      nic.receive(ipFrame(protocol, 100));
      expect(nic.pf.received(0)).toMatchObject({ info: type << 4, status: DD_EOP | checked, errors: 0 });
    },
  );

  it('tells which checksum does not hold', () => {
    const bad = (at: number): Uint8Array => {
      const frame = ipFrame(6, 100);
      frame[at] ^= 1;
      return frame;
    };
    // The time to live belongs to the header's sum alone, the payload to the other one.
    nic.receive(bad(22));
    nic.receive(bad(60));
    expect([0, 1].map((i) => nic.pf.received(i).errors)).toEqual([RxError.IPE >>> 0, RxError.L4E]);
  });

  it('says RXE of a frame whose buffer cannot be written, and takes the next', () => {
    nic.pf.bus.dma.refuse = (address) => (address === RX_BUFFERS ? 'blocked' : undefined);
    nic.receive(frameOf(MAC, OUTSIDE));
    nic.receive(frameOf(MAC, OUTSIDE));
    expect([0, 1].map((i) => nic.pf.received(i).errors)).toEqual([RxError.RXE, 0]);
  });
});

describe('transmission', () => {
  let nic: Nic;
  const tx = transmitBase(0);
  /** DD of a transmit descriptor: bit 0 of its fourth word. */
  const done = (index: number): number => nic.pf.descriptor(TX_RING, index).getUint32(12, true) & 1;
  beforeEach(() => {
    nic = new Nic().start();
    nic.pf.startQueue();
  });

  /** A context descriptor: MACLEN 14, IPLEN 20, and what else is said (7.2.3.2.3). */
  function context(index: number, { vlan = 0, tcp = true, l4 = 0, mss = 0 }): void {
    const view = nic.pf.descriptor(TX_RING, index);
    view.setUint32(0, 20 | (14 << 9) | (vlan << 16), true);
    view.setUint32(4, 0, true);
    const tucmd = (1 << 10) | ((tcp ? 1 : 0) << 11);
    view.setUint32(8, ((TxCmd.DEXT << 24) | Type.context | tucmd) >>> 0, true);
    view.setUint32(12, ((l4 << 8) | (mss << 16)) >>> 0, true);
  }

  it('sends a frame of one descriptor, and writes DD where RS asks for it', () => {
    const frame = frameOf(OUTSIDE, MAC, 100);
    nic.pf.fill(0, frame, TxCmd.EOP | TxCmd.IFCS);
    nic.pf.fill(1, frame);
    nic.pf.send(2);
    expect(nic.wire.frames).toEqual([frame, frame]);
    expect([done(0), done(1)]).toEqual([0, 1]);
    expect(nic.pf.get(tx + QueueReg.head)).toBe(2);
    expect(nic.pf.get(Stat.GPTC)).toBe(2);
    expect(nic.pf.get(Stat.GOTCL)).toBe(2 * (100 + FCS));
  });

  it('puts a packet together from several descriptors, and pads a short one', () => {
    nic.pf.fill(0, frameOf(OUTSIDE, MAC, 30).subarray(0, 20), 0);
    nic.pf.fill(1, Uint8Array.of(1, 2, 3));
    nic.pf.send(2);
    const [frame] = nic.wire.frames;
    expect(frame).toHaveLength(60);
    expect([...frame.subarray(18, 26)]).toEqual([0xa5, 0xa5, 1, 2, 3, 0, 0, 0]);
  });

  it('gathers used descriptors up to WTHRESH, and writes them when the interval of the interrupt is over (7.2.3.5.2)', () => {
    nic.pf.set(tx + QueueReg.control, Qdctl.ENABLE | (4 << 16));
    nic.pf.set(Reg.IVAR, 0x80 << 8);
    nic.pf.set(Reg.EITR, 10 << 3);
    nic.pf.fill(0, frameOf(OUTSIDE, MAC));
    nic.pf.set(tx + QueueReg.tail, 1);
    const units = 10 * 2000 * 3;
    nic.world.advanceTo(units / 2);
    expect([nic.wire.frames.length, done(0)]).toEqual([1, 0]);
    nic.world.drain();
    expect(done(0)).toBe(1);
    expect(nic.world.time).toBeGreaterThanOrEqual(units);
  });

  it('writes the head in place of descriptors with TDWBAL (7.2.3.5.3)', () => {
    const at = 0x8000;
    nic.pf.set(tx + QueueReg.headLow, at | 1);
    nic.pf.fill(0, frameOf(OUTSIDE, MAC), TxCmd.EOP | TxCmd.IFCS);
    nic.pf.fill(1, frameOf(OUTSIDE, MAC));
    nic.pf.send(2);
    expect(new DataView(nic.pf.bus.memory.buffer).getUint32(at, true)).toBe(2);
    expect(done(1)).toBe(0);
  });

  it('inserts the tag of the context where VLE asks for it', () => {
    context(0, { vlan: 0x2007 });
    nic.pf.fill(1, frameOf(OUTSIDE, MAC), TxCmd.EOP | TxCmd.IFCS | TxCmd.VLE);
    nic.pf.send(2);
    expect(nic.wire.frames).toEqual([taggedFrame(frameOf(OUTSIDE, MAC), 0x2007)]);
  });

  it.each([6, 17] as const)('inserts the checksums of a packet of protocol %i (7.2.5)', (protocol) => {
    const whole = ipFrame(protocol, 200);
    const frame = whole.slice();
    const view = new DataView(frame.buffer);
    view.setUint16(24, 0);
    // The driver leaves the pseudo-header's sum in the field.
    const length = frame.length - 34;
    const pseudo = Uint8Array.of(...frame.subarray(26, 34), 0, protocol, length >> 8, length & 0xff);
    view.setUint16(34 + (protocol === 6 ? 16 : 6), onesSum(pseudo, 0, pseudo.length));
    context(0, { tcp: protocol === 6 });
    const IXSM_AND_TXSM = 3 << 8;
    nic.pf.fill(1, frame, TxCmd.EOP | TxCmd.IFCS, IXSM_AND_TXSM);
    nic.pf.send(2);
    expect(nic.wire.frames).toEqual([whole]);
  });

  it('cuts a large packet into segments, each of which is right by itself (7.2.4)', () => {
    const mss = 400;
    const payload = 1000;
    const frame = ipFrame(6, payload);
    frame[47] = 0x09; // FIN and PSH
    const view = new DataView(frame.buffer);
    const pseudo = Uint8Array.of(...frame.subarray(26, 34), 0, 6);
    view.setUint16(24, 0);
    view.setUint16(50, onesSum(pseudo, 0, pseudo.length));
    context(0, { l4: 20, mss });
    nic.pf.fill(1, frame, TxCmd.EOP | TxCmd.IFCS | TxCmd.TSE, (3 << 8) | (payload << 14));
    nic.pf.send(2);
    const segments = nic.wire.frames;
    expect(segments.map(({ length }) => length - 54)).toEqual([400, 400, 200]);
    segments.forEach((segment, i) => {
      expect(onesSum(segment, 14, 34)).toBe(0xffff);
      expect(transportSum(segment)).toBe(0xffff);
      expect(new DataView(segment.buffer).getUint32(38)).toBe(i * mss);
      expect(segment[47]).toBe(i === 2 ? 0x09 : 0);
      expect(segment.subarray(54)).toEqual(
        frame.subarray(54 + i * mss, 54 + (i + 1) * mss).slice(0, segment.length - 54),
      );
    });
  });

  it('drops a packet whose data meets a fault, and sends the next', () => {
    nic.pf.bus.dma.refuse = (_address, length) => (length === 99 ? 'blocked' : undefined);
    nic.pf.fill(0, frameOf(OUTSIDE, MAC, 99));
    nic.pf.fill(1, frameOf(OUTSIDE, MAC, 98));
    nic.pf.send(2);
    expect(nic.wire.frames.map(({ length }) => length)).toEqual([98]);
    expect(nic.world.ofKind(Kind.PacketDrop).map(({ b }) => b)).toEqual([DropReason.DmaAbort]);
  });

  it('sends as the wire takes it, and begins no packet while the packet buffer is full', () => {
    nic.pf.set(Reg.TXPBSIZE, 1 << 10);
    nic.wire.wait = 1_000_000;
    for (let i = 0; i < 8; i++) nic.pf.fill(i, frameOf(OUTSIDE, MAC, 600, i));
    nic.pf.set(tx + QueueReg.tail, 8);
    nic.world.advanceTo(500_000);
    expect(nic.wire.frames).toEqual([]);
    expect(nic.world.ofKind(Kind.TransmitHead).length).toBeLessThan(8);
    nic.wire.wait = 0;
    nic.world.drain();
    expect(nic.wire.frames.map((frame) => frame[20])).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
