/** The console device (Virtual I/O Device specification 1.3, section 5.3) over PCI: ports, control messages, bytes both ways. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtioConsole } from '../../../../../src/machine/devices/virtio/console/console';
import { VirtioDevice } from '../../../../../src/machine/devices/virtio/device';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import { createVirtqueue } from '../../../../../src/machine/devices/virtio/queue/queue';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { randomSource } from '../../../../conformance/native-oracle/generate';
import {
  PackedDriver,
  SplitDriver,
  type DriverRing,
  type Part,
} from '../../../../support/virtio/driver-rings';
import { World } from '../../fake-bus';
import { MessageBus, onPci } from './fakes';
import { bits, common, structure } from './pci-driver';

/** Feature bits (5.3.3), events (5.3.6.2) and queues (5.3.2), by the specification's names. */
const F = { SIZE: 0, MULTIPORT: 1, EMERG_WRITE: 2 } as const;
const Event = {
  DEVICE_READY: 0,
  DEVICE_ADD: 1,
  DEVICE_REMOVE: 2,
  PORT_READY: 3,
  CONSOLE_PORT: 4,
  RESIZE: 5,
  PORT_OPEN: 6,
  PORT_NAME: 7,
} as const;
const Queue = {
  receive0: 0,
  transmit0: 1,
  controlReceive: 2,
  controlTransmit: 3,
  receive1: 4,
  transmit1: 5,
} as const;
const CHANNELS = ['org.trapline.echo', 'b'];
const SIZE = 16;
const RINGS = 0x1000;
const RING_BYTES = 0x3000;
const BUFFERS = { from: 0x40000, to: 0x100000 };

interface BenchOptions {
  features?: number[];
  packed?: boolean;
  /** Queues that are set up before DRIVER_OK; absent: all. */
  queues?: number[];
}

class ConsoleBench {
  readonly world = new World();
  readonly bus = new MessageBus(this.world, 'console');
  readonly type: VirtioConsole;
  readonly device: VirtioDevice;
  readonly m;
  readonly rings = new Map<number, DriverRing>();
  output: number[] = [];
  state = { next: BUFFERS.from, buffers: new Map<string, Part[]>() };

  constructor(private readonly options: BenchOptions = {}) {
    const types: VirtioConsole[] = [];
    this.device = new VirtioDevice({
      control: this.bus,
      type: (host) => {
        const type = new VirtioConsole(host, {
          channels: CHANNELS,
          columns: 132,
          rows: 43,
          output: (byte) => void this.output.push(byte),
        });
        types.push(type);
        return type;
      },
      queue: createVirtqueue,
    });
    [this.type] = types;
    this.m = onPci({ device: this.device, bus: this.bus, world: this.world });
  }

  start(): this {
    const cfg = common(this.m.fn);
    const { features = [F.MULTIPORT], packed, queues } = this.options;
    const more = [Feature.VERSION_1, Feature.RING_RESET, ...(packed ? [Feature.RING_PACKED] : [])];
    cfg.set('status', 0);
    while (cfg.get('status') !== 0 && this.world.queue.nextTime() < Infinity) this.wait();
    expect(cfg.negotiate(bits(...features, ...more))).toBe(true);
    for (const queue of queues ?? this.device.queues.map((_, index) => index)) this.setUp(queue);
    cfg.set('status', 15);
    this.world.drain();
    return this;
  }

  setUp(queue: number): void {
    const cfg = common(this.m.fn);
    const { layout, end } = this.makeRing(queue);
    this.bus.memory.fill(0, layout.descriptors, end);
    cfg.set('queueSelect', queue);
    cfg.set('queueSize', layout.size);
    cfg.set('desc', layout.descriptors);
    cfg.set('driver', layout.driver);
    cfg.set('device', layout.device);
    cfg.set('queueEnable', 1);
  }

  makeRing(queue: number): DriverRing {
    const Ring = this.options.packed ? PackedDriver : SplitDriver;
    const ring = new Ring({ memory: this.bus.memory, base: RINGS + queue * RING_BYTES, size: SIZE });
    this.rings.set(queue, ring);
    return ring;
  }

