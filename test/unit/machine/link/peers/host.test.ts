/** A host's answers, taken apart and summed here by another way than it does; and that it keeps quiet where it must. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HostPeer } from '../../../../../src/machine/link/peers/host';
import { cableWorld } from '../cable-world';

const HOST = [2, 0, 0, 0, 0, 7];
const GUEST = [2, 0, 0, 0, 0, 9];
const HOST_IP = [10, 0, 2, 2];
const GUEST_IP = [10, 0, 2, 15];
const EVERYBODY = [255, 255, 255, 255, 255, 255];

/** The sum of RFC 1071 by big integers: the whole text modulo 65535. Of sound text it is a multiple of that. */
function sound(bytes: readonly number[]): boolean {
  const even = bytes.length % 2 === 0 ? bytes : [...bytes, 0];
  const value = even.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return value !== 0n && value % 65535n === 0n;
}

/** Puts the checksum that makes the text sound into its place. */
function withChecksum(bytes: readonly number[], at: number, before: readonly number[] = []): number[] {
  const out = [...bytes];
  out[at] = out[at + 1] = 0;
  const text = [...before, ...out];
  const even = text.length % 2 === 0 ? text : [...text, 0];
  const value = even.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const rest = Number(value % 65535n);
  const checksum = rest === 0 ? 65535 : 65535 - rest;
  [out[at], out[at + 1]] = [checksum >> 8, checksum & 255];
  return out;
}

const word = (value: number): number[] => [(value >> 8) & 255, value & 255];

interface Changes {
  to?: number[];
  destination?: number[];
  flags?: number;
  version?: number;
  options?: number[];
}

function ipv4(protocol: number, payload: readonly number[], changes: Changes = {}): Uint8Array {
  const { to = HOST, destination = HOST_IP, flags = 0x4000, version = 4, options = [] } = changes;
  const length = 20 + options.length;
  const header = [
    ...[(version << 4) | (length / 4), 0],
    ...word(length + payload.length),
    ...[0x12, 0x34, ...word(flags), 64, protocol, 0, 0],
    ...GUEST_IP,
    ...destination,
    ...options,
  ];
  const frame = [...to, ...GUEST, 8, 0, ...withChecksum(header, 10), ...payload];
  return Uint8Array.from([...frame, ...new Array<number>(Math.max(0, 60 - frame.length)).fill(0)]);
}

const ping = (data: readonly number[], type = 8): number[] =>
  withChecksum([type, 0, 0, 0, 0xbe, 0xef, 0, 5, ...data], 2);

const pseudo = (source: readonly number[], destination: readonly number[], length: number): number[] => [
  ...source,
  ...destination,
  0,
  17,
  ...word(length),
];

function udp(port: number, data: readonly number[]): number[] {
  const length = 8 + data.length;
  const header = [...word(4321), ...word(port), ...word(length), 0, 0];
  return withChecksum([...header, ...data], 6, pseudo(GUEST_IP, HOST_IP, length));
}

const arp = (operation: number, target: readonly number[]): Uint8Array =>
  Uint8Array.from([
    ...EVERYBODY,
    ...GUEST,
    ...[8, 6, 0, 1, 8, 0, 6, 4, 0, operation],
    ...GUEST,
    ...GUEST_IP,
    ...[0, 0, 0, 0, 0, 0],
    ...target,
    ...new Array<number>(18).fill(0),
  ]);

function made() {
  const built = cableWorld(10, 0);
  const peer = new HostPeer('host', built.cable.ends[1], built.world.queue, {
    mac: Uint8Array.from(HOST),
    ip: 0x0a000202,
    turnaround: 300,
  });
  built.world.queue.register(peer);
  const ask = (frame: Uint8Array): number[] | undefined => {
    const before = built.arrived.length;
    built.cable.ends[0].send(frame, 0);
    built.world.drain();
    expect(built.arrived.length - before).toBeLessThanOrEqual(1);
    return built.arrived.length > before ? [...built.arrived[before].frame] : undefined;
  };
  return { ...built, peer, ask };
}

/** The parts of an IPv4 answer to the guest. Its header is sound. */
function taken(frame: number[] | undefined) {
  if (!frame) throw new Error('no answer');
  expect(frame.slice(0, 14)).toEqual([...GUEST, ...HOST, 8, 0]);
  const header = frame.slice(14, 34);
  expect(sound(header)).toBe(true);
  expect(header.slice(12)).toEqual([...HOST_IP, ...GUEST_IP]);
  const total = header[2] * 256 + header[3];
  expect(frame.length).toBe(Math.max(60, 14 + total));
  return { protocol: header[9], payload: frame.slice(34, 14 + total), identification: header.slice(4, 6) };
}

const data = fc.array(fc.nat({ max: 255 }), { maxLength: 1400 });

