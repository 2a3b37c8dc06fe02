/** The header by which a kernel says how it wants to be loaded (Multiboot Specification 0.6.96, section 3.1). */
import { GuestImageError } from '../errors';

const MAGIC = 0x1badb002;
/** The header lies within so many bytes of the file's beginning, at a multiple of 4. */
const SEARCHED = 8192;
const FIXED_BYTES = 12;
const WITH_ADDRESSES_BYTES = 32;
/** The kind of video mode that is wished for: 0 is graphics, 1 text. */
const MODE_TYPE = { offset: 32, text: 1 } as const;

/** Bits of the header's flags. The low half is what the loader must do or refuse, the high half what it may use. */
const Flag = { pageAlign: 1 << 0, memoryInfo: 1 << 1, video: 1 << 2, addresses: 1 << 16 } as const;
const REQUIREMENTS = 0xffff;
const KNOWN = Flag.pageAlign | Flag.memoryInfo | Flag.video;

/** The address fields: where a file of any format is to be loaded. All are physical addresses. */
export interface MultibootAddresses {
  /** Where the header itself comes to lie. */
  header: number;
  load: number;
  /** End of what is loaded from the file; 0: the file's end. */
  loadEnd: number;
  /** End of what is zeroed after it; 0: nothing is. */
  bssEnd: number;
  entry: number;
}

/** A Multiboot 1 header. */
export interface MultibootHeader {
  /** In the file. */
  offset: number;
  addresses: MultibootAddresses | undefined;
  /** The kernel asks to be told of a video mode, of text or (as it would rather have) of graphics. */
  video: 'none' | 'text' | 'graphics';
}

/**
 * Looks for the header.
 * @param name of the file, for messages
 * @throws GuestImageError when the header asks for what is not there
 */
export function findMultibootHeader(bytes: Uint8Array, name: string): MultibootHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = Math.min(SEARCHED, bytes.length) - FIXED_BYTES;
  for (let offset = 0; offset <= end; offset += 4) {
    if (view.getUint32(offset, true) !== MAGIC) continue;
    const flags = view.getUint32(offset + 4, true);
    if ((MAGIC + flags + view.getUint32(offset + 8, true)) >>> 0 !== 0) continue;
    return read(view, name, offset, flags);
  }
  return undefined;
}

function read(view: DataView, name: string, offset: number, flags: number): MultibootHeader {
  const unknown = flags & REQUIREMENTS & ~KNOWN;
  if (unknown !== 0) {
    throw new GuestImageError(
      `${name} has a Multiboot header whose flags 0x${flags.toString(16)} ask for what version 0.6.96 does not have: clear the bits 0x${unknown.toString(16)}.`,
    );
  }
  const video = videoWish(view, offset, flags);
  if (!(flags & Flag.addresses)) return { offset, addresses: undefined, video };
  if (offset + WITH_ADDRESSES_BYTES > Math.min(SEARCHED, view.byteLength)) {
    throw new GuestImageError(`${name} is truncated: it ends within its Multiboot header.`);
  }
  const [header, load, loadEnd, bssEnd, entry] = [12, 16, 20, 24, 28].map((at) =>
    view.getUint32(offset + at, true),
  ) as [number, number, number, number, number];
  return { offset, addresses: { header, load, loadEnd, bssEnd, entry }, video };
}

function videoWish(view: DataView, offset: number, flags: number): MultibootHeader['video'] {
  if (!(flags & Flag.video)) return 'none';
  const at = offset + MODE_TYPE.offset;
  return at + 4 <= view.byteLength && view.getUint32(at, true) === MODE_TYPE.text ? 'text' : 'graphics';
}

/** Why a file has no header that a loader would find (section 3.1.1): which rule the nearest thing to one breaks. */
export function brokenHeaderRule(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset + FIXED_BYTES <= bytes.length; offset++) {
    if (view.getUint32(offset, true) !== MAGIC) continue;
    const sum = (MAGIC + view.getUint32(offset + 4, true) + view.getUint32(offset + 8, true)) >>> 0;
    const at = `its magic number stands at offset 0x${offset.toString(16)}`;
    if (offset + FIXED_BYTES > SEARCHED)
      return `${at}, and the header has to lie in the first ${SEARCHED} bytes: let the linker put its section first`;
    if (offset % 4 !== 0) return `${at}, which is no multiple of 4: align it`;
    if (sum !== 0)
      return `${at}, but magic, flags and checksum add up to 0x${sum.toString(16)} instead of 0: the checksum is -(magic + flags)`;
  }
  return 'the magic number 0x1badb002 stands nowhere in it';
}
