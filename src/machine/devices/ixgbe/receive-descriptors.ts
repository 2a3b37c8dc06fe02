/** Receive descriptors: where their buffers are, and what is written back into them (7.1.5 and 7.1.6). */
import { DESCRIPTOR } from '../intel-nic/constants';
import { RxError, RxStatus, Srrctl } from './bits';
import type { Classified } from './classify';
import type { RssHash } from './rss';

/** What a queue's descriptors tell of a frame beside its length. */
export interface FrameFacts {
  hash: RssHash;
  classified: Classified;
  /** It came from a pool of this device, not from the wire. */
  looped: boolean;
  /** Its tag, when that was taken out. */
  tag: number | undefined;
}

/** SRRCTL.DESCTYPE (8.2.3.8.7). Header split is left out: the whole frame is in the packet's buffer. */
const LEGACY = 0;
/** Bit of the packet type in the first word. */
const TYPE_SHIFT = 4;
/** Status and errors of a legacy descriptor that are others than an advanced one's low byte (7.1.5). */
const LegacyError = { L4E: 1 << 6, IPE: 1 << 7, RXE: 1 << 0 } as const;

/** Bus address of a descriptor's buffer: the packet's, also of an advanced one. */
export function bufferAddress(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, DESCRIPTOR);
  return view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
}

/**
 * A used descriptor.
 * @param bytes as it was fetched
 * @param srrctl of its queue
 * @param ended the frame that ended in it: only then there are more facts than the length
 * @param failed its buffer could not be written
 */
export function usedDescriptor(
  bytes: Uint8Array,
  srrctl: number,
  length: number,
  ended: FrameFacts | undefined,
  failed: boolean,
): Uint8Array {
  const used = bytes.slice();
  const view = new DataView(used.buffer);
  const status = RxStatus.DD | (ended ? RxStatus.EOP | statusOf(ended) : 0);
  const errors = (ended ? errorsOf(ended.classified) : 0) | (failed ? RxError.RXE : 0);
  if (((srrctl >>> Srrctl.DESCTYPE_SHIFT) & 7) === LEGACY) {
    view.setUint16(8, length, true);
    view.setUint16(10, 0, true);
    view.setUint8(12, status & 0xff);
    view.setUint8(13, legacyErrors(errors));
  } else {
    view.setUint32(0, ended ? (ended.classified.type << TYPE_SHIFT) | ended.hash.type : 0, true);
    view.setUint32(4, ended?.hash.value ?? 0, true);
    view.setUint32(8, (status | errors) >>> 0, true);
    view.setUint16(12, length, true);
  }
  view.setUint16(14, ended?.tag ?? 0, true);
  return used;
}

function statusOf({ classified, looped, tag }: FrameFacts): number {
  const { ip, transport } = classified;
  let status = 0;
  if (tag !== undefined) status |= RxStatus.VP;
  if (looped) status |= RxStatus.LB;
  if (ip && ip.checksum !== 'none') status |= RxStatus.IPCS;
  if (transport && transport.checksum !== 'none')
    status |= RxStatus.L4CS | (transport.protocol === 'udp' ? RxStatus.UDPCS : 0);
  return status;
}

function errorsOf({ ip, transport }: Classified): number {
  return (ip?.checksum === 'bad' ? RxError.IPE : 0) | (transport?.checksum === 'bad' ? RxError.L4E : 0);
}

function legacyErrors(errors: number): number {
  const { L4E, IPE, RXE } = LegacyError;
  return (
    ((errors & RxError.L4E) !== 0 ? L4E : 0) |
    ((errors & RxError.IPE) !== 0 ? IPE : 0) |
    ((errors & RxError.RXE) !== 0 ? RXE : 0)
  );
}
