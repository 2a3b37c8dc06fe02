/** Virtio devices that do what their type is for, over split and packed queues: frames, bytes of the console, random numbers. */
import { Feature } from '../../../src/machine/devices/virtio/features';
import { Bar, Common, NOTIFY_MULTIPLIER, Structure } from '../../../src/machine/devices/virtio/pci/layout';
import type { HostileBoard } from '../../conformance/device-fuzz/board';
import type { Dice } from '../../conformance/device-fuzz/dice';
import type { Guest } from '../../conformance/device-fuzz/guest';
import { PackedDriver, SplitDriver, type DriverOptions } from '../../support/virtio/driver-rings';
import { hex, type MakeSession, type Session } from './session';

const RINGS = 0x10000;
const RING_BYTES = 0x8000;
const BUFFERS = 0x40000;
const BUFFER = 2048;
const SIZE = 8;
/** Buffers of a session, in each direction. */
const WORK = 40;
const HEADER = 12;
const NO_BYTES = new Uint8Array(0);
const SECTOR = 512;
/** Types of a request to a disk (5.2.6). */
const Request = { read: 0, write: 1 } as const;
const MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const Status = { ready: 3, featuresOk: 8, driverOk: 4 } as const;

/** Queues of a device, on whichever board it is now. */
class Queues {
  private board: HostileBoard;
  private readonly rings: (SplitDriver | PackedDriver)[] = [];
  private readonly packed: boolean;
  private readonly eventIdx: boolean;
  /** The buffer of each token, and where in it the device writes. */
  private readonly buffers: Map<number, { address: number; written: number }>[] = [];
  private readonly free: number[][] = [];

  constructor(
    private readonly guest: Guest,
    dice: Dice,
  ) {
    this.board = guest.board;
    this.packed = dice.oneIn(2);
    this.eventIdx = dice.oneIn(2);
  }

  /** As a driver does it that wants these queues. */
  start(indices: readonly number[]): void {
    const features: number[] = [Feature.VERSION_1, ...(this.packed ? [Feature.RING_PACKED] : [])];
    if (this.eventIdx) features.push(Feature.EVENT_IDX);
    this.set(Common.DEVICE_STATUS, 0, 1);
    this.set(Common.DEVICE_STATUS, Status.ready, 1);
    for (const word of [0, 1]) {
      const bits = features.filter((bit) => bit >> 5 === word).reduce((sum, bit) => sum + 2 ** (bit & 31), 0);
      this.set(Common.DRIVER_FEATURE_SELECT, word, 4);
      this.set(Common.DRIVER_FEATURE, bits, 4);
    }
    this.set(Common.DEVICE_STATUS, Status.ready | Status.featuresOk, 1);
    for (const queue of indices) {
      const ring = this.make(queue);
      this.rings[queue] = ring;
      this.buffers[queue] = new Map();
      this.free[queue] = Array.from({ length: SIZE }, (_, i) => BUFFERS + BUFFER * (SIZE * queue + i));
      const { descriptors, driver, device } = ring.layout;
      this.set(Common.QUEUE_SELECT, queue, 2);
      this.set(Common.QUEUE_SIZE, SIZE, 2);
      [descriptors, driver, device].forEach((at, i) => this.set(Common.QUEUE_DESC + 8 * i, at, 4));
      this.set(Common.QUEUE_ENABLE, 1, 2);
    }
    this.set(Common.DEVICE_STATUS, Status.ready | Status.featuresOk | Status.driverOk, 1);
  }

  /** Adds a buffer with these bytes for the device, or room for what comes; false when there is no place. */
  add(queue: number, bytes: Uint8Array | number): boolean {
    return typeof bytes === 'number' ? this.request(queue, NO_BYTES, bytes) : this.request(queue, bytes, 0);
  }

  /** The same with both: a question and room for its answer, each of half a buffer at most. */
  request(queue: number, bytes: Uint8Array, room: number): boolean {
    const [address] = this.free[queue];
    if (address === undefined) return false;
    const written = bytes.length > 0 ? address + BUFFER / 2 : address;
    const token = this.ring(queue).add({
      readable: bytes.length > 0 ? [{ address, length: bytes.length }] : [],
      writable: room > 0 ? [{ address: written, length: room }] : [],
    });
    if (token === undefined) return false;
    this.guest.board.ram.set(bytes, address);
    this.free[queue].shift();
    this.buffers[queue].set(token, { address, written });
    const ring = this.ring(queue);
    ring.publish();
    if (ring.needsKick()) this.guest.set(Bar.modern, Structure.notify + NOTIFY_MULTIPLIER * queue, queue, 2);
    return true;
  }

  /** The bytes of the next used buffer; none of one that the device read. */
  reap(queue: number): Uint8Array | undefined {
    const used = this.ring(queue).reap();
    if (!used) return undefined;
    const buffer = this.buffers[queue].get(used.token);
    if (buffer === undefined) throw new Error(`queue ${queue} returned what it had not`);
    this.buffers[queue].delete(used.token);
    this.free[queue].push(buffer.address);
    return this.guest.board.ram.slice(buffer.written, buffer.written + used.written);
  }

