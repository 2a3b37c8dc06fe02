/** The network device when it is stopped in the midst of something: resets, moves, traffic at random, and hostile drivers. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomSource } from '../../../../conformance/native-oracle/generate';
import { F, NetBench, SIZE, frameOf, numberOf, type NetBenchOptions } from './net-driver';
import { barAccess, common, structure } from './pci-driver';

/** `TRAPLINE_VIRTIO_RUNS` asks for more than usual. */
const runs = (usual: number): fc.Parameters<[number]> => ({
  numRuns: Number(process.env.TRAPLINE_VIRTIO_RUNS ?? usual),
});
const seeds = fc.integer({ min: 1, max: 0x7fffffff });
const LATENCY = 100;
/** Long enough for a packet in either direction, step by step. */
const WHOLE = 12 * LATENCY;

describe('the reset of one queue', () => {
  const reset = (bench: NetBench, queue: number): void => {
    const cfg = common(bench.m.fn);
    cfg.set('queueSelect', queue);
    cfg.set('queueReset', 1);
    bench.world.drain();
    expect(cfg.get('queueReset')).toBe(0);
    expect(cfg.get('queueEnable')).toBe(0);
  };

  it('in the midst of sending ends that packet, and the queue works when it is set up anew', () => {
    for (let delay = 0; delay < WHOLE; delay += LATENCY / 2) {
      const bench = new NetBench().start();
      bench.bus.dma.latency = LATENCY;
      bench.wire.perFrame = 3 * LATENCY;
      bench.transmit(frameOf(1));
      bench.transmit(frameOf(2));
      bench.world.advanceTo(bench.world.time + delay);
      const sent = bench.frames.length;
      reset(bench, 1);
      expect(bench.frames).toHaveLength(sent);
      bench.setUp(1);
      bench.transmit(frameOf(3));
      bench.world.drain();
      expect(bench.frames.map(numberOf)).toEqual([1, 2].slice(0, sent).concat(3));
      expect(bench.reap(1)).toHaveLength(1);
    }
  });

  it('in the midst of receiving keeps the packets that have not been shown for the new queue', () => {
    for (const features of [[], [F.MRG_RXBUF]]) {
      for (let delay = 0; delay < WHOLE; delay += LATENCY / 2) {
        const bench = new NetBench({ features }).start();
        bench.bus.dma.latency = LATENCY;
        for (let i = 0; i < 4; i++) bench.offer([50, 50]);
        bench.type.receive(frameOf(1));
        bench.type.receive(frameOf(2));
        bench.world.advanceTo(bench.world.time + delay);
        const cfg = common(bench.m.fn);
        cfg.set('queueSelect', 0);
        cfg.set('queueReset', 1);
        bench.world.drain();
        // What was used before the reset was done counts as received.
        const before = bench.received().map(({ frame }) => numberOf(frame));
        bench.type.receive(frameOf(3));
        bench.world.drain();
        bench.setUp(0);
        for (let i = 0; i < 4; i++) bench.offer([50, 50]);
        bench.world.drain();
        const after = bench.received().map(({ frame }) => numberOf(frame));
        // A packet whose used entry was on its way when the queue was reset may be lost with it, as all that is in flight.
        const all = [...before, ...after];
        expect(all.at(-1)).toBe(3);
        expect(all).toEqual([...new Set(all)].sort());
        expect(all.length).toBeGreaterThanOrEqual(2);
      }
    }
  });

  it('of the control queue lets a new one answer', () => {
    const bench = new NetBench({ features: [F.CTRL_VQ, F.CTRL_RX] }).start();
    bench.bus.dma.latency = LATENCY;
    bench.add(2, bench.place(Uint8Array.of(0, 0, 0)), [{ address: bench.alloc(1), length: 1 }]);
    bench.world.advanceTo(bench.world.time + 2.5 * LATENCY);
    reset(bench, 2);
    bench.setUp(2);
    expect(bench.command(0, 0, Uint8Array.of(1))).toBe(0);
  });
});

