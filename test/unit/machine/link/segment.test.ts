import { describe, expect, it } from 'vitest';
import type { Migratable } from '../../../../src/machine/snapshot';
import { Cable } from '../../../../src/machine/link/cable';
import type { PeerSpec } from '../../../../src/machine/link/peers/spec';
import { buildSegment } from '../../../../src/machine/link/segment';
import { Switch } from '../../../../src/machine/link/switch';
import { CYCLES_PER_NANOSECOND, World } from '../fake-bus';
import { receiver } from './cable-world';

const ECHO: PeerSpec = { kind: 'echo', turnaroundNs: 10, swap: true, mac: '02:00:00:00:00:0e' };
const GENERATOR: PeerSpec = {
  kind: 'generate',
  count: 20,
  sizes: { kind: 'fixed', length: 100 },
  gaps: { kind: 'exponential', intervalNs: 300 },
  mac: '02:00:00:00:00:0A',
  to: 'ff:ff:ff:ff:ff:ff',
};
const WINDOW: PeerSpec = {
  kind: 'window',
  count: 12,
  length: 90,
  window: 4,
  timeoutNs: 3000,
  startNs: 200,
  mac: '02:00:00:00:00:0B',
  to: '02:00:00:00:00:0e',
};
const HOST: PeerSpec = { kind: 'host', ip: '10.0.2.2', mac: '02:00:00:00:00:0c', turnaroundNs: 40 };
const FRAMES: PeerSpec = {
  kind: 'frames',
  frames: [{ atNs: 1500, hex: `${'ff'.repeat(6)} 02 00 00 00 00 0f 0800` }],
};

function build(peers: readonly PeerSpec[], nics: number) {
  const world = new World();
  const units = new Map<string, Migratable>();
  const segment = buildSegment({ id: 'lan', gbps: 10, latencyNs: 50, peers }, nics, {
    frequencyHz: CYCLES_PER_NANOSECOND * 1e9,
    seed: 5,
    scheduler: world.queue,
    trace: world.trace,
    keep: (name, unit) => void units.set(name, unit),
  });
  const arrived: { nic: number; frame: number[]; time: number }[] = [];
  segment.nics.forEach((end, nic) =>
    end.attach(receiver((frame) => void arrived.push({ nic, frame: [...frame], time: world.time }))),
  );
  return { world, units, segment, arrived };
}

describe('a segment', () => {
  it('is a cable for up to two stations, and a switch for more', () => {
    const kinds: [PeerSpec[], number][] = [
      [[], 0],
      [[], 1],
      [[ECHO], 0],
      [[ECHO], 1],
      [[], 2],
      [[], 3],
      [[ECHO], 2],
      [[ECHO, GENERATOR], 1],
    ];
    expect(kinds.map(([peers, nics]) => build(peers, nics).segment.link.constructor)).toEqual([
      Cable,
      Cable,
      Cable,
      Cable,
      Cable,
      Switch,
      Switch,
      Switch,
    ]);
    for (const [peers, nics] of kinds) expect(build(peers, nics).segment.nics).toHaveLength(nics);
  });

  it('joins two NICs by themselves', () => {
    const { world, segment, arrived } = build([], 2);
    segment.nics[0].send(new Uint8Array(60), 0);
    segment.nics[1].send(new Uint8Array(70), 0);
    world.drain();
    expect(arrived.map(({ nic, frame }) => [nic, frame.length])).toEqual([
      [1, 60],
      [0, 70],
    ]);
  });

  it('lets peers of all kinds and NICs hear each other', () => {
    const { world, units, segment, arrived } = build([ECHO, GENERATOR, FRAMES, { kind: 'sink' }], 2);
    segment.start();
    world.drain();
    expect([...units.keys()]).toEqual([
      'link/lan',
      'link/lan/peer0',
      'link/lan/peer1',
      'link/lan/peer2',
      'link/lan/peer3',
    ]);
    const from = (nic: number, source: number): number =>
      arrived.filter((each) => each.nic === nic && each.frame[11] === source).length;
    // Broadcasts come to everybody; the echo's answers go to the one who sent them.
    expect([0, 1].map((nic) => [from(nic, 0x0a), from(nic, 0x0f), from(nic, 0x0e)])).toEqual([
      [20, 1, 0],
      [20, 1, 0],
    ]);
    expect(units.get('link/lan/peer1')?.save().hardware).toMatchObject({ sent: 20, received: 20 + 1 });
    expect(units.get('link/lan/peer2')?.save().hardware).toMatchObject({ sent: 1, received: 1 + 20 });
    expect(units.get('link/lan/peer3')?.save().hardware).toMatchObject({ frames: 21 });
  });

  it('gives each peer a stream of its own: who else is there changes nothing', () => {
    const payloads = (peers: readonly PeerSpec[], source: number): number[][] => {
      const { world, segment, arrived } = build(peers, 2);
      segment.start();
      world.drain();
      return arrived.filter(({ nic, frame }) => nic === 0 && frame[11] === source).map(({ frame }) => frame);
    };
    const other: PeerSpec = { ...GENERATOR, mac: '02:00:00:00:00:0d' };
    const alone = payloads([GENERATOR], 0x0a);
    expect(alone).toHaveLength(20);
    expect(payloads([GENERATOR, other, ECHO, WINDOW], 0x0a)).toEqual(alone);
    const rest = (frame: number[]): number[] => frame.slice(18);
    expect(payloads([GENERATOR, other], 0x0d).map(rest)).not.toEqual(alone.map(rest));
  });

  it('goes on from its hardware in another run at another time', () => {
    const peers = [ECHO, GENERATOR, FRAMES, WINDOW, HOST];
    const perNic = (all: ReturnType<typeof build>['arrived'], shift: number): unknown[] =>
      [0, 1].map((nic) =>
        all.filter((each) => each.nic === nic).map((a) => ({ ...a, time: a.time - shift })),
      );
    for (const nics of [1, 2]) {
      for (let cut = 500; cut < 20_000; cut += 1777) {
        const one = build(nics === 1 ? [GENERATOR] : peers, nics);
        one.segment.start();
        one.world.advanceTo(cut);
        one.segment.nics[0].send(new Uint8Array(900), 7);
        const two = build(nics === 1 ? [GENERATOR] : peers, nics);
        two.world.time = 123_456_789;
        for (const [name, unit] of one.units)
          two.units.get(name)?.adopt(structuredClone(unit.save().hardware));
        for (const [name, unit] of one.units)
          expect(two.units.get(name)?.save().hardware).toEqual(unit.save().hardware);
        const before = one.arrived.length;
        const shift = two.world.time - one.world.time;
        one.world.drain();
        two.world.drain();
        expect(perNic(two.arrived, shift)).toEqual(perNic(one.arrived.slice(before), 0));
      }
    }
  });

  it('goes on identically after save and load at any time', () => {
    const peers = [ECHO, GENERATOR, FRAMES, WINDOW, HOST];
    for (let cut = 500; cut < 20_000; cut += 1777) {
      const one = build(peers, 2);
      one.segment.start();
      one.world.advanceTo(cut);
      const two = build(peers, 2);
      two.world.load(structuredClone(one.world.save()));
      for (const [name, unit] of one.units) two.units.get(name)?.load(structuredClone(unit.save()));
      const before = one.arrived.length;
      one.world.drain();
      two.world.drain();
      expect(two.arrived).toEqual(one.arrived.slice(before));
      for (const [name, unit] of one.units) expect(two.units.get(name)?.save()).toEqual(unit.save());
    }
  });
});
