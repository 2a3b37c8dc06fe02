/**
 * Sections whose contents are packed: by the header of the System V ABI (4.7, "Section Compression"), or, before there was
 * one, under a name that begins with `.zdebug` (the GNU tools' -gz=zlib-gnu).
 */
import { decompress } from 'fzstd';
import { inflateSync } from 'node:zlib';
import { GuestImageError } from '../errors';
import { ByteReader } from './byte-reader';
import type { ElfFormat } from './format';

/** The flag of a section with a compression header. */
export const SHF_COMPRESSED = 0x800;
type Unpack = (bytes: Uint8Array, size: number) => Uint8Array;

const zlib: Unpack = (bytes, size) =>
  new Uint8Array(inflateSync(bytes, { maxOutputLength: Math.max(1, size) }));

/** How to unpack to a size that is known, by number of the method. Node 20 has no zstd of its own. */
const METHODS: Readonly<Record<number, Unpack | undefined>> = {
  1: zlib,
  2: (bytes, size) => decompress(bytes, new Uint8Array(size)),
};
/** A section that claims to unpack to more than this is not believed. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;
/** How a section of the older kind begins; the unpacked size follows, big-endian, in eight bytes. */
const OLD_MAGIC = 'ZLIB';
const OLD_HEADER_BYTES = 12;

/** Name under which a section of the older kind has the contents of `name` (`.debug_line`). */
export function oldPackedName(name: string): string | undefined {
  return name.startsWith('.debug') ? `.z${name.slice(1)}` : undefined;
}

/** The name that an older kind of packed section stands for; undefined for any other name. */
export function oldUnpackedName(name: string): string | undefined {
  return name.startsWith('.zdebug') ? `.${name.slice(2)}` : undefined;
}

/**
 * Contents of a section with a compression header.
 * @param who of the file and its section, for messages: `a.o has section .debug_line`
 * @throws GuestImageError when it is damaged, or packed in a way that is not read here
 */
export function unpack(raw: Uint8Array, format: ElfFormat, who: string): Uint8Array {
  const reader = new ByteReader(raw, who);
  const { method, size } = format.compression(reader);
  const unpackBy = METHODS[method];
  if (!unpackBy) {
    throw new GuestImageError(
      `${who} packed with method ${method}, which is not known: compile and link with -gz=none or -gz=zlib.`,
    );
  }
  return unpacked(unpackBy, reader.span(reader.left), size, who);
}

/** Contents of a section of the older kind; one that does not begin as such is not packed. */
export function unpackOld(raw: Uint8Array, who: string): Uint8Array {
  if (raw.length < OLD_HEADER_BYTES || String.fromCharCode(...raw.subarray(0, 4)) !== OLD_MAGIC) return raw;
  const size = new DataView(raw.buffer, raw.byteOffset).getBigUint64(4, false);
  return unpacked(zlib, raw.subarray(OLD_HEADER_BYTES), Number(size), who);
}

function unpacked(unpackBy: Unpack, bytes: Uint8Array, size: number, who: string): Uint8Array {
  try {
    if (size <= MAX_UNPACKED_BYTES) return unpackBy(bytes, size);
  } catch {
    // told below
  }
  throw new GuestImageError(`${who} that cannot be unpacked: the file is damaged.`);
}
