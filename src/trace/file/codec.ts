/** How the buffers of a record batch may be compressed (`CompressionType` of Message.fbs). */
import { CompressionType, compressionRegistry } from 'apache-arrow';
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
