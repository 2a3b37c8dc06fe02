/** An e1000 with rings set up as a driver would, on a fake bus. */
import { NO_CPU, type AccessSize } from '../../../../../src/machine/bus';
import { E1000, type E1000Options } from '../../../../../src/machine/devices/e1000/e1000';
import { Rctl, Reg, Tctl } from '../../../../../src/machine/devices/e1000/constants';
import type { Wire } from '../../../../../src/machine/link/wire';
import { Command, Config } from '../../../../../src/machine/pci/config';
import { FakeBus, World } from '../../fake-bus';

export const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
export const TX_RING = 0x1000;
export const RX_RING = 0x2000;
export const TX_BUFFERS = 0x10000;
export const RX_BUFFERS = 0x40000;
export const RING = 8;
/** The receiver as `Nic.start` turns it on. */
export const RX_ON = Rctl.EN | Rctl.BAM | Rctl.SECRC;
/** Times of a DMA transaction that what a device does must not depend on: none, short, longer than a frame on the wire. */
export const LATENCIES = [0, 7, 5000] as const;

/** Bytes 6.. of a frame: source, type, then `fill`. */
export function frameTo(destination: Uint8Array | readonly number[], length = 64, fill = 0xa5): Uint8Array {
  const frame = new Uint8Array(length).fill(fill);
  frame.set(destination);
  frame.set([0x02, 0, 0, 0, 0, 9, 0x08, 0x00], 6);
  return frame;
}

/** Keeps frames that were handed to the wire. */
export class Recorder implements Wire {
  frames: Uint8Array[] = [];
  wait = 0;
  /** How often the NIC said that it has room again. */
  rooms = 0;
  send(frame: Uint8Array): void {
    this.frames.push(frame);
  }
  roomIn(): number {
    return this.wait;
  }
  onRoom(): void {
    this.rooms += 1;
  }
}

/** Options of a `Nic`, and the cycles of its DMA. */
export type NicOptions = Partial<E1000Options> & { latency?: number };

export class Nic {
  readonly world: World;
  readonly bus: FakeBus;
  readonly device: E1000;
  readonly wire = new Recorder();

  constructor({ latency = 0, ...options }: NicOptions = {}, world = new World(), id = 'e1000') {
    this.world = world;
    this.bus = new FakeBus(world, id);
    this.bus.dma.latency = latency;
    this.device = new E1000(this.bus, { mac: MAC, ...options });
    this.bus.plug(this.device);
    this.device.connect(this.wire);
    this.setBusMaster(true);
  }

  setBusMaster(on: boolean): void {
    this.device.pci.write(Config.Command, 2, on ? Command.BusMaster | Command.MemorySpace : 0);
  }

  get(register: number): number {
    return this.device.read(register, 4);
  }

  set(register: number, value: number): void {
    this.device.write(register, 4, value >>> 0);
  }

  /** Writes a register and waits until all that follows is done: timers too. */
  setAndWait(register: number, value: number): void {
    this.set(register, value);
    this.world.drain();
  }

  /** A frame comes, and all that follows is done. */
  receive(frame: Uint8Array): void {
    this.device.receive(frame);
    this.world.drain();
  }

  /** Programs both rings; the receive ring gets `given` descriptors. */
  start(given = RING - 1, rctl: number = RX_ON): this {
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
    this.world.drain();
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

  /** What a receive buffer holds. */
  buffer(index: number, length: number): Uint8Array {
    return this.bus.memory.slice(RX_BUFFERS + index * 0x1000, RX_BUFFERS + index * 0x1000 + length);
  }

  /** Length, status and errors of a receive descriptor as written back. */
  writtenBack(index: number): [length: number, status: number, errors: number] {
    const view = this.descriptor(RX_RING, index);
    return [view.getUint16(8, true), view.getUint8(12), view.getUint8(13)];
  }
}

/** An access of BAR 1, by nobody. */
export function io(nic: Nic): {
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
} {
  const { ioBlock } = nic.device;
  return {
    read: (offset, size) => ioBlock.read(offset, size, NO_CPU),
    write: (offset, size, value) => ioBlock.write(offset, size, value, NO_CPU),
  };
}
