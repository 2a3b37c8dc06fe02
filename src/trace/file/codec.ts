/** How the buffers of a record batch may be compressed (`CompressionType` of Message.fbs). */
import { CompressionType, compressionRegistry } from 'apache-arrow';
import type { Packing } from '../query/index/packed-parts';
import { compress, decompress } from './zstd';

/** Codecs that are read, by their number in the format. */
export const codecs = {
  [CompressionType.ZSTD]: { name: 'ZSTD', unpack: decompress },
} as const;
export type CodecNumber = keyof typeof codecs;

/** The codec that traces are written with. */
export const WRITTEN = CompressionType.ZSTD;

/** Gives the library, which compresses what it writes, the codec for that. */
export function provideCodec(): void {
  compressionRegistry.set(WRITTEN, { encode: compress });
}

/** How the parts of the stored index are packed. */
export const packing: Packing = {
  pack: compress,
  unpack(packed, length) {
    const bytes = new Uint8Array(length);
    return decompress(packed, length, bytes) ? bytes : undefined;
  },
};