  alloc(length: number): number {
    const { state } = this;
    if (state.next + length > BUFFERS.to) state.next = BUFFERS.from;
    state.next += length;
    return state.next - length;
  }

  private add(queue: number, readable: Part[], writable: Part[]): void {
    const ring = this.rings.get(queue)!;
    const token = ring.add({ readable, writable });
    if (token === undefined) throw new Error(`queue ${queue} is full`);
    this.state.buffers.set(`${queue}.${token}`, writable);
    ring.publish();
    if (ring.needsKick()) structure(this.m.fn, 2).write(queue * 4, 2, queue);
  }

  /** Sends bytes, in parts of these lengths. */
  send(queue: number, bytes: Uint8Array, lengths: number[] = []): void {
    const parts: Part[] = [];
    let at = 0;
    for (const length of [...lengths, bytes.length]) {
      const part = bytes.subarray(at, at + length);
      at += part.length;
      if (part.length === 0) continue;
      const address = this.alloc(part.length);
      this.bus.memory.set(part, address);
      parts.push({ address, length: part.length });
    }
    this.add(queue, parts, bytes.length === 0 ? [{ address: this.alloc(8), length: 8 }] : []);
  }

  offer(queue: number, ...lengths: number[]): void {
    this.add(
      queue,
      [],
      lengths.map((length) => ({ address: this.alloc(length), length })),
    );
  }

  /** What has come in each buffer that was used. */
  reap(queue: number): Uint8Array[] {
    const all: Uint8Array[] = [];
    const ring = this.rings.get(queue)!;
    for (let used = ring.reap(); used; used = ring.reap()) {
      const parts = this.state.buffers.get(`${queue}.${used.token}`) ?? [];
      const bytes = parts.flatMap(({ address, length }) => [
        ...this.bus.memory.subarray(address, address + length),
      ]);
      all.push(Uint8Array.from(bytes.slice(0, used.written)));
    }
    return all;
  }

  control(port: number, event: number, value: number): void {
    this.send(Queue.controlTransmit, message(port, event, value));
    this.world.drain();
  }

  /** Control messages of the device's: port, event, value, and a name. */
  messages(): [number, number, number, string?][] {
    return this.reap(Queue.controlReceive).map((bytes) => {
      const view = new DataView(bytes.buffer);
      const told: [number, number, number] = [
        view.getUint32(0, true),
        view.getUint16(4, true),
        view.getUint16(6, true),
      ];
      return bytes.length > 8 ? [...told, String.fromCharCode(...bytes.slice(8))] : told;
    });
  }

  /** Up to where the driver has opened these ports. */
  open(...ports: number[]): this {
    for (const port of ports) this.control(port, Event.PORT_OPEN, 1);
    return this;
  }

  wait(): void {
    this.world.advanceTo(this.world.queue.nextTime());
  }

  get status(): number {
    return common(this.m.fn).get('status');
  }

  save() {
    const { world, bus, m, state, output } = this;
    const { latency, pending } = bus.dma;
    return structuredClone({
      world: world.save(),
      memory: bus.memory,
      dma: { latency, pending },
      fn: m.fn.save(),
      pci: m.pci.save(),
      state,
      output,
      rings: new Map([...this.rings].map(([queue, ring]) => [queue, ring.state])),
    });
  }

  /** Goes on in the run that was saved, or with the hardware alone at another time. */
  restore(saved: ReturnType<ConsoleBench['save']>, time?: number): this {
    const { memory, dma, fn, pci, state, rings, output, world } = structuredClone(saved);
    this.bus.memory.set(memory);
    this.bus.dma.latency = dma.latency;
    this.state = state;
    this.output = output;
    for (const [queue, ringState] of rings) this.makeRing(queue).state = ringState;
    if (time === undefined) {
      this.world.load(world);
      this.bus.dma.pending = dma.pending;
      this.m.fn.load(fn);
      this.m.pci.load(pci);
    } else {
      this.world.time = time;
      this.m.fn.adopt(fn.hardware);
      this.m.pci.adopt(pci.hardware);
    }
    return this;
  }
}

function message(port: number, event: number, value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, port, true);
  view.setUint16(4, event, true);
  view.setUint16(6, value, true);
  return bytes;
}

