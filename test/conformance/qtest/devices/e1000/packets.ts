/** Packets for the e1000's transmitter: frames with headers that offloads mean something to, and the descriptors that send them. */
import { TxCmd } from '../../../../../src/machine/devices/e1000/constants';
import type { Random } from '../../random';

/** Header lengths: Ethernet, IPv4, TCP, UDP. */
const ETHERNET = 14;
const IPV4 = 20;
const TCP = 20;
const UDP = 8;
const TCP_SUM = 16;
const UDP_SUM = 6;
const IPV4_SUM = 10;
/** Longest frame without FCS that every receiver takes. */
export const LONGEST = 1514;
const SHORTEST = 60;
/** Of a descriptor's type and command: extended, data. */
const DATA = 0x10;
const Tucmd = { tcp: 1, ipv4: 2 } as const;

/** Where frames go: what the filters of the tests know, and what they do not. No two hash alike. */
export const ADDRESSES = {
  own: ['525400123456', '525400123457'],
  broadcast: 'ffffffffffff',
  multicast: ['01005e000001', '01005e7f0155', '333300000203', '0180c2000300'],
  others: ['020000008001', '02000000c002', '02000000a003'],
} as const;

/** A packet's data, and its descriptors: of the data's parts, or whole ones of 16 bytes. */
export interface Packet {
  data: Uint8Array;
  /** In order: a context (hexadecimal), or how many bytes of the data, with command, type and options. */
  descriptors: readonly (string | PacketPart)[];
}

/** A descriptor that brings data. */
export interface PacketPart {
  bytes: number;
  extended: boolean;
  command: number;
  options: number;
  special: number;
}

/** What a script's frames may be like. */
export interface Traffic {
  /** Which NIC sends. */
  sender: 0 | 1;
  /** Tags are inserted by descriptors, and stand in frames. */
  vlan: boolean;
}

const VLAN_TYPE = [0x81, 0x00] as const;

function bytesOf(hex: string): number[] {
  return [...Buffer.from(hex, 'hex')];
}

function little(value: number, bytes: number): string {
  let text = '';
  for (let i = 0; i < bytes; i++) text += (Math.floor(value / 256 ** i) % 256).toString(16).padStart(2, '0');
  return text;
}

function destination(random: Random, { sender }: Traffic): number[] {
  switch (random.below(6)) {
    case 0:
      return bytesOf(ADDRESSES.broadcast);
    case 1:
      return bytesOf(random.pick(ADDRESSES.multicast));
    case 2:
      return bytesOf(random.pick(ADDRESSES.others));
    default:
      return bytesOf(ADDRESSES.own[1 - sender]);
  }
}

function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

function frame(random: Random, length: number, traffic: Traffic): Uint8Array {
  const bytes = randomBytes(random, length);
  bytes.set(destination(random, traffic));
  bytes.set([0x08, 0x00], 12);
  if (traffic.vlan && random.oneIn(3)) bytes.set([...VLAN_TYPE, 0, random.below(8)], 12);
  return bytes;
}

/** Cuts the data into so many parts, none of them empty. */
function cut(random: Random, length: number, parts: number): number[] {
  const ends = Array.from({ length: parts - 1 }, () => random.between(1, length - 1));
  const sorted = [...new Set(ends), length].sort((x, y) => x - y);
  return sorted.map((end, i) => end - (sorted[i - 1] ?? 0));
}

/** The parts of a packet: all alike but for the end, and for what is reported. */
function parts(
  random: Random,
  lengths: readonly number[],
  every: Pick<PacketPart, 'extended' | 'command' | 'options' | 'special'>,
): PacketPart[] {
  return lengths.map((bytes, i) => {
    const last = i === lengths.length - 1 ? TxCmd.EOP : 0;
    const report = random.oneIn(3) ? 0 : TxCmd.RS;
    return { ...every, bytes, command: every.command | last | report };
  });
}

function tagging(random: Random, { vlan }: Traffic): { command: number; special: number } {
  return vlan && random.oneIn(2)
    ? { command: TxCmd.VLE, special: random.below(8) }
    : { command: 0, special: 0 };
}

function legacy(random: Random, traffic: Traffic): Packet {
  const data = frame(random, random.between(SHORTEST, LONGEST - 4), traffic);
  const { command, special } = tagging(random, traffic);
  const lengths = cut(random, data.length, random.between(1, 3));
  const every = { extended: false, command: command | TxCmd.IFCS, options: 0, special };
  return { data, descriptors: parts(random, lengths, every) };
}

