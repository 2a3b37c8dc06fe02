/** Reads captures: pcap in both orders of bytes, with microseconds or nanoseconds, and pcapng. What is read is not trusted. */
import {
  CaptureError,
  LONGEST_FRAME,
  SHORTEST_FRAME,
  type Capture,
  type CapturedFrame,
} from './capture-model';
import { isPcap, readPcap } from './read-pcap';
import { isPcapng, readPcapng } from './read-pcapng';

/** More frames than this are not taken from a capture. */
const MOST_FRAMES = 1_000_000;

/**
 * The Ethernet frames of a capture with their times from the earliest on.
 * @throws CaptureError with a message for a reader when it is no capture, damaged, or not of Ethernet
 */
export function readCapture(bytes: Uint8Array): Capture {
  const frames: { time: bigint; bytes: Uint8Array }[] = [];
  let leftOut = 0;
  for (const frame of readFrames(bytes)) {
    if (frame.bytes.length < SHORTEST_FRAME || frame.bytes.length > LONGEST_FRAME) leftOut += 1;
    else frames.push(frame);
    if (frames.length > MOST_FRAMES)
      throw new CaptureError(
        `it has more than ${MOST_FRAMES} packets: cut a part out of it, as with editcap`,
      );
  }
  if (frames.length === 0) throw new CaptureError('it has no Ethernet frame that a wire could carry');
  const earliest = frames.reduce((least, { time }) => (time < least ? time : least), frames[0].time);
  return {
    frames: frames.map(({ time, bytes: frame }) => ({ atNs: Number(time - earliest), frame })),
    leftOut,
  };
}

function readFrames(bytes: Uint8Array): Iterable<CapturedFrame> {
  if (isPcap(bytes)) return readPcap(bytes);
  if (isPcapng(bytes)) return readPcapng(bytes);
  throw new CaptureError('it is no capture: neither pcap nor pcapng begins like this');
}