describe('the reset of the device', () => {
  it('in the midst of anything leaves nothing of it, and the device works again', () => {
    for (let delay = 0; delay < WHOLE; delay += LATENCY / 2) {
      const bench = new NetBench({ features: [F.CTRL_VQ, F.CTRL_RX, F.MRG_RXBUF] }).start();
      bench.bus.dma.latency = LATENCY;
      bench.wire.perFrame = LATENCY;
      for (let i = 0; i < 8; i++) bench.offer([40]);
      for (let i = 0; i < 4; i++) bench.transmit(frameOf(i));
      bench.type.receive(frameOf(50, 200));
      bench.type.receive(frameOf(51, 200));
      bench.add(2, bench.place(Uint8Array.of(0, 0, 1)), [{ address: bench.alloc(1), length: 1 }]);
      bench.world.advanceTo(bench.world.time + delay);
      const sent = bench.frames.length;
      common(bench.m.fn).set('status', 0);
      for (let i = 0; bench.status !== 0 && i < 100; i++) bench.world.advanceTo(bench.world.time + LATENCY);
      expect(bench.status).toBe(0);
      // Memory is the driver's again: nothing is written, nothing sent.
      const memory = bench.memory.slice();
      bench.world.drain();
      expect(Buffer.compare(bench.memory, memory)).toBe(0);
      expect(bench.frames).toHaveLength(sent);
      expect(bench.type.canReceive()).toBe(false);
      bench.start();
      bench.offer([200]);
      bench.transmit(frameOf(9));
      bench.type.receive(frameOf(52));
      bench.world.drain();
      expect(bench.frames.slice(sent).map(numberOf)).toEqual([9]);
      expect(bench.received().map(({ frame }) => numberOf(frame))).toEqual([52]);
    }
  });
});

const forms: NetBenchOptions[] = [
  { features: [F.MRG_RXBUF] },
  { features: [] },
  { features: [F.MRG_RXBUF], packed: true },
  { features: [F.MRG_RXBUF], eventIdx: true },
  { features: [], packed: true, eventIdx: true },
].map((form) => ({ ...form, net: { batch: 3 } }));

/** A driver and a network that send numbered packets, each whenever it can. */
class Traffic {
  bench: NetBench;
  sent = 0;
  arrived = 0;
  received: number[] = [];
  returned = 0;

  constructor(
    private readonly options: NetBenchOptions,
    private readonly random: () => number,
  ) {
    this.bench = new NetBench(options).start();
  }

  step(): void {
    const { bench, random } = this;
    const below = (n: number): number => random() % n;
    switch (below(9)) {
      case 0:
      case 1: {
        const room = SIZE - 2 * bench.ring(1).outstanding;
        if (room < 3) break;
        bench.transmit(frameOf(this.sent++, 60 + below(400)), {
          lengths: below(2) === 0 ? [] : [1 + below(30)],
        });
        break;
      }
      case 2:
      case 3:
        if (!bench.type.canReceive()) break;
        bench.type.receive(frameOf(this.arrived++, 60 + below(400)));
        break;
      case 4:
      case 5:
        this.refill();
        break;
      case 6:
        this.reap();
        break;
      default:
        bench.bus.dma.latency = below(3) * below(60);
        bench.wire.perFrame = below(2) * below(200);
        bench.world.advanceTo(bench.world.time + below(300));
    }
  }

  refill(): void {
    const { bench, random } = this;
    while (SIZE - 2 * bench.ring(0).outstanding >= 2) {
      const merges = this.options.features?.includes(F.MRG_RXBUF);
      bench.offer(merges ? [12 + (random() % 100), 1 + (random() % 200)] : [12, 500]);
    }
  }

  reap(): void {
    const { bench } = this;
    this.returned += bench.reap(1).length;
    for (const { frame } of bench.received()) {
      const number = numberOf(frame);
      expect(frame).toEqual(frameOf(number, frame.length));
      this.received.push(number);
    }
  }

