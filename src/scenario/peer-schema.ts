/** The peers of a link as a scenario has them: a part of the definition in `schema.ts`. */
import { z } from 'zod';
import { IMIX } from '../machine/link/peers/distributions';
import type { GapSpec, PaceSpec, PeerSpec } from '../machine/link/peers/spec';
import { UNICAST_MAC } from './patterns';

const ANY_MAC = /^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$/;
/** From the Ethernet header to the longest frame without FCS, in bytes that blanks may stand between. */
const HEX_FRAME = /^([0-9A-Fa-f]{2} ?){14,1514}$/;

const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const INTERVAL_NS = 10_000;
const LENGTH = 60;

/** Of a peer: what it is called on the link. */
const peerMac = z.string().regex(UNICAST_MAC).optional();
const countedMac = peerMac.describe(
  "The peer's own Ethernet address, `02:54:4C:00:00:01` and counting up when left out.",
);
const to = z
  .string()
  .regex(ANY_MAC)
  .default(BROADCAST)
  .describe('Ethernet address that the packets are sent to; everybody (broadcast) when left out.');
const frameLength = z.int().min(60).max(1514);
const turnaroundNs = z
  .int()
  .min(0)
  .max(1e9)
  .default(0)
  .describe('Time between the last bit in and the first bit out, in nanoseconds.');

const echoPeer = z.strictObject({
  kind: z.literal('echo').describe('Sends packets back.'),
  turnaroundNs,
  swap: z
    .boolean()
    .default(true)
    .describe(
      'Whether the two Ethernet addresses change places, so that a packet comes back to its sender. `false`: it comes back as it went, and a switch finds its destination as before.',
    ),
  mac: peerMac.describe(
    "The echo's own Ethernet address: it answers what is sent to it and to groups, and from it. Without one it answers everything, from where it was sent to; on a link with more stations a switch then takes it for the other one.",
  ),
});

const sinkPeer = z.strictObject({ kind: z.literal('sink').describe('Takes every packet and says nothing.') });

const sizes = z.union([
  z.literal('imix'),
  z
    .strictObject({
      min: frameLength.describe('The shortest frame, in bytes without its check sequence.'),
      max: frameLength.describe('The longest frame, in bytes without its check sequence.'),
    })
    .refine(({ min, max }) => min <= max, { path: ['max'], error: 'is less than "min"' }),
  z
    .array(
      z.strictObject({
        length: frameLength.describe('Bytes of the frame without its check sequence.'),
        weight: z
          .int()
          .min(1)
          .max(1e6)
          .default(1)
          .describe('How often it comes, against the sum of all weights.'),
      }),
    )
    .min(1)
    .max(64),
]);
const gaps = z.union([
  z.enum(['fixed', 'exponential']),
  z.strictObject({
    packets: z.int().min(1).max(1e6).describe('Packets of a burst.'),
    gapNs: z
      .int()
      .min(0)
      .max(1e9)
      .default(0)
      .describe('Nanoseconds from start to start in a burst; 0 is as fast as the link carries them.'),
    pauseNs: z
      .int()
      .min(0)
      .max(1e9)
      .describe('Nanoseconds from the start of the last packet of a burst to the start of the next burst.'),
  }),
]);
const generatePeer = z
  .strictObject({
    kind: z.literal('generate').describe('Sends packets of its own accord, whatever comes of them.'),
    count: z.int().min(1).max(1e6).default(64).describe('How many packets.'),
    length: frameLength
      .optional()
      .describe(`Bytes of each frame without its check sequence, ${LENGTH} when left out.`),
    sizes: sizes
      .optional()
      .describe(
        'Instead of `length`, how long the frames are: `"imix"` is 60, 590 and 1514 bytes, 7 to 4 to 1; `{ "min": 60, "max": 1514 }` draws each length equally often; a list has lengths with weights.',
      ),
    intervalNs: z
      .int()
      .min(0)
      .max(1e9)
      .optional()
      .describe(
        `Nanoseconds from the start of one packet to the start of the next, ${INTERVAL_NS} when left out; 0 is as fast as the link carries them.`,
      ),
    rateMbps: z
      .number()
      .min(0.001)
      .max(800_000)
      .optional()
      .describe(
        'Instead of `intervalNs`, megabits a second, counted from the Ethernet header to the end of the payload.',
      ),
    gaps: gaps
      .default('fixed')
      .describe(
        'How the distances between packets are spread: `fixed`; `exponential` about `intervalNs` or `rateMbps`, as arrivals that know nothing of each other (Poisson); or bursts, which say their times themselves.',
      ),
    to,
    mac: countedMac,
  })
  .refine(({ length, sizes: drawn }) => length === undefined || drawn === undefined, {
    path: ['sizes'],
    error: 'stands beside "length": keep one of the two',
  })
  .refine(({ intervalNs, rateMbps }) => intervalNs === undefined || rateMbps === undefined, {
    path: ['rateMbps'],
    error: 'stands beside "intervalNs": keep one of the two',
  })
  .refine(
    ({ gaps: spread, intervalNs, rateMbps }) =>
      typeof spread === 'string' || (intervalNs === undefined && rateMbps === undefined),
    { path: ['gaps'], error: 'has times of its own for bursts: leave "intervalNs" and "rateMbps" out' },
  );

