/** Headers and checksums of the Internet protocols, as far as a host that answers needs them. */

import { onesSum } from '../checksum';

/** Ethertypes (IEEE 802.3, 3.2.6; RFC 894 and 826). */
export const EtherType = { Ipv4: 0x0800, Arp: 0x0806 } as const;
/** Protocols of an IPv4 packet. */
export const IpProtocol = { Icmp: 1, Udp: 17 } as const;

/** An IPv4 packet, its parts. */
export interface Ipv4Packet {
  source: number;
  destination: number;
  protocol: number;
  /** Header with options. */
  header: Uint8Array;
  payload: Uint8Array;
}

const IPV4_HEADER = 20;
/** Of hosts that say nothing else (RFC 1122, 3.2.1.7; 64 by the assigned numbers). */
const TIME_TO_LIVE = 64;
/** More fragments, and where in its packet a fragment belongs (RFC 791, 3.1). */
const FRAGMENT = 0x3fff;

/** The Internet checksum (RFC 1071) of parts that are read as one text of 16-bit words; every part but the last is of even length. */
export function internetChecksum(...parts: readonly Uint8Array[]): number {
  let sum = parts.reduce((total, part) => total + onesSum(part, 0, part.length), 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** What is before a UDP datagram when its checksum is computed (RFC 768). */
export function pseudoHeader(
  source: number,
  destination: number,
  protocol: number,
  length: number,
): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, source);
  view.setUint32(4, destination);
  bytes[9] = protocol;
  view.setUint16(10, length);
  return bytes;
}

/** A view on bytes, wherever they lie in their buffer. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** An IPv4 packet that is whole and sound (RFC 791, RFC 1122 3.2.1): undefined when it is not, or a fragment. */
export function parseIpv4(bytes: Uint8Array): Ipv4Packet | undefined {
  if (bytes.length < IPV4_HEADER) return undefined;
  const view = viewOf(bytes);
  const headerLength = (bytes[0] & 0x0f) * 4;
  const total = view.getUint16(2);
  if (bytes[0] >> 4 !== 4 || headerLength < IPV4_HEADER) return undefined;
  if (total < headerLength || total > bytes.length) return undefined;
  if ((view.getUint16(6) & FRAGMENT) !== 0) return undefined;
  const header = bytes.subarray(0, headerLength);
  if (internetChecksum(header) !== 0) return undefined;
  return {
    source: view.getUint32(12),
    destination: view.getUint32(16),
    protocol: bytes[9],
    header,
    payload: bytes.subarray(headerLength, total),
  };
}

/** An IPv4 packet without options, its checksum right. `identification` is its own number (RFC 791, 3.2). */
export function ipv4Packet(
  { source, destination, protocol, payload }: Omit<Ipv4Packet, 'header'>,
  identification: number,
): Uint8Array {
  const bytes = new Uint8Array(IPV4_HEADER + payload.length);
  const view = viewOf(bytes);
  bytes[0] = 0x45;
  view.setUint16(2, bytes.length);
  view.setUint16(4, identification & 0xffff);
  bytes[8] = TIME_TO_LIVE;
  bytes[9] = protocol;
  view.setUint32(12, source);
  view.setUint32(16, destination);
  view.setUint16(10, internetChecksum(bytes.subarray(0, IPV4_HEADER)));
  bytes.set(payload, IPV4_HEADER);
  return bytes;
}
