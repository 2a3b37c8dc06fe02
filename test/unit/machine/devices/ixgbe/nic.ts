/** An 82599 on fake buses, each of its functions with memory of its own, so that a transaction of the wrong one is seen. */
import { Dmatxctl, Fctrl, Qdctl, Rxctrl, TxCmd } from '../../../../../src/machine/devices/ixgbe/bits';
import { Ixgbe } from '../../../../../src/machine/devices/ixgbe/ixgbe';
import { Reg } from '../../../../../src/machine/devices/ixgbe/offsets';
import {
  QueueReg,
  receiveBase,
  transmitBase,
} from '../../../../../src/machine/devices/ixgbe/queue-registers';
import { VfReg } from '../../../../../src/machine/devices/ixgbe/vf-registers';
import { CapabilityId, Command, Config } from '../../../../../src/machine/pci/config';
import type { PciFunction } from '../../../../../src/machine/pci/function';
import { FakeBus, World } from '../../fake-bus';
import { Recorder } from '../e1000/nic';

export const MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
export const TX_RING = 0x1000;
export const RX_RING = 0x2000;
export const TX_BUFFERS = 0x10000;
export const RX_BUFFERS = 0x40000;
export const RING = 16;
/** Requester IDs: of the physical function, and of the first virtual one. */
export const PHYSICAL = 0x18;
export const VIRTUAL = 0x100;
/** SRRCTL: buffers of 2 KiB, advanced descriptors with one buffer. */
export const ONE_BUFFER = (1 << 25) | 2;
/** DTYP of advanced descriptors, in the third word (7.2.3.2). */
export const Type = { context: 2 << 20, data: 3 << 20 } as const;
/** Offsets in the SR-IOV capability (PCI Express Base Specification 6.0, 9.3.3). */
const SRIOV = { id: 0x10, control: 0x08, numVfs: 0x10 } as const;
const VF_ENABLE_AND_MSE = 9;
const MESSAGE_ADDRESS = 0xfee00000;

/** A message that a function has sent. */
export interface Message {
  requester: number;
  data: number;
  time: number;
}

/** One function with its bus, its MSI-X and the queue that the tests use. */
export class Port {
  readonly messages: Message[] = [];

  constructor(
    readonly bus: FakeBus,
    readonly pci: PciFunction,
    requester: number,
    private readonly world: World,
    /** Bases of its queue's registers. */
    private readonly queue: { receive: number; transmit: number },
  ) {
    pci.place(requester, { barChanged: () => undefined, interruptChanged: () => undefined });
    pci.write(Config.Command, 2, Command.BusMaster | Command.MemorySpace);
  }

  get(offset: number): number {
    return this.pci.bars[0].block.read(offset, 4, 0);
  }

  set(offset: number, value: number): void {
    this.pci.bars[0].block.write(offset, 4, value >>> 0, 0);
  }

  /** Writes a register and waits until all that follows is done. */
  setAndWait(offset: number, value: number): void {
    this.set(offset, value);
    this.world.drain();
  }

  /** Turns MSI-X on; the data of a vector's message is its number. */
  useMessages(vectors: number): this {
    const [, table] = this.pci.bars;
    for (let vector = 0; vector < vectors; vector++)
      [MESSAGE_ADDRESS, 0, vector, 0].forEach((word, i) =>
        table.block.write(16 * vector + 4 * i, 4, word, 0),
      );
    let at = this.pci.read(Config.CapabilitiesPointer, 1);
    while (this.pci.read(at, 1) !== CapabilityId.msix) at = this.pci.read(at + 1, 1);
    this.pci.write(at + 2, 2, 0x8000);
    return this;
  }

  /** Programs one queue in each direction, and gives all but one of its receive descriptors to the device. */
  startQueue(srrctl = ONE_BUFFER, rxdctl = 0): this {
    const { receive, transmit } = this.queue;
    this.set(receive + QueueReg.baseLow, RX_RING);
    this.set(receive + QueueReg.length, RING * 16);
    this.set(receive + QueueReg.srrctl, srrctl);
    this.set(receive + QueueReg.control, Qdctl.ENABLE | rxdctl);
    for (let i = 0; i < RING; i++) this.renew(i);
    this.set(receive + QueueReg.tail, RING - 1);
    this.set(transmit + QueueReg.baseLow, TX_RING);
    this.set(transmit + QueueReg.length, RING * 16);
    this.set(transmit + QueueReg.control, Qdctl.ENABLE);
    this.world.drain();
    return this;
  }

  descriptor(ring: number, index: number): DataView {
    return new DataView(this.bus.memory.buffer, ring + index * 16, 16);
  }

  /** Gives a receive descriptor its buffer again. */
  renew(index: number): void {
    const view = this.descriptor(RX_RING, index);
    view.setUint32(0, RX_BUFFERS + index * 0x1000, true);
    for (const at of [4, 8, 12]) view.setUint32(at, 0, true);
  }

