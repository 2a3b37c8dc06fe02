/** AVIC's structures as a reader of memory finds them, by the tables of the manual (AMD64 vol. 2, 15.29) and nothing of the model's. */

/** Memory that can be read. */
export interface Readable {
  read(address: number, length: number): Uint8Array | undefined;
}

/** So many bytes as one number, the least significant first. */
export function wide(memory: Readable, address: number, length: number): bigint {
  const bytes = memory.read(address, length);
  if (!bytes) throw new Error(`no memory at 0x${address.toString(16)}`);
  return bytes.reduceRight((all, byte) => (all << 8n) | BigInt(byte), 0n);
}

/** Bits of a number. */
export const bits = (value: bigint, high: number, low: number): number =>
  Number((value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n));

/** An entry of the physical APIC ID table. */
export function physicalAt(memory: Readable, table: number, index: number) {
  const entry = wide(memory, table + 8 * index, 8);
  return {
    valid: bits(entry, 63, 63),
    running: bits(entry, 62, 62),
    page: bits(entry, 51, 12) * 4096,
    cpu: bits(entry, 11, 0),
    reserved: bits(entry, 61, 52),
  };
}

/** An entry of the logical APIC ID table: the guest's APIC ID; undefined: not valid. */
export function logicalAt(memory: Readable, table: number, index: number): number | undefined {
  const entry = wide(memory, table + 4 * index, 4);
  return bits(entry, 31, 31) === 1 ? bits(entry, 7, 0) : undefined;
}

/** Vectors of one of the three banks of a backing page: ISR at 100H, TMR at 180H, IRR at 200H. */
export function vectorsAt(memory: Readable, page: number, bank: number): number[] {
  return Array.from({ length: 256 }, (_, vector) => vector).filter(
    (vector) => bits(wide(memory, page + bank + 16 * (vector >> 5), 4), vector & 31, vector & 31) === 1,
  );
}
