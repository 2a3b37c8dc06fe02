/**
 * What the device does to a packet on behalf of the driver (5.1.6.2): it completes a checksum, and cuts a large TCP packet into
 * segments. What the driver says of the packet is checked against the packet first.
 */
import { onesSum } from '../../../link/checksum';
import { Gso, Header, NEEDS_CSUM, NetDrop } from './constants';

const ETHERNET_HEADER = 14;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const IPV4_PROTOCOL = 9;
const IPV4_CHECKSUM = 10;
const IPV4_ADDRESSES = { at: 12, bytes: 8 } as const;
const IPV6_ADDRESSES = { at: 8, bytes: 32 } as const;
const TCP = { protocol: 6, header: 20, sequence: 4, dataOffset: 12, flags: 13, checksum: 16 } as const;
/** FIN and PSH stand in the last segment only; CWR in the first only. */
const LAST_ONLY = 0x09;
const FIRST_ONLY = 0x80;

/** Where the headers of a large packet are. */
interface Headers {
  ipv4: boolean;
  ip: number;
  tcp: number;
  /** Bytes before the payload. */
  length: number;
}

/**
 * The frames that a packet becomes on the wire, or why it becomes none (`NetDrop`).
 *
 * @param header at least the short one
 * @param packet Ethernet frame without check sequence; it is not changed
 */
export function framesOf(header: DataView, packet: Uint8Array): Uint8Array[] | number {
  const gso = header.getUint8(Header.gsoType) & ~Gso.ECN;
  const needsChecksum = (header.getUint8(Header.flags) & NEEDS_CSUM) !== 0;
  const start = header.getUint16(Header.checksumStart, true);
  const offset = header.getUint16(Header.checksumOffset, true);
  if (gso === Gso.NONE) {
    if (!needsChecksum) return [packet];
    if (start + offset + 2 > packet.length) return NetDrop.BadOffload;
    const frame = packet.slice();
    complete(frame, start, start + offset);
    return [frame];
  }
  const size = header.getUint16(Header.gsoSize, true);
  const headers = needsChecksum ? headersOf(gso, packet, start) : undefined;
  if (!headers || size === 0 || offset !== TCP.checksum) return NetDrop.BadOffload;
  return segmentsOf(packet, headers, size);
}

/** Undefined where the packet is not what the driver says it is. */
function headersOf(gso: number, packet: Uint8Array, tcp: number): Headers | undefined {
  const ipv4 = gso === Gso.TCPV4;
  if (!ipv4 && gso !== Gso.TCPV6) return undefined;
  const ip = ipHeaderAt(packet);
  const least = ip + (ipv4 ? IPV4_HEADER : IPV6_HEADER);
  if (tcp < least || tcp + TCP.header > packet.length) return undefined;
  if (packet[ip] >> 4 !== (ipv4 ? 4 : 6)) return undefined;
  // The header's own length has to lead to where the driver says that TCP begins; behind IPv6 there may be extension headers.
  const behind = ip + (packet[ip] & 15) * 4;
  if (ipv4 && (behind !== tcp || packet[ip + IPV4_PROTOCOL] !== TCP.protocol)) return undefined;
  const length = tcp + (packet[tcp + TCP.dataOffset] >> 4) * 4;
  return length >= tcp + TCP.header && length < packet.length ? { ipv4, ip, tcp, length } : undefined;
}

/** Bytes of a frame that are payload to the network: behind the Ethernet header and at most two VLAN tags. */
export function payloadBytes(frame: Uint8Array): number {
  return frame.length - ipHeaderAt(frame);
}

/** Behind the Ethernet header and at most two VLAN tags. */
function ipHeaderAt(packet: Uint8Array): number {
  let at = ETHERNET_HEADER - 2;
  for (let tags = 0; tags < 2; tags++) {
    const type = get16(packet, at);
    if (type !== 0x8100 && type !== 0x88a8) break;
    at += 4;
  }
  return at + 2;
}

function segmentsOf(packet: Uint8Array, headers: Headers, size: number): Uint8Array[] {
  const { length } = headers;
  const frames: Uint8Array[] = [];
  for (let at = length; at < packet.length; at += size) {
    const payload = packet.subarray(at, Math.min(at + size, packet.length));
    const frame = new Uint8Array(length + payload.length);
    frame.set(packet.subarray(0, length));
    frame.set(payload, length);
    updateHeaders(frame, headers, {
      index: frames.length,
      done: at - length,
      last: at + size >= packet.length,
    });
    frames.push(frame);
  }
  return frames;
}

/** A segment begins with a copy of the packet's headers, which are brought up to date. */
function updateHeaders(
  frame: Uint8Array,
  { ipv4, ip, tcp }: Headers,
  place: { index: number; done: number; last: boolean },
): void {
  if (ipv4) {
    put16(frame, ip + 2, frame.length - ip);
    put16(frame, ip + 4, get16(frame, ip + 4) + place.index);
    put16(frame, ip + IPV4_CHECKSUM, 0);
    put16(frame, ip + IPV4_CHECKSUM, ~onesSum(frame, ip, tcp));
  } else put16(frame, ip + 4, frame.length - ip - IPV6_HEADER);
  const sequence =
    get16(frame, tcp + TCP.sequence) * 65536 + get16(frame, tcp + TCP.sequence + 2) + place.done;
  put16(frame, tcp + TCP.sequence, Math.floor(sequence / 65536));
  put16(frame, tcp + TCP.sequence + 2, sequence);
  if (!place.last) frame[tcp + TCP.flags] &= ~LAST_ONLY;
  if (place.index > 0) frame[tcp + TCP.flags] &= ~FIRST_ONLY;
  put16(frame, tcp + TCP.checksum, pseudoHeaderSum(frame, ipv4, ip, frame.length - tcp));
  complete(frame, tcp, tcp + TCP.checksum);
}

/** Of addresses, protocol and length (RFC 9293, 3.1; RFC 8200, 8.1). */
function pseudoHeaderSum(frame: Uint8Array, ipv4: boolean, ip: number, length: number): number {
  const { at, bytes } = ipv4 ? IPV4_ADDRESSES : IPV6_ADDRESSES;
  const sum = onesSum(frame, ip + at, ip + at + bytes) + TCP.protocol + length;
  return (sum & 0xffff) + (sum >>> 16);
}

/** Sums from `start` to the end, the field's own contents with it. A sum of 0 is written as FFFFH: in UDP 0 means none. */
function complete(frame: Uint8Array, start: number, field: number): void {
  const sum = ~onesSum(frame, start, frame.length) & 0xffff;
  put16(frame, field, sum === 0 ? 0xffff : sum);
}

function get16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = (value >> 8) & 0xff;
  bytes[at + 1] = value & 0xff;
}
