/**
 * Putting a packet together from the data of its descriptors, and cutting a large one into segments as its bytes come: the header
 * is kept, and each further MSS of payload makes a frame with a copy of it (8254x manual, 3.5; 82599 data sheet, 7.2.4).
 */
import { crc32 } from '../../link/checksum';
import { padded } from '../../link/wire';
import { DropReason, FCS } from './constants';
import {
  applyChecksums,
  insertChecksum,
  NO_CONTEXT,
  updateHeaders,
  type ChecksumRange,
  type Context,
} from './offload';
import { withTag } from './vlan';

/** What the first data descriptor of a packet says of the whole. */
export interface PacketPlan {
  context: Context;
  /** POPTS: checksums to insert; a legacy descriptor has none. */
  options: number;
  segmenting: boolean;
}

/** What the MAC does to a frame on its way out, by the registers and the last descriptor. */
export interface FrameEnd {
  /** Type and control information of the tag to insert. */
  tag?: { type: number; control: number } | undefined;
  /** Short packets are padded. */
  pad: boolean;
  /** A checksum that a legacy descriptor asks for. */
  checksum?: ChecksumRange | undefined;
  /** Software has appended the FCS itself. */
  ownFcs?: boolean;
}

/** What the hardware has of a `PacketAssembly`. */
export interface AssemblyHardware {
  begun: boolean;
  bytes: Uint8Array;
  broken: number;
  context: Context;
  options: number;
  segmenting: boolean;
  header: Uint8Array;
  segments: number;
}

/** The packet that is being put together. */
export class PacketAssembly {
  /** A data descriptor of the packet has been met. */
  begun = false;
  /** `DropReason` of the packet; 0 while nothing is wrong. */
  broken = 0;
  segmenting = false;
  private buffer: Uint8Array = new Uint8Array(0);
  private length = 0;
  /** The context and POPTS of the packet, by its first data descriptor. */
  private context: Context = NO_CONTEXT;
  private options = 0;
  private header: Uint8Array = new Uint8Array(0);
  /** Segments made so far. */
  private segments = 0;

  /** Bytes that are here. */
  get gathered(): number {
    return this.length;
  }

  /** The first data descriptor of a packet. @param longest that the transmit buffer can hold */
  begin({ context, options, segmenting }: PacketPlan, longest: number): void {
    this.reset();
    this.begun = true;
    this.context = context;
    this.options = options;
    this.segmenting = segmenting;
    if (!segmenting) return;
    if (context.segmentSize === 0 || context.headerLength === 0) this.broken = DropReason.BadContext;
    else if (this.limit > longest) this.broken = DropReason.Oversize;
  }

  /** How many of a descriptor's `remaining` bytes are fetched next: not beyond the end of a segment. */
  next(remaining: number): number {
    return this.segmenting ? Math.min(remaining, this.limit - this.length) : remaining;
  }

  add(data: Uint8Array): void {
    const { buffer, length } = this;
    if (length === 0 && !this.segmenting) {
      // Most packets are of one piece, which nobody writes into.
      this.buffer = data;
      this.length = data.length;
      return;
    }
    if (length + data.length > buffer.length) {
      this.buffer = new Uint8Array(Math.max(2 * buffer.length, length + data.length));
      this.buffer.set(buffer.subarray(0, length));
    }
    this.buffer.set(data, length);
    this.length += data.length;
  }

  /** A segment is complete, and more data follows it. */
  get segmentFull(): boolean {
    return this.segmenting && this.length === this.limit;
  }

  /** Takes the full segment out. */
  takeSegment(end: FrameEnd): Uint8Array {
    const { headerLength } = this.context;
    if (this.segments === 0) this.header = this.buffer.slice(0, headerLength);
    const frame = this.segment(false);
    this.segments += 1;
    this.buffer.set(this.header);
    this.length = headerLength;
    return finished(frame, end);
  }

  /** The packet's end: its last (or only) frame, none for a packet without data, or a `DropReason`. */
  finish(end: FrameEnd): Uint8Array | undefined | number {
    const { broken, context, options, segmenting, length } = this;
    if (broken !== 0) return broken;
    if (length === 0) return undefined;
    if (segmenting && length < context.headerLength) return DropReason.BadContext;
    if (segmenting) return finished(this.segment(true), end);
    const frame = this.buffer.slice(0, length);
    applyChecksums(frame, context, options);
    if (end.checksum) insertChecksum(frame, end.checksum);
    return finished(end.ownFcs ? withoutOwnFcs(frame) : frame, end);
  }

  reset(): void {
    this.begun = this.segmenting = false;
    this.broken = this.length = this.options = this.segments = 0;
    this.buffer = this.header = new Uint8Array(0);
    this.context = NO_CONTEXT;
  }

  saveHardware(): AssemblyHardware {
    const { begun, broken, context, options, segmenting, header, segments } = this;
    const bytes = this.buffer.slice(0, this.length);
    return { begun, bytes, broken, context, options, segmenting, header, segments };
  }

  load(hardware: AssemblyHardware): void {
    this.begun = hardware.begun;
    this.buffer = hardware.bytes.slice();
    this.length = hardware.bytes.length;
    this.broken = hardware.broken;
    this.context = hardware.context;
    this.options = hardware.options;
    this.segmenting = hardware.segmenting;
    this.header = hardware.header;
    this.segments = hardware.segments;
  }

  /** Bytes of a whole segment. */
  private get limit(): number {
    return this.context.headerLength + this.context.segmentSize;
  }

  private segment(last: boolean): Uint8Array {
    const { context, segments, options } = this;
    const frame = this.buffer.slice(0, this.length);
    updateHeaders(frame, context, options, {
      index: segments,
      done: segments * context.segmentSize,
      last,
    });
    applyChecksums(frame, context, options);
    return frame;
  }
}

/**
 * Without IFCS software has appended the FCS itself, and the wire, which carries none, gets the frame without it. Where the
 * last four bytes are no FCS the whole is sent, as QEMU does: JOS and other teaching kernels never set IFCS.
 */
function withoutOwnFcs(packet: Uint8Array): Uint8Array {
  if (packet.length <= FCS) return packet;
  const frame = packet.subarray(0, packet.length - FCS);
  const appended = new DataView(packet.buffer, packet.byteOffset).getUint32(frame.length, true);
  return appended === crc32(frame) ? frame.slice() : packet;
}

/** What the MAC adds: the tag, the padding. */
function finished(frame: Uint8Array, { tag, pad }: FrameEnd): Uint8Array {
  const tagged = tag ? withTag(frame, tag.type, tag.control) : frame;
  return pad ? padded(tagged) : tagged;
}
