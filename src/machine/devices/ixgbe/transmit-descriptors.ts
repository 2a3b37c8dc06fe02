/** Transmit descriptors as numbers: legacy, advanced context and advanced data (7.2.3.2). */
import { DESCRIPTOR } from '../intel-nic/constants';
import type { Context } from '../intel-nic/offload';
import { TxCmd } from './bits';

/** A legacy or an advanced data descriptor. */
export interface DataDescriptor {
  kind: 'legacy' | 'data';
  address: number;
  length: number;
  command: number;
  /** CSO and CSS of a legacy descriptor. */
  checksumOffset: number;
  checksumStart: number;
  /** POPTS of an advanced one: bit 0 IXSM, bit 1 TXSM. */
  options: number;
  /** Tag of a legacy one; that of an advanced one is in its context. */
  vlan: number;
  /** The context that an advanced one uses: 0 or 1. */
  index: number;
}

/** A context of a queue: what it says of headers, and the tag. */
export interface TransmitContext {
  headers: Context;
  vlan: number;
}

export interface ContextDescriptor {
  kind: 'context';
  command: number;
  index: number;
  context: TransmitContext;
}

/** DTYP (7.2.3.2.4). */
const TYPE_DATA = 3;
/** Bits of TUCMD as they stand in the third word (7.2.3.2.3). */
const Tucmd = { IPV4: 1 << 10, L4T_SHIFT: 11 } as const;
const L4 = { udp: 0, tcp: 1 } as const;
/** Where the checksum stands in a header. */
const SUM_AT = { ip: 10, tcp: 16, udp: 6 } as const;

/** Reads the 16 bytes of a descriptor. Any bytes are some descriptor. */
export function parseDescriptor(bytes: Uint8Array): DataDescriptor | ContextDescriptor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, DESCRIPTOR);
  const command = bytes[11];
  const advanced = (command & TxCmd.DEXT) !== 0;
  const index = (bytes[12] >> 4) & 1;
  if (advanced && bytes[10] >> 4 !== TYPE_DATA)
    return { kind: 'context', command: command & TxCmd.DEXT, index, context: parseContext(view) };
  return {
    kind: advanced ? 'data' : 'legacy',
    address: view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true),
    length: view.getUint16(8, true),
    command,
    checksumOffset: bytes[10],
    checksumStart: bytes[13],
    options: advanced ? bytes[13] & 3 : 0,
    vlan: view.getUint16(14, true),
    index,
  };
}

function parseContext(view: DataView): TransmitContext {
  const lengths = view.getUint32(0, true);
  const ipLength = lengths & 0x1ff;
  const macLength = (lengths >> 9) & 0x7f;
  const command = view.getUint32(8, true);
  const l4 = (command >> Tucmd.L4T_SHIFT) & 3;
  const transport = macLength + ipLength;
  const headers: Context = {
    ip: { start: macLength, offset: macLength + SUM_AT.ip, end: Math.max(macLength, transport - 1) },
    transport: {
      start: transport,
      offset: transport + (l4 === L4.tcp ? SUM_AT.tcp : SUM_AT.udp),
      end: 0,
    },
    tcp: l4 === L4.tcp,
    ipv4: (command & Tucmd.IPV4) !== 0,
    headerLength: transport + view.getUint8(13),
    segmentSize: view.getUint16(14, true),
  };
  return { headers, vlan: lengths >>> 16 };
}
