/** A small NVMe driver for tests, by the specification alone: numbers are written out here and shared with nothing. */
import type { MsiPort } from '../../../../../src/machine/bus';
import { Nvme } from '../../../../../src/machine/devices/nvme/nvme';
import type { NvmeOptions } from '../../../../../src/machine/devices/nvme/options';
import { FakeBus, World } from '../../fake-bus';

export const CC = 0x14;
export const CSTS = 0x1c;
export const AQA = 0x24;
export const ASQ = 0x28;
export const ACQ = 0x30;
/** 64-byte and 16-byte entries, enabled. */
export const CC_ENABLE = 0x00460001;
export const PAGE = 4096;
/** Where the admin queues are. */
export const ADMIN = { sq: 0x1000, cq: 0x2000, entries: 16 } as const;

export const sqDoorbell = (id: number): number => 0x1000 + 8 * id;
export const cqDoorbell = (id: number): number => 0x1004 + 8 * id;

/** A completion as the driver sees it. */
export interface Seen {
  result: number;
  sqHead: number;
  sq: number;
  id: number;
  /** Type and code, 11 bits. */
  status: number;
  more: boolean;
  doNotRetry: boolean;
}

/** What a driver puts into a submission queue. */
export interface Request {
  opcode: number;
  flags?: number;
  id?: number;
  nsid?: number;
  prp1?: number;
  prp2?: number;
  words?: readonly number[];
}

/** Interrupt messages are kept. */
export class MessageBus extends FakeBus {
  readonly messages: number[] = [];
  override readonly msi: MsiPort = { send: (_requester, _address, data) => void this.messages.push(data) };
}

interface Pair {
  sq: number;
  cq: number;
  entries: number;
  tail: number;
  head: number;
  phase: number;
}

export const USUAL: NvmeOptions = { size: 2 ** 20, blockSize: 512, queues: 4, serial: 'test' };

/** A controller on a bus of its own, and the driver's side of its queues. */
export class Driver {
  readonly bus: MessageBus;
  device: Nvme;
  private pairs = new Map<number, Pair>();
  private nextId = 1;

  constructor(
    readonly options: Partial<NvmeOptions> = {},
    readonly world = new World(),
    name = 'nvme',
  ) {
    this.bus = new MessageBus(world, name);
    this.device = new Nvme(this.bus, { ...USUAL, ...options });
    this.bus.plug(this.device);
    this.device.pci.write(4, 2, 6); // memory decoding, bus master
  }

  get(offset: number): number {
    return this.device.read(offset, 4);
  }

  set(offset: number, value: number): void {
    this.device.write(offset, 4, value);
  }

  view(): DataView {
    return new DataView(this.bus.memory.buffer);
  }

  /** Sets up the admin queues, and waits for RDY. */
  enable(control = CC_ENABLE): this {
    this.set(AQA, (ADMIN.entries - 1) * 0x10001);
    this.set(ASQ, ADMIN.sq);
    this.set(ASQ + 4, 0);
    this.set(ACQ, ADMIN.cq);
    this.set(ACQ + 4, 0);
    this.set(CC, control);
    this.world.drain();
    this.pairs.clear();
    this.know(0, ADMIN.sq, ADMIN.cq, ADMIN.entries);
    return this;
  }

  /** The driver's side of a queue pair whose memory it clears. */
  know(id: number, sq: number, cq: number, entries: number): void {
    this.bus.memory.fill(0, cq, cq + 16 * entries);
    this.pairs.set(id, { sq, cq, entries, tail: 0, head: 0, phase: 1 });
  }

  /** Takes over what another driver knows of its queues. */
  inherit(other: Driver): void {
    this.pairs = new Map([...other.pairs].map(([id, pair]) => [id, { ...pair }]));
    this.nextId = other.nextId;
  }

  /** Puts a command into a queue, without its doorbell; returns its identifier. */
  put(queue: number, request: Request): number {
    const pair = this.pair(queue);
    const id = request.id ?? this.nextId++ & 0xffff;
    const view = this.view();
    const at = pair.sq + 64 * pair.tail;
    this.bus.memory.fill(0, at, at + 64);
    view.setUint8(at, request.opcode);
    view.setUint8(at + 1, request.flags ?? 0);
    view.setUint16(at + 2, id, true);
    view.setUint32(at + 4, request.nsid ?? 0, true);
    view.setBigUint64(at + 24, BigInt(request.prp1 ?? 0), true);
    view.setBigUint64(at + 32, BigInt(request.prp2 ?? 0), true);
    (request.words ?? []).forEach((word, i) => view.setUint32(at + 40 + 4 * i, word, true));
    pair.tail = (pair.tail + 1) % pair.entries;
    return id;
  }

  ring(queue: number): void {
    this.set(sqDoorbell(queue), this.pair(queue).tail);
  }

  submit(queue: number, request: Request): number {
    const id = this.put(queue, request);
    this.ring(queue);
    return id;
  }

  /** New completions by their phase tags. @param ring tells the controller that they were taken */
  reap(queue: number, ring = true): Seen[] {
    const pair = this.pair(queue);
    const view = this.view();
    const seen: Seen[] = [];
    for (;;) {
      const at = pair.cq + 16 * pair.head;
      const status = view.getUint16(at + 14, true);
      if ((status & 1) !== pair.phase) break;
      seen.push({
        result: view.getUint32(at, true),
        sqHead: view.getUint16(at + 8, true),
        sq: view.getUint16(at + 10, true),
        id: view.getUint16(at + 12, true),
        status: (status >> 1) & 0x7ff,
        more: (status & 0x4000) !== 0,
        doNotRetry: (status & 0x8000) !== 0,
      });
      pair.head = (pair.head + 1) % pair.entries;
      if (pair.head === 0) pair.phase ^= 1;
    }
    if (ring && seen.length > 0) this.set(cqDoorbell(queue), pair.head);
    return seen;
  }

  /** One command to its end; the completion is the only new one. */
  run(queue: number, request: Request): Seen {
    const id = this.submit(queue, request);
    this.world.drain();
    const seen = this.reap(queue);
    if (seen.length !== 1 || seen[0].id !== id)
      throw new Error(`command ${id} of queue ${queue}: ${JSON.stringify(seen)}`);
    return seen[0];
  }

  /** Creates a pair of I/O queues. */
  createPair(id: number, sq: number, cq: number, entries: number, vector = 0): void {
    const made = [
      this.run(0, { opcode: 0x05, prp1: cq, words: [((entries - 1) << 16) | id, (vector << 16) | 3] }),
      this.run(0, { opcode: 0x01, prp1: sq, words: [((entries - 1) << 16) | id, (id << 16) | 1] }),
    ];
    if (made.some(({ status }) => status !== 0)) throw new Error(JSON.stringify(made));
    this.know(id, sq, cq, entries);
  }

  private pair(id: number): Pair {
    const pair = this.pairs.get(id);
    if (!pair) throw new Error(`no queue ${id}`);
    return pair;
  }
}

/** A read or write of blocks. */
export function blocks(opcode: number, first: number, count: number, prp1: number, prp2 = 0): Request {
  return { opcode, nsid: 1, prp1, prp2, words: [first, 0, count - 1] };
}