const textOf = (bytes: ArrayLike<number>): string => String.fromCharCode(...Array.from(bytes));
const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const pattern = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 7 + seed + (i >> 8)) & 0xff);
const joined = (all: Uint8Array[]): Uint8Array => Uint8Array.from(all.flatMap((each) => [...each]));

describe('the console device', () => {
  it('is device 3 with a pair of queues for each port and one for messages', () => {
    const { fn } = new ConsoleBench().m;
    expect(fn.read(0, 4)).toBe(0x10431af4);
    expect(common(fn).get('numQueues')).toBe(2 * (1 + CHANNELS.length) + 2);
    expect(common(fn).offered() & 7n).toBe(7n);
  });

  it('has its size and the number of its ports in the configuration', () => {
    const at = structure(new ConsoleBench().m.fn, 4);
    expect([at.read(0, 2), at.read(2, 2), at.read(4, 4)]).toEqual([132, 43, 3]);
    at.write(0, 2, 7);
    at.write(4, 4, 7);
    expect([at.read(0, 2), at.read(4, 4)]).toEqual([132, 3]);
  });

  it('has one port without MULTIPORT, which is open', () => {
    const bench = new ConsoleBench({ features: [] }).start();
    bench.send(Queue.transmit0, bytesOf('hello'), [2]);
    bench.offer(Queue.receive0, 3, 10);
    bench.type.input(bytesOf('typed'));
    bench.world.drain();
    expect(textOf(bench.output)).toBe('hello');
    expect(bench.reap(Queue.receive0).map(textOf)).toEqual(['typed']);
    expect(bench.reap(Queue.transmit0)).toHaveLength(1);
  });
});

describe('an emergency write', () => {
  it('goes out at once, before the device is set up and after', () => {
    const bench = new ConsoleBench();
    const at = structure(bench.m.fn, 4);
    at.write(8, 4, 0x41);
    at.write(8, 1, 0x42);
    expect(textOf(bench.output)).toBe('AB');
    bench.start();
    at.write(8, 4, 0x12345643);
    expect(textOf(bench.output)).toBe('ABC');
  });
});

