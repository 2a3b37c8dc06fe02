/** The control queue (5.1.6.5), several pairs of queues, and the configuration (5.1.4). */
import { describe, expect, it } from 'vitest';
import { NetDrop } from '../../../../../src/machine/devices/virtio/net/constants';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { ERROR, F, MAC, NetBench, OK, frameOf, numberOf } from './net-driver';
import { barAccess, bits, common, structure } from './pci-driver';

const ALL = [F.CTRL_VQ, F.CTRL_RX, F.CTRL_RX_EXTRA, F.CTRL_VLAN, F.CTRL_MAC_ADDR];
const TABLES = new Uint8Array(8);
const u16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >> 8);

/** Every command: class, number, data that is right, and the feature that it needs. */
const commands: [name: string, commandClass: number, command: number, data: Uint8Array, feature: number][] = [
  ['RX_PROMISC', 0, 0, Uint8Array.of(1), F.CTRL_RX],
  ['RX_ALLMULTI', 0, 1, Uint8Array.of(1), F.CTRL_RX],
  ['RX_ALLUNI', 0, 2, Uint8Array.of(0), F.CTRL_RX_EXTRA],
  ['RX_NOMULTI', 0, 3, Uint8Array.of(0), F.CTRL_RX_EXTRA],
  ['RX_NOUNI', 0, 4, Uint8Array.of(0), F.CTRL_RX_EXTRA],
  ['RX_NOBCAST', 0, 5, Uint8Array.of(0), F.CTRL_RX_EXTRA],
  ['MAC_TABLE_SET', 1, 0, TABLES, F.CTRL_RX],
  ['MAC_ADDR_SET', 1, 1, Uint8Array.of(2, 0, 0, 0, 0, 7), F.CTRL_MAC_ADDR],
  ['VLAN_ADD', 2, 0, u16(5), F.CTRL_VLAN],
  ['VLAN_DEL', 2, 1, u16(5), F.CTRL_VLAN],
  ['MQ_VQ_PAIRS_SET', 4, 0, u16(2), F.MQ],
];
const withPairs = { net: { pairs: 3 } };

describe('a command', () => {
  it.each(commands)('%s is done', (_name, commandClass, command, data) => {
    const bench = new NetBench({ ...withPairs, features: [...ALL, F.MQ] }).start();
    expect(bench.command(commandClass, command, data)).toBe(OK);
    // In any parts, its answer in a buffer with more room than it needs.
    expect(bench.command(commandClass, command, data, [1, 1])).toBe(OK);
    const whole = Uint8Array.of(commandClass, command, ...data);
    expect([...bench.ask(whole, [2, 1], 5)]).toEqual([OK, 0xee, 0xee, 0xee, 0xee]);
  });

  it.each(commands)(
    '%s is refused when its feature was not negotiated',
    (_name, commandClass, command, data, feature) => {
      const features = [...ALL, F.MQ].filter((each) => each !== feature);
      const bench = new NetBench({ ...withPairs, features }).start();
      expect(bench.command(commandClass, command, data)).toBe(ERROR);
      expect(bench.needsReset).toBe(false);
    },
  );

  it.each(commands)('%s is refused with data of another length', (_name, commandClass, command, data) => {
    const bench = new NetBench({ ...withPairs, features: [...ALL, F.MQ] }).start();
    expect(bench.command(commandClass, command, data.subarray(1))).toBe(ERROR);
    expect(bench.command(commandClass, command, Uint8Array.of(...data, 0))).toBe(ERROR);
    expect(bench.command(commandClass, command, new Uint8Array(0))).toBe(ERROR);
    expect(bench.command(commandClass, command, data)).toBe(OK);
  });

  const wrong: [string, number, number, Uint8Array][] = [
    ['class 3 (announcements, which were not offered)', 3, 0, new Uint8Array(0)],
    ['class 5 (offloads, which were not offered)', 5, 0, new Uint8Array(8)],
    ['class 255', 255, 255, new Uint8Array(0)],
    ['a mode that there is not', 0, 6, Uint8Array.of(1)],
    ['a MAC command that there is not', 1, 2, new Uint8Array(6)],
    ['a VLAN command that there is not', 2, 2, u16(5)],
    ['a VLAN that there is not', 2, 0, u16(4096)],
    ['an MQ command that there is not', 4, 1, u16(1)],
    ['no pairs', 4, 0, u16(0)],
    ['more pairs than there are', 4, 0, u16(4)],
    ['a table that ends before it does', 1, 0, Uint8Array.of(2, 0, 0, 0, 1, 2, 3, 4, 5, 6)],
    ['a table of 2^32 - 1 addresses', 1, 0, Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0)],
    ['bytes behind the tables', 1, 0, new Uint8Array(9)],
    ['a command of 5000 bytes', 1, 0, new Uint8Array(5000)],
  ];

  it.each(wrong)('is refused: %s', (_name, commandClass, command, data) => {
    const bench = new NetBench({ ...withPairs, features: [...ALL, F.MQ] }).start();
    expect(bench.command(commandClass, command, data)).toBe(ERROR);
    expect(bench.command(0, 0, Uint8Array.of(1))).toBe(OK);
  });

  it('follows another in its order, also when many wait', () => {
    const bench = new NetBench({ features: ALL }).start();
    bench.bus.dma.latency = 9;
    const answers = Array.from({ length: 5 }, () => ({ address: bench.alloc(1), length: 1 }));
    answers.forEach((answer, i) => {
      bench.add(2, bench.place(Uint8Array.of(1, 1, 2, 0, 0, 0, 0, i)), [answer]);
    });
    bench.world.drain();
    expect(bench.reap(2).map(({ token, written, bytes }) => [token, written, bytes[0]])).toEqual(
      answers.map((_, i) => [i, 1, OK]),
    );
    expect(structure(bench.m.fn, 4).read(5, 1)).toBe(4);
  });

  it.each([
    ['without room for its answer', [0, 0, 1], 0],
    ['without a command', [0], 1],
  ] as const)('%s makes the device need a reset', (_name, bytes, room) => {
    const bench = new NetBench({ features: ALL }).start();
    const parts = bench.place(Uint8Array.from(bytes));
    bench.add(2, parts, room > 0 ? [{ address: bench.alloc(room), length: room }] : []);
    bench.world.drain();
    expect(bench.needsReset).toBe(true);
    bench.start();
    expect(bench.command(0, 0, Uint8Array.of(1))).toBe(OK);
  });
});

