/**
 * A virtqueue between a driver and a device type that are both played by a test: small steps of either, DMA that takes its time, and
 * checks of what both see. The driver sleeps and is woken by notifications alone; the type looks into the queue when it was
 * notified, or when it has not been told that it is empty.
 */
import { expect } from 'vitest';
import {
  lengthOf,
  type Chain,
  type QueueHost,
  type Segment,
  type Virtqueue,
} from '../../../src/machine/devices/virtio/contract';
import { Feature } from '../../../src/machine/devices/virtio/features';
import { createVirtqueue, type QueueHardware } from '../../../src/machine/devices/virtio/queue/queue';
import { FakeBus, World } from '../../unit/machine/fake-bus';
import { PackedDriver, SplitDriver, type DriverBuffer, type DriverRing } from './driver-rings';

/** What was negotiated, and the ring's size. */
export interface Negotiated {
  size: number;
  packed?: boolean;
  eventIdx?: boolean;
  indirect?: boolean;
  inOrder?: boolean;
  notificationData?: boolean;
  legacy?: boolean;
  /** Split: where the indices stand when it begins, as after so many buffers. */
  from?: number;
  /** Somebody polls the queue for the device. */
  polled?: boolean;
}

/** Lengths of the parts of a buffer, and how it is described. */
export interface Shape {
  readable: number[];
  writable: number[];
  as?: DriverBuffer['as'];
}

const RINGS = 0x1000;
const DATA = 0x80000;
/** Room for one buffer. */
const BUFFER = 0x1000;
const QUEUE = 3;
const REQUESTER = 0x28;

/** A buffer in the type's hands: its bytes are being read, or it waits, or bytes are being written into it. */
interface Held {
  chain: Chain;
  stage: 'reading' | 'waiting' | 'writing';
}

interface State {
  /** By token. */
  buffers: { readable: Segment[]; writable: Segment[]; place: number }[];
  /** Tokens that have come back, in this order. */
  returned: number[];
  driver: 'awake' | 'enabling' | 'asleep';
  notified: boolean;
  notifications: number;
  kicks: number;
  hand: Held[];
  /** The most that the type takes. */
  limit: number;
  asking: boolean;
  empty: boolean;
  /** The token that the next chain has to be of. */
  next: number;
}

/** Everything of a bench, at one moment. */
export type BenchState = ReturnType<QueueBench['save']>;

export class QueueBench implements QueueHost {
  readonly world = new World();
  readonly bus: FakeBus;
  readonly queue: Virtqueue;
  readonly driver: DriverRing;
  readonly faults: number[] = [];
  /** What happened, with its time. */
  readonly log: string[] = [];
  state: State = {
    buffers: [],
    returned: [],
    driver: 'asleep',
    notified: false,
    notifications: 0,
    kicks: 0,
    hand: [],
    limit: 4,
    asking: false,
    empty: false,
    next: 0,
  };
  private readonly features: Set<number>;

  constructor(
    readonly negotiated: Negotiated,
    limit = 4,
  ) {
    const { packed, eventIdx, indirect, inOrder, size, legacy, polled } = negotiated;
    this.bus = new FakeBus(this.world, 'device', polled);
    this.features = new Set<number>([
      ...(packed ? [Feature.RING_PACKED] : []),
      ...(eventIdx ? [Feature.EVENT_IDX] : []),
      ...(indirect ? [Feature.INDIRECT_DESC] : []),
      ...(inOrder ? [Feature.IN_ORDER] : []),
    ]);
    const options = { memory: this.bus.memory, base: RINGS, size, eventIdx, inOrder, legacy };
    this.driver = packed ? new PackedDriver(options) : new SplitDriver(options);
    expect(this.driver.end).toBeLessThanOrEqual(DATA);
    this.queue = createVirtqueue(QUEUE, 0x8000, this);
    this.bus.plug({ onEvent: () => undefined, onDma: (tag, result) => this.queue.onDma(tag, result) });
    this.state.limit = limit;
  }

  /** Begins to work: the driver asleep, the type looking. */
  start(): this {
    this.queue.start(this.driver.layout);
    this.moveTo(this.negotiated.from ?? 0);
    this.driver.enableNotifications();
    this.ask();
    return this;
  }

  private moveTo(index: number): void {
    const { queue, driver } = this;
    if (index === 0 || !(driver instanceof SplitDriver)) return;
    driver.startAt(index);
    const hardware = queue.save().hardware as QueueHardware;
    if (!hardware.work) return;
    hardware.work.supply.next = hardware.work.supply.seen = hardware.work.returns.position = index;
    queue.adopt(hardware);
  }

  requester(): number {
    return REQUESTER;
  }

  has(feature: number): boolean {
    return this.features.has(feature);
  }

  // --- the driver ---------------------------------------------------------------------------------------------------