describe('a host', () => {
  it('says where its address is, and only its own', () => {
    const { ask } = made();
    const reply = ask(arp(1, HOST_IP));
    expect(reply?.slice(0, 42)).toEqual([
      ...GUEST,
      ...HOST,
      ...[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
      ...HOST,
      ...HOST_IP,
      ...GUEST,
      ...GUEST_IP,
    ]);
    expect(reply).toHaveLength(60);
    expect(ask(arp(1, [10, 0, 2, 3]))).toBeUndefined();
    expect(ask(arp(2, HOST_IP))).toBeUndefined();
  });

  it('answers a ping with the same data, number and a right checksum', () => {
    const { ask } = made();
    fc.assert(
      fc.property(data, (bytes) => {
        const { protocol, payload } = taken(ask(ipv4(1, ping(bytes))));
        expect(protocol).toBe(1);
        expect(payload.slice(0, 2)).toEqual([0, 0]);
        expect(payload.slice(4)).toEqual([0xbe, 0xef, 0, 5, ...bytes]);
        expect(sound(payload)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('sends a datagram to port 7 back, with a right checksum, whether it had one or not', () => {
    const { ask } = made();
    fc.assert(
      fc.property(data, fc.boolean(), (bytes, summed) => {
        const datagram = udp(7, bytes);
        if (!summed) datagram[6] = datagram[7] = 0;
        const { protocol, payload } = taken(ask(ipv4(17, datagram)));
        expect(protocol).toBe(17);
        expect(payload.slice(0, 6)).toEqual([...word(7), ...word(4321), ...word(8 + bytes.length)]);
        expect(payload.slice(8)).toEqual(bytes);
        expect(payload.slice(6, 8)).not.toEqual([0, 0]);
        expect(sound([...pseudo(HOST_IP, GUEST_IP, payload.length), ...payload])).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('refuses other ports with the beginning of what came', () => {
    const { ask, peer } = made();
    const options = [1, 1, 1, 0];
    const datagram = udp(69, [1, 2, 3, 4, 5]);
    const question = ipv4(17, datagram, { options });
    const { protocol, payload } = taken(ask(question));
    expect(protocol).toBe(1);
    expect(payload.slice(0, 2)).toEqual([3, 3]);
    expect(payload.slice(4, 8)).toEqual([0, 0, 0, 0]);
    expect(payload.slice(8)).toEqual([...question.subarray(14, 14 + 24 + 8)]);
    expect(sound(payload)).toBe(true);
    expect(peer.counters).toMatchObject({ unreachable: 1 });
  });

  it('numbers its packets', () => {
    const { ask } = made();
    const numbers = [0, 1, 2].map(() => taken(ask(ipv4(1, ping([1])))).identification);
    expect(numbers).toEqual([0, 1, 2].map(word));
  });

  const damaged = (frame: Uint8Array, at: number): Uint8Array => {
    const out = frame.slice();
    out[at] ^= 0x10;
    return out;
  };
  it.each<[string, Uint8Array]>([
    ['to another Ethernet address', ipv4(1, ping([1]), { to: [2, 0, 0, 0, 0, 8] })],
    ['to another IPv4 address', ipv4(1, ping([1]), { destination: [10, 0, 2, 255] })],
    ['a fragment', ipv4(1, ping([1]), { flags: 0x2000 })],
    ['a later fragment', ipv4(1, ping([1]), { flags: 0x0001 })],
    ['another version', ipv4(1, ping([1]), { version: 6 })],
    ['a damaged header', damaged(ipv4(1, ping([1])), 22)],
    ['a damaged ping', damaged(ipv4(1, ping([1])), 42)],
    ['a damaged datagram', damaged(ipv4(17, udp(7, [1])), 42)],
    ['an echo reply', ipv4(1, ping([1], 0))],
    ['TCP', ipv4(6, new Array<number>(20).fill(0))],
    ['a cut datagram', ipv4(17, [0, 1, 0, 7, 0, 200, 0, 0])],
    ['a datagram shorter than its header', ipv4(17, [0, 1, 0, 7, 0, 4, 0, 0])],
    ['IPv6', Uint8Array.from([...HOST, ...GUEST, 0x86, 0xdd, ...new Array<number>(46).fill(0x60)])],
  ])('keeps quiet: %s', (_name, frame) => {
    const { ask, peer } = made();
    expect(ask(frame)).toBeUndefined();
    const { pings, datagrams, unreachable } = peer.counters;
    expect([pings, datagrams, unreachable]).toEqual([0, 0, 0]);
  });

  it('takes any bytes without a word, and answers the next ping', () => {
    const { ask } = made();
    const head = fc.constantFrom([8, 0], [8, 6]);
    fc.assert(
      fc.property(head, fc.array(fc.nat({ max: 255 }), { maxLength: 80 }), (type, bytes) => {
        ask(Uint8Array.from([...HOST, ...GUEST, ...type, ...bytes]));
        taken(ask(ipv4(1, ping(bytes))));
      }),
    );
    expect(ask(Uint8Array.from(HOST))).toBeUndefined();
  });

  it('goes on with its answers after save and load, and in another run', () => {
    const question = ipv4(1, ping([7, 8, 9]));
    const reference = made();
    const expected = [0, 1].map(() => reference.ask(question));
    const one = made();
    expect(one.ask(question)).toEqual(expected[0]);
    one.cable.ends[0].send(question.slice(), 0);
    // It has come, and is not answered yet.
    one.world.advanceTo(one.world.queue.nextTime());
    const two = made();
    two.world.load(structuredClone(one.world.save()));
    two.cable.load(structuredClone(one.cable.save()));
    two.peer.load(structuredClone(one.peer.save()));
    const three = made();
    three.world.time = 55_555;
    three.peer.adopt(structuredClone(one.peer.save().hardware));
    for (const { world, arrived } of [two, three]) {
      world.drain();
      expect(arrived.map(({ frame }) => [...frame])).toEqual([expected[1]]);
    }
  });
});