  /** The ring over the memory of the board that is there now. */
  private ring(queue: number): SplitDriver | PackedDriver {
    if (this.board !== this.guest.board) {
      this.board = this.guest.board;
      this.rings.forEach((old, index) => {
        const ring = this.make(index);
        Object.assign(ring, { state: old.state });
        this.rings[index] = ring;
      });
    }
    return this.rings[queue];
  }

  private make(queue: number): SplitDriver | PackedDriver {
    const options: DriverOptions = {
      memory: this.guest.board.ram,
      base: RINGS + RING_BYTES * queue,
      size: SIZE,
      eventIdx: this.eventIdx,
    };
    return this.packed ? new PackedDriver(options) : new SplitDriver(options);
  }

  private set(at: number, value: number, size: 1 | 2 | 4): void {
    this.guest.set(Bar.modern, Structure.common + at, value, size);
  }
}

export const netSession: MakeSession = (guest, dice, outside): Session => {
  const frame = (): Uint8Array => {
    const bytes = dice.bytes(60 + dice.below(1400));
    bytes.set(MAC);
    return bytes;
  };
  const [outgoing, incoming] = [0, 1].map(() => Array.from({ length: WORK }, frame));
  const queues = new Queues(guest, dice);
  const results: string[] = [];
  let [sent, freed, arrived] = [0, 0, 0];
  const fill = (): void => {
    while (queues.add(0, BUFFER));
  };
  return {
    start: () => {
      queues.start([0, 1]);
      fill();
    },
    poll: () => {
      while (queues.reap(1)) freed += 1;
      while (sent < WORK && queues.add(1, Buffer.concat([new Uint8Array(HEADER), outgoing[sent]]))) sent += 1;
      const port = guest.board.device?.network;
      const wanted = arrived < WORK && arrived - results.length < SIZE / 2;
      if (wanted && port?.canReceive(incoming[arrived].length)) port.receive(incoming[arrived++]);
      for (let each = queues.reap(0); each; each = queues.reap(0)) results.push(hex(each.subarray(HEADER)));
      fill();
    },
    get done() {
      const sentAll = hex(Buffer.concat(outside.frames)) === hex(Buffer.concat(outgoing));
      return sentAll && freed === WORK && results.join() === incoming.map(hex).join();
    },
    results,
  };
};

export const consoleSession: MakeSession = (guest, dice, outside) => {
  const texts = Array.from({ length: WORK }, () => dice.bytes(1 + dice.below(200)));
  const queues = new Queues(guest, dice);
  let [sent, freed] = [0, 0];
  return {
    start: () => queues.start([0, 1]),
    poll: () => {
      while (queues.reap(1)) freed += 1;
      while (sent < WORK && queues.add(1, texts[sent])) sent += 1;
    },
    get done() {
      return freed === WORK && hex(Uint8Array.from(outside.serial)) === hex(Buffer.concat(texts));
    },
    results: [],
  };
};

export const rngSession: MakeSession = (guest, dice) => {
  const lengths = Array.from({ length: WORK }, () => 1 + dice.below(300));
  const queues = new Queues(guest, dice);
  const results: string[] = [];
  let asked = 0;
  return {
    start: () => queues.start([0]),
    poll: () => {
      for (let each = queues.reap(0); each; each = queues.reap(0)) results.push(hex(each));
      while (asked < WORK && queues.add(0, lengths[asked])) asked += 1;
    },
    get done() {
      return results.length === WORK;
    },
    results,
  };
};

/** Sectors are written in an order of chance, and read back when all of them are on the disk. */
export const blkSession: MakeSession = (guest, dice) => {
  const contents = Array.from({ length: WORK / 2 }, () => dice.bytes(SECTOR));
  const queues = new Queues(guest, dice);
  const results: string[] = [];
  const header = (type: number, sector: number): Uint8Array => {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, type, true);
    view.setUint32(8, sector, true);
    return bytes;
  };
  let [written, onDisk, asked] = [0, 0, 0];
  return {
    start: () => queues.start([0]),
    poll: () => {
      for (let each = queues.reap(0); each; each = queues.reap(0)) {
        // Whole sectors with their status come back of the reads, the status alone of the writes.
        if (onDisk < contents.length) onDisk += 1;
        else results.push(hex(each));
      }
      while (written < contents.length) {
        const bytes = Buffer.concat([header(Request.write, written), contents[written]]);
        if (!queues.request(0, bytes, 1)) break;
        written += 1;
      }
      if (onDisk < contents.length) return;
      while (asked < contents.length && queues.request(0, header(Request.read, asked), SECTOR + 1))
        asked += 1;
    },
    get done() {
      // Reads may overtake each other.
      const wanted = contents.map((bytes) => hex(bytes) + '00');
      return [...results].sort().join() === wanted.sort().join();
    },
    results,
  };
};
