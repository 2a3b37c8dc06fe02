/** A disk of virtio on a fake bus, and a driver that lays its requests out in any way (5.2, 2.6.4). */
import { VirtioBlk } from '../../../../../../src/machine/devices/virtio/blk/blk';
import type { VirtioBlkOptions } from '../../../../../../src/machine/devices/virtio/blk/medium';
import { VirtioDevice } from '../../../../../../src/machine/devices/virtio/device';
import { Feature } from '../../../../../../src/machine/devices/virtio/features';
import { createVirtqueue } from '../../../../../../src/machine/devices/virtio/queue/queue';
import {
  PackedDriver,
  SplitDriver,
  type DriverBuffer,
  type DriverRing,
  type Part,
} from '../../../../../support/virtio/driver-rings';
import { World } from '../../../fake-bus';
import { MessageBus, onPci } from '../fakes';
import { bits, common, enableMsix, structure } from '../pci-driver';

/** Feature bits of the block device, by the specification. */
export const F = {
  SIZE_MAX: 1,
  SEG_MAX: 2,
  RO: 5,
  BLK_SIZE: 6,
  FLUSH: 9,
  TOPOLOGY: 10,
  CONFIG_WCE: 11,
  MQ: 12,
  DISCARD: 13,
  WRITE_ZEROES: 14,
} as const;
export const T = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;
export const S = { OK: 0, IOERR: 1, UNSUPP: 2, NONE: 0xee } as const;
export const SECTOR = 512;

/** What the disk is made with, and what is negotiated. */
export interface Setup extends Partial<VirtioBlkOptions> {
  packed?: boolean;
  eventIdx?: boolean;
  indirect?: boolean;
  inOrder?: boolean;
  ring?: number;
  /** Of the type; absent: all that are offered. */
  features?: readonly number[];
}

/** A request as the driver gives it. */
export interface Request {
  type: number;
  sector?: number | bigint;
  /** Behind the header. */
  data?: Uint8Array;
  /** Bytes before the status. */
  room?: number;
  /** Where the two streams of bytes are cut into descriptors; absent: header, data and status each have one. */
  cuts?: { readable: number[]; writable: number[] };
  as?: DriverBuffer['as'];
}

/** What has come back of one. */
export interface Ended {
  queue: number;
  token: number;
  status: number;
  written: number;
  data: Uint8Array;
}

/** Where a request lies in memory. */
interface Placed {
  slot: number;
  writable: Part[];
}

export const USUAL: VirtioBlkOptions = {
  size: 2 ** 20,
  blockSize: 512,
  queues: 1,
  readOnly: false,
  serial: 'TL-test',
  timing: { readNanoseconds: 100, writeNanoseconds: 200, flushNanoseconds: 400 },
};

const RINGS = 0x1000;
const RING_BYTES = 0x8000;
const DATA = 0x40000;
/** A gap between two parts, so that whoever goes beyond one is found. */
const GAP = 3;
const HEADER = 16;
/** What memory for the device's data is filled with. */
export const UNTOUCHED = 0xee;

/** The rings and the requests of all queues, as plain data. */
type Requests = Map<number, Placed>[];

export class BlkDriver {
  readonly world: World;
  readonly bus: MessageBus;
  readonly setup: Setup;
  readonly pci: ReturnType<typeof onPci>['pci'];
  readonly fn: ReturnType<typeof onPci>['fn'];
  rings: DriverRing[] = [];
  placed: Requests = [];
  /** Bytes of memory for one request. */
  slotBytes = 0x8000;

  constructor(setup: Setup = {}, world = new World()) {
    this.world = world;
    this.setup = setup;
    this.bus = new MessageBus(world, 'virtio-blk');
    const options: VirtioBlkOptions = { ...USUAL, ...setup };
    const device = new VirtioDevice({
      control: this.bus,
      type: (host) => new VirtioBlk(host, options),
      queue: createVirtqueue,
      options: { inOrder: setup.inOrder ?? false },
    });
    const m = onPci({ device, bus: this.bus });
    this.pci = m.pci;
    this.fn = m.fn;
    this.makeRings();
  }

  get queues(): number {
    return this.setup.queues ?? 1;
  }

  get size(): number {
    return this.setup.ring ?? 64;
  }

  cfg() {
    return common(this.fn);
  }

  /** The device's own configuration. */
  config() {
    return structure(this.fn, 4);
  }

