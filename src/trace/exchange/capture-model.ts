/** What a capture is once it was read. */

/** The Ethernet header alone, and the longest frame with a VLAN tag; both without check sequence. */
export const SHORTEST_FRAME = 14;
export const LONGEST_FRAME = 1518;

/** A frame in the file. */
export interface CapturedFrame {
  /** Nanoseconds since some beginning. */
  time: bigint;
  bytes: Uint8Array;
}

/** The frames of a capture, in the order of the file. */
export interface Capture {
  /** Times in nanoseconds since the earliest. */
  frames: { atNs: number; frame: Uint8Array }[];
  /** Packets that no wire carries: too short, or put together by a network card before they were captured. */
  leftOut: number;
}

/** A capture cannot be read; the message says why, for a reader, without naming the file. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError';
}

/** @throws CaptureError unless the bytes from `at` on are there */
export function requireBytes(view: DataView, at: number, length: number): void {
  if (at + length > view.byteLength)
    throw new CaptureError(
      `it is cut off: ${length} bytes are missing at offset ${at} of ${view.byteLength}`,
    );
}