describe('control messages', () => {
  it.each([false, true])('introduce the ports, each with what it is (packed: %s)', (packed) => {
    const bench = new ConsoleBench({ packed }).start();
    for (let i = 0; i < 12; i++) bench.offer(Queue.controlReceive, 64);
    bench.control(0xffffffff, Event.DEVICE_READY, 1);
    expect(bench.messages()).toEqual([0, 1, 2].map((port) => [port, Event.DEVICE_ADD, 1]));
    bench.control(0, Event.PORT_READY, 1);
    expect(bench.messages()).toEqual([
      [0, Event.CONSOLE_PORT, 1],
      [0, Event.PORT_OPEN, 1],
    ]);
    bench.control(2, Event.PORT_READY, 1);
    bench.control(1, Event.PORT_READY, 1);
    expect(bench.messages()).toEqual([
      [2, Event.PORT_NAME, 1, 'b'],
      [2, Event.PORT_OPEN, 1],
      [1, Event.PORT_NAME, 1, 'org.trapline.echo'],
      [1, Event.PORT_OPEN, 1],
    ]);
    expect(bench.world.ofKind(Kind.DeviceIgnored)).toEqual([]);
  });

  it('introduce a port once, however often the driver says that it is ready, and again after a reset', () => {
    const bench = new ConsoleBench().start();
    const ready = (): unknown[] => {
      for (let i = 0; i < 4; i++) bench.offer(Queue.controlReceive, 64);
      bench.control(0, Event.DEVICE_READY, 1);
      return bench.messages();
    };
    const added = [0, 1, 2].map((port) => [port, Event.DEVICE_ADD, 1]);
    expect(ready()).toEqual(added);
    expect(ready()).toEqual([]);
    bench.start();
    expect(ready()).toEqual(added);
  });

  it('are not sent to a driver that has failed', () => {
    const bench = new ConsoleBench().start();
    bench.offer(Queue.controlReceive, 64);
    bench.control(0, Event.DEVICE_READY, 0);
    bench.control(1, Event.PORT_READY, 0);
    expect(bench.messages()).toEqual([]);
  });

  it('wait for buffers, also when their queue comes later', () => {
    const bench = new ConsoleBench({ queues: [Queue.controlTransmit] }).start();
    bench.control(0, Event.DEVICE_READY, 1);
    bench.setUp(Queue.controlReceive);
    bench.world.drain();
    for (let port = 0; port < 3; port++) {
      expect(bench.messages()).toEqual([]);
      bench.offer(Queue.controlReceive, 8);
      bench.world.drain();
      expect(bench.messages()).toEqual([[port, Event.DEVICE_ADD, 1]]);
    }
  });

  it('are not cut: a buffer that is too small comes back empty', () => {
    const bench = new ConsoleBench().start();
    bench.offer(Queue.controlReceive, 7);
    bench.offer(Queue.controlReceive, 64);
    bench.control(0, Event.PORT_READY, 1);
    const [empty, whole] = bench.reap(Queue.controlReceive);
    expect([empty.length, whole.length]).toEqual([0, 8]);
  });

  it.each([
    ['a port that there is not', 3, Event.PORT_READY],
    ['a port far beyond', 0xffffffff, Event.PORT_OPEN],
    ['an event that the device sends itself', 0, Event.DEVICE_ADD],
    ['an event that there is not', 1, 99],
  ])('for %s are ignored with a row', (_name, port, event) => {
    const bench = new ConsoleBench().start();
    bench.offer(Queue.controlReceive, 64);
    bench.control(port, event, 1);
    expect(bench.world.ofKind(Kind.DeviceIgnored).map(({ a, b }) => [a, b])).toEqual([[event, port]]);
    expect(bench.messages()).toEqual([]);
    expect(bench.status & 64).toBe(0);
    expect(bench.reap(Queue.controlTransmit)).toHaveLength(1);
  });

  it.each([0, 1, 7])('of %i bytes make the device need a reset', (length) => {
    const bench = new ConsoleBench().start();
    bench.send(Queue.controlTransmit, new Uint8Array(length));
    bench.world.drain();
    expect(bench.status & 64).toBe(64);
    bench.start();
    bench.offer(Queue.controlReceive, 64);
    bench.control(0, Event.PORT_READY, 1);
    expect(bench.messages()).toEqual([[0, Event.CONSOLE_PORT, 1]]);
  });

  it('end where the message does, however long the buffer is', () => {
    const bench = new ConsoleBench().start();
    for (let i = 0; i < 4; i++) bench.offer(Queue.controlReceive, 64);
    // What stands behind it would be a short message, or others.
    const long = new Uint8Array(2 * 4096 + 3);
    long.set(message(1, Event.PORT_READY, 1));
    long.set(message(0, Event.DEVICE_READY, 1), 4096);
    bench.send(Queue.controlTransmit, long, [3]);
    bench.world.drain();
    expect(bench.status & 64).toBe(0);
    expect(bench.messages().map(([, event]) => event)).toEqual([Event.PORT_NAME, Event.PORT_OPEN]);
  });
});

