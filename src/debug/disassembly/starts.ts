/** Where the instructions of a stretch of code begin. */
import { Decoder, DecoderOptions } from 'iced-x86';

/** @param base address of the first byte, which has to be the beginning of an instruction of 64-bit code */
export function instructionStarts(bytes: Uint8Array, base: bigint): bigint[] {
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  decoder.ip = base;
  const starts: bigint[] = [];
  while (decoder.canDecode) {
    starts.push(decoder.ip);
    decoder.decode().free();
  }
  decoder.free();
  return starts;
}