  /** Writes an advanced data descriptor and its data. */
  fill(
    index: number,
    data: Uint8Array,
    command: number = TxCmd.EOP | TxCmd.IFCS | TxCmd.RS,
    fourth = 0,
  ): void {
    const at = TX_BUFFERS + index * 0x1000;
    this.bus.memory.set(data, at);
    const view = this.descriptor(TX_RING, index);
    view.setUint32(0, at, true);
    view.setUint32(4, 0, true);
    view.setUint32(8, (((command | TxCmd.DEXT) << 24) | Type.data | data.length) >>> 0, true);
    view.setUint32(12, fourth >>> 0, true);
  }

  /** Sends what stands in the descriptors before a tail. */
  send(tail: number): void {
    this.setAndWait(this.queue.transmit + QueueReg.tail, tail);
  }

  /** One frame out of descriptor `index`. */
  sendFrame(index: number, frame: Uint8Array): void {
    this.fill(index, frame);
    this.send(index + 1);
  }

  /** What a receive descriptor says: status and errors, length, tag, and the first two words. */
  received(index: number) {
    const view = this.descriptor(RX_RING, index);
    const extended = view.getUint32(8, true);
    return {
      info: view.getUint32(0, true),
      hash: view.getUint32(4, true),
      status: extended & 0xfffff,
      errors: (extended & 0xfff00000) >>> 0,
      length: view.getUint16(12, true),
      tag: view.getUint16(14, true),
    };
  }

  /** The bytes of the frame in a receive buffer. */
  frame(index: number): Uint8Array {
    const at = RX_BUFFERS + index * 0x1000;
    return this.bus.memory.slice(at, at + this.received(index).length);
  }
}

/** The device with its wire. */
export class Nic {
  readonly world = new World();
  readonly device: Ixgbe;
  readonly wire = new Recorder();
  readonly pf: Port;
  readonly vfs: readonly Port[];

  constructor(vfs = 0, latency = 7) {
    const { world } = this;
    const makeBus = (name: string): FakeBus => {
      const bus = new FakeBus(world, name);
      bus.dma.latency = latency;
      return bus;
    };
    const bus = makeBus('ixgbe');
    const virtual = Array.from({ length: vfs }, (_, i) => makeBus(`ixgbe.vf${i}`));
    const sinks = [bus, ...virtual].map((each) => collect(each));
    this.device = new Ixgbe(bus, { mac: Uint8Array.from(MAC), virtual });
    const { device } = this;
    bus.plug(device);
    device.connect(this.wire);
    this.pf = new Port(bus, device.pci, PHYSICAL, world, {
      receive: receiveBase(0),
      transmit: transmitBase(0),
    });
    device.sriov?.route({ offset: VIRTUAL - PHYSICAL, stride: 1 });
    this.vfs = device.virtualFunctions.map((vf, i) => {
      virtual[i].plug(vf);
      return new Port(virtual[i], vf.pci, VIRTUAL + i, world, {
        receive: VfReg.RECEIVE,
        transmit: VfReg.TRANSMIT,
      });
    });
    [this.pf, ...this.vfs].forEach((port, i) => (sinks[i].messages = port.messages));
  }

  /** Turns the MAC's two directions on. */
  start(): this {
    const { pf } = this;
    pf.set(Reg.FCTRL, Fctrl.BAM);
    pf.set(Reg.DMATXCTL, (0x8100 << 16) | Dmatxctl.TE);
    pf.set(Reg.RXCTRL, Rxctrl.RXEN);
    return this;
  }

  /** A frame comes from the wire, and all that follows is done. */
  receive(frame: Uint8Array): void {
    this.device.receive(frame);
    this.world.drain();
  }

  /** Puts VFs on the bus, by the physical function's capability. */
  enableVfs(count: number): this {
    const { pci } = this.pf;
    let at = 0x100;
    while ((pci.read(at, 4) & 0xffff) !== SRIOV.id) at = pci.read(at, 4) >>> 20;
    pci.write(at + SRIOV.numVfs, 2, count);
    pci.write(at + SRIOV.control, 2, VF_ENABLE_AND_MSE);
    return this;
  }
}

/** Messages of a bus, as soon as there is somebody to keep them. */
function collect(bus: FakeBus): { messages: Message[] } {
  const sink: { messages: Message[] } = { messages: [] };
  bus.msi.send = (requester, _address, data) => void sink.messages.push({ requester, data, time: bus.now() });
  return sink;
}

/** A frame from a station to another, of an experiment's type (IEEE 802), filled with a byte. */
export function frameOf(
  to: readonly number[],
  from: readonly number[],
  length = 64,
  fill = 0xa5,
): Uint8Array {
  const frame = new Uint8Array(length).fill(fill);
  frame.set(to);
  frame.set(from, 6);
  frame.set([0x88, 0xb5], 12);
  return frame;
}

/** The frame with an 802.1Q tag. */
export function taggedFrame(frame: Uint8Array, control: number): Uint8Array {
  return Uint8Array.of(
    ...frame.subarray(0, 12),
    0x81,
    0,
    control >> 8,
    control & 0xff,
    ...frame.subarray(12),
  );
}
