/**
 * A driver for property tests, with the simple model of what has to come out: packets that are sent arrive on the wire in
 * order, frames that come arrive in the driver's buffers in order. It goes on on another NIC when it is given one.
 */
import { Reg, Rctl, Tctl, TxCmd } from '../../../../../src/machine/devices/e1000/constants';
import { FRAME_MIN } from '../../../../../src/machine/link/wire';
import type { Nic } from './nic';

/** A packet to send: pieces of these lengths; 0 is a descriptor without data. */
export interface Packet {
  pieces: number[];
  /** One of its pieces lies where memory cannot be read. */
  unreachable: boolean;
  /** Its pieces are TCP/IP data descriptors rather than legacy ones. */
  extended: boolean;
}

export interface DriverOptions {
  txRing: number;
  rxRing: number;
  /** Code of RCTL.BSIZE: 2048 bytes shifted right by it. */
  bufferCode: number;
  txdctl: number;
  rxdctl: number;
  tidv: number;
  rdtr: number;
}

const TX_RING = 0x1000;
const RX_RING = 0x2000;
const TX_DATA = 0x10000;
const TX_DATA_STEP = 0x800;
const RX_DATA = 0x80000;
const RX_DATA_STEP = 0x800;
/** Where nothing answers. */
export const HOLE = 0x70000;

export class Driver {
  /** Frames that must appear on the wire. */
  readonly expected: number[][] = [];
  /** Frames that have arrived in memory. */
  readonly received: number[][] = [];
  /** What the device did that it must not. */
  readonly wrongs: string[] = [];
  /** Writes to receive buffers that are still to be refused, and how many were. */
  refusals = 0;
  refused = 0;
  private nic: Nic;
  private tail = 0;
  private used = 0;
  /** Descriptors of each packet in the ring, oldest first. */
  private inRing: number[] = [];
  private oldest = 0;
  private rxNext = 0;
  private rxTail = 0;
  private partial: number[] = [];
  private readonly owned = new Set<number>();
  private byte = 0;

  constructor(
    nic: Nic,
    private readonly options: DriverOptions,
  ) {
    this.nic = nic;
    this.take(nic);
    for (let i = 0; i < options.rxRing; i++) this.renew(i);
    const { txRing, rxRing, bufferCode } = options;
    for (const [register, value] of [
      [Reg.TDBAL, TX_RING],
      [Reg.TDLEN, txRing * 16],
      [Reg.RDBAL, RX_RING],
      [Reg.RDLEN, rxRing * 16],
      [Reg.TXDCTL, options.txdctl],
      [Reg.RXDCTL, options.rxdctl],
      [Reg.TIDV, options.tidv],
      [Reg.RDTR, options.rdtr],
      [Reg.TCTL, Tctl.EN | Tctl.PSP],
      [Reg.RCTL, Rctl.EN | Rctl.SECRC | (bufferCode << 16)],
    ])
      nic.set(register, value);
    this.give(rxRing - 1);
  }

  /** Goes on with another NIC. */
  take(nic: Nic): void {
    this.nic = nic;
    nic.bus.dma.refuse = (address, length, isWrite) => this.watch(address, length, isWrite);
  }

  /** Puts a packet into the ring if it has room. */
  send(packet: Packet): boolean {
    const { txRing } = this.options;
    this.clean();
    if (this.used + packet.pieces.length > txRing - 1) return false;
    const bytes: number[] = [];
    packet.pieces.forEach((length, i) => {
      const last = i === packet.pieces.length - 1;
      const at = TX_DATA + this.tail * TX_DATA_STEP;
      const data = Array.from({ length }, () => (this.byte = (this.byte * 5 + 7) & 0xff));
      this.nic.bus.memory.set(data, at);
      bytes.push(...data);
      const view = this.nic.descriptor(TX_RING, this.tail);
      view.setUint32(0, packet.unreachable && last ? HOLE : at, true);
      view.setUint32(4, 0, true);
      view.setUint32(8, packet.extended ? length | (1 << 20) : length, true);
      view.setUint32(12, 0, true);
      const end = last ? TxCmd.EOP | TxCmd.RS : 0;
      view.setUint8(11, TxCmd.IFCS | end | (packet.extended ? TxCmd.DEXT : 0));
      this.tail = (this.tail + 1) % txRing;
    });
    this.used += packet.pieces.length;
    this.inRing.push(packet.pieces.length);
    const lost = packet.unreachable && packet.pieces[packet.pieces.length - 1] > 0;
    if (bytes.length > 0 && !lost) {
      while (bytes.length < FRAME_MIN) bytes.push(0);
      this.expected.push(bytes);
    }
    this.nic.set(Reg.TDT, this.tail);
    return true;
  }

  /** Takes what has arrived out of the buffers and gives up to `count` of them back. */
  collect(count: number): void {
    const { rxRing } = this.options;
    for (;;) {
      const view = this.nic.descriptor(RX_RING, this.rxNext);
      const status = view.getUint8(12);
      if ((status & 1) === 0) break;
      const at = RX_DATA + this.rxNext * RX_DATA_STEP;
      this.partial.push(...this.nic.bus.memory.subarray(at, at + view.getUint16(8, true)));
      this.owned.delete(this.rxNext);
      this.renew(this.rxNext);
      if ((status & 2) !== 0) {
        this.received.push(this.partial);
        this.partial = [];
      }
      this.rxNext = (this.rxNext + 1) % rxRing;
    }
    const free = (this.rxNext - 1 - this.rxTail + 2 * rxRing) % rxRing;
    if (free > 0 && count > 0) this.give(Math.min(free, count));
  }

  private give(count: number): void {
    for (let i = 0; i < count; i++) this.owned.add((this.rxTail + i) % this.options.rxRing);
    this.rxTail = (this.rxTail + count) % this.options.rxRing;
    this.nic.set(Reg.RDT, this.rxTail);
  }

  private renew(index: number): void {
    const view = this.nic.descriptor(RX_RING, index);
    view.setUint32(0, RX_DATA + index * RX_DATA_STEP, true);
    for (const at of [4, 8, 12]) view.setUint32(at, 0, true);
  }

  /** Takes back the descriptors of packets whose last one has DD. */
  private clean(): void {
    const { txRing } = this.options;
    for (let count = this.inRing[0]; count !== undefined; count = this.inRing[0]) {
      const last = (this.oldest + count - 1) % txRing;
      if ((this.nic.descriptor(TX_RING, last).getUint8(12) & 1) === 0) return;
      this.inRing.shift();
      this.oldest = (this.oldest + count) % txRing;
      this.used -= count;
    }
  }

  /** Whether the device may do what it does, and whether its access succeeds. */
  private watch(address: number, length: number, isWrite: boolean): 'blocked' | 'master-abort' | undefined {
    const { txRing, rxRing, bufferCode } = this.options;
    if (!isWrite) return address >= HOLE && address < HOLE + TX_DATA_STEP ? 'blocked' : undefined;
    const within = (base: number, size: number): boolean =>
      address >= base && address + length <= base + size;
    if (within(TX_RING, txRing * 16) || within(RX_RING, rxRing * 16)) return undefined;
    const index = Math.floor((address - RX_DATA) / RX_DATA_STEP);
    const inBuffer = within(RX_DATA + index * RX_DATA_STEP, 2048 >> bufferCode);
    if (!inBuffer || !this.owned.has(index)) this.wrongs.push(`write of ${length} at ${address}`);
    if (this.refusals === 0) return undefined;
    this.refusals -= 1;
    this.refused += 1;
    return 'blocked';
  }
}