  /** Adds a buffer, if there is room for it and for its bytes. */
  add({ readable, writable, as }: Shape): number | undefined {
    const { state, driver, bus } = this;
    // No driver makes a chain longer than the queue (2.7.5.3.1, 2.8.17).
    if (readable.length + writable.length > this.negotiated.size) return undefined;
    const token = state.buffers.length;
    const taken = new Set(state.buffers.flatMap(({ place }, i) => (this.isReturned(i) ? [] : [place])));
    let place = 0;
    while (taken.has(place)) place += 1;
    let at = DATA + place * BUFFER;
    if (at + BUFFER > bus.memory.length) return undefined;
    const parts = (lengths: number[]): Segment[] =>
      lengths.map((length) => {
        at += length + 3;
        return { address: at - length, length };
      });
    const buffer = { readable: parts(readable), writable: parts(writable) };
    const added = driver.add({ ...buffer, as: this.negotiated.indirect ? as : 'chain' });
    if (added === undefined) return undefined;
    expect(added).toBe(token);
    for (const { address, length } of buffer.readable)
      for (let i = 0; i < length; i++) bus.memory[address + i] = patternAt(token, i);
    for (const { address, length } of buffer.writable) bus.memory.fill(0xee, address, address + length);
    state.buffers.push({ ...buffer, place });
    return token;
  }

  publish(): void {
    this.driver.publish();
  }

  /** Notifies if that is needed. */
  check(): void {
    if (!this.driver.needsKick()) return;
    this.state.kicks += 1;
    this.note('kick');
    const data = (this.driver.notificationData * 0x10000 + QUEUE) >>> 0;
    this.queue.kicked(this.negotiated.notificationData ? data : undefined);
    this.state.empty = false;
    this.ask();
  }

  /** The driver reacts to a notification. */
  wake(): void {
    const { state } = this;
    if (state.driver !== 'asleep' || !state.notified) return;
    state.notified = false;
    state.driver = 'awake';
    this.driver.disableNotifications();
  }

  /** An awake driver takes up to `count` used buffers. */
  reap(count: number): void {
    for (let i = 0; i < count && this.state.driver === 'awake'; i++) if (!this.reapOne()) return;
  }

  /** An awake driver enables notifications. */
  enable(): void {
    if (this.state.driver !== 'awake') return;
    this.driver.enableNotifications();
    this.state.driver = 'enabling';
  }

  /** Then it looks once more, and sleeps if there is nothing. */
  recheck(): void {
    const { state } = this;
    if (state.driver !== 'enabling') return;
    state.driver = 'awake';
    if (this.reapOne()) this.driver.disableNotifications();
    else state.driver = 'asleep';
  }

  private reapOne(): boolean {
    const used = this.driver.reap();
    if (!used) return false;
    const { state, bus } = this;
    const { token, written } = used;
    this.note(`used ${token} ${written}`);
    expect(state.returned).not.toContain(token);
    if (this.negotiated.inOrder) expect(token).toBe(state.returned.length);
    state.returned.push(token);
    const { writable } = state.buffers[token];
    expect(written).toBe(writtenInto(lengthOf(writable)));
    const bytes = writable.flatMap(({ address, length }) => [...bus.memory.slice(address, address + length)]);
    expect(bytes).toEqual(bytes.map((_, i) => (i < written ? patternAt(written, i) : 0xee)));
    return true;
  }

  // --- the type -----------------------------------------------------------------------------------------------------

  onChain(queue: number, chain: Chain | undefined): void {
    const { state } = this;
    expect(queue).toBe(QUEUE);
    expect(state.asking).toBe(true);
    state.asking = false;
    this.note(chain ? `chain ${chain.id}` : 'empty');
    if (!chain) {
      state.empty = true;
      return;
    }
    const { readable, writable } = state.buffers[state.next];
    expect({ readable: chain.readable, writable: chain.writable }).toEqual({
      readable: readable.filter(({ length }) => length > 0),
      writable: writable.filter(({ length }) => length > 0),
    });
    state.next += 1;
    state.hand.push({ chain, stage: 'reading' });
    this.queue.read(chain, 0, lengthOf(chain.readable), chain.id);
    this.ask();
  }

  onTransfer(queue: number, tag: number, bytes: Uint8Array): void {
    expect(queue).toBe(QUEUE);
    const { hand } = this.state;
    const at = hand.findIndex(({ chain, stage }) => chain.id === tag && stage !== 'waiting');
    const held = hand[at];
    if (held.stage === 'writing') {
      hand.splice(at, 1);
      this.queue.push(held.chain, writtenInto(lengthOf(held.chain.writable)));
      this.note(`push ${tag}`);
      this.ask();
      return;
    }
    held.stage = 'waiting';
    const inMemory = held.chain.readable.flatMap(({ address, length }) => [
      ...this.bus.memory.slice(address, address + length),
    ]);
    expect([...bytes]).toEqual(inMemory);
  }