  /** Into a device that knows nothing: the same run, or another one. */
  move(): void {
    const { bench, options, random } = this;
    const saved = bench.save();
    const fresh = new NetBench(options);
    this.bench = random() % 2 === 0 ? fresh.load(saved) : fresh.adopt(saved, random() % 10_000);
  }

  finish(): void {
    for (let i = 0; i < 200 && this.received.length < this.arrived; i++) {
      this.refill();
      this.bench.world.drain();
      this.reap();
    }
    this.bench.world.drain();
    this.reap();
  }
}

describe('traffic at random', () => {
  it.each(forms)(
    'is neither lost nor doubled nor out of order, however it is saved and moved: %j',
    (options) => {
      fc.assert(
        fc.property(seeds, (seed) => {
          const random = randomSource(seed);
          const traffic = new Traffic(options, random);
          for (let i = 0; i < 250; i++) {
            traffic.step();
            if (random() % 25 === 0) traffic.move();
          }
          traffic.finish();
          const { bench, sent, arrived, received, returned } = traffic;
          expect(bench.needsReset).toBe(false);
          expect(bench.frames.map(numberOf)).toEqual(Array.from({ length: sent }, (_, i) => i));
          for (const frame of bench.frames) expect(frame).toEqual(frameOf(numberOf(frame), frame.length));
          expect(received).toEqual(Array.from({ length: arrived }, (_, i) => i));
          expect(returned).toBe(sent);
          expect(bench.drops).toEqual([]);
        }),
        runs(3),
      );
    },
  );

  it('is the same in a run that is saved and loaded at every step', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const go = (moves: boolean): unknown => {
          const traffic = new Traffic(forms[0], randomSource(seed));
          for (let i = 0; i < 60; i++) {
            traffic.step();
            if (moves) traffic.bench = new NetBench(forms[0]).load(traffic.bench.save());
          }
          traffic.finish();
          return [traffic.bench.world.time, traffic.bench.wire.sent, traffic.received];
        };
        expect(go(true)).toEqual(go(false));
      }),
      runs(1),
    );
  });
});

/** No buffer reaches beyond here, and no ring lies there. */
const LIMIT = 0xd0000;
const CANARY = 0x5a;

/** Whatever a driver can do to the device, mostly nearly right. */
class Hostile {
  readonly bench: NetBench;
  readonly features = [
    F.MRG_RXBUF,
    F.CTRL_VQ,
    F.CTRL_RX,
    F.CTRL_VLAN,
    F.CSUM,
    F.HOST_TSO4,
    F.HOST_TSO6,
    F.MQ,
  ];

  constructor(private readonly random: () => number) {
    this.bench = new NetBench({
      net: { pairs: 2 },
      features: this.features,
      packed: random() % 2 === 0,
      eventIdx: random() % 2 === 0,
    }).start();
    this.bench.memory.fill(CANARY, LIMIT);
  }

  below(n: number): number {
    return this.random() % n;
  }

  step(): void {
    const { bench } = this;
    switch (this.below(12)) {
      case 0:
      case 1:
      case 2:
        return this.chain(1 + 2 * this.below(2));
      case 3:
        return this.chain(4);
      case 4:
      case 5:
        return this.chain(2 * this.below(2));
      case 6:
        return bench.type.receive(frameOf(this.below(100), 16 + this.below(1600)));
      case 7:
        if (this.below(6) === 0) this.register();
        return;
      case 8:
        if (this.below(8) === 0) {
          bench.start();
        } else bench.kick(this.below(8));
        return;
      case 9: {
        const queue = this.below(5);
        bench.rings.get(queue)?.reap();
        return;
      }
      case 10:
        if (this.below(10) === 0) this.scribble();
        return;
      default:
        bench.bus.dma.latency = this.below(50);
        bench.wire.perFrame = this.below(2) * this.below(500);
        bench.world.advanceTo(bench.world.time + this.below(500));
    }
  }

