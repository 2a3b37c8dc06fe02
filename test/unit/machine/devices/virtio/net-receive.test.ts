/** Packets from the wire to the driver (5.1.6.3, 5.1.6.4): merged buffers and single ones, none at all, and filters. */
import { describe, expect, it } from 'vitest';
import { NetDrop } from '../../../../../src/machine/devices/virtio/net/constants';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { F, MAC, NetBench, OK, frameOf, numberOf, type NetBenchOptions } from './net-driver';

const MERGE = { features: [F.MRG_RXBUF] };
const FILTERS = [F.CTRL_VQ, F.CTRL_RX, F.CTRL_RX_EXTRA, F.CTRL_VLAN, F.CTRL_MAC_ADDR];
/** Packets that wait in the device. */
const FIFO = 16;

function arrive(bench: NetBench, ...frames: Uint8Array[]): void {
  for (const frame of frames) bench.type.receive(frame);
  bench.world.drain();
}

describe('a packet that arrives', () => {
  const forms: [string, NetBenchOptions, number][] = [
    ['modern', {}, 12],
    ['modern, packed', { packed: true }, 12],
    ['modern, by event index', { eventIdx: true }, 12],
    ['modern, packed, by event index', { packed: true, eventIdx: true }, 12],
    ['modern, merged', MERGE, 12],
    ['legacy', { legacy: true }, 10],
    ['legacy, merged', { legacy: true, ...MERGE }, 12],
  ];

  it.each(forms)('lies behind its header: %s', (_name, options, header) => {
    const bench = new NetBench(options).start();
    for (let i = 0; i < 40; i++) {
      bench.offer(i % 2 === 0 ? [header, 1514] : [5, 1600]);
      const frame = frameOf(i, 60 + i * 30);
      arrive(bench, frame);
      const [packet, ...rest] = bench.received();
      expect(rest).toEqual([]);
      expect(packet.frame).toEqual(frame);
      expect(packet.lengths).toEqual([header + frame.length]);
      // Nothing is left to the driver (5.1.6.4.1): no flag, no large packet; one buffer.
      expect([...new Uint8Array(packet.header.buffer)].slice(0, 10)).toEqual(new Array<number>(10).fill(0));
      if (header === 12) expect(packet.header.getUint16(10, true)).toBe(1);
    }
    expect(bench.world.ofKind(Kind.PacketRx)).toHaveLength(40);
    expect(bench.drops).toEqual([]);
  });

  it.each([false, true])('takes as many buffers as it needs when they are merged (packed: %s)', (packed) => {
    const bench = new NetBench({ ...MERGE, packed }).start();
    const lengths = [[100], [13], [40, 60], [1], [500, 500]];
    for (const each of lengths) bench.offer(each);
    bench.bus.dma.latency = 7;
    const frame = frameOf(3, 1000);
    arrive(bench, frame);
    const [packet] = bench.received();
    expect(packet.frame).toEqual(frame);
    expect(packet.lengths).toEqual([100, 13, 100, 1, 1012 - 214]);
    expect(packet.header.getUint16(10, true)).toBe(5);
  });

  it('has its buffers shown all at once', () => {
    const bench = new NetBench(MERGE).start();
    for (let i = 0; i < 4; i++) bench.offer([300]);
    bench.bus.dma.latency = 50;
    bench.type.receive(frameOf(1, 1000));
    const counts = new Set<number>();
    while (bench.world.queue.nextTime() < Infinity) {
      bench.world.advanceTo(bench.world.queue.nextTime());
      const { device } = bench.ring(0).layout;
      counts.add(new DataView(bench.memory.buffer).getUint16(device + 2, true));
    }
    expect([...counts]).toEqual([0, 4]);
    expect(bench.world.ofKind(Kind.VirtqInterrupt)).toHaveLength(1);
  });

  it('is lost when a single buffer is too small, which stays', () => {
    const bench = new NetBench().start();
    bench.offer([12 + 59]);
    bench.offer([2000]);
    arrive(bench, frameOf(1, 60));
    expect(bench.drops).toEqual([NetDrop.SmallBuffer]);
    expect(bench.reap(0)).toEqual([]);
    arrive(bench, frameOf(2, 59));
    expect(bench.received().map(({ frame }) => numberOf(frame))).toEqual([2]);
  });

  it('waits for buffers, and takes them in their order when they come', () => {
    for (const options of [{}, MERGE, { eventIdx: true }, { ...MERGE, packed: true, eventIdx: true }]) {
      const bench = new NetBench(options).start();
      arrive(bench, frameOf(1), frameOf(2), frameOf(3));
      expect(bench.received()).toEqual([]);
      for (let i = 0; i < 3; i++) {
        bench.offer([100]);
        bench.world.drain();
        expect(bench.received().map(({ frame }) => numberOf(frame))).toEqual([i + 1]);
      }
      expect(bench.drops).toEqual([]);
    }
  });

  it('waits for the rest of the buffers that it needs, and those that it has are not used up', () => {
    const bench = new NetBench(MERGE).start();
    for (let i = 0; i < 4; i++) bench.offer([100]);
    const frame = frameOf(5, 600);
    arrive(bench, frame);
    expect(bench.reap(0)).toEqual([]);
    for (let i = 0; i < 3; i++) {
      bench.offer([100]);
      bench.world.drain();
    }
    const [packet] = bench.received();
    expect(packet.frame).toEqual(frame);
    expect(packet.lengths).toEqual([100, 100, 100, 100, 100, 100, 12]);
  });

  it('is lost beyond the MTU when that was negotiated, as the driver need not have room for it', () => {
    const net = { mtu: 1000 };
    const tagged = frameOf(3, 1018);
    tagged.set([0x81, 0], 12);
    for (const [features, lost] of [
      [[F.MTU], 1],
      [[], 0],
    ] as const) {
      const bench = new NetBench({ net, features }).start();
      for (let i = 0; i < 3; i++) bench.offer([2000]);
      arrive(bench, frameOf(1, 1014), frameOf(2, 1015), tagged);
      expect(bench.received()).toHaveLength(3 - lost);
      expect(bench.drops).toEqual(Array(lost).fill(NetDrop.Oversize));
    }
  });

  it('is not received into what the device may only read', () => {
    const bench = new NetBench().start();
    bench.add(0, [{ address: 0x90000, length: 2000 }]);
    arrive(bench, frameOf(1));
    expect(bench.drops).toEqual([NetDrop.SmallBuffer]);
    expect(bench.needsReset).toBe(false);
  });

  it('is lost when so many wait already, and whoever can wait is told when there is room', () => {
    const bench = new NetBench().start();
    for (let i = 0; i < FIFO; i++) {
      expect(bench.type.canReceive()).toBe(true);
      arrive(bench, frameOf(i));
    }
    expect(bench.type.canReceive()).toBe(false);
    arrive(bench, frameOf(99));
    expect(bench.drops).toEqual([NetDrop.QueueFull]);
    const rooms = bench.wire.rooms;
    for (let i = 0; i < FIFO; i++) bench.offer([100]);
    bench.world.drain();
    expect(bench.wire.rooms).toBe(rooms + FIFO);
    expect(bench.type.canReceive()).toBe(true);
    expect(bench.received().map(({ frame }) => numberOf(frame))).toEqual(
      Array.from({ length: FIFO }, (_, i) => i),
    );
  });

  it('is lost before the driver has set the device up, and after it has reset it', () => {
    const bench = new NetBench();
    expect(bench.type.canReceive()).toBe(false);
    arrive(bench, frameOf(1));
    expect(bench.drops).toEqual([NetDrop.NotReady]);
    expect(bench.wire.rooms).toBe(0);
    bench.start();
    expect(bench.wire.rooms).toBe(1);
    bench.offer([100]);
    bench.start();
    bench.offer([100]);
    arrive(bench, frameOf(2));
    expect(bench.received()).toHaveLength(1);
  });

  it('is received once its queue is there, though that comes after DRIVER_OK', () => {
    const bench = new NetBench({ queues: [1] }).start();
    arrive(bench, frameOf(1), frameOf(2));
    bench.setUp(0);
    bench.world.drain();
    for (let i = 0; i < 2; i++) bench.offer([100]);
    bench.world.drain();
    expect(bench.received().map(({ frame }) => numberOf(frame))).toEqual([1, 2]);
  });
});

