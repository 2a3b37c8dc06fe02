/** What a received frame is: its headers, whether their checksums hold, and what of them RSS takes (7.1.2.8, 7.1.11). */
import { onesSum } from '../../link/checksum';

/** Of a frame that is none of IP. */
export const NOT_IP: Classified = { type: 0, addresses: { start: 0, end: 0 } };

/** What is known of a frame. */
export interface Classified {
  /** Packet type of the descriptor (7.1.6.2). */
  type: number;
  ip?: { version: 4 | 6; fragment: boolean; checksum: 'good' | 'bad' | 'none' };
  transport?: { protocol: 'tcp' | 'udp'; ports: number; checksum: 'good' | 'bad' | 'none' };
  /** Where both IP addresses are. */
  addresses: { start: number; end: number };
}

/** Bits of the packet type. */
const Type = { ipv4: 1 << 0, ipv4Options: 1 << 1, ipv6: 1 << 2, tcp: 1 << 4, udp: 1 << 5 } as const;
const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd } as const;
const PROTOCOL = { 6: 'tcp', 17: 'udp' } as const;
const SUM_AT = { tcp: 16, udp: 6 } as const;
const SMALLEST = { tcp: 20, udp: 8 } as const;
const ALL_ONES = 0xffff;

interface Ip {
  type: number;
  protocol: number;
  /** Where its payload is. */
  start: number;
  end: number;
  addresses: { start: number; end: number };
  facts: NonNullable<Classified['ip']>;
}

/** @param offset of the frame's type: 12, or 16 behind a tag */
export function classify(frame: Uint8Array, offset: number): Classified {
  const type = (frame[offset] << 8) | frame[offset + 1];
  const at = offset + 2;
  const ip =
    type === ETHERTYPE.ipv4 ? ipv4(frame, at) : type === ETHERTYPE.ipv6 ? ipv6(frame, at) : undefined;
  if (!ip) return NOT_IP;
  const { addresses, facts } = ip;
  const transport = facts.fragment ? undefined : transportOf(frame, ip);
  const layer4 = transport ? Type[transport.protocol] : 0;
  return { type: ip.type | layer4, ip: facts, addresses, ...(transport && { transport }) };
}

function ipv4(frame: Uint8Array, at: number): Ip | undefined {
  const headerLength = 4 * (frame[at] & 15);
  const start = at + headerLength;
  const end = at + ((frame[at + 2] << 8) | frame[at + 3]);
  if (frame[at] >> 4 !== 4 || headerLength < 20 || start > end || end > frame.length) return undefined;
  const fragment = (((frame[at + 6] << 8) | frame[at + 7]) & 0x3fff) !== 0;
  const good = onesSum(frame, at, start) === ALL_ONES;
  return {
    type: headerLength > 20 ? Type.ipv4 | Type.ipv4Options : Type.ipv4,
    protocol: frame[at + 9],
    start,
    end,
    addresses: { start: at + 12, end: at + 20 },
    facts: { version: 4, fragment, checksum: good ? 'good' : 'bad' },
  };
}

/** Extension headers are not looked behind: such a packet has no transport layer here. */
function ipv6(frame: Uint8Array, at: number): Ip | undefined {
  const start = at + 40;
  const end = start + ((frame[at + 4] << 8) | frame[at + 5]);
  if (frame[at] >> 4 !== 6 || end > frame.length) return undefined;
  return {
    type: Type.ipv6,
    protocol: frame[at + 6],
    start,
    end,
    addresses: { start: at + 8, end: start },
    facts: { version: 6, fragment: false, checksum: 'none' },
  };
}

function transportOf(frame: Uint8Array, ip: Ip): Classified['transport'] {
  const { start, end, addresses } = ip;
  const protocol = PROTOCOL[ip.protocol as keyof typeof PROTOCOL];
  if (!protocol || end - start < SMALLEST[protocol]) return undefined;
  const field = start + SUM_AT[protocol];
  const absent = protocol === 'udp' && frame[field] === 0 && frame[field + 1] === 0;
  const pseudo = onesSum(frame, addresses.start, addresses.end) + ip.protocol + (end - start);
  const sum = onesSum(frame, start, end) + pseudo;
  const good = sum > 0 && sum % ALL_ONES === 0;
  return { protocol, ports: start, checksum: absent ? 'none' : good ? 'good' : 'bad' };
}
