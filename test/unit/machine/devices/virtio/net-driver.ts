/** A driver of the network device, on PCI in a world of its own: rings, buffers, commands, and a wire that can be busy. */
import { expect } from 'vitest';
import { VirtioDevice } from '../../../../../src/machine/devices/virtio/device';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import { VirtioNet, type VirtioNetOptions } from '../../../../../src/machine/devices/virtio/net/net';
import type { Interfaces } from '../../../../../src/machine/devices/virtio/options';
import { createVirtqueue } from '../../../../../src/machine/devices/virtio/queue/queue';
import type { Wire } from '../../../../../src/machine/link/wire';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import {
  PackedDriver,
  SplitDriver,
  type DriverRing,
  type Part,
} from '../../../../support/virtio/driver-rings';
import { World } from '../../fake-bus';
import { MessageBus, onPci } from './fakes';
import { barAccess, bits, common, structure } from './pci-driver';

/** Feature bits of the type (5.1.3), by the specification's names. */
export const F = {
  CSUM: 0,
  GUEST_CSUM: 1,
  MTU: 3,
  MAC: 5,
  HOST_TSO4: 11,
  HOST_TSO6: 12,
  HOST_ECN: 13,
  MRG_RXBUF: 15,
  STATUS: 16,
  CTRL_VQ: 17,
  CTRL_RX: 18,
  CTRL_VLAN: 19,
  CTRL_RX_EXTRA: 20,
  MQ: 22,
  CTRL_MAC_ADDR: 23,
} as const;
export const OK = 0;
export const ERROR = 1;
export const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
export const NET: VirtioNetOptions = {
  mac: MAC,
  pairs: 1,
  batch: 1,
  offloads: true,
  mergeable: true,
  mtu: 1500,
};
export const SIZE = 16;
/** A legacy driver takes the size that the device has. */
const LEGACY_SIZE = 256;
const RING_BYTES = 0x3000;
const RINGS = 0x1000;
const LEGACY_RING_BYTES = 0x18000;
/** What a driver has for buffers: used from the beginning again when it has come to the end. */
const BUFFERS = { from: 0x90000, to: 0x100000 };

/** A network that remembers what was sent, and is busy for some time with each frame. */
export class FakeWire implements Wire {
  sent: { frame: Uint8Array; packet: number }[] = [];
  /** Cycles that each frame keeps it busy. */
  perFrame = 0;
  busyUntil = 0;
  /** How often it was told that there is room. */
  rooms = 0;

  constructor(private readonly world: World) {}

  send(frame: Uint8Array, packet: number): void {
    this.sent.push({ frame, packet });
    this.busyUntil = Math.max(this.busyUntil, this.world.time) + this.perFrame;
  }

  roomIn(): number {
    return Math.max(0, this.busyUntil - this.world.time);
  }

  onRoom(): void {
    this.rooms += 1;
  }
}

/** How a bench is set up. */
export interface NetBenchOptions {
  net?: Partial<VirtioNetOptions>;
  interfaces?: Interfaces;
  packed?: boolean;
  eventIdx?: boolean;
  /** Features of the type. */
  features?: readonly number[];
  /** Through the legacy registers. */
  legacy?: boolean;
  /** Nothing is plugged in. */
  noWire?: boolean;
  /** Queues that are set up before DRIVER_OK; absent: all of the device. */
  queues?: readonly number[];
}

/** A packet that the driver has received: its header, the frame, and the buffers that it lay in. */
export interface Received {
  header: DataView;
  frame: Uint8Array;
  lengths: number[];
}

/** Device, driver and wire. */
export class NetBench {
  readonly world = new World();
  readonly bus = new MessageBus(this.world, 'net');
  readonly wire = new FakeWire(this.world);
  readonly type: VirtioNet;
  readonly device: VirtioDevice;
  readonly m;
  readonly rings = new Map<number, DriverRing>();
  /** Plain data of the driver's. */
  state = {
    next: BUFFERS.from,
    /** Parts of a buffer, by queue and token. */
    buffers: new Map<string, Part[]>(),
  };