/** Whether the driver gets this frame. */
function gets(bench: NetBench, frame: Uint8Array): boolean {
  if (bench.ring(0).outstanding === 0) bench.offer([2000]);
  arrive(bench, frame);
  const packets = bench.received();
  for (const packet of packets) expect(packet.frame).toEqual(frame);
  return packets.length > 0;
}

const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const unicast = (n: number): number[] => [0x02, 0, 0, 0, 1, n];
const multicast = (n: number): number[] => [0x01, 0, 0x5e, 0, 1, n];
const RX = { class: 0, PROMISC: 0, ALLMULTI: 1, ALLUNI: 2, NOMULTI: 3, NOUNI: 4, NOBCAST: 5 } as const;
const onOff = (on: boolean): Uint8Array => Uint8Array.of(on ? 1 : 0);

/** `virtio_net_ctrl_mac` twice: unicast addresses, then multicast ones. */
function tables(unicasts: number[][], multicasts: number[][]): Uint8Array {
  return Uint8Array.from(
    [unicasts, multicasts].flatMap((table) => {
      const count = new Uint8Array(4);
      new DataView(count.buffer).setUint32(0, table.length, true);
      return [...count, ...table.flat()];
    }),
  );
}

describe('the receive filter', () => {
  const filtered = (): NetBench => {
    const bench = new NetBench({ features: FILTERS }).start();
    expect(bench.command(RX.class, RX.PROMISC, onOff(false))).toBe(OK);
    return bench;
  };

  it('lets everything through for a driver that never speaks of it', () => {
    const bench = new NetBench().start();
    for (const to of [MAC, unicast(1), multicast(1), BROADCAST]) {
      expect(gets(bench, frameOf(1, 60, to))).toBe(true);
    }
  });

  it('has the own address and the broadcast address pass when it is not promiscuous', () => {
    const bench = filtered();
    expect(gets(bench, frameOf(1, 60, MAC))).toBe(true);
    expect(gets(bench, frameOf(2, 60, BROADCAST))).toBe(true);
    expect(gets(bench, frameOf(3, 60, unicast(1)))).toBe(false);
    expect(gets(bench, frameOf(4, 60, multicast(1)))).toBe(false);
    expect(bench.command(RX.class, RX.PROMISC, onOff(true))).toBe(OK);
    expect(gets(bench, frameOf(3, 60, unicast(1)))).toBe(true);
  });

  it('has modes for all multicast, all unicast, and none of a kind', () => {
    const bench = filtered();
    const wanted = (): boolean[] =>
      [MAC, unicast(1), multicast(1), BROADCAST].map((to) => gets(bench, frameOf(1, 60, to)));
    const set = (mode: number, on: boolean): void =>
      expect(bench.command(RX.class, mode, onOff(on))).toBe(OK);
    expect(wanted()).toEqual([true, false, false, true]);
    set(RX.ALLMULTI, true);
    expect(wanted()).toEqual([true, false, true, true]);
    set(RX.ALLUNI, true);
    expect(wanted()).toEqual([true, true, true, true]);
    set(RX.NOMULTI, true);
    expect(wanted()).toEqual([true, true, false, true]);
    set(RX.NOUNI, true);
    expect(wanted()).toEqual([false, false, false, true]);
    set(RX.NOBCAST, true);
    expect(wanted()).toEqual([false, false, false, false]);
    for (const mode of [RX.ALLMULTI, RX.ALLUNI, RX.NOMULTI, RX.NOUNI, RX.NOBCAST]) set(mode, false);
    expect(wanted()).toEqual([true, false, false, true]);
  });

  it('has two tables of addresses, which are set together', () => {
    const bench = filtered();
    const own = [unicast(1), unicast(2)];
    expect(bench.command(1, 0, tables(own, [multicast(7)]), [2, 10])).toBe(OK);
    for (const to of [...own, multicast(7), MAC]) expect(gets(bench, frameOf(1, 60, to))).toBe(true);
    for (const to of [unicast(3), multicast(1)]) expect(gets(bench, frameOf(1, 60, to))).toBe(false);
    expect(bench.command(1, 0, tables([], []))).toBe(OK);
    for (const to of [...own, multicast(7)]) expect(gets(bench, frameOf(1, 60, to))).toBe(false);
  });

  it('takes all of a kind when there are more addresses than its table has room for', () => {
    const many = Array.from({ length: 65 }, (_, i) => multicast(i));
    const bench = filtered();
    expect(bench.command(1, 0, tables([unicast(1)], many.slice(1)))).toBe(OK);
    expect(gets(bench, frameOf(1, 60, multicast(64)))).toBe(true);
    expect(gets(bench, frameOf(1, 60, multicast(99)))).toBe(false);
    expect(bench.command(1, 0, tables([unicast(1)], many))).toBe(OK);
    expect(gets(bench, frameOf(1, 60, multicast(99)))).toBe(true);
    expect(gets(bench, frameOf(1, 60, unicast(1)))).toBe(true);
    expect(gets(bench, frameOf(1, 60, unicast(2)))).toBe(false);
  });

  it('has a set of VLANs, when the driver speaks of them', () => {
    const tagged = (id: number, to: ArrayLike<number> = MAC): Uint8Array => {
      const frame = frameOf(1, 64, to);
      frame.set([0x81, 0, 0xe0 | (id >> 8), id & 0xff], 12);
      return frame;
    };
    const vlan = (command: number, id: number, bench: NetBench): number =>
      bench.command(2, command, Uint8Array.of(id & 0xff, id >> 8));
    const bench = filtered();
    expect(gets(bench, tagged(0x123))).toBe(false);
    expect(vlan(0, 0x123, bench)).toBe(OK);
    expect(vlan(0, 4095, bench)).toBe(OK);
    expect(gets(bench, tagged(0x123))).toBe(true);
    expect(gets(bench, tagged(4095))).toBe(true);
    expect(gets(bench, tagged(0x122))).toBe(false);
    expect(gets(bench, frameOf(1))).toBe(true);
    // A frame of the VLAN to somebody else is still to somebody else.
    expect(gets(bench, tagged(0x123, unicast(9)))).toBe(false);
    expect(vlan(1, 0x123, bench)).toBe(OK);
    expect(gets(bench, tagged(0x123))).toBe(false);
    // Without CTRL_VLAN it knows of none.
    const plain = new NetBench().start();
    expect(gets(plain, tagged(5))).toBe(true);
  });

  it('is as at first after a reset', () => {
    const bench = filtered();
    expect(bench.command(1, 1, Uint8Array.from(unicast(5)))).toBe(OK);
    expect(gets(bench, frameOf(1, 60, MAC))).toBe(false);
    expect(gets(bench, frameOf(1, 60, unicast(5)))).toBe(true);
    bench.start();
    expect(gets(bench, frameOf(1, 60, MAC))).toBe(true);
    expect(gets(bench, frameOf(1, 60, unicast(9)))).toBe(true);
  });
});
