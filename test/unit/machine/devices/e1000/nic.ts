/** An e1000 with rings set up as a driver would, on a fake bus. */
import { E1000, type E1000Options } from '../../../../../src/machine/devices/e1000/e1000';
import { Rctl, Reg, Tctl } from '../../../../../src/machine/devices/e1000/constants';
import { FakeBus, World } from '../../fake-bus';

export const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
export const TX_RING = 0x1000;
export const RX_RING = 0x2000;
export const TX_BUFFERS = 0x10000;
export const RX_BUFFERS = 0x40000;
export const RING = 8;

/** Bytes 6.. of a frame: source, type, then `fill`. */
export function frameTo(destination: Uint8Array | readonly number[], length = 64, fill = 0xa5): Uint8Array {
  const frame = new Uint8Array(length).fill(fill);
  frame.set(destination);
  frame.set([0x02, 0, 0, 0, 0, 9, 0x08, 0x00], 6);
  return frame;
}

/** Frames that were handed to the wire. */
export class Recorder {
  frames: Uint8Array[] = [];
  wait = 0;
  send(frame: Uint8Array): void {
    this.frames.push(frame);
  }
  roomIn(): number {
    return this.wait;
  }
}

export class Nic {
  readonly world: World;
  readonly bus: FakeBus;
  readonly device: E1000;
  readonly wire = new Recorder();

  constructor(options: Partial<E1000Options> = {}, world = new World()) {
    this.world = world;
    this.bus = new FakeBus(world, 'e1000');
    this.device = new E1000(this.bus, { mac: MAC, ...options });
    this.bus.onTimer = (kind, arg) => this.device.onEvent(kind, arg);
    this.device.connect(this.wire);
  }

  get(register: number): number {
    return this.device.read(register, 4);
  }

  set(register: number, value: number): void {
    this.device.write(register, 4, value);
  }

  /** Programs both rings; the receive ring gets `given` descriptors. */
  start(given = RING - 1, rctl: number = Rctl.EN | Rctl.BAM | Rctl.SECRC): this {
    this.get(Reg.ICR);
    this.set(Reg.TDBAL, TX_RING);
    this.set(Reg.TDLEN, RING * 16);
    this.set(Reg.TDH, 0);
    this.set(Reg.TDT, 0);
    this.set(Reg.TCTL, Tctl.EN | Tctl.PSP);
    this.set(Reg.RDBAL, RX_RING);
    this.set(Reg.RDLEN, RING * 16);
    this.set(Reg.RDH, 0);
    for (let i = 0; i < RING; i++) this.descriptor(RX_RING, i).setUint32(0, RX_BUFFERS + i * 0x1000, true);
    this.set(Reg.RDT, given);
    this.set(Reg.RCTL, rctl);
    return this;
  }

  descriptor(ring: number, index: number): DataView {
    return new DataView(this.bus.memory.buffer, ring + index * 16, 16);
  }

  /** Writes a transmit descriptor and its data. */
  fill(index: number, data: Uint8Array, command: number): void {
    const at = TX_BUFFERS + index * 0x1000;
    this.bus.memory.set(data, at);
    const view = this.descriptor(TX_RING, index);
    view.setUint32(0, at, true);
    view.setUint32(4, 0, true);
    view.setUint32(8, 0, true);
    view.setUint32(12, 0, true);
    view.setUint16(8, data.length, true);
    view.setUint8(11, command);
  }
}
