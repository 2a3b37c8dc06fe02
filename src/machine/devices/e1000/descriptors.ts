/** The three kinds of transmit descriptors as numbers (manual 3.3.3, 3.3.6 and 3.3.7). */
import { DESCRIPTOR } from '../intel-nic/constants';
import type { ChecksumRange, Context } from '../intel-nic/offload';
import { TxCmd } from './constants';

/** Legacy or extended data descriptor. */
export interface DataDescriptor {
  kind: 'legacy' | 'data';
  address: number;
  length: number;
  command: number;
  /** CSO and CSS of a legacy descriptor. */
  checksumOffset: number;
  checksumStart: number;
  /** POPTS of an extended data descriptor: bit 0 IXSM, bit 1 TXSM. */
  options: number;
  /** Tag control information, for VLE. */
  special: number;
}

/** A context descriptor's command bits and contents. */
export interface ContextDescriptor {
  kind: 'context';
  command: number;
  context: Context;
}

const TYPE_DATA = 1;
const Tucmd = { Tcp: 1 << 0, Ipv4: 1 << 1 } as const;

/** Reads the 16 bytes of a descriptor. Any bytes are some descriptor. */
export function parseDescriptor(bytes: Uint8Array): DataDescriptor | ContextDescriptor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, DESCRIPTOR);
  const command = bytes[11];
  const extended = (command & TxCmd.DEXT) !== 0;
  if (extended && bytes[10] >> 4 !== TYPE_DATA)
    return { kind: 'context', command, context: parseContext(view) };
  return {
    kind: extended ? 'data' : 'legacy',
    address: view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true),
    length: extended ? view.getUint32(8, true) & 0xfffff : view.getUint16(8, true),
    command,
    checksumOffset: bytes[10],
    checksumStart: bytes[13],
    options: extended ? bytes[13] : 0,
    special: view.getUint16(14, true),
  };
}

function parseContext(view: DataView): Context {
  const range = (at: number): ChecksumRange => ({
    start: view.getUint8(at),
    offset: view.getUint8(at + 1),
    end: view.getUint16(at + 2, true),
  });
  const command = view.getUint8(11);
  return {
    ip: range(0),
    transport: range(4),
    tcp: (command & Tucmd.Tcp) !== 0,
    ipv4: (command & Tucmd.Ipv4) !== 0,
    headerLength: view.getUint8(13),
    segmentSize: view.getUint16(14, true),
  };
}
