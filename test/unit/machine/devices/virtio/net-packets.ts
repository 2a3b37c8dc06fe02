/** TCP and UDP packets for tests, with sums that are computed here, word by word as RFC 1071 has it, and nowhere in the device. */

/** What the IP header of a test's packet says. */
export interface PacketOptions {
  version: 4 | 6;
  payload: Uint8Array;
  flags?: number;
  sequence?: number;
  id?: number;
  /** VLAN tags before the type. */
  tags?: number;
  /** Bytes of options of the IPv4 header, or of an extension header of IPv6: multiples of 4 and of 8. */
  ipOptions?: number;
  /** Bytes of TCP options, a multiple of 4. */
  tcpOptions?: number;
}

/** Where things are in a packet. */
export interface Places {
  ip: number;
  tcp: number;
  payload: number;
}

/** Ones' complement sum over bytes, as big-endian words, with BigInt: no carry is lost. */
export function sumOf(bytes: ArrayLike<number>): number {
  let sum = 0n;
  for (let i = 0; i < bytes.length; i += 2) sum += BigInt((bytes[i] << 8) | (bytes[i + 1] ?? 0));
  while (sum > 0xffffn) sum = (sum & 0xffffn) + (sum >> 16n);
  return Number(sum);
}

const be16 = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff];
const be32 = (value: number): number[] => [
  ...be16(Math.floor(value / 65536) & 0xffff),
  ...be16(value % 65536),
];

/** A whole TCP packet; its checksum field holds the sum of the pseudo header, as a driver leaves it with NEEDS_CSUM. */
export function tcpPacket(options: PacketOptions): { frame: Uint8Array; at: Places; pseudo: number } {
  const { version, payload, flags = 0x10, sequence = 1000, id = 7, tags = 0 } = options;
  const { ipOptions = 0, tcpOptions = 0 } = options;
  const tcpLength = 20 + tcpOptions + payload.length;
  const addresses =
    version === 4
      ? [10, 0, 0, 1, 10, 0, 0, 2]
      : Array.from({ length: 32 }, (_, i) => (i % 16 === 15 ? 1 + (i >> 4) : i % 16 < 2 ? 0xfd : i));
  const pseudo = sumOf([...addresses, ...be32(tcpLength), 0, 0, 0, 6]);
  const ethernet = [
    ...[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1],
    ...Array.from({ length: tags }, () => [0x81, 0x00, 0x00, 0x05]).flat(),
    ...be16(version === 4 ? 0x0800 : 0x86dd),
  ];
  const extension = ipOptions > 0 ? [6, ipOptions / 8 - 1, ...new Array<number>(ipOptions - 2).fill(1)] : [];
  const ip =
    version === 4
      ? ipv4Header(20 + ipOptions + tcpLength, id, addresses, ipOptions)
      : [
          0x60,
          0,
          0,
          0,
          ...be16(ipOptions + tcpLength),
          ipOptions > 0 ? 0 : 6,
          64,
          ...addresses,
          ...extension,
        ];
  const tcp = [
    ...be16(1234),
    ...be16(80),
    ...be32(sequence),
    ...be32(77),
    ((20 + tcpOptions) / 4) << 4,
    flags,
    ...be16(512),
    ...be16(pseudo),
    ...be16(0),
    ...new Array<number>(tcpOptions).fill(1),
  ];
  const frame = Uint8Array.from([...ethernet, ...ip, ...tcp, ...payload]);
  const at = {
    ip: ethernet.length,
    tcp: ethernet.length + ip.length,
    payload: ethernet.length + ip.length + tcp.length,
  };
  return { frame, at, pseudo };
}

function ipv4Header(length: number, id: number, addresses: number[], options: number): number[] {
  const header = [
    ...[0x40 | ((20 + options) / 4), 0],
    ...be16(length),
    ...be16(id),
    ...[0x40, 0, 64, 6],
    ...[0, 0],
    ...addresses,
    ...new Array<number>(options).fill(1),
  ];
  const sum = ~sumOf(header) & 0xffff;
  header.splice(10, 2, ...be16(sum));
  return header;
}

/** The same packet with its TCP checksum, as the wire is to carry it. */
export function checksummed(frame: Uint8Array, at: Places, pseudo: number): Uint8Array {
  const whole = frame.slice();
  whole.set([0, 0], at.tcp + 16);
  const sum = ~sumOf([...be16(pseudo), ...whole.subarray(at.tcp)]) & 0xffff;
  whole.set(be16(sum), at.tcp + 16);
  return whole;
}

/** What segmentation is to make of a packet: each segment made anew, with sums of its own. */
export function segmentsOf(options: PacketOptions, size: number): Uint8Array[] {
  const { payload, flags = 0x10, sequence = 1000, id = 7 } = options;
  const segments: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const last = at + size >= payload.length;
    const own = {
      ...options,
      payload: payload.slice(at, at + size),
      sequence: (sequence + at) % 2 ** 32,
      id: (id + segments.length) & 0xffff,
      // FIN and PSH stand on the last one, CWR on the first (Linux, Documentation/networking/segmentation-offloads.rst).
      flags: flags & (last ? 0xff : 0xf6) & (at === 0 ? 0xff : 0x7f),
    };
    const { frame, at: places, pseudo } = tcpPacket(own);
    segments.push(checksummed(frame, places, pseudo));
  }
  return segments;
}

/** Whether receivers take a TCP checksum: the sum over everything is all ones (RFC 1071). */
export function sumIsRight(frame: Uint8Array, at: Places, pseudo: number): boolean {
  return sumOf([...be16(pseudo), ...frame.subarray(at.tcp)]) === 0xffff;
}