  constructor(readonly options: NetBenchOptions = {}) {
    const types: VirtioNet[] = [];
    const { legacy = false } = options;
    this.device = new VirtioDevice({
      control: this.bus,
      type: (host) => {
        const type = new VirtioNet(host, { ...NET, ...options.net });
        types.push(type);
        return type;
      },
      queue: createVirtqueue,
      options: { interfaces: options.interfaces ?? (legacy ? 'transitional' : 'modern') },
    });
    [this.type] = types;
    this.m = onPci({ device: this.device, bus: this.bus, world: this.world });
    if (!options.noWire) this.type.connect(this.wire);
  }

  get memory(): Uint8Array {
    return this.bus.memory;
  }

  get headerBytes(): number {
    return this.options.legacy && !this.features.includes(F.MRG_RXBUF) ? 10 : 12;
  }

  get features(): readonly number[] {
    return this.options.features ?? [];
  }

  get controlIndex(): number {
    return this.features.includes(F.MQ) ? 2 * (this.options.net?.pairs ?? 1) : 2;
  }

  /** From the reset on up to DRIVER_OK. */
  start(): this {
    const { options, device } = this;
    const wanted = options.queues ?? device.queues.map((_, queue) => queue);
    if (options.legacy) {
      const { write } = barAccess(this.m.fn);
      write(0, 18, 1, 0);
      this.awaitReset();
      for (const value of [1, 3]) write(0, 18, 1, value);
      write(0, 4, 4, Number(bits(...this.features)));
      for (const queue of wanted) this.setUp(queue);
      write(0, 18, 1, 7);
    } else {
      const cfg = common(this.m.fn);
      const more = [
        Feature.VERSION_1,
        Feature.RING_RESET,
        Feature.INDIRECT_DESC,
        ...(options.packed ? [Feature.RING_PACKED] : []),
        ...(options.eventIdx ? [Feature.EVENT_IDX] : []),
      ];
      cfg.set('status', 0);
      this.awaitReset();
      expect(cfg.negotiate(bits(...this.features, ...more))).toBe(true);
      for (const queue of wanted) this.setUp(queue);
      cfg.set('status', 15);
    }
    this.world.drain();
    return this;
  }

  /** As long as the status is not 0 the device has something under way (2.4). */
  private awaitReset(): void {
    const { world } = this;
    while (this.status !== 0 && world.queue.nextTime() < Infinity) world.advanceTo(world.queue.nextTime());
    expect(this.status).toBe(0);
  }

  /** Gives the device a fresh queue. */
  setUp(queue: number): void {
    const ring = this.makeRing(queue);
    const { layout } = ring;
    if (this.options.legacy) {
      const { write } = barAccess(this.m.fn);
      this.memory.fill(0, layout.descriptors, ring.end);
      write(0, 14, 2, queue);
      write(0, 8, 4, layout.descriptors / 4096);
      return;
    }
    this.memory.fill(0, layout.descriptors, ring.end);
    const cfg = common(this.m.fn);
    cfg.set('queueSelect', queue);
    cfg.set('queueSize', layout.size);
    cfg.set('desc', layout.descriptors);
    cfg.set('driver', layout.driver);
    cfg.set('device', layout.device);
    cfg.set('queueEnable', 1);
  }

  makeRing(queue: number): DriverRing {
    const { packed, eventIdx, legacy } = this.options;
    const size = legacy ? LEGACY_SIZE : SIZE;
    const base = RINGS + queue * (legacy ? LEGACY_RING_BYTES : RING_BYTES);
    const Ring = packed ? PackedDriver : SplitDriver;
    const ring = new Ring({
      memory: this.memory,
      base,
      size,
      eventIdx: eventIdx ?? false,
      legacy: legacy ?? false,
    });
    this.rings.set(queue, ring);
    return ring;
  }

  ring(queue: number): DriverRing {
    const ring = this.rings.get(queue);
    if (!ring) throw new Error(`queue ${queue} is not set up`);
    return ring;
  }

  alloc(length: number): number {
    const { state } = this;
    if (state.next + length > BUFFERS.to) state.next = BUFFERS.from;
    const at = state.next;
    state.next += length;
    return at;
  }