  /** Bytes at random in a chain of parts at random; sometimes it is a right packet with a header at random. */
  private chain(queue: number): void {
    const { bench } = this;
    const ring = bench.ring(queue);
    const part = (): { address: number; length: number } => {
      const length = this.below(5) === 0 ? this.below(70_000) : this.below(200);
      const inside = 0x90000 + this.below(0x8000);
      const outside = this.below(60) === 0;
      return { address: outside ? 0x10000000 : inside, length: Math.min(length, LIMIT - inside) };
    };
    const readable = Array.from({ length: this.below(4) }, part);
    const writable = Array.from({ length: this.below(3) }, part);
    if (readable.length + writable.length === 0) return;
    for (const { address, length } of readable.slice(0, 1)) {
      const bytes = Uint8Array.from({ length: Math.min(length, 120) }, () => this.below(256));
      if (bytes.length > 60 && this.below(2) === 0) {
        bytes.set([
          this.below(2),
          [0, 1, 4, 0x81][this.below(4)],
          0,
          0,
          this.below(256),
          this.below(8),
          34,
          0,
          16,
          0,
        ]);
        bytes.set([8, 0, 0x45], 24);
        bytes[35] = 6;
        bytes[58] = this.below(256);
      } else if (queue === 4 && bytes.length > 2) bytes.set([this.below(6), this.below(6)]);
      if (address < LIMIT) bench.memory.set(bytes, address);
    }
    if (
      ring.add({ readable, writable, as: (['chain', 'table', 'mixed'] as const)[this.below(3)] }) ===
      undefined
    )
      return;
    ring.publish();
    if (this.below(4) > 0) bench.kick(queue);
  }

  private register(): void {
    const { bench } = this;
    const at = structure(bench.m.fn, this.below(2) === 0 ? 1 : 4);
    const size = ([1, 2, 4] as const)[this.below(3)];
    const value = [0, 1, 0xff, 0x80, this.random() >>> 0][this.below(5)];
    if (this.below(2) === 0) at.read(this.below(64), size);
    // Not the queues' addresses: where those lie the device may write.
    else at.write(this.below(at.length < 32 ? at.length : 32), size, value);
    barAccess(bench.m.fn).read(at.bar, this.below(0x4000), 4);
  }

  private scribble(): void {
    const { layout } = this.bench.ring(this.below(5));
    const at = [layout.descriptors, layout.driver, layout.device][this.below(3)] + this.below(64);
    // Lengths and flags, but no address: each points to where buffers are.
    if (at < layout.driver && at % 16 < 8) return;
    this.bench.memory[at] = this.below(256);
  }
}

describe('a hostile driver', () => {
  it('neither stops the device nor makes it write where it was not told to', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const hostile = new Hostile(randomSource(seed));
        const { bench } = hostile;
        for (let i = 0; i < 200; i++) {
          // The driver's own model may find that its ring is not what it was.
          try {
            hostile.step();
          } catch (error) {
            if (!(error instanceof Error && error.message.startsWith('used entry of'))) throw error;
            bench.start();
          }
        }
        bench.world.drain();
        expect(bench.bus.dma.pending).toEqual([]);
        bench.bus.dma.latency = bench.wire.perFrame = 0;
        const sent = bench.frames.length;
        bench.start();
        bench.offer([2000]);
        bench.transmit(frameOf(5));
        bench.type.receive(frameOf(6));
        bench.world.drain();
        expect(bench.frames.slice(sent)).toEqual([frameOf(5)]);
        expect(bench.received().map(({ frame }) => frame)).toEqual([frameOf(6)]);
        const beyond = bench.memory.subarray(LIMIT);
        expect(Buffer.compare(beyond, new Uint8Array(beyond.length).fill(CANARY))).toBe(0);
      }),
      runs(25),
    );
  });
});
