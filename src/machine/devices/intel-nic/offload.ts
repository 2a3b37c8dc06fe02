/**
 * What the transmitter does to a packet on behalf of the driver: checksums, and the headers of the segments of a large TCP or
 * UDP packet (8254x manual, 3.3.6, 3.4.2 and 3.5; 82599 data sheet, 7.2.4 and 7.2.5). Offsets that a guest sets outside the packet
 * change nothing.
 */
import { onesSum } from '../../link/checksum';

/** Where a checksum goes and what it covers: offsets in the packet, `end` inclusive, 0 meaning to the end of the packet. */
export interface ChecksumRange {
  start: number;
  offset: number;
  end: number;
}

/** What a context descriptor says of the headers of packets. */
export interface Context {
  ip: ChecksumRange;
  transport: ChecksumRange;
  /** TCP rather than UDP. */
  tcp: boolean;
  /** IPv4 rather than IPv6. */
  ipv4: boolean;
  /** Bytes of the header that each segment gets. */
  headerLength: number;
  /** Most bytes of payload in a segment. */
  segmentSize: number;
}

/** Context before any context descriptor. */
export const NO_CONTEXT: Context = {
  ip: { start: 0, offset: 0, end: 0 },
  transport: { start: 0, offset: 0, end: 0 },
  tcp: false,
  ipv4: false,
  headerLength: 0,
  segmentSize: 0,
};

/** Bits of POPTS. */
const Options = { InsertIp: 1 << 0, InsertTransport: 1 << 1 } as const;
const TCP_SEQUENCE = 4;
const TCP_FLAGS = 13;
/** FIN and PSH stand in the last segment only. */
const LAST_ONLY = 0x09;

/**
 * Writes the Internet checksum over a range into the packet. The field's own contents count into the sum. Zero is written as
 * FFFFH, which is the same number: a UDP checksum of 0 would mean that there is none (RFC 768).
 */
export function insertChecksum(packet: Uint8Array, { start, offset, end }: ChecksumRange): void {
  const stop = end === 0 ? packet.length : Math.min(end + 1, packet.length);
  if (offset + 2 > packet.length || start >= stop) return;
  put16(packet, offset, ~onesSum(packet, start, stop) & 0xffff || 0xffff);
}

/** Checksums of a packet, or of one segment. */
export function applyChecksums(packet: Uint8Array, context: Context, options: number): void {
  if ((options & Options.InsertIp) !== 0) insertChecksum(packet, context.ip);
  if ((options & Options.InsertTransport) !== 0) insertChecksum(packet, context.transport);
}

/** Where a segment stands in the packet that it was cut from. */
export interface SegmentPlace {
  /** Segments before it. */
  index: number;
  /** Bytes of payload before it. */
  done: number;
  last: boolean;
}

/**
 * Brings the headers of a segment up to date, which begins with a copy of the packet's header.
 * @param options POPTS of the packet: a checksum that is not to be inserted stays as it is
 */
export function updateHeaders(
  frame: Uint8Array,
  context: Context,
  options: number,
  place: SegmentPlace,
): void {
  const { ip, transport } = context;
  if (context.ipv4) {
    put16(frame, ip.start + 2, frame.length - ip.start);
    put16(frame, ip.start + 4, get16(frame, ip.start + 4) + place.index);
  } else put16(frame, ip.start + 4, frame.length - ip.start - 40);
  const length = frame.length - transport.start;
  if (context.tcp) {
    const at = transport.start + TCP_SEQUENCE;
    const sequence = get16(frame, at) * 65536 + get16(frame, at + 2) + place.done;
    put16(frame, at, Math.floor(sequence / 65536));
    put16(frame, at + 2, sequence);
    const flags = transport.start + TCP_FLAGS;
    if (!place.last && flags < frame.length) frame[flags] &= ~LAST_ONLY;
  } else put16(frame, transport.start + 4, length);
  if ((options & Options.InsertTransport) === 0) return;
  // The driver left the pseudo-header's sum without the length in the checksum field: the length is added per segment.
  const sum = get16(frame, transport.offset) + length;
  put16(frame, transport.offset, (sum & 0xffff) + (sum >>> 16));
}

function get16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  if (at < 0 || at + 2 > bytes.length) return;
  bytes[at] = (value >> 8) & 0xff;
  bytes[at + 1] = value & 0xff;
}