  /** Bytes somewhere in memory, in parts of these lengths; the last one takes the rest. */
  place(bytes: Uint8Array, lengths: readonly number[] = []): Part[] {
    const parts: Part[] = [];
    let at = 0;
    for (const length of [...lengths, bytes.length]) {
      const part = bytes.subarray(at, Math.min(bytes.length, at + length));
      if (part.length === 0) continue;
      const address = this.alloc(part.length);
      this.memory.set(part, address);
      parts.push({ address, length: part.length });
      at += part.length;
    }
    return parts;
  }

  /** Adds a buffer to a queue, and tells the device if it wants that. Its token. */
  add(
    queue: number,
    readable: readonly Part[],
    writable: readonly Part[] = [],
    as: 'chain' | 'table' | 'mixed' = 'chain',
  ): number {
    const ring = this.ring(queue);
    const token = ring.add({ readable, writable, as });
    if (token === undefined) throw new Error(`queue ${queue} is full`);
    this.state.buffers.set(`${queue}.${token}`, [...writable]);
    ring.publish();
    if (ring.needsKick()) this.kick(queue);
    return token;
  }

  kick(queue: number): void {
    if (this.options.legacy) barAccess(this.m.fn).write(0, 16, 2, queue);
    else structure(this.m.fn, 2).write(queue * 4, 2, queue);
  }

  /** Hands a packet over. @param lengths of the parts that it lies in, its header included */
  transmit(
    frame: Uint8Array,
    {
      header = {},
      lengths = [],
      as = 'chain',
      pair = 0,
    }: { header?: HeaderFields; lengths?: number[]; as?: 'chain' | 'table' | 'mixed'; pair?: number } = {},
  ): number {
    const whole = new Uint8Array(this.headerBytes + frame.length);
    whole.set(headerOf(header, this.headerBytes));
    whole.set(frame, this.headerBytes);
    return this.add(2 * pair + 1, this.place(whole, lengths), [], as);
  }

  /** Gives the device a buffer to receive into, in parts of these lengths. */
  offer(lengths: readonly number[], pair = 0): number {
    const parts = lengths.map((length) => ({ address: this.alloc(length), length }));
    for (const { address, length } of parts) this.memory.fill(0xee, address, address + length);
    return this.add(2 * pair, [], parts);
  }

  /** Used buffers of a queue. */
  reap(queue: number): { token: number; written: number; bytes: Uint8Array }[] {
    const ring = this.ring(queue);
    const all: { token: number; written: number; bytes: Uint8Array }[] = [];
    for (let used = ring.reap(); used; used = ring.reap()) {
      const key = `${queue}.${used.token}`;
      const parts = this.state.buffers.get(key) ?? [];
      this.state.buffers.delete(key);
      const bytes = Uint8Array.from(
        parts.flatMap(({ address, length }) => [...this.memory.subarray(address, address + length)]),
      );
      all.push({ ...used, bytes });
    }
    return all;
  }

  /** What has been received on a pair, put together as 5.1.6.4 has it. */
  received(pair = 0): Received[] {
    const buffers = this.reap(2 * pair);
    const packets: Received[] = [];
    while (buffers.length > 0) {
      const [first] = buffers;
      const header = new DataView(first.bytes.slice(0, this.headerBytes).buffer);
      const count = this.features.includes(F.MRG_RXBUF) ? header.getUint16(10, true) : 1;
      expect(count).toBeGreaterThan(0);
      expect(buffers.length).toBeGreaterThanOrEqual(count);
      const own = buffers.splice(0, count);
      const bytes = own.flatMap(({ bytes: all, written }) => [...all.subarray(0, written)]);
      packets.push({
        header,
        frame: Uint8Array.from(bytes.slice(this.headerBytes)),
        lengths: own.map(({ written }) => written),
      });
    }
    return packets;
  }

  /** Sends a command and waits for its answer. */
  command(commandClass: number, command: number, data: Uint8Array, lengths: number[] = []): number {
    const [ack] = this.ask(Uint8Array.of(commandClass, command, ...data), lengths);
    return ack;
  }

