/** Captures byte by byte, as the two formats' texts have them, for tests of the reader. */

/** Numbers in one of the two orders of bytes. */
export class Pen {
  private readonly out: number[] = [];

  constructor(readonly little: boolean) {}

  number(value: number | bigint, bytes: number): this {
    const digits = Array.from({ length: bytes }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n));
    this.out.push(...(this.little ? digits : digits.reverse()));
    return this;
  }

  raw(bytes: readonly number[] | Uint8Array): this {
    for (const byte of bytes) this.out.push(byte);
    return this;
  }

  /** Zeros up to a multiple of four. */
  align(): this {
    while (this.out.length % 4 !== 0) this.out.push(0);
    return this;
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.out);
  }
}

/** A packet to be put into a capture. */
export interface Written {
  seconds: number;
  /** Micro- or nanoseconds. */
  part: number;
  bytes: Uint8Array;
  /** Of the packet before it was cut; as long as its bytes when absent. */
  original?: number;
}

/** A classic capture. */
export function pcap(little: boolean, magic: number, packets: readonly Written[], network = 1): Uint8Array {
  const pen = new Pen(little).number(magic, 4).number(2, 2).number(4, 2).number(0, 8).number(65535, 4);
  pen.number(network, 4);
  for (const { seconds, part, bytes, original = bytes.length } of packets)
    pen.number(seconds, 4).number(part, 4).number(bytes.length, 4).number(original, 4).raw(bytes);
  return pen.bytes;
}

/** One block of a pcapng capture. */
export function block(little: boolean, type: number, body: Uint8Array): Uint8Array {
  const length = 12 + Math.ceil(body.length / 4) * 4;
  return new Pen(little).number(type, 4).number(length, 4).raw(body).align().number(length, 4).bytes;
}

export function sectionHeader(little: boolean): Uint8Array {
  return block(little, 0x0a0d0d0a, new Pen(little).number(0x1a2b3c4d, 4).number(1, 4).number(-1n, 8).bytes);
}

/** @param options code and value */
export function interfaceBlock(
  little: boolean,
  options: readonly (readonly [code: number, value: Uint8Array])[] = [],
  linkType = 1,
  snapLength = 0,
): Uint8Array {
  const pen = new Pen(little).number(linkType, 2).number(0, 2).number(snapLength, 4);
  for (const [code, value] of options) pen.number(code, 2).number(value.length, 2).raw(value).align();
  return block(little, 1, pen.bytes);
}

export function enhancedPacket(little: boolean, index: number, units: bigint, frame: Uint8Array): Uint8Array {
  const pen = new Pen(little)
    .number(index, 4)
    .number(units >> 32n, 4)
    .number(units & 0xffff_ffffn, 4);
  return block(little, 6, pen.number(frame.length, 4).number(frame.length, 4).raw(frame).bytes);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
