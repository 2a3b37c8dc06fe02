/** The frames of peers that measure: an experimental Ethertype, a number, and bytes drawn by lot. */
import type { Random } from '../../time/random';

const ETHERNET_HEADER = 14;
/** IEEE 802 local experimental Ethertype 1. */
const EXPERIMENTAL_TYPE = 0x88b5;

/** A frame of `length` bytes, 60 at least. After the Ethernet header stands its number, 32 bits big-endian. */
export function testFrame(
  length: number,
  destination: Uint8Array,
  source: Uint8Array,
  number: number,
  payload: Random,
): Uint8Array {
  const frame = new Uint8Array(length);
  frame.set(destination);
  frame.set(source, 6);
  const view = new DataView(frame.buffer);
  view.setUint16(12, EXPERIMENTAL_TYPE);
  view.setUint32(ETHERNET_HEADER, number);
  frame.set(payload.bytes(length - ETHERNET_HEADER - 4), ETHERNET_HEADER + 4);
  return frame;
}

/** The number in such a frame; undefined: it is another one. */
export function testFrameNumber(frame: Uint8Array): number | undefined {
  if (frame.length < ETHERNET_HEADER + 4) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  return view.getUint16(12) === EXPERIMENTAL_TYPE ? view.getUint32(ETHERNET_HEADER) : undefined;
}
