/** The classic capture format (draft-ietf-opsawg-pcap). */
import { CaptureError, requireBytes, type CapturedFrame } from './capture-model';
import { LINKTYPE_ETHERNET } from './pcapng';

/** First word of a file, with the nanoseconds of one unit of the second half of its times. */
const MAGICS = new Map([
  [0xa1b2c3d4, 1000n],
  [0xa1b23c4d, 1n],
]);
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** The link type stands in the low bits; above them are flags and the length of a check sequence. */
const LINKTYPE_MASK = 0xffff;
const HAS_FCS = 0x0400_0000;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether bytes begin as such a file does. */
export function isPcap(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  const view = viewOf(bytes);
  return MAGICS.has(view.getUint32(0, true)) || MAGICS.has(view.getUint32(0, false));
}

/** @throws CaptureError when it is damaged or not of Ethernet */
export function* readPcap(bytes: Uint8Array): Generator<CapturedFrame> {
  const view = viewOf(bytes);
  const little = MAGICS.has(view.getUint32(0, true));
  const unit = MAGICS.get(view.getUint32(0, little)) ?? 1n;
  requireBytes(view, 0, FILE_HEADER);
  const network = view.getUint32(20, little);
  if ((network & LINKTYPE_MASK) !== LINKTYPE_ETHERNET)
    throw new CaptureError(`it is of link type ${network & LINKTYPE_MASK}: only Ethernet (1) can be sent`);
  /** In units of two bytes. */
  const fcs = (network & HAS_FCS) === 0 ? 0 : (network >>> 28) * 2;
  for (let at = FILE_HEADER; at < bytes.length;) {
    requireBytes(view, at, RECORD_HEADER);
    const [seconds, part, captured, original] = [0, 4, 8, 12].map((offset) =>
      view.getUint32(at + offset, little),
    );
    at += RECORD_HEADER;
    requireBytes(view, at, captured);
    const end = Math.min(captured, Math.max(0, original - fcs));
    yield { time: BigInt(seconds) * 1_000_000_000n + BigInt(part) * unit, bytes: bytes.slice(at, at + end) };
    at += captured;
  }
}
