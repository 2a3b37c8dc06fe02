/**
 * Frames as a pcapng capture (draft-ietf-opsawg-pcapng): what Wireshark, tshark and tcpdump read. One section, one interface for
 * each link, nanoseconds of simulated time from 1 January 1970 on.
 */
import { framesOf, type FrameBatch } from './frames';

/** Types of blocks. */
export const BlockType = {
  SectionHeader: 0x0a0d0d0a,
  Interface: 1,
  /** Obsolete, but written by old programs. */
  Packet: 2,
  SimplePacket: 3,
  EnhancedPacket: 6,
} as const;
/** Written in the order of bytes of the section. */
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Link type of Ethernet. */
export const LINKTYPE_ETHERNET = 1;

/** Options of a section and of an interface. */
const SectionOption = { UserApplication: 4 } as const;
/** `if_tsoffset` is read only. */
export const InterfaceOption = {
  End: 0,
  Name: 2,
  Speed: 8,
  TimestampResolution: 9,
  TimestampOffset: 14,
} as const;

/** Type, length, and the length again at the end. */
export const BLOCK_FRAME = 12;
const ENHANCED_HEADER = 20;
/** Of the resolution: ten to the minus ninth of a second. */
const NANOSECONDS = 9;

/** A link as the capture names it. */
export interface CaptureInterface {
  name: string;
  bitsPerSecond: number;
}

/** Writes a capture piece by piece: `header`, then `frames` any number of times. */
export class PcapngWriter {
  /** @param frequencyHz cycles a second of the times of the frames */
  constructor(
    private readonly interfaces: readonly CaptureInterface[],
    private readonly frequencyHz: number,
  ) {}

  /** What stands before the first frame. @param application what is said to have written it */
  header(application: string): Uint8Array {
    const text = new TextEncoder();
    const section = new Uint8Array(16);
    const view = new DataView(section.buffer);
    view.setUint32(0, BYTE_ORDER_MAGIC, true);
    view.setUint16(4, 1, true);
    // The length of the section is not known: all ones.
    view.setBigInt64(8, -1n, true);
    const interfaces = this.interfaces.map(({ name, bitsPerSecond }) => {
      const body = new Uint8Array(8);
      // The longest frame (its "snapshot length") is 0: no limit.
      new DataView(body.buffer).setUint16(0, LINKTYPE_ETHERNET, true);
      const speed = new Uint8Array(8);
      new DataView(speed.buffer).setBigUint64(0, BigInt(Math.round(bitsPerSecond)), true);
      return block(BlockType.Interface, [
        body,
        option(InterfaceOption.Name, text.encode(name)),
        option(InterfaceOption.Speed, speed),
        option(InterfaceOption.TimestampResolution, Uint8Array.of(NANOSECONDS)),
        option(InterfaceOption.End, new Uint8Array(0)),
      ]);
    });
    const said = option(SectionOption.UserApplication, text.encode(application));
    const end = option(InterfaceOption.End, new Uint8Array(0));
    return joined([block(BlockType.SectionHeader, [section, said, end]), ...interfaces]);
  }

  /** An enhanced packet block for each frame. */
  frames(batch: FrameBatch): Uint8Array {
    let size = 0;
    for (const length of batch.length) size += BLOCK_FRAME + ENHANCED_HEADER + padded(length);
    const out = new Uint8Array(size);
    const view = new DataView(out.buffer);
    let at = 0;
    for (const { link, time, frame } of framesOf(batch)) {
      const total = BLOCK_FRAME + ENHANCED_HEADER + padded(frame.length);
      const nanoseconds = Math.round((time / this.frequencyHz) * 1e9);
      view.setUint32(at, BlockType.EnhancedPacket, true);
      view.setUint32(at + 4, total, true);
      view.setUint32(at + 8, link, true);
      view.setUint32(at + 12, Math.floor(nanoseconds / 2 ** 32), true);
      view.setUint32(at + 16, nanoseconds % 2 ** 32, true);
      view.setUint32(at + 20, frame.length, true);
      view.setUint32(at + 24, frame.length, true);
      out.set(frame, at + 28);
      view.setUint32(at + total - 4, total, true);
      at += total;
    }
    return out;
  }
}

/** Everything in a block is a multiple of four bytes long. */
export function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

function option(code: number, value: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + padded(value.length));
  const view = new DataView(out.buffer);
  view.setUint16(0, code, true);
  view.setUint16(2, value.length, true);
  out.set(value, 4);
  return out;
}

function block(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = joined(parts);
  const out = new Uint8Array(BLOCK_FRAME + body.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, out.length, true);
  out.set(body, 8);
  view.setUint32(out.length - 4, out.length, true);
  return out;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