  /** The same for any bytes: what stands in the answer's place. */
  ask(bytes: Uint8Array, lengths: number[] = [], room = 1): Uint8Array {
    const answer = { address: this.alloc(room), length: room };
    this.memory.fill(0xee, answer.address, answer.address + room);
    this.add(this.controlIndex, this.place(bytes, lengths), [answer]);
    this.world.drain();
    const used = this.reap(this.controlIndex);
    expect(used.map(({ written }) => written)).toEqual([1]);
    return used[0].bytes;
  }

  get status(): number {
    return this.options.legacy ? barAccess(this.m.fn).read(0, 18, 1) : common(this.m.fn).get('status');
  }

  get needsReset(): boolean {
    return (this.status & 64) !== 0;
  }

  /** Reasons of lost packets, in order. */
  get drops(): number[] {
    return this.world.ofKind(Kind.PacketDrop).map(({ b }) => b);
  }

  /** Frames that came out. */
  get frames(): Uint8Array[] {
    return this.wire.sent.map(({ frame }) => frame);
  }

  save() {
    const { world, bus, wire, m, state } = this;
    const { latency, pending } = bus.dma;
    return structuredClone({
      world: world.save(),
      memory: bus.memory,
      dma: { latency, pending },
      wire: { sent: wire.sent, perFrame: wire.perFrame, busyUntil: wire.busyUntil },
      fn: m.fn.save(),
      pci: m.pci.save(),
      state,
      rings: new Map([...this.rings].map(([queue, ring]) => [queue, ring.state])),
    });
  }

  /** Goes on in the run that was saved. */
  load(saved: ReturnType<NetBench['save']>): this {
    const { world, dma, fn, pci } = structuredClone(saved);
    this.restore(saved);
    this.world.load(world);
    this.bus.dma.pending = dma.pending;
    this.m.fn.load(fn);
    this.m.pci.load(pci);
    return this;
  }

  /** Goes on with the hardware alone, at another time. */
  adopt(saved: ReturnType<NetBench['save']>, time: number): this {
    const { fn, pci, wire, world } = structuredClone(saved);
    this.restore(saved);
    this.wire.busyUntil = time + Math.max(0, wire.busyUntil - world.time);
    this.world.time = time;
    this.m.fn.adopt(fn.hardware);
    this.m.pci.adopt(pci.hardware);
    return this;
  }

  private restore(saved: ReturnType<NetBench['save']>): void {
    const { memory, dma, wire, state, rings } = structuredClone(saved);
    this.bus.memory.set(memory);
    this.bus.dma.latency = dma.latency;
    Object.assign(this.wire, wire);
    this.state = state;
    for (const [queue, ringState] of rings) this.makeRing(queue).state = ringState;
  }
}

/** Fields of the header before a packet (5.1.6); what is absent is 0. */
export interface HeaderFields {
  flags?: number;
  gsoType?: number;
  headerLength?: number;
  gsoSize?: number;
  start?: number;
  offset?: number;
}

export function headerOf(fields: HeaderFields, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, fields.flags ?? 0);
  view.setUint8(1, fields.gsoType ?? 0);
  view.setUint16(2, fields.headerLength ?? 0, true);
  view.setUint16(4, fields.gsoSize ?? 0, true);
  view.setUint16(6, fields.start ?? 0, true);
  view.setUint16(8, fields.offset ?? 0, true);
  return bytes;
}

/** A frame to somebody, of a type for local experiments, that is told by its number. */
export function frameOf(number: number, length = 60, to: ArrayLike<number> = MAC): Uint8Array {
  const frame = Uint8Array.from({ length }, (_, i) => (number * 31 + i * 7) & 0xff);
  frame.set(Array.from(to), 0);
  frame.set([0x02, 0, 0, 0, 0, 1, 0x88, 0xb5, number & 0xff, (number >> 8) & 0xff], 6);
  return frame;
}
/** The number of such a frame. */
export const numberOf = (frame: Uint8Array): number => frame[14] | (frame[15] << 8);