describe('ports', () => {
  it('carry the bytes of the console to its output', () => {
    const bench = new ConsoleBench().start().open(0);
    const bytes = pattern(70_000);
    bench.send(Queue.transmit0, bytes, [1, 4095, 5000]);
    bench.send(Queue.transmit0, bytesOf('end'));
    bench.world.drain();
    expect(bench.output.length).toBe(70_003);
    expect(Uint8Array.from(bench.output.slice(0, 70_000))).toEqual(bytes);
    expect(textOf(bench.output.slice(70_000))).toBe('end');
    // In pieces: no transaction has all of a large buffer.
    for (const { b } of bench.world.ofKind(Kind.DmaRead)) expect(b).toBeLessThanOrEqual(4096);
    expect(bench.reap(Queue.transmit0).map(({ length }) => length)).toEqual([0, 0]);
  });

  it.each([1, 2])('beside the console send back what they get: port %i', (port) => {
    const bench = new ConsoleBench().start().open(port);
    const [receive, transmit] = [2 + 2 * port, 3 + 2 * port];
    bench.bus.dma.latency = 11;
    const bytes = pattern(9000);
    bench.send(transmit, bytes, [10, 5000]);
    for (let i = 0; i < 8; i++) bench.offer(receive, 1100, 400);
    bench.world.drain();
    expect(joined(bench.reap(receive))).toEqual(bytes);
    expect(bench.output).toEqual([]);
  });

  it('keep what was sent until there are buffers', () => {
    const bench = new ConsoleBench().start().open(1);
    bench.send(Queue.transmit1, bytesOf('abc'));
    bench.send(Queue.transmit1, bytesOf('defgh'));
    bench.world.drain();
    bench.offer(Queue.receive1, 2);
    bench.world.drain();
    expect(bench.reap(Queue.receive1).map(textOf)).toEqual(['ab']);
    for (let i = 0; i < 3; i++) bench.offer(Queue.receive1, 4);
    bench.world.drain();
    expect(textOf(joined(bench.reap(Queue.receive1)))).toBe('cdefgh');
  });

  it('lose what is sent to them while they are closed', () => {
    const bench = new ConsoleBench().start();
    for (const queue of [Queue.receive1, Queue.receive0]) bench.offer(queue, 100);
    bench.send(Queue.transmit0, bytesOf('lost'));
    bench.send(Queue.transmit1, bytesOf('lost'));
    bench.type.input(bytesOf('lost'));
    bench.world.drain();
    bench.open(0, 1);
    bench.control(1, Event.PORT_OPEN, 0);
    bench.send(Queue.transmit1, bytesOf('lost'));
    bench.type.input(bytesOf('typed'));
    bench.world.drain();
    expect(bench.output).toEqual([]);
    expect(bench.reap(Queue.receive1)).toEqual([]);
    expect(bench.reap(Queue.receive0).map(textOf)).toEqual(['typed']);
  });

  it('give a buffer without room back empty', () => {
    const bench = new ConsoleBench().start().open(1);
    bench.offer(Queue.receive1, 8);
    bench.send(Queue.receive1, bytesOf('read only'));
    bench.offer(Queue.receive1, 8);
    bench.send(Queue.transmit1, pattern(16));
    bench.world.drain();
    expect(bench.reap(Queue.receive1).map(({ length }) => length)).toEqual([8, 0, 8]);
  });

  it('are closed again by a reset', () => {
    const bench = new ConsoleBench().start().open(0);
    bench.start();
    bench.send(Queue.transmit0, bytesOf('x'));
    bench.world.drain();
    expect(bench.output).toEqual([]);
  });

  it('lose nothing that waits when their receive queue is reset in the midst of a write', () => {
    for (let delay = 0; delay < 1000; delay += 50) {
      const bench = new ConsoleBench().start().open(1);
      bench.send(Queue.transmit1, bytesOf('abcdef'));
      bench.world.drain();
      bench.bus.dma.latency = 100;
      bench.offer(Queue.receive1, 4);
      bench.world.advanceTo(bench.world.time + delay);
      const cfg = common(bench.m.fn);
      cfg.set('queueSelect', Queue.receive1);
      cfg.set('queueReset', 1);
      bench.world.drain();
      const before = bench.reap(Queue.receive1).map(textOf).join('');
      expect(cfg.get('queueEnable')).toBe(0);
      bench.setUp(Queue.receive1);
      bench.offer(Queue.receive1, 20);
      bench.world.drain();
      const after = bench.reap(Queue.receive1).map(textOf).join('');
      // A used entry that was on its way goes with the queue, and its bytes too.
      expect(['abcdef', 'ef']).toContain(before + after);
      if (delay < 400) expect(before + after).toBe('abcdef');
    }
  });
});

/** `TRAPLINE_VIRTIO_RUNS` asks for more than usual. */
const runs = (usual: number): fc.Parameters<[number]> => ({
  numRuns: Number(process.env.TRAPLINE_VIRTIO_RUNS ?? usual),
});
const seeds = fc.integer({ min: 1, max: 0x7fffffff });