/** A UDP packet of a flow, in either direction. */
function udp(version: 4 | 6, port: number, outwards: boolean): Uint8Array {
  const frame = frameOf(port, 80);
  const both = outwards ? ([1, 2] as const) : ([2, 1] as const);
  const ports = outwards ? [port, 53] : [53, port];
  frame.set(version === 4 ? [0x08, 0] : [0x86, 0xdd], 12);
  frame.fill(0, 14);
  if (version === 4) {
    frame.set([0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17], 14);
    frame.set([10, 0, 0, both[0], 10, 0, 0, both[1]], 26);
    frame.set(
      ports.flatMap((each) => [each >> 8, each & 0xff]),
      34,
    );
  } else {
    frame.set([0x60, 0, 0, 0, 0, 26, 17, 64], 14);
    frame.set([0xfd, both[0]], 22);
    frame.set([0xfd, both[1]], 38);
    frame.set(
      ports.flatMap((each) => [each >> 8, each & 0xff]),
      54,
    );
  }
  return frame;
}

describe('several pairs of queues', () => {
  const features = [...ALL, F.MQ];
  const several = (pairs = 3): NetBench => new NetBench({ net: { pairs }, features }).start();

  it('are followed by the control queue with MQ, which is queue 2 without', () => {
    for (const [own, index] of [
      [features, 6],
      [ALL, 2],
    ] as const) {
      const bench = new NetBench({ ...withPairs, features: own }).start();
      expect(common(bench.m.fn).get('numQueues')).toBe(7);
      expect(bench.controlIndex).toBe(index);
      expect(bench.command(0, 0, Uint8Array.of(1))).toBe(OK);
    }
    expect(common(new NetBench({ features: ALL }).start().m.fn).get('numQueues')).toBe(3);
  });

  it('are one until the driver asks for more', () => {
    const bench = several();
    for (let pair = 0; pair < 3; pair++) bench.offer([200], pair);
    bench.transmit(udp(4, 9, true), { pair: 1 });
    bench.world.drain();
    bench.type.receive(udp(4, 9, false));
    bench.world.drain();
    expect([0, 1, 2].map((pair) => bench.received(pair).length)).toEqual([1, 0, 0]);
  });

  it.each([4, 6] as const)('get the packets of a flow where it was sent, by IPv%i', (version) => {
    const bench = several();
    expect(bench.command(4, 0, u16(3))).toBe(OK);
    for (let pair = 0; pair < 3; pair++) for (let i = 0; i < 4; i++) bench.offer([200], pair);
    for (const pair of [2, 1, 0]) {
      bench.transmit(udp(version, 100 + pair, true), { pair });
      bench.world.drain();
      bench.type.receive(udp(version, 100 + pair, false));
      bench.world.drain();
      expect([0, 1, 2].map((each) => bench.received(each).length)).toEqual(
        [0, 1, 2].map((each) => (each === pair ? 1 : 0)),
      );
    }
    expect(bench.wire.sent.map(({ packet }) => packet)).toEqual([0, 1, 2]);
    // The last one that was sent decides.
    bench.transmit(udp(version, 102, true), { pair: 1 });
    bench.world.drain();
    bench.type.receive(udp(version, 102, false));
    bench.world.drain();
    expect(bench.received(1)).toHaveLength(1);
  });

  /** Two pairs in use, and a flow on the second one. */
  const twoPairs = (): NetBench => {
    const bench = several();
    expect(bench.command(4, 0, u16(2))).toBe(OK);
    bench.transmit(udp(4, 9, true), { pair: 1 });
    bench.world.drain();
    return bench;
  };
  /** Packets of the flow come to the first pair, and to the second one when that is in use again. */
  const expectWorking = (bench: NetBench): void => {
    bench.offer([200], 0);
    bench.type.receive(udp(4, 9, false));
    bench.world.drain();
    expect(bench.received(0)).toHaveLength(1);
    expect(bench.command(4, 0, u16(2))).toBe(OK);
    bench.offer([200], 1);
    bench.type.receive(udp(4, 9, false));
    bench.world.drain();
    expect(bench.received(1)).toHaveLength(1);
  };

  it('have no packets put into those that the driver takes out of use', () => {
    const bench = twoPairs();
    bench.type.receive(udp(4, 9, false));
    bench.type.receive(udp(4, 9, false));
    bench.world.drain();
    const rooms = bench.wire.rooms;
    expect(bench.command(4, 0, u16(1))).toBe(OK);
    expect(bench.wire.rooms).toBe(rooms + 1);
    bench.offer([200], 1);
    bench.world.drain();
    expect(bench.reap(2)).toEqual([]);
    expect(bench.drops).toEqual([NetDrop.NotInUse, NetDrop.NotInUse]);
    expectWorking(bench);
  });

  it('have none used there once the answer is seen, wherever the device is with a packet', () => {
    /** Packets that were lost later than others: one was being written when the command was done. */
    let torn = 0;
    for (let delay = 0; delay < 800; delay += 20) {
      const bench = twoPairs();
      const { world } = bench;
      bench.offer([200], 1);
      bench.offer([200], 1);
      world.drain();
      bench.bus.dma.latency = 100;
      const answer = { address: bench.alloc(1), length: 1 };
      bench.add(bench.controlIndex, bench.place(Uint8Array.of(4, 0, 1, 0)), [answer]);
      world.advanceTo(world.time + delay);
      bench.type.receive(udp(4, 9, false));
      bench.type.receive(udp(4, 9, false));
      const answered: unknown[] = [...bench.reap(bench.controlIndex)];
      const before: unknown[] = [];
      const after: unknown[] = [];
      while (world.queue.nextTime() < Infinity) {
        world.advanceTo(world.queue.nextTime());
        answered.push(...bench.reap(bench.controlIndex));
        (answered.length > 0 ? after : before).push(...bench.received(1));
      }
      expect(answered).toHaveLength(1);
      expect(after).toEqual([]);
      bench.bus.dma.latency = 0;
      bench.offer([200], 0);
      bench.offer([200], 0);
      world.drain();
      // What came later went to the first pair; nothing is lost without a row.
      expect(before.length + bench.received(0).length + bench.drops.length).toBe(2);
      const times = world.ofKind(Kind.PacketDrop).map(({ time }) => time);
      if (times.length === 2 && times[0] < times[1]) torn += 1;
      // The buffers are still there for what comes when the pair is in use again.
      expect(bench.command(4, 0, u16(2))).toBe(OK);
      for (let i = before.length; i < 2; i++) bench.type.receive(udp(4, 9, false));
      world.drain();
      expect(bench.received(1)).toHaveLength(2 - before.length);
    }
    expect(torn).toBeGreaterThan(0);
  });

  it('fill up by themselves', () => {
    const bench = several(2);
    expect(bench.command(4, 0, u16(2))).toBe(OK);
    bench.transmit(udp(4, 9, true), { pair: 1 });
    bench.world.drain();
    for (let i = 0; i < 16; i++) bench.type.receive(udp(4, 9, false));
    expect(bench.type.canReceive()).toBe(false);
    bench.type.receive(udp(4, 9, false));
    bench.type.receive(frameOf(1));
    bench.world.drain();
    expect(bench.drops).toEqual([NetDrop.QueueFull]);
    bench.offer([200], 0);
    bench.world.drain();
    expect(bench.received(0).map(({ frame }) => numberOf(frame))).toEqual([1]);
  });
});

