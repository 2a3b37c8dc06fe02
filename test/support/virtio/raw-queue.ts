/** A virtqueue whose rings a test writes itself, byte by byte, with everything that the queue answers and every transaction. */
import type { Chain, QueueHost, QueueLayout, Virtqueue } from '../../../src/machine/devices/virtio/contract';
import { createVirtqueue } from '../../../src/machine/devices/virtio/queue/queue';
import { FakeBus, World } from '../../unit/machine/fake-bus';

/** A descriptor of either format. `link` is `next`, or the buffer ID. */
export interface RawDescriptor {
  address?: bigint | number;
  length?: number;
  flags?: number;
  link?: number;
}

/** Bits of a descriptor's flags, as the specification numbers them. */
export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;
export const AVAIL = 1 << 7;
export const USED = 1 << 15;

/** A transaction that the queue has begun. */
export interface Begun {
  isWrite: boolean;
  address: number;
  length: number;
}

/** Where the rings lie when a test does not care: descriptors, driver area, device area. */
export const RAW_LAYOUT = { descriptors: 0x1000, driver: 0x2000, device: 0x3000 } as const;
export const RAW_QUEUE = 5;
export const RAW_REQUESTER = 0x10;

export class RawQueue implements QueueHost {
  readonly world = new World();
  readonly bus = new FakeBus(this.world);
  readonly queue: Virtqueue;
  readonly layout: QueueLayout;
  readonly view: DataView;
  readonly answers: (Chain | undefined)[] = [];
  readonly transfers: { tag: number; bytes: Uint8Array }[] = [];
  readonly faults: number[] = [];
  readonly begun: Begun[] = [];
  notifications = 0;
  /** What a type does with an answer. */
  answered: (chain: Chain | undefined) => void = () => undefined;

  constructor(
    size: number,
    private readonly features: readonly number[] = [],
    layout: Partial<QueueLayout> = {},
    largest = 0x8000,
  ) {
    this.layout = { size, ...RAW_LAYOUT, ...layout };
    this.view = new DataView(this.bus.memory.buffer);
    this.queue = createVirtqueue(RAW_QUEUE, largest, this);
    this.bus.plug({ onEvent: () => undefined, onDma: (tag, result) => this.queue.onDma(tag, result) });
    const { dma } = this.bus;
    const [read, write] = [dma.read.bind(dma), dma.write.bind(dma)];
    dma.read = (requester, address, length, tag) => {
      this.begun.push({ isWrite: false, address, length });
      read(requester, address, length, tag);
    };
    dma.write = (requester, address, bytes, tag) => {
      this.begun.push({ isWrite: true, address, length: bytes.length });
      write(requester, address, bytes, tag);
    };
  }

  start(): this {
    this.queue.start(this.layout);
    return this;
  }

  /** Asks for a buffer and waits for the answer. */
  fetch(): Chain | undefined {
    const before = this.answers.length;
    this.queue.fetch();
    this.world.drain();
    return this.answers.slice(before).at(0);
  }

  /** Writes a descriptor of the split format. @param table address of the table that it is in */
  split(
    index: number,
    { address = 0, length = 0, flags = 0, link = 0 }: RawDescriptor,
    table?: number,
  ): void {
    const at = (table ?? this.layout.descriptors) + 16 * index;
    this.putElement(at, address, length);
    this.view.setUint16(at + 12, flags, true);
    this.view.setUint16(at + 14, link, true);
  }

  /** Writes a descriptor of the packed format. */
  packed(
    index: number,
    { address = 0, length = 0, flags = 0, link = 0 }: RawDescriptor,
    table?: number,
  ): void {
    const at = (table ?? this.layout.descriptors) + 16 * index;
    this.putElement(at, address, length);
    this.view.setUint16(at + 12, link, true);
    this.view.setUint16(at + 14, flags, true);
  }

  /** Puts heads into the available ring from its begin on, and the index behind them. */
  available(heads: readonly number[], index = heads.length): void {
    const { driver, size } = this.layout;
    heads.forEach((head, i) => this.view.setUint16(driver + 4 + 2 * (i % size), head, true));
    this.view.setUint16(driver + 2, index, true);
  }

  bytes(address: number, length: number): number[] {
    return [...this.bus.memory.slice(address, address + length)];
  }

  requester(): number {
    return RAW_REQUESTER;
  }

  has(feature: number): boolean {
    return this.features.includes(feature);
  }

  onChain(_queue: number, chain: Chain | undefined): void {
    this.answers.push(chain);
    this.answered(chain);
  }

  onTransfer(_queue: number, tag: number, bytes: Uint8Array): void {
    this.transfers.push({ tag, bytes });
  }

  onPolled(): void {}

  notifyDriver(): void {
    this.notifications += 1;
  }

  broken(_queue: number, why: number): void {
    this.faults.push(why);
  }

  private putElement(at: number, address: bigint | number, length: number): void {
    this.view.setBigUint64(at, BigInt(address), true);
    this.view.setUint32(at + 8, length, true);
  }
}