/** A context descriptor: both checksums, and for segmentation the rest (3.3.6). */
function context(
  random: Random,
  sums: { ip: readonly [number, number, number]; transport: readonly [number, number, number] },
  command: number,
  segments: { payload: number; header: number; size: number },
): string {
  const range = ([start, offset, end]: readonly [number, number, number]): string =>
    little(start, 1) + little(offset, 1) + little(end, 2);
  const report = random.oneIn(3) ? TxCmd.RS : 0;
  const low = segments.payload + (command | report | TxCmd.DEXT) * 2 ** 24;
  return (
    range(sums.ip) +
    range(sums.transport) +
    little(low, 4) +
    little(0, 1) +
    little(segments.header, 1) +
    little(segments.size, 2)
  );
}

/** A frame whose checksums the device inserts, by the context before it or by one that holds already. */
function checksummed(random: Random, traffic: Traffic, known: boolean): Packet {
  const data = frame(random, random.between(300, LONGEST - 4), traffic);
  const start = random.pick([ETHERNET, random.below(40)]);
  const transport = start + random.pick([IPV4, random.between(IPV4, 60)]);
  const ends = random.oneIn(2) ? 0 : random.between(transport + 20, 280);
  const sums = {
    ip: [start, start + IPV4_SUM, start + IPV4 - 1],
    transport: [transport, transport + random.pick([TCP_SUM, UDP_SUM]), ends],
  } as const;
  const first = context(random, sums, random.pick([Tucmd.ipv4, Tucmd.ipv4 | Tucmd.tcp]), {
    payload: 0,
    header: 0,
    size: 0,
  });
  const { command, special } = tagging(random, traffic);
  const every = { extended: true, command: command | TxCmd.IFCS, options: random.below(4), special };
  const lengths = cut(random, data.length, random.between(1, 3));
  return { data, descriptors: [...(known ? [] : [first]), ...parts(random, lengths, every)] };
}

/**
 * A large packet that the device cuts. No whole number of segments: QEMU sends an empty one after
 * these; and none that is padded, which it does not count.
 */
function segmented(random: Random, traffic: Traffic): Packet {
  const tcp = random.oneIn(2);
  const transport = ETHERNET + IPV4;
  const header = transport + (tcp ? TCP : UDP);
  const size = random.between(200, 1200);
  const payload = size * random.between(0, 3) + random.between(SHORTEST - ETHERNET - IPV4 - UDP, size - 1);
  const data = frame(random, header + payload, { ...traffic, vlan: false });
  const sums = {
    ip: [ETHERNET, ETHERNET + IPV4_SUM, transport - 1],
    transport: [transport, transport + (tcp ? TCP_SUM : UDP_SUM), 0],
  } as const;
  const command = TxCmd.TSE | Tucmd.ipv4 | (tcp ? Tucmd.tcp : 0);
  const first = context(random, sums, command, { payload, header, size });
  const tag = tagging(random, traffic);
  const every = {
    extended: true,
    command: tag.command | TxCmd.IFCS | TxCmd.TSE,
    options: random.below(4),
    special: tag.special,
  };
  const lengths = random.oneIn(2) ? [header, ...cut(random, payload, 2)] : cut(random, data.length, 2);
  return { data, descriptors: [first, ...parts(random, lengths.filter(Boolean), every)] };
}

/** A packet of any kind. @param known a context for checksums holds already */
export function packet(random: Random, traffic: Traffic, known: boolean): Packet & { setsContext: boolean } {
  switch (random.below(4)) {
    case 0:
      return { ...segmented(random, traffic), setsContext: false };
    case 1:
      return { ...legacy(random, traffic), setsContext: false };
    default: {
      const reuse = known && random.oneIn(2);
      return { ...checksummed(random, traffic, reuse), setsContext: !reuse };
    }
  }
}

/** The 16 bytes of a descriptor whose data lies at an address. */
export function descriptorOf(part: PacketPart | string, address: number): string {
  if (typeof part === 'string') return part;
  const { bytes, extended, command, options, special } = part;
  const head = little(address, 8);
  if (!extended) return head + little(bytes, 2) + '00' + little(command, 1) + '0000' + little(special, 2);
  const low = bytes + DATA * 2 ** 16 + (command | TxCmd.DEXT) * 2 ** 24;
  return head + little(low, 4) + '00' + little(options, 1) + little(special, 2);
}

/** A receive descriptor that was never used. */
export function emptyDescriptor(address: number): string {
  return little(address, 8) + '0000000000000000';
}
