/**
 * Which receive queue a packet goes to when there are several (5.1.6.5.6.1, automatic receive steering): that of the pair on which
 * the driver has sent the last packet of the same flow.
 */
const SLOTS = 256;
const TYPE_AT = 12;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const ADDRESSES = { [IPV4]: [26, 30, 4], [IPV6]: [22, 38, 16] } as const;
const IPV4_PROTOCOL = 23;
const IPV6_PROTOCOL = 20;
const IPV4_START = 14;
const IPV6_PAYLOAD = 54;
const TCP = 6;
const UDP = 17;

/** The table. */
export class Steering {
  private table = new Uint8Array(SLOTS);

  /** The driver has sent a packet by this pair. */
  sent(frame: Uint8Array, pair: number): void {
    this.table[slotOf(frame)] = pair;
  }

  /** @param pairs in use */
  pairOf(frame: Uint8Array, pairs: number): number {
    const pair = this.table[slotOf(frame)];
    return pair < pairs ? pair : 0;
  }

  reset(): void {
    this.table.fill(0);
  }

  saveHardware(): Uint8Array {
    return this.table.slice();
  }

  load(table: Uint8Array): void {
    this.table = table.slice();
  }
}

/** The same for both directions of a flow; of what is neither IPv4 nor IPv6 there is one flow. */
function slotOf(frame: Uint8Array): number {
  const type = ((frame[TYPE_AT] ?? 0) << 8) | (frame[TYPE_AT + 1] ?? 0);
  if (type !== IPV4 && type !== IPV6) return 0;
  const [source, destination, bytes] = ADDRESSES[type];
  let hash = 0;
  // What both directions have alike: each byte of one side with its counterpart of the other.
  const add = (a: number, b: number): void => {
    hash = (Math.imul(hash, 31) + ((frame[a] ?? 0) ^ (frame[b] ?? 0))) >>> 0;
  };
  for (let i = 0; i < bytes; i++) add(source + i, destination + i);
  const protocol = frame[type === IPV4 ? IPV4_PROTOCOL : IPV6_PROTOCOL] ?? 0;
  const ports = type === IPV4 ? IPV4_START + ((frame[IPV4_START] ?? 0) & 15) * 4 : IPV6_PAYLOAD;
  if (protocol === TCP || protocol === UDP) {
    for (let i = 0; i < 2; i++) add(ports + i, ports + 2 + i);
  }
  return (hash ^ (hash >>> 8) ^ protocol) & (SLOTS - 1);
}