  /** What is negotiated. */
  features(): bigint {
    const { packed, eventIdx, indirect, inOrder, features } = this.setup;
    const ofType = features ?? Object.values(F);
    return (
      bits(
        Feature.VERSION_1,
        Feature.RING_RESET,
        ...ofType,
        ...(packed ? [Feature.RING_PACKED] : []),
        ...(eventIdx ? [Feature.EVENT_IDX] : []),
        ...(indirect ? [Feature.INDIRECT_DESC] : []),
        ...(inOrder ? [Feature.IN_ORDER] : []),
      ) & this.cfg().offered()
    );
  }

  /** From a reset to DRIVER_OK. */
  start(): this {
    const cfg = this.cfg();
    enableMsix(this.fn);
    cfg.set('status', 0);
    this.world.drain();
    this.bus.memory.fill(0, RINGS, DATA);
    this.makeRings();
    if (!cfg.negotiate(this.features())) throw new Error('the features were refused');
    this.rings.forEach((ring, queue) => {
      const { descriptors, driver, device } = ring.layout;
      cfg.set('queueSelect', queue);
      cfg.set('queueSize', this.size);
      cfg.set('queueVector', queue + 1);
      cfg.set('desc', descriptors);
      cfg.set('driver', driver);
      cfg.set('device', device);
      cfg.set('queueEnable', 1);
      ring.enableNotifications();
    });
    cfg.set('status', 15);
    this.world.drain();
    return this;
  }

  /** Adds a request; undefined when there is no room. The device does not know of it. */
  put(queue: number, request: Request): number | undefined {
    const { type, sector = 0, data = new Uint8Array(0), room = 0 } = request;
    const stream = new Uint8Array(HEADER + data.length);
    const view = new DataView(stream.buffer);
    view.setUint32(0, type, true);
    view.setBigUint64(8, BigInt(sector), true);
    stream.set(data, HEADER);
    const cuts = request.cuts ?? { readable: [HEADER], writable: [room] };
    return this.putRaw(queue, stream, room + 1, cuts, request.as);
  }

  /** The same for any bytes that the device reads, and so much room. */
  putRaw(
    queue: number,
    stream: Uint8Array,
    room: number,
    cuts: { readable: number[]; writable: number[] } = { readable: [], writable: [] },
    as?: DriverBuffer['as'],
  ): number | undefined {
    const slot = this.freeSlot();
    if (slot === undefined) return undefined;
    const at = DATA + slot * this.slotBytes;
    const readable = partsAt(at, stream.length, cuts.readable);
    const writable = partsAt(
      (readable.at(-1)?.address ?? at) + (readable.at(-1)?.length ?? 0) + GAP,
      room,
      cuts.writable,
    );
    const { memory } = this.bus;
    const end = (writable.at(-1)?.address ?? at) + (writable.at(-1)?.length ?? 0);
    if (end > at + this.slotBytes) throw new Error('no room for the request');
    memory.fill(UNTOUCHED, at, at + this.slotBytes);
    let done = 0;
    for (const { address, length } of readable) {
      memory.set(stream.subarray(done, done + length), address);
      done += length;
    }
    const token = this.rings[queue].add({ readable, writable, as: this.setup.indirect ? as : 'chain' });
    if (token !== undefined) this.placed[queue].set(token, { slot, writable });
    return token;
  }

  /** Shows the device what was put, and notifies it where it wants that. */
  publish(queue: number): void {
    const ring = this.rings[queue];
    ring.publish();
    if (ring.needsKick()) structure(this.fn, 2).write(queue * 4, 2, queue);
  }

  submit(queue: number, request: Request): number {
    const token = this.put(queue, request);
    if (token === undefined) throw new Error('no room for a request');
    this.publish(queue);
    return token;
  }

  /** A request by itself, to its end. */
  run(request: Request, queue = 0): Ended {
    const token = this.submit(queue, request);
    this.world.drain();
    const [ended, ...more] = this.collect();
    if (ended?.token !== token || more.length > 0) throw new Error('the request has not come back');
    return ended;
  }

  /** What has come back. */
  collect(): Ended[] {
    return this.rings.flatMap((ring, queue) => {
      const all: Ended[] = [];
      for (let used = ring.reap(); used; used = ring.reap()) all.push(this.ended(queue, used));
      // It wants to hear of the next one.
      ring.enableNotifications();
      return all;
    });
  }

  /** The bytes of memory that belong to no request, nor to a ring, are as they were. */
  gapsUntouched({ writable }: Placed): boolean {
    const { memory } = this.bus;
    return writable.every(({ address, length }) =>
      memory.subarray(address + length, address + length + GAP).every((byte) => byte === UNTOUCHED),
    );
  }

