/** Receive-side scaling: the Toeplitz hash over a packet's addresses and ports, and the redirection table (7.1.2.8). */
import type { Classified } from './classify';
import type { IxgbeCore } from './core';
import { Reg } from './offsets';

const KEY_BYTES = 40;
/** Entries of RETA. */
const ENTRIES = 128;

/** What is hashed, with the bit of MRQC that turns it on and the RSS type of the descriptor (7.1.6.2). */
const FIELDS = {
  tcp4: { enable: 1 << 16, type: 1 },
  ip4: { enable: 1 << 17, type: 2 },
  ip6: { enable: 1 << 20, type: 5 },
  tcp6: { enable: 1 << 21, type: 3 },
  udp4: { enable: 1 << 22, type: 7 },
  udp6: { enable: 1 << 23, type: 8 },
} as const;

/** The hash of a packet, and of what it was taken; type 0: of nothing. */
export interface RssHash {
  type: number;
  value: number;
}

export const NO_HASH: RssHash = { type: 0, value: 0 };

/** The hash by MRQC's fields: with ports where that is on, else of the addresses. */
export function hashOf(
  core: IxgbeCore,
  frame: Uint8Array,
  { ip, transport, addresses }: Classified,
): RssHash {
  if (!ip) return NO_HASH;
  const mrqc = core.get(Reg.MRQC);
  const input = frame.subarray(addresses.start, addresses.end);
  const withPorts = transport && FIELDS[`${transport.protocol}${ip.version}`];
  if (transport && withPorts && (mrqc & withPorts.enable) !== 0) {
    const ports = frame.subarray(transport.ports, transport.ports + 4);
    return { type: withPorts.type, value: toeplitz(keyOf(core), Uint8Array.of(...input, ...ports)) };
  }
  const { enable, type } = FIELDS[`ip${ip.version}`];
  return (mrqc & enable) !== 0 ? { type, value: toeplitz(keyOf(core), input) } : NO_HASH;
}

/** The entry of RETA for a hash: four bits. Without a hash it is 0 (7.1.2.8). */
export function redirected(core: IxgbeCore, { type, value }: RssHash): number {
  return type === 0 ? 0 : core.byteOf(Reg.RETA, value % ENTRIES) & 0xf;
}

/** Byte `n` of the key stands in byte `n % 4` of RSSRK[n / 4] (8.2.3.7.14). */
function keyOf(core: IxgbeCore): Uint8Array {
  return Uint8Array.from({ length: KEY_BYTES }, (_, n) => core.byteOf(Reg.RSSRK, n));
}

/** For each bit of the input that is set, from the first byte's highest: the 32 bits of the key from there on. */
export function toeplitz(key: Uint8Array, input: Uint8Array): number {
  let hash = 0;
  let window = ((key[0] << 24) | (key[1] << 16) | (key[2] << 8) | key[3]) >>> 0;
  input.forEach((byte, n) => {
    for (let bit = 7; bit >= 0; bit--) {
      if ((byte & (1 << bit)) !== 0) hash ^= window;
      window = ((window << 1) | (((key[n + 4] ?? 0) >> bit) & 1)) >>> 0;
    }
  });
  return hash >>> 0;
}
