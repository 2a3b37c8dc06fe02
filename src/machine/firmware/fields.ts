/** How tables of a firmware are put together. */

/** Bytes and the physical address they belong to. */
export interface FirmwareTable {
  address: number;
  bytes: Uint8Array;
}

/** Little-endian fields one after the other. */
export class Fields {
  private readonly bytes: number[] = [];

  get length(): number {
    return this.bytes.length;
  }

  add(size: number, ...values: number[]): this {
    for (const value of values) {
      for (let i = 0, rest = value; i < size; i++, rest = Math.floor(rest / 256)) this.bytes.push(rest % 256);
    }
    return this;
  }

  text(value: string): this {
    return this.add(1, ...new TextEncoder().encode(value));
  }

  zeros(count: number): this {
    return this.add(1, ...new Array<number>(count).fill(0));
  }

  /** A generic address structure (5.2.3.2) of a port. */
  port(port: number, bytes: number): this {
    return this.add(1, 1, 8 * bytes, 0, bytes).add(8, port);
  }

  done(): Uint8Array {
    return Uint8Array.from(this.bytes);
  }
}

/** Makes the bytes from `from` to `to` add up to 0 by the one at `at`. */
export function sign(bytes: Uint8Array, at: number, from = 0, to = bytes.length): void {
  bytes[at] = 0;
  bytes[at] = -bytes.subarray(from, to).reduce((sum, byte) => sum + byte, 0) & 0xff;
}

const HEADER_BYTES = 36;

/** A table with its header (ACPI specification 6.4, 5.2.6). */
export function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const bytes = new Fields()
    .text(signature)
    .add(4, HEADER_BYTES + body.length)
    .add(1, revision, 0)
    .text('TRAPLN')
    .text('TRAPLINE')
    .add(4, 1)
    .text('TRAP')
    .add(4, 1)
    .add(1, ...body)
    .done();
  sign(bytes, 9);
  return bytes;
}