  checkpoint() {
    const { world, bus, pci, fn, rings, placed } = this;
    return structuredClone({
      world: world.save(),
      pending: bus.dma.pending,
      memory: bus.memory,
      line: bus.line,
      pci: pci.save(),
      fn: fn.save(),
      rings: rings.map(({ state }) => state),
      placed,
    });
  }

  /** Goes back to where it was. */
  rewind(saved: ReturnType<BlkDriver['checkpoint']>): void {
    const { world, pending, memory, pci, fn, line } = structuredClone(saved);
    this.world.load(world);
    this.bus.dma.pending = pending;
    this.bus.memory.set(memory);
    this.bus.line = line;
    this.fn.load(fn);
    this.pci.load(pci);
    this.inherit(saved);
  }

  /** A device on another host goes on, whose transactions begin anew. */
  moved(setup = this.setup): BlkDriver {
    const saved = this.checkpoint();
    const next = new BlkDriver(setup);
    next.slotBytes = this.slotBytes;
    next.bus.memory.set(saved.memory);
    next.bus.dma.latency = this.bus.dma.latency;
    next.fn.adopt(saved.fn.hardware);
    next.pci.adopt(saved.pci.hardware);
    next.inherit(saved);
    return next;
  }

  /** The driver's own state, which moves with the memory. */
  private inherit(saved: Pick<ReturnType<BlkDriver['checkpoint']>, 'rings' | 'placed'>): void {
    const { rings, placed } = structuredClone(saved);
    this.rings.forEach((ring, i) => (ring.state = rings[i]));
    this.placed = placed;
  }

  private makeRings(): void {
    const { packed, eventIdx, inOrder } = this.setup;
    this.rings = Array.from({ length: this.queues }, (_, queue) => {
      const base = RINGS + queue * RING_BYTES;
      const options = { memory: this.bus.memory, base, size: this.size, eventIdx, inOrder };
      return packed ? new PackedDriver(options) : new SplitDriver(options);
    });
    this.placed = this.rings.map(() => new Map<number, Placed>());
  }

  private freeSlot(): number | undefined {
    const taken = new Set(this.placed.flatMap((each) => [...each.values()].map(({ slot }) => slot)));
    const slots = Math.floor((this.bus.memory.length - DATA) / this.slotBytes);
    return Array.from({ length: slots }, (_, i) => i).find((slot) => !taken.has(slot));
  }

  private ended(queue: number, { token, written }: { token: number; written: number }): Ended {
    const placed = this.placed[queue].get(token);
    if (!placed) throw new Error(`request ${token} came back twice`);
    if (!this.gapsUntouched(placed)) throw new Error(`request ${token}: written outside its parts`);
    this.placed[queue].delete(token);
    const { memory } = this.bus;
    const bytes = placed.writable.flatMap(({ address, length }) => [
      ...memory.subarray(address, address + length),
    ]);
    return {
      queue,
      token,
      written,
      status: bytes.at(-1) ?? S.NONE,
      data: Uint8Array.from(bytes.slice(0, -1)),
    };
  }
}

/** Bytes at an address, cut into parts with gaps between. Cuts that are none are left out. */
function partsAt(address: number, length: number, cuts: readonly number[]): Part[] {
  const places = [...new Set(cuts.filter((cut) => cut > 0 && cut < length))].sort((a, b) => a - b);
  const ends = length > 0 ? [...places, length] : [];
  let begin = 0;
  let at = address;
  return ends.map((end) => {
    const part = { address: at, length: end - begin };
    at += part.length + GAP;
    begin = end;
    return part;
  });
}

/** Ranges for DISCARD and WRITE_ZEROES. */
export function ranges(...all: { sector: number | bigint; sectors: number; flags?: number }[]): Uint8Array {
  const bytes = new Uint8Array(16 * all.length);
  const view = new DataView(bytes.buffer);
  all.forEach(({ sector, sectors, flags = 0 }, i) => {
    view.setBigUint64(16 * i, BigInt(sector), true);
    view.setUint32(16 * i + 8, sectors, true);
    view.setUint32(16 * i + 12, flags, true);
  });
  return bytes;
}

/** Sectors of bytes that tell where they are from. */
export function sectorsOf(count: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: count * SECTOR }, (_, i) => (i * 13 + (i >> 9) * 7 + seed) & 0xff);
}