  /** Does one of the buffers that wait. */
  complete(which: number): void {
    const waiting = this.state.hand.filter(({ stage }) => stage === 'waiting');
    if (waiting.length === 0) return;
    const held = waiting[which % waiting.length];
    held.stage = 'writing';
    const bytes = Uint8Array.from({ length: writtenInto(lengthOf(held.chain.writable)) }, (_, i, n = i) =>
      patternAt(writtenInto(lengthOf(held.chain.writable)), n),
    );
    this.queue.write(held.chain, 0, bytes, held.chain.id);
  }

  flush(): void {
    this.queue.flush();
  }

  /** Gives back the last buffers, as far as nothing is done with them. */
  unfetch(count: number): void {
    const { hand } = this.state;
    let back = 0;
    // A buffer behind one that was done cannot be told from the hand alone: the last chains taken are what counts.
    while (back < count && hand.at(-1)?.stage === 'waiting' && this.isLast(hand.at(-1))) {
      hand.pop();
      this.state.next -= 1;
      back += 1;
    }
    this.queue.unfetch(back);
    if (back > 0) this.state.empty = false;
    this.ask();
  }

  private isLast(held: Held | undefined): boolean {
    const { buffers, next } = this.state;
    const segments = [...buffers[next - 1].readable, ...buffers[next - 1].writable];
    const own = [...(held?.chain.readable ?? []), ...(held?.chain.writable ?? [])];
    return own.length > 0 && segments.some(({ address }) => address === own[0].address);
  }

  private ask(): void {
    const { state } = this;
    if (state.asking || state.empty || state.hand.length >= state.limit) return;
    state.asking = true;
    this.queue.fetch();
  }

  // --- both ---------------------------------------------------------------------------------------------------------

  notifyDriver(queue: number): void {
    expect(queue).toBe(QUEUE);
    this.note('notify');
    this.state.notified = true;
    this.state.notifications += 1;
  }

  /** As a notification by the driver. */
  onPolled(queue: number): void {
    expect(queue).toBe(QUEUE);
    this.note('polled');
    this.state.empty = false;
    this.ask();
  }

  broken(queue: number, why: number): void {
    expect(queue).toBe(QUEUE);
    this.faults.push(why);
  }

  wait(cycles: number): void {
    this.world.advanceTo(this.world.time + cycles);
  }

  /** Both do what they still have to do, but nobody looks without a reason, until nothing happens any more. */
  settle(): void {
    for (let before = ''; before !== this.progress();) {
      before = this.progress();
      this.publish();
      this.check();
      this.world.drain();
      while (this.state.hand.some(({ stage }) => stage === 'waiting')) {
        this.complete(0);
        this.world.drain();
      }
      this.flush();
      this.world.drain();
      this.wake();
      this.reap(Infinity);
      this.enable();
      this.recheck();
    }
  }

  /** What has to hold when both are at rest. */
  expectAtRest(): void {
    const { state, driver, faults } = this;
    expect(faults).toEqual([]);
    expect([...state.returned].sort((a, b) => a - b)).toEqual(state.buffers.map((_, token) => token));
    expect(driver.outstanding).toBe(0);
    expect(state).toMatchObject({ driver: 'asleep', empty: true, asking: false, hand: [] });
  }

  save() {
    const { world, bus, queue, driver, state } = this;
    const { latency, pending } = bus.dma;
    return structuredClone({
      world: world.save(),
      memory: bus.memory,
      dma: { latency, pending },
      watches: bus.polling?.watches ?? [],
      queue: queue.save(),
      driver: driver.state,
      state,
    });
  }

  /** Goes on in the run that was saved. */
  load(saved: BenchState): this {
    const { world, dma, watches, queue } = structuredClone(saved);
    this.place(saved);
    this.world.load(world);
    this.bus.dma.pending = dma.pending;
    if (this.bus.polling) this.bus.polling.watches = watches;
    this.queue.load(queue);
    return this;
  }

  /** Goes on at another time, with what was in flight begun anew. */
  adopt(saved: BenchState, time: number): this {
    this.place(saved);
    this.world.time = time;
    this.queue.adopt(structuredClone(saved.queue.hardware));
    return this;
  }

  private place(saved: BenchState): void {
    const { memory, driver, state, dma } = structuredClone(saved);
    this.bus.memory.set(memory);
    this.bus.dma.latency = dma.latency;
    this.driver.state = driver;
    this.state = state;
  }

  private isReturned(token: number): boolean {
    return this.state.returned.includes(token);
  }

  private progress(): string {
    const { buffers, returned, driver, notified, kicks, notifications } = this.state;
    return [buffers.length, returned.length, driver, notified, kicks, notifications].join();
  }

  private note(what: string): void {
    this.log.push(`${this.world.time} ${what}`);
  }
}

/** Bytes that the type writes into a buffer with so much room: all, a part or nothing. */
export function writtenInto(room: number): number {
  return [room, room >> 1, 0][room % 3];
}

function patternAt(seed: number, i: number): number {
  return (seed * 31 + i * 7 + 1) & 0xff;
}