describe('bytes at random', () => {
  it.each([false, true])(
    'come back whole and in order, however the device is moved (packed: %s)',
    (packed) => {
      fc.assert(
        fc.property(seeds, (seed) => {
          const random = randomSource(seed);
          let bench = new ConsoleBench({ packed }).start().open(0, 1);
          const sent: Uint8Array[] = [];
          const printed: Uint8Array[] = [];
          const back: Uint8Array[] = [];
          const free = (queue: number): boolean => bench.rings.get(queue)!.outstanding < 5;
          for (let i = 0; i < 150; i++) {
            const bytes = pattern(1 + (random() % 900), random());
            switch (random() % 6) {
              case 0:
                if (!free(Queue.transmit1)) break;
                bench.send(Queue.transmit1, bytes, [random() % 40]);
                sent.push(bytes);
                break;
              case 1:
                if (!free(Queue.transmit0)) break;
                bench.send(Queue.transmit0, bytes);
                printed.push(bytes);
                break;
              case 2:
                if (free(Queue.receive1))
                  bench.offer(Queue.receive1, 1 + (random() % 900), 1 + (random() % 50));
                break;
              case 3:
                back.push(...bench.reap(Queue.receive1));
                for (const queue of [Queue.transmit0, Queue.transmit1]) bench.reap(queue);
                break;
              default:
                bench.bus.dma.latency = random() % 60;
                bench.world.advanceTo(bench.world.time + (random() % 400));
            }
            if (random() % 20 > 0) continue;
            const saved = bench.save();
            bench = new ConsoleBench({ packed }).restore(
              saved,
              random() % 2 === 0 ? undefined : random() % 1000,
            );
          }
          for (let i = 0; i < 2000 && joined(back).length < joined(sent).length; i++) {
            bench.world.drain();
            back.push(...bench.reap(Queue.receive1));
            bench.offer(Queue.receive1, 1000);
          }
          bench.world.drain();
          expect(joined(back)).toEqual(joined(sent));
          expect(Uint8Array.from(bench.output)).toEqual(joined(printed));
          expect(bench.status & 64).toBe(0);
        }),
        runs(3),
      );
    },
  );
});

describe('a hostile driver', () => {
  it('neither stops the device nor makes it write where it was not told to', () => {
    const LIMIT = 0xf0000;
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomSource(seed);
        const below = (n: number): number => random() % n;
        const bench = new ConsoleBench({ packed: below(2) === 0 }).start();
        bench.bus.memory.fill(0x5a, LIMIT);
        const part = (): Part => ({
          address: below(60) === 0 ? 0x10000000 : 0x40000 + below(0x8000),
          length: below(6) === 0 ? below(100_000) : below(40),
        });
        for (let i = 0; i < 200; i++) {
          const queue = below(8);
          const ring = bench.rings.get(queue)!;
          switch (below(6)) {
            case 0:
            case 1: {
              const readable = Array.from({ length: below(3) }, part);
              const writable = Array.from({ length: below(3) }, part);
              const [first] = readable;
              const told = message(below(4), below(9), below(3));
              if (first && first.address < LIMIT)
                bench.bus.memory.set(told.subarray(0, first.length), first.address);
              if (readable.length + writable.length > 0) ring.add({ readable, writable });
              ring.publish();
              structure(bench.m.fn, 2).write(queue * 4, 2, queue);
              break;
            }
            case 2:
              ring.reap();
              break;
            case 3:
              bench.type.input(pattern(below(3000)));
              break;
            case 4:
              structure(bench.m.fn, 4).write(below(12), ([1, 2, 4] as const)[below(3)], random() >>> 0);
              if (below(20) === 0) bench.start();
              break;
            default:
              bench.bus.dma.latency = below(50);
              bench.world.advanceTo(bench.world.time + below(500));
          }
        }
        bench.world.drain();
        expect(bench.bus.dma.pending).toEqual([]);
        bench.start().open(0);
        bench.output = [];
        bench.send(Queue.transmit0, bytesOf('still here'));
        bench.world.drain();
        expect(textOf(bench.output)).toBe('still here');
        const beyond = bench.bus.memory.subarray(LIMIT);
        expect(Buffer.compare(beyond, new Uint8Array(beyond.length).fill(0x5a))).toBe(0);
      }),
      runs(25),
    );
  });
});