const windowPeer = z.strictObject({
  kind: z
    .literal('window')
    .describe(
      'Sends numbered packets as a TCP sender does: no more than a window of them unacknowledged, and takes each that comes back for its acknowledgement.',
    ),
  count: z.int().min(1).max(1e6).default(64).describe('How many packets are to be acknowledged.'),
  length: frameLength.default(LENGTH).describe('Bytes of each frame without its check sequence.'),
  window: z
    .int()
    .min(1)
    .max(4096)
    .default(16)
    .describe(
      'Packets under way at the most. It begins with one, grows with each acknowledgement, and falls back to one after a loss (slow start, RFC 5681).',
    ),
  timeoutNs: z
    .int()
    .min(1000)
    .max(1e9)
    .default(1_000_000)
    .describe('Nanoseconds without an acknowledgement after which packets count as lost and are sent again.'),
  startNs: z.int().min(0).max(60e9).default(INTERVAL_NS).describe('When the first packet is sent.'),
  to,
  mac: countedMac,
});

const hostPeer = z.strictObject({
  kind: z
    .literal('host')
    .describe('A host with an IPv4 address: answers ARP, ping (ICMP echo) and UDP datagrams to port 7.'),
  ip: z.ipv4().default('10.0.2.2').describe('Its IPv4 address.'),
  mac: countedMac,
  turnaroundNs,
});

const framesPeer = z.strictObject({
  kind: z.literal('frames').describe('Sends exactly these packets.'),
  frames: z
    .array(
      z.strictObject({
        atNs: z.int().min(0).max(60e9).default(0).describe('When, in nanoseconds from the start of the run.'),
        hex: z
          .string()
          .regex(HEX_FRAME)
          .describe(
            'The Ethernet frame from its destination address on, without its check sequence, as hexadecimal digits. Padded with zeros to 60 bytes.',
          ),
      }),
    )
    .min(1)
    .max(1000)
    .describe('The packets, each with its time.'),
});

const pcapPeer = z.strictObject({
  kind: z.literal('pcap').describe('Sends the packets of a capture at their times.'),
  file: z
    .string()
    .min(1)
    .describe(
      'Path of a capture, pcap or pcapng, relative to this file. Its packets are sent as they are: to the addresses that they were sent to.',
    ),
  atNs: z
    .int()
    .min(0)
    .max(60e9)
    .default(INTERVAL_NS)
    .describe('When its first packet is sent, in nanoseconds from the start of the run.'),
});

/** Something on a link that is no NIC. */
export const peer = z.discriminatedUnion('kind', [
  echoPeer,
  sinkPeer,
  generatePeer,
  windowPeer,
  hostPeer,
  framesPeer,
  pcapPeer,
]);

/** A peer as it was written. */
export type ParsedPeer = z.output<typeof peer>;
type ParsedGenerator = Extract<ParsedPeer, { kind: 'generate' }>;

/** A peer with its defaults filled in: as the machine takes it, but for the frames of a capture, which are in a file. */
export type ScenarioPeer = Exclude<PeerSpec, { kind: 'capture' }> | Extract<ParsedPeer, { kind: 'pcap' }>;

/** @param nextMac for a peer that has to have an address and has none of its own */
export function fillInPeer(parsed: ParsedPeer, nextMac: () => string): ScenarioPeer {
  switch (parsed.kind) {
    case 'generate': {
      const { kind, count, to: destination } = parsed;
      const mac = parsed.mac ?? nextMac();
      return { kind, count, sizes: sizesOf(parsed), gaps: gapsOf(parsed), to: destination, mac };
    }
    case 'window':
    case 'host':
      return { ...parsed, mac: parsed.mac ?? nextMac() };
    case 'echo':
    case 'sink':
    case 'frames':
    case 'pcap':
      return parsed;
  }
}

function sizesOf({
  length,
  sizes: drawn,
}: ParsedGenerator): Extract<PeerSpec, { kind: 'generate' }>['sizes'] {
  if (drawn === undefined) return { kind: 'fixed', length: length ?? LENGTH };
  if (drawn === 'imix') return IMIX;
  return Array.isArray(drawn) ? { kind: 'weighted', choices: drawn } : { kind: 'uniform', ...drawn };
}

function gapsOf({ gaps: spread, intervalNs, rateMbps }: ParsedGenerator): GapSpec {
  if (typeof spread !== 'string') return { kind: 'bursts', ...spread };
  const pace: PaceSpec = rateMbps === undefined ? { intervalNs: intervalNs ?? INTERVAL_NS } : { rateMbps };
  return { kind: spread, ...pace };
}