describe('the configuration', () => {
  it('has the address, the state of the link, the number of pairs and the MTU', () => {
    const bench = new NetBench({ net: { pairs: 3, mtu: 1400 } });
    const at = structure(bench.m.fn, 4);
    expect([0, 1, 2, 3, 4, 5].map((i) => at.read(i, 1))).toEqual([...MAC]);
    expect(at.read(6, 2)).toBe(1);
    expect(at.read(8, 2)).toBe(3);
    expect(at.read(10, 2)).toBe(1400);
    expect(structure(new NetBench({ noWire: true }).m.fn, 4).read(6, 2)).toBe(0);
  });

  it('offers what it was made with', () => {
    const offered = (net: object): bigint => common(new NetBench({ net }).m.fn).offered();
    const has = (features: bigint, bit: number): boolean => (features & bits(bit)) !== 0n;
    const most = offered({ pairs: 2 });
    for (const bit of Object.values(F)) expect(has(most, bit)).toBe(true);
    expect(has(offered({}), F.MQ)).toBe(false);
    expect(has(offered({ mergeable: false }), F.MRG_RXBUF)).toBe(false);
    for (const bit of [F.CSUM, F.GUEST_CSUM, F.HOST_TSO4, F.HOST_TSO6, F.HOST_ECN]) {
      expect(has(offered({ offloads: false }), bit)).toBe(false);
    }
  });

  it.each([
    [[F.HOST_TSO4], F.CSUM],
    [[F.HOST_TSO6], F.CSUM],
    [[F.CSUM, F.HOST_ECN], F.HOST_TSO4],
    [[F.CTRL_RX], F.CTRL_VQ],
    [[F.CTRL_VLAN], F.CTRL_VQ],
    [[F.CTRL_RX_EXTRA], F.CTRL_VQ],
    [[F.CTRL_MAC_ADDR], F.CTRL_VQ],
    [[F.MQ], F.CTRL_VQ],
  ])('does not accept features %j without %i', (features, required) => {
    const cfg = common(new NetBench({ net: { pairs: 2 } }).m.fn);
    expect(cfg.negotiate(bits(...features, Feature.VERSION_1))).toBe(false);
    expect(cfg.negotiate(bits(...features, required, F.CSUM, Feature.VERSION_1))).toBe(true);
  });

  it('shows the address that was set by a command', () => {
    const bench = new NetBench({ features: ALL }).start();
    expect(bench.command(1, 1, Uint8Array.of(2, 3, 4, 5, 6, 7))).toBe(OK);
    const at = structure(bench.m.fn, 4);
    expect([0, 1, 2, 3, 4, 5].map((i) => at.read(i, 1))).toEqual([2, 3, 4, 5, 6, 7]);
    bench.start();
    expect(at.read(0, 1)).toBe(MAC[0]);
  });

  it('has an address that can be written by the legacy interface', () => {
    const legacy = new NetBench({ legacy: true }).start();
    const bars = barAccess(legacy.m.fn);
    for (let i = 0; i < 6; i++) bars.write(0, 20 + i, 1, 0x10 + i);
    for (let i = 0; i < 6; i++) expect(bars.read(0, 20 + i, 1)).toBe(0x10 + i);
    bars.write(0, 26, 2, 0);
    expect(bars.read(0, 26, 2)).toBe(1);
  });

  const negotiations: [string, (bench: NetBench) => void][] = [
    ['before any negotiation', () => undefined],
    ['once features are negotiated', (bench) => void bench.start()],
    ['without VERSION_1', ({ m }) => void common(m.fn).negotiate(0n)],
  ];

  it.each(negotiations)('has fields that are read-only in the structures of PCI, %s', (_when, negotiate) => {
    const bench = new NetBench({ interfaces: 'transitional' });
    negotiate(bench);
    const at = structure(bench.m.fn, 4);
    const fields = (): number[] => Array.from({ length: at.length }, (_, i) => at.read(i, 1));
    const before = fields();
    for (let i = 0; i < at.length; i++) at.write(i, 1, ~before[i] & 0xff);
    expect(fields()).toEqual(before);
    expect(before.slice(0, MAC.length)).toEqual([...MAC]);
  });
});
