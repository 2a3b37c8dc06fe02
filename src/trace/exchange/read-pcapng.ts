/** The capture format of Wireshark (draft-ietf-opsawg-pcapng). */
import { CaptureError, requireBytes, type CapturedFrame } from './capture-model';
import {
  BLOCK_FRAME,
  BlockType,
  BYTE_ORDER_MAGIC,
  InterfaceOption,
  LINKTYPE_ETHERNET,
  padded,
} from './pcapng';

/** Of a file that says nothing else: microseconds. */
const MICROSECONDS = 6;
/** Resolutions finer than this are those of no clock. */
const FINEST = 18;

/** What a section's interface says of its packets. */
interface Interface {
  ethernet: boolean;
  linkType: number;
  snapLength: number;
  /** Units of its times in a second. */
  unitsPerSecond: bigint;
  offsetSeconds: bigint;
}

/** A block's contents, without type and lengths. */
interface Block {
  type: number;
  body: DataView;
}

/** Whether bytes begin as such a file does. */
export function isPcapng(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  // The same in both orders of bytes.
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) === BlockType.SectionHeader;
}

/** @throws CaptureError when it is damaged or not of Ethernet */
export function* readPcapng(bytes: Uint8Array): Generator<CapturedFrame> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let little = true;
  let interfaces: Interface[] = [];
  for (let at = 0; at < bytes.length;) {
    requireBytes(view, at, BLOCK_FRAME);
    if (view.getUint32(at, little) === BlockType.SectionHeader) {
      little = orderOf(view, at);
      interfaces = [];
    }
    const length = view.getUint32(at + 4, little);
    if (length < BLOCK_FRAME || length % 4 !== 0)
      throw new CaptureError(`it is damaged: a block of ${length} bytes at offset ${at}`);
    requireBytes(view, at, length);
    if (view.getUint32(at + length - 4, little) !== length)
      throw new CaptureError(`it is damaged: the block at offset ${at} has two lengths`);
    const block = {
      type: view.getUint32(at, little),
      body: new DataView(bytes.buffer, bytes.byteOffset + at + 8, length - BLOCK_FRAME),
    };
    if (block.type === BlockType.Interface) interfaces.push(interfaceOf(block.body, little));
    const frame = frameOf(block, interfaces, little);
    if (frame) yield frame;
    at += length;
  }
}

/** Whether a section is little-endian. */
function orderOf(view: DataView, at: number): boolean {
  for (const little of [true, false]) if (view.getUint32(at + 8, little) === BYTE_ORDER_MAGIC) return little;
  throw new CaptureError(`it is damaged: the section at offset ${at} does not say its order of bytes`);
}

function interfaceOf(body: DataView, little: boolean): Interface {
  requireBytes(body, 0, 8);
  const linkType = body.getUint16(0, little);
  const found: Interface = {
    ethernet: linkType === LINKTYPE_ETHERNET,
    linkType,
    snapLength: body.getUint32(4, little),
    unitsPerSecond: 10n ** BigInt(MICROSECONDS),
    offsetSeconds: 0n,
  };
  for (let at = 8; at + 4 <= body.byteLength;) {
    const code = body.getUint16(at, little);
    const length = body.getUint16(at + 2, little);
    if (code === InterfaceOption.End) break;
    requireBytes(body, at + 4, length);
    if (code === InterfaceOption.TimestampResolution && length === 1)
      found.unitsPerSecond = resolutionOf(body.getUint8(at + 4));
    if (code === InterfaceOption.TimestampOffset && length === 8)
      found.offsetSeconds = body.getBigInt64(at + 4, little);
    at += 4 + padded(length);
  }
  return found;
}

/** The highest bit says whether the others are a power of two or of ten. */
function resolutionOf(byte: number): bigint {
  const [base, exponent] = byte >= 128 ? [2n, byte - 128] : [10n, byte];
  if (exponent > (base === 2n ? 60 : FINEST))
    throw new CaptureError(`it is damaged: times in units of ${base}^-${exponent} seconds`);
  return base ** BigInt(exponent);
}

/** The packet of a block; undefined: it has none. */
function frameOf(
  { type, body }: Block,
  interfaces: readonly Interface[],
  little: boolean,
): CapturedFrame | undefined {
  switch (type) {
    case BlockType.EnhancedPacket:
    case BlockType.Packet: {
      requireBytes(body, 0, 20);
      // The obsolete block has 16 bits for the interface, and 16 for dropped packets.
      const index = type === BlockType.Packet ? body.getUint16(0, little) : body.getUint32(0, little);
      const from = ethernet(interfaces, index);
      const time = (BigInt(body.getUint32(4, little)) << 32n) | BigInt(body.getUint32(8, little));
      const nanoseconds = (time * 1_000_000_000n) / from.unitsPerSecond;
      return {
        time: nanoseconds + from.offsetSeconds * 1_000_000_000n,
        bytes: bytesOf(body, 20, body.getUint32(12, little)),
      };
    }
    case BlockType.SimplePacket: {
      requireBytes(body, 0, 4);
      const { snapLength } = ethernet(interfaces, 0);
      const original = body.getUint32(0, little);
      // It has no time of its own: all of them at once.
      return {
        time: 0n,
        bytes: bytesOf(body, 4, snapLength === 0 ? original : Math.min(original, snapLength)),
      };
    }
    default:
      return undefined;
  }
}

function ethernet(interfaces: readonly Interface[], index: number): Interface {
  const found = index < interfaces.length ? interfaces[index] : undefined;
  if (!found) throw new CaptureError(`it is damaged: a packet of interface ${index}, which is not described`);
  if (!found.ethernet)
    throw new CaptureError(
      `it has packets of link type ${found.linkType}, at interface ${index}: only Ethernet (1) can be sent`,
    );
  return found;
}

function bytesOf(body: DataView, at: number, length: number): Uint8Array {
  requireBytes(body, at, length);
  return new Uint8Array(body.buffer, body.byteOffset + at, length).slice();
}
